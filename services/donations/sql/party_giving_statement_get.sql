-- shape: one
-- tx: read
-- Of all accounts of the party and of what is merged with it: gifts to the unit and below.
select :path.year::integer as year, s.gift_count, s.amount_fen, s.refunded_fen, s.net_fen, s.campaigns, s.receipt_count, s.receipts_fen, date_trunc('second', now()) as as_of
from party p cross join lateral giving_statement(party_subjects(p.id), :path.year::integer) s
where p.id = :path.id::uuid
