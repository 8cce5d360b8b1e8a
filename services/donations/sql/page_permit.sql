-- shape: one
-- tx: write
-- Whether the campaign allows personal pages.
select c.id as campaign_id, :body.allowed::boolean as allowed
from page_permit(:path.id::uuid, :body.allowed::boolean, :identity.subject::uuid) c
