-- shape: one
-- tx: read
-- What anyone may see of a payment.
select d.number, f.code as fund, f.name as fund_name, d.organization, d.amount_fen, d.purpose, d.payee_kind, d.payee, d.document_sha256, d.decision_no, d.related_party, d.earmark, d.state,
       d.paid_at, d.evidence_sha256, d.acknowledged_at, d.reason, disbursement_decision(d.id, d.version, false) as decision
from disbursement d join fund f on f.id = d.fund_id
where d.number = :path.number::text and d.paid_at is not null
