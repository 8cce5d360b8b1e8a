-- Who proposes funds, records what they receive and proposes to move money between them, and who decides about it.
insert into scope (name, meaning, for_partners) values
	('fund:write', 'propose funds, record what they received, propose transfers between them', false),
	('fund:approve', 'open or end funds, and decide about incomes and transfers that others proposed', false);
insert into role_scope (role, scope) values
	('campaign_manager', 'fund:write'), ('finance', 'fund:write'), ('admin', 'fund:write'),
	('finance', 'fund:approve'), ('admin', 'fund:approve'); -- never one's own: the database sees to it
