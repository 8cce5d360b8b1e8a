-- shape: none
-- tx: write
-- One relay at a time gives positions.
select position from relay_state for update
