-- shape: one
-- tx: write
-- A further entry with its explanation; the original stays as it is. Corrections are of the first entry, not of one another.
with original as (
    select * from disclosure where id = :path.id::uuid and in_my_organization(organization)
), made as (
    insert into disclosure (id, organization, corrects, explanation, title, summary, document_url, document_sha256, published_by, event)
    select :new.id::uuid, o.organization, o.id, :body.explanation::text, :body.title::text, :body.summary::text, :body.document_url::text, :body.document_sha256::text,
           :identity.subject::uuid,
           outbox_leaf('disclosure.corrected', o.id::text, json_build_object('disclosure_id', :new.id::text, 'corrects', o.id), 'correction.published', o.id::text, now(),
               json_build_object('organization', o.organization, 'disclosure_id', :new.id::text, 'explanation', :body.explanation::text, 'title', :body.title::text,
                   'summary', :body.summary::text, 'document_url', :body.document_url::text, 'document_sha256', :body.document_sha256::text),
               null, null, json_build_array(o.event))
    from original o where o.corrects is null
    returning *
)
select case when made.id is null then 'disclosure-is-correction' end as "!problem",
       made.id, made.organization, made.corrects, made.explanation, made.title, made.summary, made.document_url, made.document_sha256, made.published_at, made.event as leaf_id,
       '/v1/public/disclosures/' || made.id as "!location"
from original left join made on true
