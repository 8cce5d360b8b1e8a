-- Drafts wait in the order of their making; the queue shows what each still needs.
create index disbursement_waiting on disbursement (created_at, id) where state = 'DRAFT';
grant execute on function approval_rule_for to yg_donations;
