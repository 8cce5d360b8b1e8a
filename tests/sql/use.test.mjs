// What a psql session with the service's own role cannot do to disbursements and uses.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

const id = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const STAFF = "set yg.kind = 'staff'; set yg.organization = '4412'";
let platform;
let fund;

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	[[fund]] = await platform.sql("select f.code from donations.fund f join donations.campaign c on c.id = f.campaign_id where donations.fund_available(f.id) > 100000 and c.cost_cap_fen is not null order by f.code limit 1");
});
after(() => platform?.stop());

const role = (text) => platform.session('yg_donations', STAFF, text);
const refused = (text, why) => refusedFor(role(text), why);
const draft = (n, fen, kind = 'BRANCH', payee = `x${n}`, of = fund) => role(`select state from disbursement_create('${id(n)}', '${of}', ${fen}, 'p', '${kind}', '${payee}', null, null, false, '${id(1)}')`);
const approve = (n, by) => `select state from disbursement_approve_read('${id(n)}', '${id(by)}', '*')`;
const pay = (n, by) => `select state from disbursement_pay('${id(n)}', '${id(by)}', 'b', null)`;

test('nobody pays what was not approved, or his own', async () => {
	assert.equal(await draft(10, 1000), 'DRAFT');
	await refused(pay(10, 2), /DRAFT/);
	await refused(approve(10, 1), /author/);
	assert.equal(await role(approve(10, 2)), 'APPROVED');
	await refused(pay(10, 1), /author/);
	assert.equal(await role(pay(10, 2)), 'PAID');
	await refused(pay(10, 2), /PAID/);
});

test('another unit sees nothing of it', async () => {
	assert.equal(await draft(11, 1000), 'DRAFT');
	await refused(`set yg.organization = '4499'; ${approve(11, 2)}`, /no such disbursement/);
	assert.equal(await role(`set yg.organization = '4499'; select count(*) from disbursement where id = '${id(11)}'`), '0');
});

test('costs stay below the filed cap', async () => {
	const [[cap, free]] = await platform.sql(`select c.cost_cap_fen, donations.fund_available(f.id) from donations.fund f join donations.campaign c on c.id = f.campaign_id where f.code = '${fund}'`);
	const most = Math.min(Number(cap), 3_000_000);
	await platform.sql(`alter table donations.campaign disable trigger user; update donations.campaign set cost_cap_fen = ${Math.min(most, 500)} where id::text = '${fund}'; alter table donations.campaign enable trigger user`);
	assert.ok(Number(free) > 2000);
	assert.equal(await draft(12, 400, 'COST'), 'DRAFT');
	assert.equal(await role(approve(12, 2)), 'APPROVED');
	assert.equal(await draft(13, 101, 'COST'), 'DRAFT');
	await refused(approve(13, 2), /cost cap/);
});

test('no cap filed, no costs; somebody in need is not named', async () => {
	await platform.sql("insert into donations.fund (code, kind, source, name, organization) values ('plain', 'UNRESTRICTED', 'DONATION', 'plain', '4412/441225')");
	assert.deepEqual(await platform.sql(`select donations.ledger_post('${id(90)}', 'correction', now(), '[{"account":"bank:transfer","fen":1000},{"account":"fund:plain","fen":-1000}]', 'opening balance', null)`), [['created']]);
	assert.equal(await role(`select state from disbursement_create('${id(14)}', 'plain', 1, 'p', 'COST', 'x', null, null, false, '${id(1)}')`), 'DRAFT');
	await refused(approve(14, 2), /no cap of costs/);
	const named = (n, payee) => role(`select state from disbursement_create('${id(n)}', '${fund}', 100, 'p', 'CASE', '${payee}', null, null, false, '${id(1)}')`);
	await assert.rejects(named(15, '张三'), (error) => /disbursement_case_anonymous/.test(error.stderr));
	await assert.rejects(named(15, '怀集县 李小明·个案 1'), (error) => /disbursement_case_anonymous/.test(error.stderr));
	await assert.rejects(role(`select state from disbursement_create('${id(15)}', '${fund}', 100, '致电 13800138000', 'CASE', '怀集县·个案 1', null, null, false, '${id(1)}')`), (error) => /disbursement_case_anonymous/.test(error.stderr));
	for (const words of ['致电１３８００１３８０００', '电话 138 0013 8000', '138-0013-8000', '一三八〇〇一三八〇〇〇', '①③⑧00138000']) {
		await assert.rejects(role(`select state from disbursement_create('${id(15)}', '${fund}', 100, '${words}', 'CASE', '怀集县·个案 1', null, null, false, '${id(1)}')`), (error) => /disbursement_case_anonymous/.test(error.stderr), words);
	}
	await assert.rejects(named(15, '怀集县·个案 138-0013-8000'), (error) => /disbursement_case_anonymous/.test(error.stderr));
	assert.equal(await named(16, '怀集县·个案 A-17'), 'DRAFT');
	await platform.sql(`alter table donations.disbursement disable trigger user; update donations.disbursement set purpose = '致电 13800138000' where id = '${id(16)}'; alter table donations.disbursement enable trigger user`);
	assert.equal(await role(approve(16, 2)), 'APPROVED', 'what was drafted under an older rule is not stuck');
});

