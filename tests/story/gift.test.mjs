// The whole gift, as a citizen, WeChat Pay, the public and the staff live it.
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
	const open = await platform.client.get('/v1/campaigns?state=OPEN&limit=1');
	assert.equal(open.status, 200, open.text);
	[campaign] = open.json.items;
	assert.ok(campaign, 'the demo city has an open campaign');
});
after(() => platform?.stop());

const give = async (as, body, key = randomUUID()) => platform.client.post('/v1/gifts', { campaign_id: campaign.id, ...body }, { ...await people.headers(as), 'idempotency-key': key });
const pay = (no) => platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: no });
const publicGift = (code) => platform.client.get(`/v1/public/gifts/${code}`);
const settled = (code) => eventually(async () => { const seen = await publicGift(code); return seen.status === 200 && seen.json; });

test('login, gift, payment, public page, totals, refund', async () => {
	const before = (await platform.client.get('/v1/public/summary')).json;
	const given = await give('citizen:lin', { amount_fen: 8800, disclosure: 'NAMED', real_name: '林小满', message: '愿大家平安' });
	assert.equal(given.status, 201, given.text);
	assert.match(given.json.public_code, /^[0-9A-HJKMNP-TV-Z]{16}$/);
	assert.match(given.json.payment.package, /^prepay_id=/);
	assert.equal(given.json.payment.signType, 'RSA');
	assert.equal((await publicGift(given.json.public_code)).status, 404, 'nothing is public before it is paid');

	assert.equal((await pay(given.json.out_trade_no)).status, 200);
	const seen = await settled(given.json.public_code);
	assert.equal(seen.amount_fen, 8800);
	assert.ok(!JSON.stringify(seen).includes('林小满'), 'the full name is not shown');
	assert.ok(JSON.stringify(seen).includes('林**'), 'the masked name is');

	const mine = await platform.client.get('/v1/me/gifts', await people.headers('citizen:lin'));
	assert.ok(mine.json.items.some((gift) => gift.public_code === given.json.public_code));
	const others = await platform.client.get('/v1/me/gifts', await people.headers('citizen:someone-else'));
	assert.ok(!others.json.items.some((gift) => gift.public_code === given.json.public_code), 'rows of others stay hidden');

	await eventually(async () => (await platform.client.get('/v1/public/summary')).json.received_fen - before.received_fen === 8800);

	const refund = await platform.client.post(`/v1/gifts/${given.json.id}/refunds`, { amount_fen: 800, reason: '重复捐赠' },
		{ ...await people.headers('staff:finance'), 'idempotency-key': randomUUID() });
	assert.ok([200, 201, 202].includes(refund.status), refund.text);
	await eventually(async () => (await platform.sql(`select state from donations.refund where gift_id = '${given.json.id}'`))[0]?.[0] === 'SUCCESS');
	await eventually(async () => (await platform.client.get('/v1/public/summary')).json.net_fen - before.net_fen === 8000);
	const [[sum]] = await platform.sql(`select sum(amount_fen) from donations.money_entry where gift_id = '${given.json.id}'`);
	assert.equal(Number(sum), 8000);
});

test('the same key gives the same answer once, another body is refused', async () => {
	const key = randomUUID();
	const first = await give('citizen:chen', { amount_fen: 1000 }, key);
	const again = await give('citizen:chen', { amount_fen: 1000 }, `"${key}"`);
	assert.equal(first.status, 201, first.text);
	assert.equal(again.status, 201, again.text);
	assert.equal(again.text, first.text);
	assert.equal(again.headers['idempotency-replayed'], 'true');
	const other = await give('citizen:chen', { amount_fen: 2000 }, key);
	assert.equal(other.status, 422);
	assert.equal(other.json.code, 'idempotency-key-reused');
	const [[count]] = await platform.sql(`select count(*) from donations.gift where public_code = '${first.json.public_code}'`);
	assert.equal(count, '1');
});

test('twenty retries at once make one gift', async () => {
	const key = randomUUID();
	const answers = await Promise.all(Array.from({ length: 20 }, () => give('citizen:race', { amount_fen: 1234, channel: 'BANK_TRANSFER' }, key)));
	for (const answer of answers) assert.equal(answer.status, 201, answer.text);
	assert.equal(new Set(answers.map((a) => a.json.public_code)).size, 1);
});

