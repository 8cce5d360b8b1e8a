-- Demo city: campaigns with real places of Zhaoqing and gifts of invented people, dated over the last year.
-- Runs as the schema's owner on a fresh schema; psql variable `gifts` says how many (5000). The same run makes the same data, relative to
-- today. Triggers that forbid writing history are off meanwhile; those that check sums are not: the commit is the proof.
-- Helpers are ordinary objects dropped at the end: the owner may make no temporary ones. Names of NAMED donors are sealed with keys that never existed, as if these people had been erased since.
\set ON_ERROR_STOP 1
begin;
set local search_path = donations;
set local timezone = 'Asia/Shanghai';
select gift_partitions_ensure((current_date - interval '13 months')::date, (current_date + interval '3 months')::date);
alter table campaign disable trigger user;
alter table gift disable trigger gift_guard;

create table demo_plan (
	n int primary key, unit text, title text, purpose text, beneficiaries text, use_plan text, goal_yuan bigint, state text,
	starts int, ends int, weight int, emergency boolean
);
insert into demo_plan values
(1,'4412','守护心跳：公共场所自动体外除颤器配置','在全市车站、学校、广场和景区配置自动体外除颤器并培训使用者','全市居民与来肇游客','每台设备约 18000 元，含箱体、巡检和三年耗材；余款用于救护培训',1800000,'OPEN',-210,160,12,false),
(2,'4412','肇庆市重特大疾病人道救助','帮助患白血病、先天性心脏病等重特大疾病的困难家庭','本市户籍或常住的困难患病家庭','按病种与家庭情况给予 5000 至 30000 元救助，名单经公示',3000000,'OPEN',-340,200,14,false),
(3,'4412','西江流域防汛救灾备灾物资','为西江沿岸镇街储备家庭箱、棉被、帐篷和冲锋舟','西江、贺江沿岸受灾群众','采购家庭箱 3000 个、棉被 5000 床，分存于市和县级备灾仓库',2600000,'OPEN',-180,90,10,false),
(4,'4412','博爱送万家：春节慰问困难群众','春节前向困难家庭送上米、油、棉被和慰问金','低保边缘家庭、孤寡老人、困难残疾人','每户约 500 元慰问品和慰问金，由镇街红十字会入户发放',900000,'REPORTED',-355,-250,8,false),
(5,'4412','应急救护进校园','为中小学生开设应急救护普及课，为教师开设救护员班','全市中小学师生','教具、教材和师资补贴；每校至少培训救护员 10 名',600000,'OPEN',-120,240,7,false),
(6,'4412','造血干细胞志愿捐献者关爱','补助捐献者的误工、交通和营养，组织入库宣传','本市造血干细胞捐献者和志愿者','每例捐献关爱金 10000 元；宣传与采样活动用品',400000,'OPEN',-150,215,4,false),
(7,'4412/441202','端州区社区应急救护站','在街道社区建设配有急救箱和除颤器的救护站','端州区城东、城西、黄岗、睦岗街道居民','每站设备与维护约 26000 元，首批 20 个社区',520000,'OPEN',-100,120,5,false),
(8,'4412/441202','端州区困难学子助学','资助困难家庭的大学新生和高中生','端州区困难家庭学生','大学新生每人 5000 元，高中生每学年 2000 元',300000,'CLOSED',-160,-60,4,false),
(9,'4412/441203','鼎湖区山区老人暖冬','为凤凰镇、沙浦镇的独居老人添置棉被和取暖用品','鼎湖区独居、高龄老人','每户暖冬包约 380 元，由志愿者送到家中',190000,'CLOSED',-330,-270,3,false),
(10,'4412/441203','鼎湖区水上救援队装备','为红十字水上救援队配备救生衣、抛投器和冲锋舟','西江鼎湖段沿岸居民','冲锋舟 2 艘、个人防护装备 30 套及年度训练',350000,'OPEN',-80,100,3,false),
(11,'4412/441204','高要区景区救护站','在景区和客运站设立红十字救护站','高要区居民与游客','设站 6 个，每站设备与值守培训约 40000 元',240000,'OPEN',-60,150,3,false),
(12,'4412/441204','高要区白诸镇内涝受灾家庭紧急救助','暴雨内涝后帮助受灾家庭恢复生活','白诸镇、活道镇受灾家庭','按受损程度每户 1000 至 8000 元，家庭箱随到随发',500000,'REPORTED',-170,-110,6,true),
(13,'4412/441223','广宁县博爱家园','在山区村建设有救护、备灾和互助功能的博爱家园','广宁县江屯镇、北市镇、古水镇村民','每个家园约 80000 元，含活动室、物资柜与生计小项目',320000,'OPEN',-140,180,3,false),
(14,'4412/441223','广宁县儿童先心病筛查救治','筛查先天性心脏病并资助手术','广宁县 0 至 14 岁儿童','下乡筛查 30 场；手术每例资助不超过 30000 元',450000,'OPEN',-90,200,4,false),
(15,'4412/441224','怀集县山区饮水改善','为缺水村小改造饮水设施','怀集县洽水镇、蓝钟镇、诗洞镇师生和村民','每处过滤与储水设备约 35000 元，水质每年检测',420000,'OPEN',-130,140,4,false),
(16,'4412/441224','怀集县重大车祸伤员救助','帮助困难伤员支付急救和康复费用','在怀集县境内受伤的困难群众','凭医疗票据每例不超过 20000 元',200000,'OPEN',-45,120,2,false),
(17,'4412/441225','封开县贺江洪水救灾','贺江洪水后的转移安置和重建','南丰镇、大玉口镇、都平镇受灾群众','帐篷、家庭箱、消杀药品及房屋修缮补助',1200000,'CLOSED',-150,-75,9,true),
(18,'4412/441225','封开县乡村救护员培训','每个行政村至少两名持证救护员','封开县村干部、村医、教师','每名学员教材、模拟人损耗与证书约 260 元',130000,'OPEN',-110,170,2,false),
(19,'4412/441226','德庆县孤困儿童关爱','为孤儿和事实无人抚养儿童提供生活与心理支持','德庆县孤困儿童','每人每年 3000 元生活补助与 6 次陪伴活动',360000,'OPEN',-200,165,4,false),
(20,'4412/441226','德庆县悦城镇敬老助医','资助困难老人的慢性病用药与白内障手术','悦城镇、九市镇困难老人','白内障手术每眼资助 1500 元；用药每人每年不超过 1200 元',180000,'CLOSED',-300,-120,3,false),
(21,'4412/441284','四会市工业园区急救网','在工业园区配置急救箱、除颤器并培训班组救护员','四会市大沙镇、龙甫镇企业职工','除颤器 20 台、急救箱 200 个、班组培训 60 期',480000,'OPEN',-70,190,4,false),
(22,'4412/441284','四会市罗源镇火灾家庭援助','火灾后帮助受灾家庭过渡','罗源镇受灾家庭','每户过渡安置 10000 元，家庭箱与被服',80000,'REPORTED',-240,-180,2,true),
(23,'4412/441284450','高新区外来务工家庭关爱','为外来务工人员子女提供暑期安全与救护教育','肇庆高新区务工家庭','夏令营 8 期，每期 40 名儿童，含保险与教具',160000,'OPEN',-95,130,2,false),
(24,'4412','肇庆市红十字应急救援队能力建设','九支救援队的装备更新与联合演练','全市可能受灾的群众','搜救、供水、赈济、通讯四类装备及两次联合演练',1500000,'FILED',15,260,0,false),
(25,'4412/441225','封开县博爱卫生站改造','改造村卫生站的急救与冷链设施','封开县莲都镇、杏花镇村民','每站约 50000 元',250000,'DRAFT',40,300,0,false);