const by = (n, text) => role(`set yg.subject = '${id(n)}'; ${text}`);
const votes = (...said) => JSON.stringify(said.map((vote, n) => ({ voter: id(700 + n), office: '副会长', vote })));
const accounts = (organization = '4412') => JSON.stringify({ items: [1, 2, 3, 700, 701, 702, 703, 704, 705].map((n) => ({ id: id(n), organization })) });
const decide = (n, no, list, who = accounts()) => by(2, `select (disbursement_decision(id, version, false) ->> 'carried') from decision_record_checked('${id(500 + no)}', '${id(n)}', 'No. ${no}', '2026-01-05', '${'d'.repeat(64)}', '${list}', '*', '${who}')`);
const versionOf = async (n) => (await platform.sql(`select version from donations.disbursement where id = '${id(n)}'`))[0][0];

test('a draft is its author’s; a change takes back what others said, and what was approved stays', async () => {
	await draft(60, 3_000_001);
	await role(approve(60, 2));
	await assert.rejects(by(2, `select version from disbursement_update('${id(60)}', '{"amount_fen": 5}', '*')`), (error) => /disbursement_drafter/.test(error.stderr));
	assert.equal(await by(1, `select count(*) from disbursement_update('${id(60)}', '{"amount_fen": 5}', '7') d where d.id is not null`), '0');
	assert.equal(await by(1, `select version from disbursement_update('${id(60)}', '{"purpose": "p"}', '1')`), '1', 'nothing changed');
	assert.equal(await by(1, `select version from disbursement_update('${id(60)}', '{"amount_fen": 3000002, "state": "APPROVED", "created_by": "${id(3)}"}', '1')`), '2');
	assert.deepEqual(await platform.sql(`select state, amount_fen, created_by, (select count(*) from donations.disbursement_approval a where a.disbursement_id = d.id), (select count(*) from donations.disbursement_approval_void v where v.disbursement_id = d.id)
		from donations.disbursement d where id = '${id(60)}'`), [['DRAFT', '3000002', id(1), '0', '1']]);
	await refused(`select state from disbursement_approve('${id(60)}', '${id(2)}')`, /permission denied/);
	assert.equal(await role(`select (disbursement_approve_read('${id(60)}', '${id(2)}', '1')).id is null`), 't', 'not the version that was read');
	assert.equal(await role(`select state from disbursement_approve_read('${id(60)}', '${id(2)}', '2')`), 'DRAFT');
	await assert.rejects(platform.sql(`update donations.disbursement set amount_fen = 1 where id = '${id(60)}'`), /only what a draft says/);
	await assert.rejects(platform.sql(`delete from donations.disbursement_approval where disbursement_id = '${id(60)}'`), /append-only/);
	await draft(61, 1000);
	await role(approve(61, 2));
	await assert.rejects(by(1, `select version from disbursement_update('${id(61)}', '{"amount_fen": 5}', '*')`), (error) => /APPROVED/.test(error.stderr));
	await assert.rejects(platform.sql(`update donations.disbursement set amount_fen = 1, version = 2 where id = '${id(61)}'`), /only what a draft says/);
});

