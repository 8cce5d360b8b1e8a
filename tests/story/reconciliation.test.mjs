// A day beside WeChat's bills: what agrees, what we had not heard of, what nobody can explain, and a WeChat that misbehaves.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

const DAY = new Date(Date.now() + 8 * 3600e3 - 3 * 86400e3).toISOString().slice(0, 10);
const AT = (n) => `${DAY}T12:00:${String(n).padStart(2, '0')}+08:00`;
let platform;
let people;
let campaign;

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	[campaign] = (await platform.client.get('/v1/campaigns?state=OPEN&limit=1')).json.items;
});
after(() => platform?.stop());

const finance = () => people.headers('staff:finance');
const behave = (body) => platform.control('wechat_pay', 'POST', 'behaviour', body);
const pay = (no, n, more = {}) => platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: no, success_time: AT(n), wait: true, ...more });
async function give(fen) {
	const given = await platform.client.post('/v1/gifts', { campaign_id: campaign.id, amount_fen: fen }, { ...await people.headers('citizen:recon'), 'idempotency-key': randomUUID() });
	assert.equal(given.status, 201, given.text);
	return given.json;
}
async function start(date = DAY) {
	const made = await platform.client.post('/v1/reconciliation-runs', { date }, await finance());
	assert.equal(made.status, 201, made.text);
	return made.json;
}
const matters = async () => (await fetch(platform.demo.metrics_urls.donations)).text();
const look = async (id) => (await platform.client.get(`/v1/reconciliation-runs/${id}`, await finance())).json;
async function run(state = 'DONE') {
	const { id } = await start();
	await eventually(async () => (await look(id)).state !== 'REQUESTED', 20000);
	const done = await look(id);
	assert.equal(done.state, state, JSON.stringify(done));
	return done;
}
const work = async (query = '') => {
	const answer = await platform.client.get(`/v1/reconciliation-differences?date=${DAY}&limit=100${query}`, await finance());
	assert.equal(answer.status, 200, answer.text);
	return answer.json.items;
};

test('a WeChat that misbehaves: each way has its state, and nothing is half kept', async () => {
	for (const [mode, state] of [['bill_not_ready', 'NOT_READY'], ['bill_wrong_hash', 'WRONG_HASH'], ['bill_truncated', 'TRUNCATED'], ['bill_garbage', 'GARBAGE'], ['html', 'UNREACHABLE'], ['reset', 'UNREACHABLE'], ['unsigned', 'UNREACHABLE']]) {
		await behave({ mode, endpoint: 'bill', times: -1 });
		const { last_error: why } = await run(state);
		await behave({ mode: 'none' });
		assert.ok(why, mode);
	}
	await behave({ mode: 'html', endpoint: 'download' });
	await run('UNREACHABLE');
	const [[lines]] = await platform.sql('select count(*) from donations.bill_line');
	assert.equal(lines, '0');
});

