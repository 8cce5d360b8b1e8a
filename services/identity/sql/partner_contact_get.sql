-- shape: list
-- tx: write
-- Writes down who asked.
select wrapped_key::text as wrapped_key, contact_sealed::text as contact_sealed from partner_contact(:path.id::uuid, :identity.subject::uuid)
