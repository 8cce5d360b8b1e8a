-- Who looks after receipts: sees them, has them turned back or asked for again, records that none is wanted.
insert into scope (name, meaning, for_partners) values
	('receipt:manage', 'look after receipts of gifts to the unit', false);
insert into role_scope (role, scope) values
	('admin', 'receipt:manage'), ('finance', 'receipt:manage');
