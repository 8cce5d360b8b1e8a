-- shape: one
-- tx: write
-- Opened by another than who proposed it; gifts may come from now on.
select f.id, f.code, f.kind, f.source, f.name, f.organization, f.state, f.purpose, f.founder, f.founder_party as founder_id, f.minimum_fen, f.starts_on, f.ends_on,
       f.delegated_fen, f.bank_holder, f.bank_name, f.bank_account, f.proposed_by, f.proposed_at, f.opened_by, f.opened_at, f.ended_by, f.ended_at, f.reason,
       fund_instalments(f) as instalments, fund_earmarks(f.id) as earmarks
from fund_open(:path.code::text, :identity.subject::uuid) f
