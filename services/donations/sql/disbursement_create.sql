-- shape: one
-- tx: write
-- A draft, by its author.
select d.id, d.number, (select code from fund where id = d.fund_id) as fund, d.organization, d.amount_fen, d.purpose, d.payee_kind, d.payee, d.document_sha256, d.decision_no,
       d.related_party, d.earmark, d.state, d.created_by, d.created_at, d.bank_reference, d.paid_at, d.evidence_sha256, d.acknowledged_at, d.reason,
       disbursement_approvals(d.id) as approvals, d.version, disbursement_decision(d.id, d.version, true) as decision,
       case when disbursement_unpayable(d) then true end as unpayable, d.version::text as "!etag",
       '/v1/disbursements/' || d.id as "!location"
from disbursement_create(:new.id::uuid, :body.fund::text, :body.amount_fen::bigint, :body.purpose::text, :body.payee_kind::text, :body.payee::text,
                         :body.document_sha256::text, :body.decision_no::text, :body.related_party::boolean, :identity.subject::uuid,
                         :body.earmark::text) d