test('a day with everything in it', async () => {
	const right = await give(1000);
	await pay(right.out_trade_no, 1);
	const unheard = await give(2000);
	await behave({ mode: 'no_callback' });
	await pay(unheard.out_trade_no, 2);
	const elsewhere = await give(3000);
	await pay(elsewhere.out_trade_no, 3, { success_time: AT(3).replace(DAY, new Date(Date.parse(DAY) - 86400e3).toISOString().slice(0, 10)) });
	await platform.sql(`alter table donations.money_entry disable trigger user; update donations.money_entry set occurred_at = '${AT(3)}' where gift_id = '${elsewhere.id}'; alter table donations.money_entry enable trigger user`);
	const other = await give(4000);
	await pay(other.out_trade_no, 4);
	await platform.sql(`alter table donations.pay_order disable trigger user; update donations.pay_order set transaction_id = 'another' where out_trade_no = '${other.out_trade_no}'; alter table donations.pay_order enable trigger user`);
	const done = await run();
	assert.equal(done.payments, 3);
	assert.equal(done.paid_fen, 7000);
	assert.equal(done.settled, 1);
	const items = await work();
	const by = (number) => items.filter((one) => one.number === number && one.kind !== 'FUND_FLOW').map((one) => `${one.kind} ${one.state} ${one.ours_fen ?? '-'} ${one.theirs_fen ?? '-'}`);
	assert.deepEqual(by(right.out_trade_no), []);
	assert.deepEqual(by(unheard.out_trade_no), ['MISSING_HERE SETTLED 2000 2000']);
	assert.deepEqual(by(elsewhere.out_trade_no), ['MISSING_THERE OPEN 3000 -']);
	assert.deepEqual(by(other.out_trade_no), ['STATE OPEN 4000 4000']);
	const page = await platform.client.get(`/v1/public/gifts/${unheard.public_code}`);
	assert.equal(page.status, 200);
	assert.equal(page.json.amount_fen, 2000);
	await eventually(async () => (await matters()).includes('yg_donations_reconciliation_differences_open 2'), 10000);

	const [open] = items.filter((one) => one.number === other.out_trade_no);
	const resolved = await platform.client.post(`/v1/reconciliation-differences/${open.id}/resolutions`, { reason: '已核对' }, await finance());
	assert.equal(resolved.status, 201, resolved.text);
	const again = await run();
	assert.equal(again.settled, 0);
	const after = await work();
	assert.equal(after.length, items.length, 'a new run of the day makes no row twice');
	assert.equal(after.find((one) => one.id === open.id).state, 'RESOLVED');
	assert.equal(after.find((one) => one.id === open.id).resolution.reason, '已核对');
	assert.equal(after.find((one) => one.number === unheard.out_trade_no).state, 'SETTLED');

	// it appears in the bill after all: the next run does not see the difference any more
	await platform.sql(`alter table donations.money_entry disable trigger user; update donations.money_entry set occurred_at = '${AT(3)}'::timestamptz - interval '1 day' where gift_id = '${elsewhere.id}'; alter table donations.money_entry enable trigger user`);
	await run();
	const gone = (await work()).find((one) => one.number === elsewhere.out_trade_no);
	assert.equal(gone.state, 'GONE');
	const closed = await platform.client.post(`/v1/reconciliation-differences/${gone.id}/resolutions`, { reason: 'x' }, await finance());
	assert.equal(closed.status, 409);
	assert.equal(closed.json.code, 'reconciliation-difference-closed');
});

test('a bill that lost a row on the way is not believed, though its hash is right', async () => {
	await behave({ mode: 'bill_short', endpoint: 'bill' });
	await run('TRUNCATED');
});

test('an order that nobody here knows is a difference, not a crash; an outage is tried again by itself', async () => {
	const lost = await give(500);
	await behave({ mode: 'no_callback' });
	await pay(lost.out_trade_no, 5);
	await platform.sql(`alter table donations.pay_order disable trigger user; update donations.pay_order set out_trade_no = 'Z' || substr(out_trade_no, 2) where out_trade_no = '${lost.out_trade_no}'; alter table donations.pay_order enable trigger user`);
	await behave({ mode: 'system_error_once', endpoint: 'bill' });
	const { id } = await start();
	await eventually(async () => (await look(id)).state === 'UNREACHABLE', 20000);
	await platform.sql(`update donations.reconciliation_run set next_try_at = now() where id = '${id}'`);
	await eventually(async () => (await look(id)).state === 'DONE', 20000);
	const found = (await work('&kind=MISSING_HERE&state=OPEN')).find((one) => one.number === lost.out_trade_no);
	assert.equal(found.theirs_fen, 500);
	assert.equal(found.organization, undefined);
});

test('the job does each day from its first by itself, once', async () => {
	await platform.sql(`update donations.reconciliation_since set day = '${DAY}'::date - 1`);
	const days = () => platform.sql("select day, count(*) from donations.reconciliation_run where requested_by is null group by 1 order by 1");
	await eventually(async () => (await platform.sql("select count(*) from donations.reconciliation_run where requested_by is null and state <> 'REQUESTED'"))[0][0] >= '2', 20000);
	const first = await days();
	assert.ok(first.every(([day, count]) => day !== DAY && count === '1'), JSON.stringify(first));
	await new Promise((done) => { setTimeout(done, 3000); });
	assert.deepEqual(await days(), first);
});
