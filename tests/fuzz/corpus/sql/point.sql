-- shape: one
-- tx: read
select public_code, fund as "fund.name" from gift where code = :path.public_code;
