-- shape: one
-- tx: write
-- What the bank statement shows; another person books it.
select i.id, (select code from fund where id = i.fund_id) as fund, i.organization, i.amount_fen, i.payer, i.bank_reference, i.document_sha256, i.received_at, i.state,
       i.proposed_by, i.proposed_at, i.decided_by, i.decided_at, i.reason,
       '/v1/managed/fund-incomes?state=PROPOSED' as "!location"
from fund_income_propose(:new.id::uuid, :body.fund::text, :body.amount_fen::bigint, :body.payer::text, :body.bank_reference::text, :body.document_sha256::text,
                         :body.received_at::timestamptz, :identity.subject::uuid) i
