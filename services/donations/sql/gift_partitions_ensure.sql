-- shape: one
-- tx: write
-- Three months ahead.
select gift_partitions_ensure(current_date, (current_date + interval '3 months')::date) as made
