-- shape: none
-- tx: write
update t set a = E'\'x' where b[1:2] = :b::int[] -- end
