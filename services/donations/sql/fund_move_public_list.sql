-- shape: page
-- tx: read
-- What was moved between funds, newest first: by when it was booked, so that nothing appears behind what was read.
select m.number, m.rule, (select code from fund where id = m.from_fund) as from, m.organization, m.amount_fen, m.purpose, m.document_sha256, m.decision_no,
       m.decided_at as moved_at, fund_move_lines(m.id) as lines, m.decided_at as "page.at", m.id as "page.id"
from fund_move m
where m.state = 'BOOKED'
  and (m.decided_at, m.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by m.decided_at desc, m.id desc
limit :page.limit::bigint
