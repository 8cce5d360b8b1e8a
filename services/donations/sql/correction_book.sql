-- shape: one
-- tx: write
-- By another than who proposed it.
select c.id, c.kind, c.reverses, c.debit, c.credit, c.amount_fen, c.occurred_at, c.reason, c.document_sha256, c.organization, c.state, c.proposed_by, c.proposed_at, c.decided_by,
       c.decided_at, c.refusal, c.entry_id
from correction_book(:path.id::uuid, :new.id::uuid) c
