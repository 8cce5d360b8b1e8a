-- shape: page
-- tx: read
-- What was paid, newest first; what came back too.
select d.number, f.code as fund, f.name as fund_name, d.organization, d.amount_fen, d.purpose, d.payee_kind, d.payee, d.document_sha256, d.decision_no, d.related_party, d.earmark, d.state,
       d.paid_at, d.evidence_sha256, d.acknowledged_at, d.reason, disbursement_decision(d.id, d.version, false) as decision, d.paid_at as "page.at", d.number as "page.number"
from disbursement d join fund f on f.id = d.fund_id
where d.paid_at is not null and (d.paid_at, d.number) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.number::text, ''))
order by d.paid_at desc, d.number desc
limit :page.limit::bigint
