-- What the benchmark reads: 100 campaigns and :gifts paid gifts, loaded as the schema's owner in one transaction. Every table of a paid
-- gift is written (gift, order, entry, public row) and every constraint holds; three triggers that guard single requests are off
-- meanwhile. Ids and codes can be computed from a number, so that each generator draws them without a list:
--   campaign j   0197f3a0-0000-7000-8000-1000000<jjjjj>
--   gift i       code 5<iiiiii>12<999999 - i>0: digits only; a digit and its complement stand at places of one weight, so the check symbol is 0
begin;
alter table campaign disable trigger campaign_before_insert;
alter table gift disable trigger gift_guard;
alter table money_entry disable trigger money_entry_balanced;

insert into campaign (id, organization, title, summary, contact_phone, purpose, starts_on, ends_on, area, person_in_charge, office_address,
	how_to_give, bank_holder, bank_name, bank_account, beneficiaries, use_plan, cost_cap_fen, surplus_rule, certificate_no, platform_url,
	filing_no, filed_on, goal_fen, state, opened_at)
select format('0197f3a0-0000-7000-8000-%s', 100000000000 + j)::uuid, '3301', format('第%s号募捐活动', j), '为困难家庭送去温暖', '0571-12345678',
       '救助困难家庭', current_date - 30, current_date + 300, '全市', '王芳', '阳光路1号', '微信或银行转账', '阳光市红十字会', '阳光银行',
       '6222000000000000', '困难家庭', '用于生活补助', 0, '转入同类项目', '53330000X00000000X', 'https://redcross.example',
       format('53330000A%s', 100000 + j), current_date - 60, 10000000000, 'OPEN', now() - interval '30 days'
from generate_series(0, 99) j;

with fresh as materialized (
	select i, (5000000120000000 + i * 1000000000 + (999999 - i) * 10)::text as code, paid_at,
	       (lpad(to_hex((extract(epoch from paid_at) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15))::uuid as id,
	       format('0197f3a0-0000-7000-8000-%s', 100000000000 + i % 100)::uuid as campaign_id, format('第%s号募捐活动', i % 100) as title, md5('donor' || i % 50000)::uuid as donor,
	       (100 + (i * 7919) % 100000)::bigint as amount_fen, case when i % 2 = 0 then '爱心' || i % 1000 end as alias,
	       case when i % 3 = 0 then '愿大家平安健康，一切都会好起来' end as message
	from (select n as i, now() - (:gifts - n) * (interval '20 days' / :gifts) as paid_at from generate_series(0::bigint, :gifts - 1) n) g
), gifts as (
	insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, state, disclosure, created_at, paid_at, shown_name, message)
	select id, code, campaign_id, donor, amount_fen, 'WECHAT_JSAPI', 'PAID', case when alias is null then 'ANONYMOUS' else 'ALIAS' end,
	       paid_at, paid_at, alias, message from fresh order by i
), orders as (
	insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, state, expires_at, next_check_at, paid_at, prepay_id, transaction_id)
	select code, id, campaign_id, amount_fen, 'WECHAT_JSAPI', 'PAID', paid_at + interval '30 minutes', paid_at, paid_at, 'wx' || code, '42' || code
	from fresh order by i
), entries as (
	insert into money_entry (gift_id, campaign_id, amount_fen, kind, occurred_at)
	select id, campaign_id, amount_fen, 'PAYMENT', paid_at from fresh order by i
)
insert into gift_public (public_code, gift_id, campaign_id, campaign_title, amount_fen, paid_at, channel, shown_name, message)
select code, id, campaign_id, title, amount_fen, paid_at, 'WECHAT_JSAPI', alias, message from fresh order by i;

alter table campaign enable trigger campaign_before_insert;
alter table gift enable trigger gift_guard;
alter table money_entry enable trigger money_entry_balanced;
commit;
