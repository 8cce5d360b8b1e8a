-- shape: one
-- tx: write
-- What the minutes say of a draft, with every vote; identity has said which of the voters are active accounts, and of which unit.
select case when d.id is null then 'precondition-failed' end as "!problem", d.id, d.number, (select code from fund where id = d.fund_id) as fund, d.organization, d.amount_fen, d.purpose, d.payee_kind, d.payee, d.document_sha256, d.decision_no,
       d.related_party, d.earmark, d.state, d.created_by, d.created_at, d.bank_reference, d.paid_at, d.evidence_sha256, d.acknowledged_at, d.reason,
       disbursement_approvals(d.id) as approvals, d.version, disbursement_decision(d.id, d.version, true) as decision,
       case when disbursement_unpayable(d) then true end as unpayable, d.version::text as "!etag"
from decision_record_checked(:new.id::uuid, :path.id::uuid, :body.number::text, :body.met_on::date, :body.document_sha256::text, :body.votes::json,
                     split_part(:header.if_match::text, '.', 1), :flow.accounts::json) d
