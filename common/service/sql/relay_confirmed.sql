-- shape: none
-- tx: write
-- Every consumer has committed what is before this position.
update relay_state set confirmed = :relay.confirmed::bigint
where (confirmed is null or confirmed < :relay.confirmed::bigint) and :relay.confirmed::bigint <= position
