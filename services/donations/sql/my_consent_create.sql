-- shape: one
-- tx: write
-- Given or withdrawn by the donor himself.
select c.id, c.purpose, c.given, c.recorded_at
from donor_consent_record(:new.id::uuid, null, :body.purpose::text, :body.given::boolean, null) c
