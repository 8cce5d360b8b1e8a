-- shape: one
-- tx: write
-- batch: 64
with recursive x as (select $$a$$ /* c */) insert into t select :body.amount_fen::numeric(10,2), :a::timestamp with time zone from input returning ord
