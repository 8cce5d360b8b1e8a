-- shape: none
-- tx: write
-- The account is not this donor's.
select party_unlink_from(:path.id::uuid, :path.subject::uuid)
