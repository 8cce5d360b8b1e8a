-- shape: one
-- tx: read
-- One fund and its figures, all of one moment.
select f.code, f.kind, f.source, f.name, f.organization, case when f.kind = 'APPEAL' then f.campaign_id end as campaign_id, f.state, f.purpose, f.founder,
       f.starts_on, f.ends_on, f.kind <> 'APPEAL' and exists (select from campaign_taking_gifts c where c.id = f.campaign_id) as takes_gifts, f.minimum_fen, f.delegated_fen,
       x.received_fen, x.refunded_fen, x.spent_fen, nullif(x.moved_in_fen, 0) as moved_in_fen, nullif(x.moved_out_fen, 0) as moved_out_fen,
       x.balance_fen, x.available_fen, now() as as_of, log_size() as log_size,
       fund_earmarks(f.id) as earmarks, case when f.kind = 'NAMED' then fund_instalments(f) end as instalments, case when f.kind = 'NAMED' then fund_statement(f) end as statement
from fund f cross join lateral fund_figures(f.code) x
where f.code = :path.code::text and f.state in ('OPEN', 'ENDED') and (f.kind <> 'APPEAL' or campaign_is_public(f.campaign_id))