test('an old draft does not carry an old rule to a new amount', async () => {
	await draft(66, 1000);
	await platform.sql(`alter table donations.disbursement disable trigger user; update donations.disbursement set created_at = now() - interval '2 days' where id = '${id(66)}'; alter table donations.disbursement enable trigger user;
		insert into donations.approval_rule (from_fen, effective_from, approvals, decision) select f, (now() at time zone 'Asia/Shanghai')::date, a, false from (values (0, 1), (2000, 3)) x (f, a)`);
	await assert.rejects(by(1, `select version from disbursement_update('${id(66)}', '{"amount_fen": 2000}', '*')`), (error) => /disbursement_rule_changed/.test(error.stderr));
	assert.equal(await by(1, `select version from disbursement_update('${id(66)}', '{"amount_fen": 1999}', '*')`), '2');
	await platform.sql("delete from donations.approval_rule where effective_from > '2016-01-01'");
});

test('a large sum is approved only when the last decision of what the draft says now carried it', async () => {
	await draft(62, 10_000_000);
	await refused(approve(62, 2), /must be named/);
	assert.equal(await decide(62, 1, votes('YES', 'YES', 'NO', 'NO', 'ABSTAIN')), 'false');
	await refused(approve(62, 2), /no collective decision carried it/);
	assert.equal(await decide(62, 2, votes('YES', 'YES', 'YES', 'NO')), 'true');
	assert.equal(await role(approve(62, 2)), 'DRAFT');
	assert.equal(await decide(62, 3, votes('YES', 'YES', 'YES')), 'false', 'three of five are no quorum');
	await refused(approve(62, 3), /no collective decision carried it/);
	await decide(62, 4, votes('YES', 'YES', 'YES', 'ABSTAIN'));
	await by(1, `select version from disbursement_update('${id(62)}', '{"payee": "y"}', '*')`);
	await refused(approve(62, 3), /no collective decision carried it/);
	await assert.rejects(by(1, `select version from decision_record_checked('${id(510)}', '${id(62)}', 'x', '2026-01-05', '${'d'.repeat(64)}', '${votes('YES', 'YES', 'YES', 'YES')}', '*', '${accounts()}')`), (error) => /does not record/.test(error.stderr));
	await assert.rejects(decide(62, 5, JSON.stringify([1, 1, 2, 3].map((n) => ({ voter: id(n), office: 'x', vote: 'YES' })))), (error) => /decision_vote_once/.test(error.stderr));
	for (const who of [accounts('4413'), accounts('4412/441202'), accounts('44'), JSON.stringify({ items: [] }), '{}'])
		await assert.rejects(decide(62, 7, votes('YES', 'YES', 'YES', 'YES'), who), (error) => /no active account/.test(error.stderr), who);
	await assert.rejects(by(2, `select version from decision_record('${id(511)}', '${id(62)}', 'x', '2026-01-05', '${'d'.repeat(64)}', '${votes('YES', 'YES', 'YES', 'YES')}', '*')`), (error) => /permission denied/.test(error.stderr), 'unchecked');
	await assert.rejects(decide(62, 6, votes('YES', 'YES', 'YES', 'YES', 'YES', 'YES')), (error) => /decision_votes_range/.test(error.stderr));
	await assert.rejects(platform.sql(`insert into donations.decision_vote values ('${id(504)}', '${id(799)}', 'x', 'NO')`), /not what was counted/);
	await assert.rejects(platform.sql(`update donations.disbursement set state = 'APPROVED' where id = '${id(62)}'`), /no collective decision carried it/);
	await platform.sql("insert into donations.decision_rule values ('4412', '2016-01-01', 3, 2, 2)");
	assert.equal(await decide(62, 7, votes('YES', 'YES')), 'true', 'the unit has a rule of its own');
	assert.equal(await versionOf(62), '2');
	await platform.sql(`alter table donations.disbursement disable trigger disbursement_carried; update donations.disbursement set state = 'APPROVED' where id = '${id(62)}'; update donations.disbursement set state = 'REFUSED', reason = 'x' where id = '${id(62)}';
		alter table donations.disbursement enable trigger disbursement_carried`);
	const [[told]] = await platform.sql(`select convert_from(leaf, 'UTF8')::json ->> 'data' from donations.outbox where type = 'disbursement.decided' and subject = '${id(62)}'`);
	assert.deepEqual(JSON.parse(told), { decision_no: 'No. 7', document_sha256: 'd'.repeat(64), members: 3, yes: 2, no: 0, abstain: 0 }, 'numbers, no names');
	assert.equal(await platform.session('yg_donations', "set yg.kind = 'citizen'", 'select count(*) from decision'), '0');
	assert.equal(await platform.session('yg_donations', STAFF, 'select count(*) > 0 from decision_vote'), 't');
	assert.equal(await platform.session('yg_donations', "set yg.kind = 'staff'; set yg.organization = '4412/441202'", 'select count(*) from decision_vote'), '0');
});

