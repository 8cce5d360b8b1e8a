-- shape: one
-- tx: write
-- A further entry with its explanation; the original stays as it is. Corrections are of the first entry, not of one another.
select case when made.id is null then 'disclosure-is-correction' end as "!problem",
       made.id, made.organization, made.corrects, made.explanation, made.title, made.summary, made.document_url, made.document_sha256, made.published_at, made.event as leaf_id,
       '/v1/public/disclosures/' || made.id as "!location"
from (select id from disclosure where id = :path.id::uuid and in_my_organization(organization)) original
cross join lateral disclosure_amend(:new.id::uuid, original.id, :body.explanation::text, :body.title::text, :body.summary::text, :body.document_url::text,
    :body.document_sha256::text, :identity.subject::uuid) made
