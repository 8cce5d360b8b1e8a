-- shape: one
-- tx: write
-- From now on nothing is posted into the month.
select to_char(p.month, 'YYYY-MM') as month, p.organization, p.state, p.proposed_at, p.closed_at, p.accounts, p.sha256, '/v1/public/ledger/periods' as "!location"
from period_propose((:body.month::text || '-01')::date, :identity.subject::uuid) p