test('no telephone and no identity card goes into the public log with what staff write', async () => {
	const say = (purpose, payee = '某公司') => role(`select state from disbursement_create('${id(640)}', '${fund}', 100, '${purpose}', 'SUPPLIER', '${payee}', null, null, false, '${id(1)}')`);
	for (const words of ['联系 13800138000', '电话：138-0013-8000', '１３８ ００１３ ８０００', '一三八〇〇一三八〇〇〇', '+86 13800138000', '身份证 441202199001011234', '44120219900101123x'])
		await refusedFor(say(words), /words_personal_number/);
	await refusedFor(say('采购', '张三 13800138000'), /words_personal_number/);
	assert.equal(await say('合同 HT-20261127-000123，发票 2544200000012345678'), 'DRAFT', 'numbers of papers are none of persons');
	await refused(`select state from disbursement_refuse('${id(640)}', '${id(2)}', '见 13800138000')`, /telephone/);
	assert.equal(await role(`select state from disbursement_refuse('${id(640)}', '${id(2)}', 'r')`), 'REFUSED');
});

/** Two funds of the unit with money enough. */
async function plenty() {
	await platform.sql(`insert into donations.fund (code, kind, source, name, organization) select code, 'EARMARKED', 'DONATION', code, '4412' from (values ('plenty'), ('plenty-2')) x (code);
		select donations.ledger_post(('00000000-0000-7000-8000-0000000098' || lpad(n::text, 2, '0'))::uuid, 'correction', now(), json_build_array(json_build_object('account', 'bank:transfer', 'fen', 20000000), json_build_object('account', 'fund:' || code, 'fen', -20000000)), 'opening balance', null) from (values ('plenty', 1), ('plenty-2', 2)) x (code, n)`);
}

