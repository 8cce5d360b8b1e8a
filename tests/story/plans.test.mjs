// A year of a long-term donor: orders on due dates, one tap each, failures with moved dates, a pause, an explicit resumption that asks for
// nothing that was missed, another amount, the end. The days are next year's: the jobs of the platform find nothing to do on them.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

const YEAR = new Date().getFullYear() + 1;
let platform;
let people;
let campaign;
let plan;

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	[campaign] = (await platform.client.get('/v1/campaigns?state=OPEN&limit=1')).json.items;
	await platform.sql(`alter table donations.campaign disable trigger user; update donations.campaign set ends_on = '${YEAR + 2}-12-31' where id = '${campaign.id}'; alter table donations.campaign enable trigger user`);
});
after(() => platform?.stop());

function must(answer, status = 200) {
	assert.equal(answer.status, status, answer.text);
	return answer.json;
}
const me = (more = {}) => people.headers('citizen:steady').then((headers) => ({ ...headers, ...more }));
const post = async (path, body) => platform.client.post(path, body, await me({ 'idempotency-key': randomUUID() }));
const read = async () => { plan = must(await platform.client.get(`/v1/me/plans/${plan.id}`, await me())); return plan; };
const day = (date) => platform.sql(`set search_path = donations; select plan_orders_make_on('${YEAR}-${date}', 100)`);
const stands = async (fields) => { await read(); for (const [key, value] of Object.entries(fields)) assert.deepEqual(plan[key], value, `${key} of ${JSON.stringify(plan)}`); };
const told = async (what) => Number((await platform.sql(`select count(*) from donations.outbox where type = 'plan.${what}' and subject = '${plan.id}'`))[0][0]);

/** The donor's tap, and WeChat's word that it was paid. */
async function tap() {
	const { open_gift_id: gift } = await read();
	const order = must(await post(`/v1/me/gifts/${gift}/payment`));
	assert.ok(order.payment.paySign);
	assert.equal((await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: order.out_trade_no })).status, 200);
	await eventually(async () => (await read()).open_gift_id !== gift, 20000);
	assert.equal(must(await platform.client.get(`/v1/me/gifts/${gift}`, await me())).state, 'PAID');
	return order;
}
/** Nobody taps: the order's time runs out, and the job closes it. */
async function ignored() {
	const { open_gift_id: gift } = await read();
	await platform.sql(`update donations.pay_order set expires_at = now() - interval '1 second', next_check_at = now() where gift_id = '${gift}'`);
	await eventually(async () => (await read()).open_gift_id !== gift, 20000);
}

test('every month on the last day, seven times', async () => {
	plan = must(await post('/v1/me/plans', { campaign_id: campaign.id, amount_fen: 5000, cycle_day: 31, start_on: `${YEAR}-01-10`, installments: 7, alias: '西江边的风' }), 201);
	assert.equal(plan.next_charge_on, `${YEAR}-01-31`);
	await day('01-30');
	await stands({ open_gift_id: undefined, state: 'ACTIVE' });
	await day('01-31');
	await day('01-31');
	await stands({ next_charge_on: `${YEAR}-02-28`, paid_count: 0 });
	assert.equal(plan.gifts.length, 1);
	assert.equal(await told('due'), 1);
	await tap();
	await stands({ state: 'ACTIVE', paid_count: 1, failure_count: 0 });
	await day('02-27');
	assert.equal(plan.gifts.length, 1);
});

test('the gift of a plan is public as any other', async () => {
	const { public_code: code } = must(await platform.client.get(`/v1/me/gifts/${plan.gifts[0].gift_id}`, await me()));
	assert.equal(must(await platform.client.get(`/v1/public/gifts/${code}`)).donor_name, '西江边的风');
});

test('a date that was missed is asked for again two days later, and only once paid', async () => {
	await day('02-28');
	await ignored();
	await stands({ state: 'FAILING', failure_count: 1, retry_on: `${YEAR}-03-02`, next_charge_on: `${YEAR}-03-31` });
	await day('03-01');
	await stands({ open_gift_id: undefined });
	await day('03-02');
	assert.equal((await read()).gifts[0].due_on, `${YEAR}-02-28`);
	await tap();
	await stands({ state: 'ACTIVE', failure_count: 0, paid_count: 2 });
});

