-- shape: one
-- tx: write
-- By another person: seals every balance.
select to_char(p.month, 'YYYY-MM') as month, p.organization, p.state, p.proposed_at, p.closed_at, p.accounts, p.sha256
from period_close((:path.month::text || '-01')::date, :identity.subject::uuid) p
where p.month is not null