test('a payment that is split into several is still one: what was agreed for a payee in thirty days counts together', async () => {
	const needed = async (n) => role(`select (disbursement_rule(d)).approvals, (disbursement_rule(d)).decision, disbursement_counted(d, '4412', false) from disbursement d where id = '${id(n)}'`);
	await plenty();
	await draft(600, 2_000_000, 'SUPPLIER', '肇庆市某某物资有限公司', 'plenty');
	assert.equal(await needed(600), '1|f|2000000');
	await draft(601, 1_000_001, 'BRANCH', ' 肇庆市某某物资（有限）公司\u200b', 'plenty');
	await draft(602, 50000, 'SUPPLIER', '肇庆市·某某物资有限公司', 'plenty-2');
	assert.equal(await needed(601), '1|f|1000001', 'two drafts: nothing is agreed yet');
	assert.equal(await role(approve(600, 2)), 'APPROVED');
	assert.equal(await needed(601), '2|f|3000001', 'however it is written');
	assert.equal(await role(approve(601, 2)), 'DRAFT');
	assert.equal(await role(approve(601, 3)), 'APPROVED');
	assert.equal(await needed(602), '2|f|3050001', 'from another fund of the unit too');
	assert.equal((await platform.sql(`select counted_fen from donations.disbursement where id = '${id(601)}'`))[0][0], '3000001');
	assert.deepEqual(await platform.sql(`select convert_from(leaf, 'UTF8')::json -> 'data' ->> 'counted_fen' from donations.outbox where type = 'disbursement.approved' and subject = '${id(601)}'`), [['3000001']], 'the public log says so');
	assert.equal(await role(`set yg.subject = '${id(2)}'; select approvals, counted from (select (disbursement_rule(d)).approvals, disbursement_counted(d, d.organization, false) as counted from disbursement d where id = '${id(602)}') x`), '2|3050001');
	// what was refused counts no more, nor what is long ago; what is agreed and not paid does
	await role(`select state from disbursement_refuse('${id(601)}', '${id(2)}', 'r')`);
	assert.equal(await needed(602), '1|f|2050000');
	await platform.sql(`alter table donations.disbursement disable trigger user; update donations.disbursement set approved_at = now() - interval '31 days' where id = '${id(600)}'; alter table donations.disbursement enable trigger user`);
	assert.equal(await needed(602), '1|f|2050000');
	await platform.sql(`alter table donations.disbursement disable trigger user; update donations.disbursement set state = 'PAID', paid_at = now(), paid_by = '${id(2)}', bank_reference = 'b' where id = '${id(600)}'; alter table donations.disbursement enable trigger user`);
	assert.equal(await needed(602), '1|f|50000');
	await platform.sql(`alter table donations.disbursement disable trigger user; update donations.disbursement set approved_at = now() - interval '29 days', amount_fen = 9950000 where id = '${id(600)}'; alter table donations.disbursement enable trigger user`);
	assert.equal(await needed(602), '2|t|10000000', 'together they want a collective decision');
	await refused(approve(602, 2), /must be named/);
	await assert.rejects(platform.sql(`update donations.disbursement set state = 'APPROVED' where id = '${id(602)}'`), /no collective decision carried it/);
	await assert.rejects(platform.sql(`update donations.disbursement set counted_fen = 1 where id = '${id(600)}'`), /disbursement_fixed|does not change/);
	await assert.rejects(platform.sql('update donations.approval_window set days = 1'), /append-only/);
	// another payee is another payment
	await draft(603, 2_000_000, 'SUPPLIER', '肇庆市某某物资有限公司二', 'plenty');
	assert.equal(await needed(603), '1|f|2000000');
	await platform.sql(`alter table donations.disbursement disable trigger user; update donations.disbursement set state = 'REFUSED', reason = 'r', paid_at = null where id = '${id(600)}'; alter table donations.disbursement enable trigger user`);
});

test('two who agree at the same moment to halves of one payment do not both find it small', async () => {
	for (const n of [610, 611]) await draft(n, 2_000_000, 'SUPPLIER', 'halves', 'plenty');
	const slow = role(`begin; ${approve(610, 2)}; select pg_sleep(1.5); commit`);
	await new Promise((done) => setTimeout(done, 700));
	assert.equal(await role(approve(611, 2)), 'DRAFT', 'the second waits, and sees the first');
	await slow;
	assert.deepEqual(await platform.sql(`select state from donations.disbursement where id in ('${id(610)}', '${id(611)}') order by id`), [['APPROVED'], ['DRAFT']]);
	for (const n of [610, 611]) await role(`select state from disbursement_refuse('${id(n)}', '${id(2)}', 'r')`);
});

test('nothing was paid before it was approved', async () => {
	await draft(620, 1000);
	await platform.sql(`alter table donations.disbursement disable trigger user; update donations.disbursement set created_at = now() - interval '5 days' where id = '${id(620)}'; alter table donations.disbursement enable trigger user`);
	await role(approve(620, 2));
	const at = (when) => `select state from disbursement_pay('${id(620)}', '${id(2)}', 'b', ${when})`;
	await refused(at("now() - interval '1 day'"), /before it was approved/);
	assert.equal(await role(at("date_trunc('day', now(), 'Asia/Shanghai')")), 'PAID', 'banks say the day only');
});

