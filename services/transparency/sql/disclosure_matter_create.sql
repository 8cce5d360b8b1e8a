-- shape: one
-- tx: write
-- From its day the clock of thirty days runs.
insert into disclosure_matter (id, organization, kind, title, happened_on, recorded_by)
values (:new.id::uuid, coalesce(:body.organization::text, :identity.organization::text), :body.kind::text, :body.title::text, :body.happened_date::date, :identity.subject::uuid)
returning id, organization, kind, title, happened_on as happened_date, 'matter:' || id as obligation, '/v1/public/obligations' as "!location"
