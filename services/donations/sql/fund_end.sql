-- shape: one
-- tx: write
-- An empty fund ends.
select f.id, f.code, f.kind, f.source, f.name, f.organization, f.state, f.purpose, f.founder, f.founder_party as founder_id, f.minimum_fen, f.starts_on, f.ends_on,
       f.delegated_fen, f.bank_holder, f.bank_name, f.bank_account, f.proposed_by, f.proposed_at, f.opened_by, f.opened_at, f.ended_by, f.ended_at, f.reason,
       fund_instalments(f) as instalments, fund_earmarks(f.id) as earmarks
from fund_end(:path.code::text, :identity.subject::uuid, :body.reason::text) f
