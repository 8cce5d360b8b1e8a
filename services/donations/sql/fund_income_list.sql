-- shape: page
-- tx: read
-- Newest first; state PROPOSED is the queue of those who book.
select i.id, (select code from fund where id = i.fund_id) as fund, i.organization, i.amount_fen, i.payer, i.bank_reference, i.document_sha256, i.received_at, i.state,
       i.proposed_by, i.proposed_at, i.decided_by, i.decided_at, i.reason, i.id as "page.id"
from fund_income i
where in_my_organization(i.organization)
  and (:query.state::text is null or i.state = :query.state::text)
  and i.id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by i.id desc
limit :page.limit::bigint
