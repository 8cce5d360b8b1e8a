// A day beside the receipt platform's list: what we had not heard of, what nobody can explain, two live receipts for one gift, more than
// is left of it, and a platform that misbehaves.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { must } from '../support/must.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

const DAY = new Date(Date.now() + 8 * 3600e3 - 3 * 86400e3).toISOString().slice(0, 10);
const AT = `${DAY}T12:00:00+08:00`;
const TODAY = new Date(Date.now() + 8 * 3600e3).toISOString().slice(0, 10);
let platform;
let people;
let campaign;

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	campaign = (await platform.client.get('/v1/campaigns?state=OPEN&limit=20')).json.items.find((c) => c.organization === '4412') ?? (await platform.client.get('/v1/campaigns?state=OPEN&limit=1')).json.items[0];
});
after(() => platform?.stop());

const get = async (target) => platform.client.get(target, await people.headers('staff:finance'));
const post = async (as, target, body) => platform.client.post(target, body, { ...await people.headers(as), 'idempotency-key': randomUUID() });
const behave = (mode, more = {}) => platform.control('receipts', 'POST', 'behaviour', { mode, ...more });
const there = async (no) => (await platform.control('receipts', 'GET', `receipts?request_no=${no}`)).body.items[0];
const change = (request_no, receipt, order_no) => platform.control('receipts', 'POST', 'receipts', { request_no, receipt, order_no });
const hurry = () => platform.sql("update donations.receipt set next_check_at = now() where state = 'REQUESTED'; update donations.receipt_reversal set next_check_at = now() where state = 'REQUESTED'");
const look = async (id) => must(await get(`/v1/receipts/${id}`));
const until = (id, good) => eventually(async () => {
	const now = await look(id);
	if (good(now)) return now;
	await hurry();
	return null;
}, 30000);
/* Rows as they never get by themselves: what is tested is what the run says of them. */
const forge = (table, text) => platform.sql(`alter table donations.${table} disable trigger user; ${text}; alter table donations.${table} enable trigger user`);
const paper = (id, text) => forge('receipt', `update donations.receipt set ${text} where id = '${id}'`);

async function give(fen = 10600) {
	const gift = must(await post('citizen:lin', '/v1/gifts', { campaign_id: campaign.id, amount_fen: fen }), 201);
	await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.out_trade_no });
	await eventually(async () => (await platform.client.get(`/v1/public/gifts/${gift.public_code}`)).status === 200);
	return gift;
}
const ask = async (gift) => must(await post('citizen:lin', `/v1/me/gifts/${gift.id}/receipts`, { title: '林小满' }), 201);
/* A gift with a receipt that was issued on the day, here and there. */
async function issued(fen) {
	const gift = await give(fen);
	const it = await until((await ask(gift)).id, (r) => r.state === 'ISSUED');
	await change(it.request_no, { issued_at: AT });
	await paper(it.id, `issued_at = '${AT}'`);
	return { gift, it };
}
async function run(state = 'DONE', attempts = 0) {
	const { id } = must(await post('staff:finance', '/v1/reconciliation-runs', { date: DAY }), 201);
	if (attempts) await platform.sql(`update donations.reconciliation_run set attempts = ${attempts} where id = '${id}'`);
	const read = async () => must(await get(`/v1/reconciliation-runs/${id}`));
	await eventually(async () => (await read()).state !== 'REQUESTED', 20000);
	const done = await read();
	assert.equal(done.state, state, JSON.stringify(done));
	return done;
}
const work = async () => must(await get(`/v1/reconciliation-differences?date=${DAY}&limit=100`)).items.filter((d) => d.kind.startsWith('RECEIPT'));
const of = (items, number) => items.filter((d) => d.number === number).map((d) => `${d.kind} ${d.subject} ${d.state} ${d.ours_fen ?? '-'} ${d.theirs_fen ?? '-'}`);

test('a platform that misbehaves: each way has its state, and nothing is half kept', async () => {
	for (const [mode, state] of [['not_ready', 'NOT_READY'], ['list_truncated', 'TRUNCATED'], ['list_garbage', 'GARBAGE'], ['html', 'UNREACHABLE'], ['error', 'UNREACHABLE'], ['unsigned', 'UNREACHABLE'], ['bad_signature', 'UNREACHABLE']]) {
		await behave(mode, { endpoint: 'days' });
		assert.match((await run(state)).last_error, /^receipts/, mode);
	}
	assert.deepEqual(await platform.sql('select (select count(*) from donations.receipt_line), (select count(*) from donations.bill_line)'), [['0', '0']]);
});

