-- shape: one
-- tx: write
-- Money is to move between two accounts that are no fund's. The same id and body again: what is there already.
select (x.it).id, (x.it).kind, (x.it).reverses, (x.it).debit, (x.it).credit, (x.it).amount_fen, (x.it).occurred_at, (x.it).reason, (x.it).document_sha256, (x.it).organization, (x.it).state, (x.it).proposed_by, (x.it).proposed_at, (x.it).decided_by,
       (x.it).decided_at, (x.it).refusal, (x.it).entry_id, '/v1/ledger/corrections/' || (x.it).id as "!location", case when x.existed then 200 else 201 end as "!status"
from correction_propose(:body.id::uuid, null, :body.debit::text, :body.credit::text, :body.amount_fen::bigint, :body.occurred_at::timestamptz, :body.reason::text,
                        :body.document_sha256::text) x
