// Orders that nobody pays in time: closed at WeChat first and here afterwards; a payment in between, or after it, is never lost.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';
import { eventually } from '../support/eventually.mjs';

let platform;
let people;
let campaign;
before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	[campaign] = (await platform.client.get('/v1/campaigns?state=OPEN&limit=1')).json.items;
});
after(() => platform?.stop());

async function give(body = {}) {
	const given = await platform.client.post('/v1/gifts', { campaign_id: campaign.id, amount_fen: 600, ...body }, { ...await people.headers('citizen:unpaid'), 'idempotency-key': randomUUID() });
	assert.equal(given.status, 201, given.text);
	return given.json;
}
const pay = (no) => platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: no });
const expire = (no) => platform.sql(`update donations.pay_order set expires_at = now() - interval '1 second', next_check_at = now() where out_trade_no = '${no}'`);
const stateOf = async ({ id }) => (await platform.client.get(`/v1/me/gifts/${id}`, await people.headers('citizen:unpaid'))).json.state;
const becomes = (gift, state) => eventually(async () => await stateOf(gift) === state, 20000);
const atWechat = async (no) => (await platform.control('wechat_pay', 'GET', `orders?out_trade_no=${no}`)).body.items[0].trade_state;

test('closed on both sides, and no longer payable', async () => {
	const gift = await give();
	await expire(gift.out_trade_no);
	await becomes(gift, 'CLOSED');
	assert.equal(await atWechat(gift.out_trade_no), 'CLOSED');
	const again = await platform.client.post(`/v1/me/gifts/${gift.id}/payment`, undefined, await people.headers('citizen:unpaid'));
	assert.equal(again.status, 409, again.text);
	assert.equal(again.json.code, 'gift-not-payable');
	assert.equal((await platform.client.get(`/v1/public/gifts/${gift.public_code}`)).status, 404);
});

test('an order that WeChat never heard of is closed here', async () => {
	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'html', endpoint: 'jsapi', times: 2 });
	const key = randomUUID();
	const failed = await platform.client.post('/v1/gifts', { campaign_id: campaign.id, amount_fen: 600 }, { ...await people.headers('citizen:unpaid'), 'idempotency-key': key });
	assert.ok(failed.status >= 500, failed.text);
	const [[id, no]] = await platform.sql("select gift_id, out_trade_no from donations.pay_order where state = 'CREATED' and channel = 'WECHAT_JSAPI' order by gift_id desc limit 1");
	await expire(no);
	await becomes({ id }, 'CLOSED');
});

test('a payment while it is being closed counts', async () => {
	const gift = await give();
	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'no_callback', times: 1 });
	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'pay_during_close', out_trade_no: gift.out_trade_no });
	await expire(gift.out_trade_no);
	await eventually(async () => await atWechat(gift.out_trade_no) === 'SUCCESS', 20000);
	assert.equal(await stateOf(gift), 'PENDING', 'not closed over the head of the payer');
	await platform.sql(`update donations.pay_order set next_check_at = now() where out_trade_no = '${gift.out_trade_no}'`);
	await becomes(gift, 'PAID');
});

test('a payment after we have closed it counts, and staff see that it was late', async () => {
	const gift = await give();
	await platform.sql(`update donations.pay_order set expires_at = now() - interval '1 second', next_check_at = now() + interval '1 hour' where out_trade_no = '${gift.out_trade_no}'; select donations.order_close('${gift.out_trade_no}')`);
	assert.equal(await stateOf(gift), 'CLOSED');
	assert.equal((await pay(gift.out_trade_no)).status, 200);
	await becomes(gift, 'PAID');
	const late = await platform.client.get(`/v1/gifts?late=true&campaign_id=${campaign.id}`, await people.headers('staff:finance'));
	assert.ok(late.json.items.some((one) => one.id === gift.id && one.late), late.text);
	assert.deepEqual(await platform.sql('select * from donations.money_disagreement'), []);
});

test('a bank transfer that never came is closed after its month', async () => {
	const gift = await give({ channel: 'BANK_TRANSFER' });
	await expire(gift.out_trade_no);
	await becomes(gift, 'CLOSED');
});
