-- Who takes goods in: accepts the letter, counts, receives.
insert into scope (name, meaning, for_partners) values
	('inkind:manage', 'accept, count and receive goods that are given to the unit', false);
insert into role_scope (role, scope) values
	('admin', 'inkind:manage'), ('campaign_manager', 'inkind:manage'), ('finance', 'inkind:manage');