test('what refunds have taken from a promise is told', async () => {
	const unpayable = () => role(`select disbursement_unpayable(d), disbursements_unpayable() from disbursement d where id = '${id(63)}'`);
	const [[free]] = await platform.sql(`select donations.fund_available(id) from donations.fund where code = '${fund}'`);
	await draft(63, Math.min(Number(free), 3_000_000));
	assert.equal(await unpayable(), 'f|0', 'a draft is not promised anything');
	await role(approve(63, 2));
	assert.equal(await unpayable(), 'f|0');
	await platform.sql(`insert into donations.hold (id, fund_id, fen, expires_at, purpose) select '${id(64)}', id, donations.fund_available(id) + 1, now() + interval '1 day', 'as a refund does' from donations.fund where code = '${fund}'`);
	assert.match(await unpayable(), /^t\|[1-9]/);
	await refused(pay(63, 2), /is held/);
	await platform.sql(`update donations.hold set state = 'VOID', reason = 'x' where id = '${id(64)}'`);
	assert.equal(await unpayable(), 'f|0');
	await platform.sql(`update donations.hold set expires_at = now() - interval '1 day' where id = '${id(63)}'`);
	assert.equal(await unpayable(), 'f|0', 'a hold that ran out: the balance still covers it');
	await role(`select state from disbursement_refuse('${id(63)}', '${id(2)}', 'x')`);
});

test('the tables themselves are closed', async () => {
	for (const table of ['disbursement', 'disbursement_approval', 'disbursement_approval_void', 'decision', 'decision_vote', 'decision_rule', 'gift_use', 'approval_rule']) {
		await refused(`delete from ${table}`, /permission denied/);
		await refused(`insert into ${table} default values`, /permission denied/);
	}
	await refused("update disbursement set state = 'PAID'", /permission denied/);
	await refused('update gift_public set spent_fen = 0', /permission denied/);
	await assert.rejects(platform.sql(`delete from donations.disbursement`), /append-only/);
	await assert.rejects(platform.sql(`update donations.gift_public set spent_fen = spent_fen + 1 where public_code = (select public_code from donations.gift_public where amount_fen > spent_fen + refunded_fen limit 1)`), /uses of gift/);
	await assert.rejects(platform.sql(`insert into donations.gift_use (disbursement_id, public_code, amount_fen, used_at) select '${id(10)}', public_code, 1, now() from donations.gift_public where spent_fen = 0 limit 1`), /uses of gift/);
});

test('what was approved and refused is in the log; a reversal is an entry of its own; approvals are seen by the unit only', async () => {
	assert.equal(await draft(30, 500), 'DRAFT');
	assert.equal(await role(approve(30, 2)), 'APPROVED');
	assert.equal(await role(`select state from disbursement_refuse('${id(30)}', '${id(3)}', 'not needed')`), 'REFUSED');
	const leaves = await platform.sql(`select type from donations.outbox where subject = '${id(30)}' and leaf is not null order by seq`);
	assert.deepEqual(leaves.flat(), ['disbursement.approved', 'disbursement.refused']);
	assert.equal(await draft(31, 500), 'DRAFT');
	assert.equal(await role(approve(31, 2)), 'APPROVED');
	assert.equal(await role(pay(31, 2)), 'PAID');
	await refused(`select state from disbursement_reverse('${id(31)}', '${id(31)}', '${id(3)}', 'x')`, /another one|duplicate|reverse/);
	assert.equal(await role(`select state from disbursement_reverse('${id(31)}', '${id(32)}', '${id(3)}', 'x')`), 'REVERSED');
	assert.deepEqual(await platform.sql('select * from donations.ledger_disagreement'), []);
	assert.equal(await role("set yg.kind = 'citizen'; select count(*) from disbursement_approval"), '0');
	assert.equal(await role("set yg.kind = 'citizen'; select count(*) from hold"), '0');
	assert.equal(await role("set yg.organization = '4412/441202'; select count(*) from hold"), '0');
});

test('the newest rule in force decides, whatever an older one said of larger amounts', async () => {
	await platform.sql("insert into donations.approval_rule (from_fen, effective_from, approvals, decision) values (0, '2036-01-01', 3, false)");
	assert.deepEqual(await platform.sql("select approvals from donations.approval_rule_for(10000000, '2036-05-01')"), [['3']]);
	assert.deepEqual(await platform.sql("select approvals from donations.approval_rule_for(10000000, '2035-05-01')"), [['2']]);
});
