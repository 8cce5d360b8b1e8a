-- shape: one
-- tx: write
-- Booked, all lines or none, and the gifts that went along are named by the rule.
select m.id, m.number, m.rule, (select code from fund where id = m.from_fund) as from, m.organization, m.amount_fen, m.purpose, m.document_sha256, m.decision_no, m.state,
       m.proposed_by, m.proposed_at, m.decided_by, m.decided_at, m.reason, fund_move_lines(m.id) as lines,
       fund_move_tags(m.id) as "!purge"
from fund_move_approve(:path.id::uuid, :identity.subject::uuid) m