test('twenty retries at once that all speak with WeChat give one answer, to the byte', async () => {
	const key = randomUUID();
	const answers = await Promise.all(Array.from({ length: 20 }, () => give('citizen:race', { amount_fen: 1234 }, key)));
	for (const answer of answers) assert.equal(answer.status, 201, answer.text);
	assert.equal(new Set(answers.map((a) => a.text)).size, 1);
	assert.equal(answers.filter((a) => a.headers['idempotency-replayed'] !== 'true').length, 1);
	assert.equal((await give('citizen:race', { amount_fen: 1234 }, key)).text, answers[0].text);
});

test('a callback that never comes: the order is settled by query', async () => {
	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'no_callback', times: 1 });
	const given = await give('citizen:quiet', { amount_fen: 500 });
	assert.equal((await pay(given.json.out_trade_no)).status, 200);
	await platform.sql(`update donations.pay_order set next_check_at = now() where out_trade_no = '${given.json.out_trade_no}'`);
	assert.equal((await settled(given.json.public_code)).amount_fen, 500);
});

test('a repeated callback counts once', async () => {
	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'duplicate_callback', count: 3, times: 1 });
	const given = await give('citizen:twice', { amount_fen: 700 });
	await pay(given.json.out_trade_no);
	await settled(given.json.public_code);
	await new Promise((done) => { setTimeout(done, 1000); });
	const [[count]] = await platform.sql(`select count(*) from donations.money_entry where gift_id = '${given.json.id}'`);
	assert.equal(count, '1');
});

test('payments that wait for each other share a commit, and one that is wrong costs only itself', async () => {
	const gifts = await Promise.all(Array.from({ length: 12 }, (_, i) => give(`citizen:flood-${i}`, { amount_fen: 900 + i })));
	const numbers = gifts.map((gift) => gift.json.out_trade_no);
	const behave = (mode, out_trade_no) => platform.control('wechat_pay', 'POST', 'behaviour', { mode, out_trade_no, count: 2, times: 1 });
	await behave('duplicate_callback', numbers[3]);
	await behave('amount_mismatch', numbers[5]);
	const held = platform.session('yg_donations_owner', `begin; select from pay_order where out_trade_no = '${numbers[0]}' for update; select pg_sleep(1.5); commit`);
	await eventually(async () => (await platform.sql("select count(*) from pg_stat_activity where query like '%pg_sleep(1.5)%' and state = 'active' and pid <> pg_backend_pid()"))[0][0] === '1');
	await Promise.all(numbers.map(pay));
	await held;
	await Promise.all(gifts.filter((_, i) => i !== 5).map((gift) => settled(gift.json.public_code)));
	const ids = gifts.map((gift) => `'${gift.json.id}'`).join(',');
	const [[rows, different, commits]] = await platform.sql(`select count(*), count(distinct gift_id), count(distinct xmin::text) from donations.money_entry
		where gift_id in (${ids}) and gift_id <> '${gifts[5].json.id}'`);
	assert.deepEqual([rows, different], ['11', '11'], 'each once');
	assert.ok(Number(commits) < 8, `${commits} commits for eleven payments`);
	assert.deepEqual(await platform.sql(`select kind, amount_fen from donations.payment_exception where out_trade_no = '${numbers[5]}'`), [['AMOUNT_MISMATCH', '906']]);
});

test('a payment that is told again waits for nobody who spends it, and nobody waits behind it', async () => {
	const given = await give('citizen:again', { amount_fen: 800 });
	const number = given.json.out_trade_no;
	await pay(number);
	await settled(given.json.public_code);
	const spending = await platform.hold('yg_donations_owner', `select from pay_order where out_trade_no = '${number}' for update`);
	const told = platform.control('wechat_pay', 'POST', 'callbacks', { out_trade_no: number });
	const other = await give('citizen:meanwhile', { amount_fen: 801 });
	await pay(other.json.out_trade_no);
	await settled(other.json.public_code);
	assert.equal((await told).body.attempt.status, 204);
	assert.equal(await spending.held(), true, 'all of this while the gift was being spent');
	await spending.release();
});

