-- shape: page
-- tx: read
-- Newest first; state PROPOSED is the queue of those who book.
select m.id, m.number, m.rule, (select code from fund where id = m.from_fund) as from, m.organization, m.amount_fen, m.purpose, m.document_sha256, m.decision_no, m.state,
       m.proposed_by, m.proposed_at, m.decided_by, m.decided_at, m.reason, fund_move_lines(m.id) as lines, m.id as "page.id"
from fund_move m
where in_my_organization(m.organization)
  and (:query.state::text is null or m.state = :query.state::text)
  and m.id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by m.id desc
limit :page.limit::bigint
