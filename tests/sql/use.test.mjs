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
const draft = (n, fen, kind = 'BRANCH') => role(`select state from disbursement_create('${id(n)}', '${fund}', ${fen}, 'p', '${kind}', 'x', null, null, false, '${id(1)}')`);
const approve = (n, by) => `select state from disbursement_approve('${id(n)}', '${id(by)}')`;
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
	assert.equal(await named(16, '怀集县·个案 A-17'), 'DRAFT');
});

test('the tables themselves are closed', async () => {
	for (const table of ['disbursement', 'disbursement_approval', 'gift_use', 'approval_rule']) {
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
