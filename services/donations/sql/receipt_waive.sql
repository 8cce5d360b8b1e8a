-- shape: one
-- tx: write
-- No receipt is wanted: by the donor, or by staff who heard it or found the gift anonymous.
select w.id, w.gift_id, w.public_code, w.organization, w.kind, w.note, w.recorded_by, w.recorded_at
from receipt_waive(:new.id::uuid, :path.id::uuid, :body.kind::text, :body.note::text) w
