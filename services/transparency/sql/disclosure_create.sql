-- shape: one
-- tx: write
-- Publishes, and with it meets an obligation that has begun. The leaf is written in the same transaction.
select case when d.id is null then 'obligation-unknown' end as "!problem",
       d.id, d.organization, d.obligation, d.title, d.summary, d.document_url, d.document_sha256, d.published_at, d.event as leaf_id,
       '/v1/public/disclosures/' || d.id as "!location"
from disclosure_publish(:new.id::uuid, coalesce(:body.organization::text, :identity.organization::text), :body.obligation::text, :body.title::text, :body.summary::text,
    :body.document_url::text, :body.document_sha256::text, :identity.subject::uuid) d
