-- shape: one
-- tx: write
-- Proposed; another person books it.
select m.id, m.number, m.rule, (select code from fund where id = m.from_fund) as from, m.organization, m.amount_fen, m.purpose, m.document_sha256, m.decision_no, m.state,
       m.proposed_by, m.proposed_at, m.decided_by, m.decided_at, m.reason, fund_move_lines(m.id) as lines,
       '/v1/managed/fund-moves?state=PROPOSED' as "!location"
from fund_move_propose(:new.id::uuid, :body.from::text, :body.lines::json, :body.purpose::text, :body.document_sha256::text, :body.decision_no::text, :identity.subject::uuid) m