test('a tap a day later still works: what WeChat gave is asked for anew', async () => {
	await day('03-31');
	const { open_gift_id: gift } = await read();
	must(await post(`/v1/me/gifts/${gift}/payment`));
	await platform.sql(`update donations.pay_order set ordered_at = now() - interval '3 hours', prepay_id = 'stale' where gift_id = '${gift}'`);
	assert.notEqual((await tap()).payment.package, 'prepay_id=stale');
	await stands({ paid_count: 3 });
});

test('six failures in a row pause the plan, and the donor is told', async () => {
	for (const [i, date] of ['04-30', '05-02', '05-04', '05-06', '05-08', '05-10'].entries()) {
		await day(date);
		await ignored();
		if (i < 5) await stands({ state: 'FAILING', failure_count: i + 1 });
	}
	await stands({ state: 'PAUSED', reason: 'FAILED', next_charge_on: undefined, retry_on: undefined });
	assert.equal(await told('paused'), 1);
	for (const date of ['05-12', '05-31', '06-30']) await day(date);
	await stands({ open_gift_id: undefined, paid_count: 3 });
});

test('resuming asks for nothing that was missed', async () => {
	const [[donor]] = await platform.sql(`select donor from donations.plan where id = '${plan.id}'`);
	await platform.sql(`set search_path = donations; set yg.kind = 'citizen'; set yg.subject = '${donor}'; select plan_resume_on('${plan.id}', '${YEAR}-07-10')`);
	await stands({ state: 'ACTIVE', failure_count: 0, next_charge_on: `${YEAR}-07-31` });
	await day('07-30');
	await stands({ open_gift_id: undefined });
});

test('another amount counts from the next order on, and needs the version', async () => {
	await day('07-31');
	const { etag } = (await platform.client.get(`/v1/me/plans/${plan.id}`, await me())).headers;
	const change = async (fen, tag) => platform.client.request('PATCH', `/v1/me/plans/${plan.id}`, { body: JSON.stringify({ amount_fen: fen }), headers: await me({ 'content-type': 'application/merge-patch+json', 'if-match': tag }) });
	must(await change(8000, etag));
	assert.equal((await change(9000, etag)).status, 412);
	await tap();
	await day('08-31');
	await stands({ amount_fen: 8000 });
	assert.deepEqual(plan.gifts.slice(0, 2).map((gift) => gift.amount_fen), [8000, 5000]);
});

test('a pause takes the open order back; resuming goes on', async () => {
	must(await post(`/v1/me/plans/${plan.id}/pauses`));
	await eventually(async () => !(await read()).open_gift_id, 20000);
	await stands({ state: 'PAUSED', reason: 'DONOR', failure_count: 0, paid_count: 4 });
	assert.equal(must(await post(`/v1/me/plans/${plan.id}/resumptions`)).next_charge_on, `${YEAR}-09-30`);
});

test('after the last instalment it ends, and stays ended', async () => {
	for (const date of ['09-30', '10-31', '11-30']) {
		await day(date);
		await tap();
	}
	await stands({ state: 'ENDED', reason: 'COMPLETED', paid_count: 7, next_charge_on: undefined });
	assert.equal(await told('ended'), 1);
	await day('12-31');
	await stands({ open_gift_id: undefined });
	assert.equal((await post(`/v1/me/plans/${plan.id}/resumptions`)).json.code, 'plan-transition');
	assert.deepEqual(await platform.sql(`select due_on, count(*) from donations.plan_gift where plan_id = '${plan.id}' and state = 'PAID' group by 1 having count(*) > 1`), []);
	assert.deepEqual(await platform.sql('select * from donations.money_disagreement union all select * from donations.ledger_disagreement'), []);
});

test('when the campaign closes its plans end', async () => {
	plan = must(await post('/v1/me/plans', { campaign_id: campaign.id, amount_fen: 5000, cycle_day: 1, start_on: `${YEAR}-01-01` }), 201);
	await platform.sql(`set search_path = donations; alter table campaign disable trigger user; update campaign set ends_on = current_date + 1 where id = '${campaign.id}'; alter table campaign enable trigger user`);
	await day('01-01');
	await stands({ state: 'ENDED', reason: 'CAMPAIGN_ENDED', gifts: [] });
});