create table demo_campaign as
select p.*, md5('campaign ' || n)::uuid as seed, current_date + p.starts as starts_on, current_date + p.ends as ends_on,
       (current_date + p.starts - case when p.emergency then 0 else 25 end)::timestamptz + interval '9 hours' as created_at,
       (current_date + p.starts)::timestamptz + interval '9 hours 30 minutes' as opened_at,
       case when p.state in ('CLOSED', 'REPORTED') then (current_date + p.ends)::timestamptz + interval '18 hours' end as closed_at,
       case when p.state = 'REPORTED' then (current_date + p.ends)::timestamptz + interval '45 days' end as reported_at,
       case p.state when 'DRAFT' then 1 when 'FILED' then 2 when 'OPEN' then 3 when 'CLOSED' then 4 else 5 end as version
from demo_plan p;
alter table demo_campaign add id uuid;
update demo_campaign set id = (overlay(uuid7_floor(created_at)::text placing '7' || substr(md5(n::text), 1, 3) || '-8' || substr(md5(n::text), 4, 3) || '-'
	|| substr(md5(n::text), 7, 12) from 15))::uuid;

insert into campaign (id, organization, title, summary, contact_phone, purpose, starts_on, ends_on, area, person_in_charge, office_address,
	how_to_give, bank_holder, bank_name, bank_account, beneficiaries, use_plan, cost_cap_fen, surplus_rule, certificate_no, platform_url,
	filing_no, filed_on, emergency_late, goal_fen, min_gift_fen, max_gift_fen, state, version, created_at, updated_at, opened_at, closed_at,
	close_reason, reported_at, report)
