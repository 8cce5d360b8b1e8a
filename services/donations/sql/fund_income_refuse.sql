-- shape: one
-- tx: write
-- A mistake; its bank reference is free again.
select i.id, (select code from fund where id = i.fund_id) as fund, i.organization, i.amount_fen, i.payer, i.bank_reference, i.document_sha256, i.received_at, i.state,
       i.proposed_by, i.proposed_at, i.decided_by, i.decided_at, i.reason
from fund_income_refuse(:path.id::uuid, :identity.subject::uuid, :body.reason::text) i
