-- Who drafts, approves and pays what the money is used for: three hands.
insert into scope (name, meaning, for_partners) values
	('disbursement:write', 'draft disbursements and record that they arrived', false),
	('disbursement:approve', 'approve or refuse disbursements that others drafted', false),
	('disbursement:pay', 'record that an approved disbursement was paid, or came back', false);
insert into role_scope (role, scope) values
	('campaign_manager', 'disbursement:write'), ('admin', 'disbursement:write'),
	('admin', 'disbursement:approve'), ('finance', 'disbursement:approve'), -- not the auditor: who checks does not decide
	('finance', 'disbursement:pay');
