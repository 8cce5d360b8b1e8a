-- shape: one
-- tx: write
-- Publishes, and with it meets an obligation that has begun. The leaf is written in the same transaction.
with asked as (
    select :body.obligation::text as obligation, coalesce(:body.organization::text, :identity.organization::text) as organization,
           :body.obligation::text is null or exists (select from obligations((now() at time zone 'Asia/Shanghai')::date) where key = :body.obligation::text
               and disclosure_meets_for(coalesce(:body.organization::text, :identity.organization::text), organization)) as known
), made as (
    insert into disclosure (id, organization, obligation, title, summary, document_url, document_sha256, published_by, event)
    select :new.id::uuid, a.organization, a.obligation, :body.title::text, :body.summary::text, :body.document_url::text, :body.document_sha256::text,
           :identity.subject::uuid,
           outbox_leaf('disclosure.published', :new.id::text, json_build_object('disclosure_id', :new.id::text), 'disclosure.published', :new.id::text, now(),
               json_build_object('organization', a.organization, 'obligation', a.obligation, 'title', :body.title::text, 'summary', :body.summary::text,
                   'document_url', :body.document_url::text, 'document_sha256', :body.document_sha256::text))
    from asked a where a.known
    returning *
)
select case when made.id is null then 'obligation-unknown' end as "!problem",
       made.id, made.organization, made.obligation, made.title, made.summary, made.document_url, made.document_sha256, made.published_at, made.event as leaf_id,
       '/v1/public/disclosures/' || made.id as "!location"
from asked left join made on true
