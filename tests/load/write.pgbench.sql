-- One transaction per gift, as an ordinary application would: a prepared statement and a round trip each.
-- :n is unique (fifteen digits): ids grow with it as UUIDv7 do; :r makes the key's id random as a hash would.
\set k :k + 1
\set n :k * 100 + :client_id + 10
\set code 2000000000000000 + :n
\set r random(1000000000000000, 9999999999999999)
begin;
${campaign};
${idempotency};
${gift};
${pay_order};
commit;
