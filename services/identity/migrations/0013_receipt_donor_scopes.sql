-- Who looks after receipts (sees them, has them turned back or asked for again, records that none is wanted), and who after donors
-- (the donor database: parties, consents, statements, feedback on use).
insert into scope (name, meaning, for_partners) values
	('receipt:manage', 'look after receipts of gifts to the unit', false),
	('donor:manage', 'look after the donor database of the unit', false);
insert into role_scope (role, scope) values
	('admin', 'receipt:manage'), ('finance', 'receipt:manage'),
	('admin', 'donor:manage'), ('campaign_manager', 'donor:manage');
