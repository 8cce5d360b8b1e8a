-- shape: page
-- tx: read
-- Of the unit and below, newest first.
select d.id, d.number, (select code from fund where id = d.fund_id) as fund, d.organization, d.amount_fen, d.purpose, d.payee_kind, d.payee, d.document_sha256, d.decision_no,
       d.related_party, d.earmark, d.state, d.created_by, d.created_at, d.bank_reference, d.paid_at, d.evidence_sha256, d.acknowledged_at, d.reason,
       disbursement_approvals(d.id) as approvals, d.version, disbursement_decision(d.id, d.version, false) as decision,
       case when disbursement_unpayable(d) then true end as unpayable,
       d.created_at as "page.at", d.id as "page.id"
from disbursement d
where in_my_organization(d.organization) and (:query.state::text is null or d.state = :query.state::text)
  and (:query.unpayable::boolean is null or :query.unpayable::boolean = (d.state = 'APPROVED' and disbursement_unpayable(d)))
  and (d.created_at, d.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by d.created_at desc, d.id desc
limit :page.limit::bigint