select id, unit, title, purpose || '。', '0758-2' || lpad((200000 + n * 317)::text, 6, '0'), purpose, starts_on, ends_on,
       case when unit = '4412' then '肇庆市' else '肇庆市' || (array['端州区','鼎湖区','高要区','广宁县','怀集县','封开县','德庆县','四会市','高新区'])
           [array_position(array['4412/441202','4412/441203','4412/441204','4412/441223','4412/441224','4412/441225','4412/441226','4412/441284','4412/441284450'], unit)] end,
       (array['梁志坚','陈丽华','黄国安','李秀英','罗建平'])[1 + n % 5], '肇庆市端州区演示路 ' || (10 + n) || ' 号',
       '小程序微信支付；银行转账请在附言写明公示码', '肇庆市红十字会（演示）', '演示银行肇庆分行', '4412' || lpad((n * 7919)::text, 12, '0'),
       beneficiaries, use_plan, goal_yuan * 5, '结余用于同类人道救助项目，使用情况一并公布', '5344120000000000' || lpad((n % 7)::text, 2, '0'),
       'https://cszg.mca.gov.cn/demo/' || n,
       case when state <> 'DRAFT' then '演示备字' || to_char(starts_on, 'YYYY') || '第' || lpad(n::text, 4, '0') || '号' end,
       case when state <> 'DRAFT' then starts_on + case when emergency then 4 else -15 end end,
       emergency, goal_yuan * 100, 100, 100000000, state, version, created_at, coalesce(reported_at, closed_at, case when state = 'OPEN' then opened_at end, created_at),
       case when state in ('OPEN', 'CLOSED', 'REPORTED') then opened_at end, closed_at, case when closed_at is not null then '活动期满' end,
       reported_at, case when reported_at is not null then '款项已按方案使用完毕，明细随捐赠公示。' end
from demo_campaign
order by n;

insert into campaign_event (campaign_id, version, state, changed, recorded_at)
select c.id, v, (array['DRAFT','FILED','OPEN','CLOSED','REPORTED'])[v], array['state'],
       case v when 1 then c.created_at when 2 then c.created_at + interval '3 days' when 3 then c.opened_at when 4 then c.closed_at else c.reported_at end
from demo_campaign c, generate_series(1, c.version) v
order by 5;

-- ── gifts ──
create function demo_dice(p_seed text, p_sides int) returns int language sql immutable as $$
	select (('x' || substr(md5(p_seed), 1, 8))::bit(32)::bigint % p_sides)::int
$$;
create table demo_lot as -- a campaign as often as its weight says
select row_number() over (order by n, i) - 1 as at, id, opened_at, coalesce(closed_at, now() - interval '1 hour') as until, unit
from demo_campaign, generate_series(1, weight) i;

create table demo_gift as
select i, l.id as campaign_id,
       l.opened_at + (l.until - l.opened_at) * (demo_dice('when' || i, 1000000) / 1000000.0) as at,
       (overlay(md5('donor' || demo_dice('who' || i, 1800)) placing '7' from 13 for 1))::uuid as donor,
       case when demo_dice('fate' || i, 100) < 84 then 'PAID' when demo_dice('fate' || i, 100) < 93 then 'CLOSED'
            when demo_dice('fate' || i, 100) < 97 then 'REFUNDED' else 'PARTIALLY_REFUNDED' end as fate,
       100 * (array[1, 5, 10, 10, 20, 20, 50, 50, 50, 66, 88, 100, 100, 100, 200, 200, 300, 500, 500, 1000, 2000, 5000, 10000])[1 + demo_dice('sum' || i, 23)] as amount_fen,
       case when demo_dice('how' || i, 10) = 0 then 'BANK_TRANSFER' else 'WECHAT_JSAPI' end as channel,
       (array['ANONYMOUS', 'ANONYMOUS', 'ALIAS', 'NAMED', 'NAMED'])[1 + demo_dice('face' || i, 5)] as disclosure,
       (array['西江边的风', '小草', '七星岩下', '一位老兵', '鼎湖山人', '阿明', '豆豆妈妈', '端砚', '星湖夜色', '好心人', '山里娃', '路过的人'])[1 + demo_dice('alias' || i, 12)] as alias,
       (array['张**', '李*', '陈**', '梁**', '黄*', '罗**', '林**', '谢*', '冯**', '莫**', '欧**', '何**', '邓*', '温**'])[1 + demo_dice('name' || i, 14)] as masked,
       (array[null, null, null, '加油', '尽一点心意', '愿平安', '一切都会好起来', '支持家乡', '感谢红十字会', '祝早日康复', '众人拾柴火焰高'])[1 + demo_dice('word' || i, 11)] as message
