-- shape: page
-- tx: read
-- Of the unit and below, newest first.
select c.id, c.kind, c.reverses, c.debit, c.credit, c.amount_fen, c.occurred_at, c.reason, c.document_sha256, c.organization, c.state, c.proposed_by, c.proposed_at, c.decided_by,
       c.decided_at, c.refusal, c.entry_id,
       c.proposed_at as "page.at", c.id as "page.id"
from correction c
where in_my_organization(c.organization) and (:query.state::text is null or c.state = :query.state::text)
  and (c.proposed_at, c.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by c.proposed_at desc, c.id desc
limit :page.limit::bigint
