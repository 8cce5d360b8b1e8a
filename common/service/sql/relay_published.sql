-- shape: none
-- tx: write
update relay_state set published = :relay.published::bigint where published < :relay.published::bigint
