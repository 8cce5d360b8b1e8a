-- shape: none
-- tx: write
-- The letter is not this donor's.
select party_letter_from(:path.id::uuid, :path.inkind_gift_id::uuid)
