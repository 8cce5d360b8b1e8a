-- shape: one
-- tx: write
-- A proposal; another person opens it.
select f.id, f.code, f.kind, f.source, f.name, f.organization, f.state, f.purpose, f.founder, f.founder_party as founder_id, f.minimum_fen, f.starts_on, f.ends_on,
       f.delegated_fen, f.bank_holder, f.bank_name, f.bank_account, f.proposed_by, f.proposed_at, f.opened_by, f.opened_at, f.ended_by, f.ended_at, f.reason,
       fund_instalments(f) as instalments, fund_earmarks(f.id) as earmarks,
       '/v1/managed/funds/' || f.code as "!location"
from fund_propose(:new.id::uuid, :body.code::text, :body.kind::text, :body.source::text, :body.name::text, :body.organization::text, :body.purpose::text,
                  :body.founder::text, :body.founder_id::uuid, :body.minimum_fen::bigint, :body.starts_on::date, :body.ends_on::date, :body.delegated_fen::bigint,
                  :body.bank_holder::text, :body.bank_name::text, :body.bank_account::text, coalesce(:body.instalments::json, '[]'), coalesce(:body.earmarks::json, '[]'), :identity.subject::uuid) f