test('a platform that stays away does not keep WeChat’s bills waiting for ever, and the day stays due', async () => {
	await behave('not_ready', { endpoint: 'days' });
	const done = await run('DONE', 6);
	assert.match(done.receipts_error, /NOT_READY: receipts: status 404 DAY_NOT_READY/);
	assert.equal(done.receipts, undefined);
	const due = async () => Number((await platform.sql('select days_due from donations.reconciliation_matters()'))[0][0]);
	assert.equal(await due(), 1);
	assert.equal((await run()).receipts, 0);
	assert.equal(await due(), 0);
});

test('a day with everything in it', async () => {
	const right = await issued(1000);
	const amount = await issued(1100);
	await change(amount.it.request_no, { amount_fen: 1101 });
	const number = await issued(1200);
	await change(number.it.request_no, { number: '7777777777' });
	const gone = await issued(1300);
	await platform.control('receipts', 'POST', 'removals', { request_no: gone.it.request_no });
	const twice = await issued(1400);
	await change('by-hand-1', { amount_fen: 1400, issued_at: AT }, twice.gift.public_code);
	const over = await issued(1500);
	await platform.sql(`alter table donations.gift disable trigger all; update donations.gift set refunded_fen = 500, state = 'PARTIALLY_REFUNDED' where id = '${over.gift.id}'; alter table donations.gift enable trigger all`);
	await change('by-hand-2', { amount_fen: 99, issued_at: AT }, 'NOBODYSORDER');
	const turned = await issued(1600);
	await change('by-hand-3', { kind: 'REVERSAL', original: turned.it.request_no, amount_fen: -1600, issued_at: AT }, turned.gift.public_code);
	const unheard = await give(1700);
	await behave('exhausted', { out_trade_no: unheard.public_code, times: 1000 });
	const late = await ask(unheard);
	await until(late.id, (r) => r.last_error === 'NUMBERS_EXHAUSTED');
	await platform.sql(`update donations.receipt set next_check_at = 'infinity' where id = '${late.id}'`);
	await change((await look(late.id)).request_no, { amount_fen: 1700, issued_at: AT }, unheard.public_code);

	const done = await run();
	assert.equal(done.receipts, 8 + 1);
	assert.deepEqual([done.red_letters, done.red_fen, done.settled], [1, 1600, 1]);
	const items = await work();
	assert.deepEqual(of(items, right.it.request_no), []);
	assert.deepEqual(of(items, amount.it.request_no), ['RECEIPT_AMOUNT RECEIPT OPEN 1100 1101']);
	assert.deepEqual(of(items, amount.gift.public_code), ['RECEIPT_OVER RECEIPT OPEN 1100 1101']);
	assert.deepEqual(of(items, number.it.request_no), ['RECEIPT_STATE RECEIPT OPEN 1200 1200']);
	assert.deepEqual(of(items, gone.it.request_no), ['RECEIPT_MISSING_THERE RECEIPT OPEN 1300 -']);
	assert.deepEqual(of(items, 'by-hand-1'), ['RECEIPT_TWICE RECEIPT OPEN 1400 1400']);
	assert.deepEqual(of(items, over.gift.public_code), ['RECEIPT_OVER RECEIPT OPEN 1000 1500']);
	assert.deepEqual(of(items, 'by-hand-2'), ['RECEIPT_MISSING_HERE RECEIPT OPEN - 99']);
	assert.deepEqual(of(items, 'by-hand-3'), ['RECEIPT_MISSING_HERE RED_LETTER OPEN - -1600']);
	assert.deepEqual(of(items, turned.it.request_no), ['RECEIPT_STATE RECEIPT OPEN 1600 1600']);
	assert.deepEqual(of(items, (await look(late.id)).request_no), ['RECEIPT_MISSING_HERE RECEIPT SETTLED 1700 1700']);
	const heard = await look(late.id);
	assert.equal(heard.state, 'ISSUED');
	assert.equal(heard.check_code, (await there(heard.request_no)).check_code);
	assert.equal(items.find((d) => d.number === 'by-hand-1').organization, campaign.organization);
	assert.equal(items.find((d) => d.number === 'by-hand-2').organization, undefined);

	const open = items.find((d) => d.number === 'by-hand-1');
	must(await post('staff:finance', `/v1/reconciliation-differences/${open.id}/resolutions`, { reason: '平台人工开具，已作废' }), 201);
	await platform.control('receipts', 'POST', 'removals', { request_no: 'by-hand-2' });
	const again = await run();
	assert.equal(again.settled, 0);
	const after = await work();
	assert.equal(after.length, items.length, 'a new run of the day makes no row twice');
	assert.deepEqual(of(after, 'by-hand-1'), ['RECEIPT_TWICE RECEIPT RESOLVED 1400 1400']);
	assert.deepEqual(of(after, 'by-hand-2'), ['RECEIPT_MISSING_HERE RECEIPT GONE - 99']);
	// a run that went without the list says nothing about what the last one saw
	await behave('not_ready', { endpoint: 'days' });
	await run('DONE', 6);
	assert.deepEqual(of(await work(), gone.it.request_no), ['RECEIPT_MISSING_THERE RECEIPT OPEN 1300 -']);
});