from generate_series(1, :gifts) i
join demo_lot l on l.at = demo_dice('lot' || i, (select count(*)::int from demo_lot));
alter table demo_gift add id uuid, add code text, add paid_at timestamptz, add back_fen bigint;
update demo_gift set code = donations.public_code_of(decode(md5('gift' || i), 'hex')), at = date_trunc('milliseconds', at),
	paid_at = case when fate <> 'CLOSED' then least(date_trunc('second', at + interval '5 seconds' + interval '1 second' * demo_dice('pay' || i, 90)), now()) end,
	back_fen = case fate when 'REFUNDED' then amount_fen when 'PARTIALLY_REFUNDED' then greatest(amount_fen / 2, 50) else 0 end;
update demo_gift set id = (overlay(uuid7_floor(at)::text placing '7' || substr(md5('gift' || i), 1, 3) || '-8' || substr(md5('gift' || i), 4, 3) || '-'
	|| substr(md5('gift' || i), 7, 12) from 15))::uuid;

insert into gift (id, public_code, campaign_id, donor, amount_fen, refunded_fen, channel, state, disclosure, created_at, paid_at, shown_name, message, real_name, key_id)
select id, code, campaign_id, donor, amount_fen, back_fen, channel, fate, disclosure, at, paid_at,
       case disclosure when 'ALIAS' then alias when 'NAMED' then masked end, message,
       case when disclosure = 'NAMED' then '\x00'::bytea end, case when disclosure = 'NAMED' then donor end
from demo_gift order by at;
insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, state, expires_at, next_check_at, paid_at, prepay_id, transaction_id)
select code, id, campaign_id, amount_fen, channel, case when fate = 'CLOSED' then 'CLOSED' else 'PAID' end,
       at + case channel when 'BANK_TRANSFER' then interval '30 days' else interval '30 minutes' end, at + interval '1 minute', paid_at,
       case channel when 'WECHAT_JSAPI' then 'wxdemo' || code end,
       case when paid_at is not null then case channel when 'BANK_TRANSFER' then 'bank:DEMO' || lpad(i::text, 8, '0') else '42000demo' || lpad(i::text, 12, '0') end end
from demo_gift order by at;
insert into gift_public (public_code, gift_id, campaign_id, amount_fen, refunded_fen, paid_at, channel, campaign_title, shown_name, message)
select code, id, campaign_id, amount_fen, back_fen, paid_at, channel, (select title from demo_campaign c where c.id = campaign_id), case disclosure when 'ALIAS' then alias when 'NAMED' then masked end, message
from demo_gift where paid_at is not null order by paid_at;

create table demo_refund as
select g.*, (overlay(id::text placing 'b' from 20))::uuid as refund_id, least(paid_at + interval '1 day' * (1 + demo_dice('back' || i, 20)), now()) as back_at
from demo_gift g where back_fen > 0;
insert into refund (id, out_refund_no, out_trade_no, gift_id, amount_fen, reason, requested_by, bank_reference, created_at, next_check_at)
select refund_id, 'R' || replace(refund_id::text, '-', ''), code, id, back_fen, '捐赠人误操作，申请退回', '00000000-0000-7000-8000-000000000000',
       case channel when 'BANK_TRANSFER' then 'DEMO-BACK-' || i end, back_at, back_at
from demo_refund order by back_at;
update refund r set state = 'SUCCESS', finished_at = d.back_at, provider_refund_id = case when d.channel = 'WECHAT_JSAPI' then '50000demo' || lpad(d.i::text, 12, '0') end
from demo_refund d where d.refund_id = r.id;