test('a refund of a gift that is being spent holds up nobody who reads, and is told to come again', async () => {
	const gifts = await Promise.all([1, 2, 3, 4].map((n) => give('citizen:regret', { amount_fen: 810 + n })));
	for (const gift of gifts) { await pay(gift.json.out_trade_no); await settled(gift.json.public_code); }
	const spending = await platform.hold('yg_donations_owner', `select from pay_order where out_trade_no in (${gifts.map((gift) => `'${gift.json.out_trade_no}'`).join(',')}) for update`);
	const staff = await people.headers('staff:finance'), regret = await people.headers('citizen:regret');
	const refund = (gift) => platform.client.post(`/v1/gifts/${gift.json.id}/refunds`, { amount_fen: 100, reason: '误捐' }, { ...staff, 'idempotency-key': randomUUID() });
	const refunds = gifts.map(refund);
	const waiting = async () => Number((await platform.sql("select count(*) from pg_stat_activity where usename = 'yg_donations' and wait_event_type = 'Lock'"))[0][0]) > 0;
	await eventually(waiting);
	const read = await Promise.all(Array.from({ length: 20 }, () => platform.client.get(`/v1/me/gifts/${gifts[0].json.id}`, regret)));
	assert.ok(read.every((answer) => answer.status === 200));
	const answers = await Promise.all(refunds);
	assert.equal(await spending.held(), true, 'all of this while the gifts were being spent');
	for (const answer of answers) assert.deepEqual([answer.status, answer.json.code], [503, 'retry']);
	await spending.release();
	assert.equal((await refund(gifts[0])).status, 201);
});

test('what the mini-program cannot do with PATCH it can with POST', async () => {
	const headers = await people.headers('staff:campaigns');
	const managed = await platform.client.get('/v1/managed-campaigns?limit=1', headers);
	assert.equal(managed.status, 200, managed.text);
	const { id } = managed.json.items[0];
	const one = await platform.client.get(`/v1/managed-campaigns/${id}`, headers);
	const patch = { contact_phone: '0758-2222222' };
	const missing = await platform.client.wx({ url: `/v1/campaigns/${id}`, method: 'PATCH', data: patch, header: headers });
	assert.equal(missing.status, 428, missing.text);
	const stale = await platform.client.wx({ url: `/v1/campaigns/${id}`, method: 'PATCH', data: patch, header: { ...headers, 'if-match': '"999999"' } });
	assert.equal(stale.status, 412, stale.text);
	const done = await platform.client.wx({ url: `/v1/campaigns/${id}`, method: 'PATCH', data: patch, header: { ...headers, 'if-match': one.headers.etag } });
	assert.equal(done.status, 200, done.text);
});

test('what a payment changes is seen through the cache at once', async (t) => {
	const page = () => platform.client.get(`/v1/campaigns/${campaign.id}`);
	await eventually(async () => /hit/.test((await page()).headers['cache-status'] ?? ''));
	const given = await give('citizen:lin', { amount_fen: 700 });
	const kept = JSON.stringify((await page()).json);
	assert.equal((await pay(given.json.out_trade_no)).status, 200);
	await eventually(async () => (await publicGift(given.json.public_code)).status === 200, 10000, 1);
	const start = process.hrtime.bigint();
	await eventually(async () => JSON.stringify((await page()).json) !== kept, 10000, 1);
	t.diagnostic(`${(Number(process.hrtime.bigint() - start) / 1e6).toFixed(1)} ms after the gift's own page`);
});

test('events reach the stream in order, each once, also when Redis comes back empty', async () => {
	const given = await give('citizen:event', { amount_fen: 300, channel: 'BANK_TRANSFER' });
	assert.equal(given.status, 201, given.text);
	const published = async () => (await platform.sql('select (select count(*) from donations.outbox where position is null), (select position - published from donations.relay_state)'))[0];
	await eventually(async () => (await published()).every((n) => n === '0'));
	await platform.command('stop', 'redis');
	const during = await give('citizen:event', { amount_fen: 301, channel: 'BANK_TRANSFER' });
	assert.equal(during.status, 201, 'Redis gone: never an error');
	await platform.command('start', 'redis');
	await eventually(async () => (await published()).every((n) => n === '0'), 15000);
});
