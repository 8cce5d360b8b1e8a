-- Funds of every kind, made through the functions that the service calls: each proposed by one and opened by another, lottery money and
-- the like booked as such, the first instalment of a named fund paid. Runs after donations_demo.sql, as the schema's owner.
\set ON_ERROR_STOP 1
begin;
set local search_path = donations;
set local timezone = 'Asia/Shanghai';
select set_config('yg.kind', 'staff', true), set_config('yg.organization', '4412', true);
\set author '00000000-0000-7000-8000-0000000000f1'
\set other '00000000-0000-7000-8000-0000000000f2'
select count(fund_propose(uuid7_new(), v.code, v.kind, v.source, v.name, v.unit, v.purpose, v.founder, null, v.minimum, business_day() - 30, v.kind_ends, v.delegated,
	case v.source when 'DONATION' then '肇庆市红十字会（演示）' end, case v.source when 'DONATION' then '演示银行肇庆分行' end, case v.source when 'DONATION' then '441200000000' || (100 + v.n) end,
	case v.kind when 'NAMED' then json_build_array(json_build_object('due_date', business_day() - 20, 'amount_fen', 1000000),
		json_build_object('due_date', business_day() + 180, 'amount_fen', 1000000), json_build_object('due_date', business_day() + 360, 'amount_fen', 1000000)) else '[]' end,
	v.earmarks::json, :'author'))
from (values
	(1, 'zq.general', 'UNRESTRICTED', 'DONATION', '肇庆市红十字人道基金', '4412', '人道救助', null, null::bigint, null::date, null::bigint, '[]'),
	(2, 'zq.lottery', 'UNRESTRICTED', 'LOTTERY', '彩票公益金', '4412', '人道公益', null, null, null, null, '[]'),
	(3, 'zq.lottery.aed', 'EARMARKED', 'LOTTERY', '彩票公益金·公共场所除颤器', '4412', '公共场所除颤器', null, null, null, null, '[]'),
	(4, 'zq.fiscal', 'EARMARKED', 'FISCAL', '财政补助·救护培训', '4412', '群众性救护培训', null, null, null, null, '[]'),
	(5, 'zq.fees', 'UNRESTRICTED', 'FEE', '会费', '4412', '会员活动与基层组织', null, null, null, null, '[]'),
	(6, 'zq.first-aid', 'EARMARKED', 'DONATION', '应急救护专项', '4412', '应急救护', null, null, null, null, '[{"code": "aed", "name": "除颤器"}, {"code": "course", "name": "救护培训"}]'),
	(7, 'zq.xinghu', 'NAMED', 'DONATION', '星湖急救基金', '4412', '急救进校园', '星湖一家人', 3000000, business_day() + 700, null, '[]'),
	(8, 'duanzhou.sub', 'TOWNSHIP', 'DONATION', '端州区红十字会子账户', '4412/441202', '端州区人道救助', null, null, null, 500000, '[]')
) v (n, code, kind, source, name, unit, purpose, founder, minimum, kind_ends, delegated, earmarks);
select count(fund_open(code, :'other')) from fund where state = 'PROPOSED';
select count(fund_income_approve((fund_income_propose(uuid7_new(), v.code, v.fen, v.payer, 'DEMO-' || v.code, encode(sha256(convert_to(v.code, 'UTF8')), 'hex'), now() - interval '10 days', :'author')).id, :'other'))
from (values ('zq.lottery', 80000000, '肇庆市民政局（演示）'), ('zq.fiscal', 30000000, '肇庆市财政局（演示）'), ('zq.fees', 1200000, '团体会员（演示）')) v (code, fen, payer);
select count(fund_move_approve((fund_move_propose(uuid7_new(), 'zq.lottery', '[{"fund": "zq.lottery.aed", "amount_fen": 3600000}]', '公共场所除颤器二十台', null, null, :'author')).id, :'other'));
create temporary table demo_fund_gift on commit drop as
select uuid7_new() as id, public_code_new() as code, f.id as fund, v.fen, v.alias, v.earmark
from (values ('zq.xinghu', 1000000, '星湖一家人', null), ('zq.general', 20000, null, null), ('zq.general', 66600, '端砚', null),
	('zq.first-aid', 50000, '阿明', 'aed'), ('zq.first-aid', 30000, null, null), ('duanzhou.sub', 800000, '路过的人', null)) v (fund, fen, alias, earmark) join fund f on f.code = v.fund;
insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, disclosure, shown_name, earmark)
select id, code, fund, id, fen, 'WECHAT_JSAPI', case when alias is null then 'ANONYMOUS' else 'ALIAS' end, alias, earmark from demo_fund_gift;
insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at)
select code, id, fund, fen, 'WECHAT_JSAPI', now() + interval '30 minutes', now() + interval '1 minute' from demo_fund_gift;
select count(payment_settle(code, '42000demofund' || code, fen, date_trunc('second', now()))) from demo_fund_gift;
commit;
select donations.totals_fold(), donations.totals_fold();
