-- shape: one
-- tx: write
-- What the donor said at the counter or on the phone. The note is not answered: answers are kept under their key for days, also when he is erased.
select c.id, c.purpose, c.given, c.recorded_at
from donor_consent_record(:new.id::uuid, :path.id::uuid, :body.purpose::text, :body.given::boolean, :body.note::text) c
