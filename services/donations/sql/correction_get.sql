-- shape: one
-- tx: read
-- One of the unit's.
select c.id, c.kind, c.reverses, c.debit, c.credit, c.amount_fen, c.occurred_at, c.reason, c.document_sha256, c.organization, c.state, c.proposed_by, c.proposed_at, c.decided_by,
       c.decided_at, c.refusal, c.entry_id
from correction c
where c.id = :path.id::uuid and in_my_organization(c.organization)
