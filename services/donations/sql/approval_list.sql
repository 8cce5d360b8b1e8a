-- shape: page
-- tx: read
-- What waits for the one who asks: drafts of others that he has not approved yet, with what is still missing, and what was approved and cannot
-- be paid any more; the oldest first.
select d.id, d.number, (select code from fund where id = d.fund_id) as fund, d.organization, d.amount_fen, d.purpose, d.payee_kind, d.payee, d.document_sha256, d.decision_no,
       d.related_party, d.earmark, d.state, d.created_by, d.created_at, disbursement_approvals(d.id) as approvals,
       r.approvals as approvals_needed, nullif(disbursement_counted(d, d.organization, false), d.amount_fen) as counted_fen, not disbursement_decided(d) as decision_missing, fund_available(d.fund_id) >= d.amount_fen as covered,
       case when disbursement_unpayable(d) then true end as unpayable, d.version, disbursement_decision(d.id, d.version, false) as decision,
       d.created_at as "page.at", d.id as "page.id"
from disbursement d cross join lateral disbursement_rule(d) r
where in_my_organization(d.organization)
  and (d.state = 'DRAFT' and d.created_by <> :identity.subject::uuid
         and not exists (select from disbursement_approval a where a.disbursement_id = d.id and a.approved_by = :identity.subject::uuid)
       or d.state = 'APPROVED' and disbursement_unpayable(d))
  and (d.created_at, d.id) > (coalesce(:page.at::timestamptz, '-infinity'), coalesce(:page.id::uuid, '00000000-0000-0000-0000-000000000000'))
order by d.created_at, d.id
limit :page.limit::bigint