insert into fund (id, code, kind, name, organization, campaign_id) select id, id::text, 'APPEAL', title, organization, id from campaign where fund_of_campaign(id) is null;
-- each entry posts itself to the ledger
insert into money_entry (gift_id, campaign_id, refund_id, amount_fen, kind, occurred_at, recorded_at)
select gift_id, campaign_id, refund_id, amount_fen, kind, at, at
from (select id as gift_id, campaign_id, null::uuid as refund_id, amount_fen::bigint, 'PAYMENT' as kind, paid_at as at from demo_gift where paid_at is not null
      union all
      select id, campaign_id, refund_id, -back_fen, 'REFUND', back_at from demo_refund) e
order by at;

-- and is an event, which is the leaf of the public log
insert into outbox (type, subject, payload)
select case kind when 'PAYMENT' then 'gift.paid' else 'gift.refunded' end, gift_id,
       json_strip_nulls(json_build_object('gift_id', gift_id, 'campaign_id', campaign_id, 'refund_id', refund_id, 'amount_fen', abs(amount_fen)))
from money_entry order by seq;

set constraints all immediate;
drop table demo_plan, demo_campaign, demo_lot, demo_gift, demo_refund;
drop function demo_dice;
alter table campaign enable trigger user;
select count(campaign_tell(c)) from campaign c where state <> 'DRAFT';
alter table gift enable trigger gift_guard;
do $$
begin
	if exists (select from donations.money_disagreement) or exists (select from donations.ledger_disagreement) then
		raise exception 'the demo data does not balance';
	end if;
end $$;
commit;
select donations.totals_fold(), donations.totals_fold();

-- Donors who give every month, quarter and year, from next month on; a personal page that is open and one that waits for staff.
begin;
set local search_path = donations;
select plan_create_on((overlay(md5('plan' || i) placing '7' from 13 for 1))::uuid, (select donor from gift where campaign_id = c.id and state = 'PAID' order by id offset i limit 1),
	c.id, 5000 * i, (array['MONTH', 'QUARTER', 'YEAR'])[i], 1::smallint, (array[1, 15, 31])[i]::smallint, case when i = 1 then 12::smallint end,
	(date_trunc('month', business_day()) + interval '1 month')::date, null, case when i < 3 then (array['西江边的风', '端砚'])[i] end, business_day())
from (select t.id from campaign_taking_gifts t join campaign c using (id) where c.ends_on > business_day() + 45
      and (select count(*) from gift where campaign_id = t.id and state = 'PAID') > 3 order by t.id desc limit 1) c, generate_series(1, 3) i;
create temporary table demo_page on commit drop as
select t.id as campaign, c.organization, c.ends_on from campaign_taking_gifts t join campaign c using (id)
where c.organization <> '4412' and c.ends_on > business_day() + 45 order by t.id desc limit 1;
select set_config('yg.kind', 'staff', true), set_config('yg.organization', '4412', true);
select count(page_permit(campaign, true, '00000000-0000-7000-8000-000000000000')) from demo_page;
select set_config('yg.kind', 'citizen', true), set_config('yg.subject', '00000000-0000-7000-8000-000000000001', true);
select count(page_submit((page_create(v.id::uuid, campaign, v.organizer, v.title, v.story, v.goal, business_day() + 30)).id))
from demo_page, (values ('00000000-0000-7000-8000-0000000000a1', '小林', '三十岁，跑一场马拉松', '每跑一公里，请为这个项目捐一元。', 420000),
	('00000000-0000-7000-8000-0000000000a2', '阿明', '婚礼不收礼金', '礼金请都捐到这里。', 1000000)) v (id, organizer, title, story, goal);
select set_config('yg.kind', 'staff', true);
select count(page_review('00000000-0000-7000-8000-0000000000a1', true, null, '00000000-0000-7000-8000-000000000000')) from demo_page;
commit;

-- For some anonymous gifts to the city's unit no receipt was wanted, which is recorded. (Receipts themselves need the vault: make demo.)
set yg.kind = 'staff';
set yg.organization = '4412';
set yg.subject = '00000000-0000-7000-8000-000000000000';
select count(donations.receipt_waive(gen_random_uuid(), id, 'ANONYMOUS', '捐赠人未留姓名'))
from (select g.id from donations.gift g join donations.campaign c on c.id = g.campaign_id
      where g.state = 'PAID' and g.disclosure = 'ANONYMOUS' and donations.in_my_organization(c.organization) order by g.id limit 12) waived;
reset yg.kind;
reset yg.organization;
reset yg.subject;
