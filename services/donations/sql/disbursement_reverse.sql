-- shape: one
-- tx: write
-- The money came back: entry and uses are turned back.
select d.id, d.number, (select code from fund where id = d.fund_id) as fund, d.organization, d.amount_fen, d.purpose, d.payee_kind, d.payee, d.document_sha256, d.decision_no,
       d.related_party, d.earmark, d.state, d.created_by, d.created_at, d.bank_reference, d.paid_at, d.evidence_sha256, d.acknowledged_at, d.reason,
       disbursement_approvals(d.id) as approvals, d.version, disbursement_decision(d.id, d.version, true) as decision,
       case when disbursement_unpayable(d) then true end as unpayable, d.version::text as "!etag", disbursement_tags(d.id) as "!purge"
from disbursement_reverse(:path.id::uuid, :new.id::uuid, :identity.subject::uuid, :body.reason::text) d
