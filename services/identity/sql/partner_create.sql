-- shape: one
-- tx: write
select o_claimed as claimed, o_same as same, o_partner as id, o_answer as answer
from partner_add(:new.id::uuid, coalesce(:body.client_id::text, 'p-' || right(:new.id::uuid::text, 12)), :body.name::text,
         coalesce(:body.organization::text, :identity.organization::text), :pii.wrapped_key::bytea, :flow.contact_sealed::bytea,
         :flow.contact_masked::text, (select array_agg(scope) from json_array_elements_text(:body.scopes::json) v (scope)), :identity.subject::uuid,
         :idempotency.id::uuid, :idempotency.fingerprint::uuid)
