-- shape: one
-- tx: read
select d.id, d.organization, d.obligation, d.corrects, d.explanation, d.title, d.summary, d.document_url, d.document_sha256, d.published_at, d.event as leaf_id,
       (select json_agg(c.id order by c.published_at, c.id) from disclosure c where c.corrects = d.id) as corrections
from disclosure d where d.id = :path.id::uuid