/* A receipt that failed and was closed, while an earlier try had arrived: nobody here knows its number. */
async function closed(fen, more) {
	const gift = await give(fen);
	await behave('refused', { out_trade_no: gift.public_code, code: 'PAYER_INVALID' });
	const it = await until((await ask(gift)).id, (r) => r.state === 'FAILED');
	await more?.(gift);
	must(await post('staff:finance', `/v1/receipts/${it.id}/reversals`, { reason: '不再需要' }));
	await change(it.request_no, { amount_fen: fen, issued_at: AT }, gift.public_code);
	return { gift, it };
}

test('a closed one that stands at the platform is turned back by itself; the other one of the gift stays', async () => {
	const { gift, it } = await closed(2000);
	const other = await until((await ask(gift)).id, (r) => r.state === 'ISSUED');
	assert.equal(TODAY === DAY, false);
	await run();
	assert.deepEqual(of(await work(), it.request_no), ['RECEIPT_TWICE RECEIPT SETTLED 2000 2000']);
	const turned = await until(it.id, (r) => r.state === 'VOIDED');
	assert.equal(turned.reversal.reason, '撤销后开出，冲红');
	assert.equal((await look(other.id)).state, 'ISSUED');
	const live = (await platform.control('receipts', 'GET', 'receipts')).body.items.filter((r) => r.asked.order_no === gift.public_code);
	assert.equal(live.reduce((sum, r) => sum + r.amount_fen, 0), 2000);
	assert.deepEqual(must(await get(`/v1/receipts?gift_id=${gift.id}`)).items.map((r) => r.state).sort(), ['ISSUED', 'VOIDED']);
	const proof = await eventually(async () => {
		const all = ((await platform.client.get(`/v1/public/gifts/${gift.public_code}/proof`)).json?.items ?? []).map((p) => JSON.parse(p.leaf));
		return all.some((l) => l.type === 'receipt.voided') && all;
	}, 20000);
	assert.deepEqual(proof.filter((l) => l.type.startsWith('receipt')).map((l) => l.type).sort(), ['receipt.issued', 'receipt.issued', 'receipt.voided']);
	await run();
	assert.deepEqual(of(await work(), it.request_no), ['RECEIPT_TWICE RECEIPT SETTLED 2000 2000']);
});

test('a closed one that is the only one, and one whose red letter the platform refuses', async () => {
	const alone = await closed(2100);
	await run();
	assert.deepEqual(of(await work(), alone.it.request_no), ['RECEIPT_MISSING_HERE RECEIPT SETTLED 2100 2100']);
	await until(alone.it.id, (r) => r.state === 'VOIDED');
	const stuck = await closed(2200);
	const other = await until((await ask(stuck.gift)).id, (r) => r.state === 'ISSUED');
	await behave('refused', { out_trade_no: stuck.gift.public_code, endpoint: 'reversals', code: 'ORIGINAL_UNKNOWN' });
	await run();
	const failed = await until(stuck.it.id, (r) => r.reversal?.state === 'FAILED');
	assert.equal(failed.state, 'LATE');
	must(await post('staff:finance', `/v1/receipts/${stuck.it.id}/retries`));
	await until(stuck.it.id, (r) => r.state === 'VOIDED');
	assert.equal((await look(other.id)).state, 'ISSUED');
});
