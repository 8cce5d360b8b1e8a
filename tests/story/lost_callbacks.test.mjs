// Callbacks that never come, by the hundred (LOST_CALLBACKS for another number): the jobs find the payments by asking, several at a
// time, and rest when WeChat Pay says that it is too often. Refunds likewise.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Client } from '../support/client.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';
import { eventually } from '../support/eventually.mjs';

const LOST = Number(process.env.LOST_CALLBACKS ?? 300);
const REFUNDED = Math.min(LOST, 100);
const AT_ONCE = 16;
const LIMIT_MS = 60000 + LOST * 100;

let platform;
let people;
let campaign;
let client;
before(async () => {
	platform = await Platform.start({ demo: 'small' });
	client = new Client(platform.demo.base_url, { connections: AT_ONCE });
	people = new Principals(platform.client, platform.demo);
	[campaign] = (await platform.client.get('/v1/campaigns?state=OPEN&limit=1')).json.items;
});
after(async () => {
	client?.close();
	await platform?.stop();
});

/** Runs `one(item)` for every item, a few at a time. */
async function each(items, one) {
	const left = [...items];
	await Promise.all(Array.from({ length: AT_ONCE }, async () => { while (left.length) await one(left.shift()); }));
}
const count = async (condition) => Number((await platform.sql(`select count(*) from donations.pay_order where campaign_id = '${campaign.id}' and ${condition}`))[0][0]);
const asked = async (since, endpoint) => (await platform.control('wechat_pay', 'GET', `log?since=${since}`)).body.entries.filter((entry) => entry.endpoint === endpoint);

let gifts;
test('paid, and nobody calls: every payment is found, each once', { timeout: 600000 }, async () => {
	const headers = await people.headers('citizen:lost');
	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'no_callback', times: -1 });
	gifts = [];
	await each(Array.from({ length: LOST }), async () => {
		const given = await client.post('/v1/gifts', { campaign_id: campaign.id, amount_fen: 500 }, { ...headers, 'idempotency-key': randomUUID() });
		assert.equal(given.status, 201, given.text);
		gifts.push(given.json);
	});
	await each(gifts, async (gift) => assert.equal((await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.out_trade_no })).status, 200));
	assert.equal(await count("state = 'ORDERED'"), LOST);

	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'frequency_limited', endpoint: 'query', times: 1 });
	const start = Date.now();
	await platform.sql(`update donations.pay_order set next_check_at = now() where state = 'ORDERED'`);
	await eventually(async () => {
		/* those that were refused as too many wait for their next look, which is a minute away */
		await platform.sql(`update donations.pay_order set next_check_at = now() where state = 'ORDERED' and checks > 0 and next_check_at > now() and (select count(*) from donations.pay_order where state = 'ORDERED') <= ${AT_ONCE}`);
		return await count("state = 'ORDERED'") === 0;
	}, LIMIT_MS, 200);
	console.log(`${LOST} lost callbacks settled in ${Date.now() - start} ms`);

	assert.equal(await count("state = 'PAID'") >= LOST, true);
	const [[entries, sum]] = await platform.sql(`select count(*), sum(e.amount_fen) from donations.money_entry e join donations.gift g on g.id = e.gift_id where g.id in (${gifts.map((gift) => `'${gift.id}'`)})`);
	assert.deepEqual([Number(entries), Number(sum)], [LOST, LOST * 500]);
	assert.deepEqual(await platform.sql('select * from donations.money_disagreement'), []);
});

test('refunds of which nobody tells: asked for and followed, several at a time', { timeout: 600000 }, async () => {
	const headers = await people.headers('staff:finance');
	await each(gifts.slice(0, REFUNDED), async (gift) => {
		const refund = await client.post(`/v1/gifts/${gift.id}/refunds`, { reason: '活动取消' }, { ...headers, 'idempotency-key': randomUUID() });
		assert.equal(refund.status, 201, refund.text);
	});
	const open = async () => Number((await platform.sql("select count(*) from donations.refund where state <> 'SUCCESS'"))[0][0]);
	await eventually(async () => {
		await platform.sql("update donations.refund set next_check_at = now() where state = 'PROCESSING'");
		return await open() === 0;
	}, LIMIT_MS, 200);
	assert.deepEqual(await platform.sql('select * from donations.money_disagreement'), []);
});

test('WeChat Pay that is asked too often is left alone for a while', { timeout: 120000 }, async () => {
	const headers = await people.headers('citizen:lost');
	const given = await client.post('/v1/gifts', { campaign_id: campaign.id, amount_fen: 500 }, { ...headers, 'idempotency-key': randomUUID() });
	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'frequency_limited', endpoint: 'query', times: -1 });
	const { entries } = (await platform.control('wechat_pay', 'GET', 'log?since=0')).body;
	const since = entries.at(-1).seq;
	const end = Date.now() + 8000;
	while (Date.now() < end) { /* due again at once, as if it were many */
		await platform.sql(`update donations.pay_order set next_check_at = now() where out_trade_no = '${given.json.out_trade_no}'`);
		await new Promise((done) => { setTimeout(done, 100); });
	}
	const times = (await asked(since, 'query')).filter((entry) => entry.url.includes(given.json.out_trade_no)).length;
	assert.ok(times >= 1 && times <= 5, `asked ${times} times in 8 s`); /* at 0, 1, 3 and 7 s */
	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'none' });
	assert.equal((await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: given.json.out_trade_no })).status, 200);
	await eventually(async () => (await client.get(`/v1/public/gifts/${given.json.public_code}`)).status === 200, 30000);
});
