-- shape: one
-- tx: read
-- One fund and its figures, all of one moment.
select f.code, f.kind, f.source, f.name, f.organization, f.campaign_id, x.received_fen, x.refunded_fen, x.spent_fen, x.balance_fen, x.available_fen, now() as as_of, log_size() as log_size
from fund f cross join lateral fund_figures(f.code) x
where f.code = :path.code::text and (f.campaign_id is null or campaign_is_public(f.campaign_id))
