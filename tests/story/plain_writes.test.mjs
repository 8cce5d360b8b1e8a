// Writes without C: what an Idempotency-Key promises holds for every one of them, also where a repetition by itself would be refused.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

let platform;
let people;
before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
});
after(() => platform?.stop());

const post = async (as, target, body, key) => platform.client.post(target, body, { ...await people.headers(as), 'idempotency-key': key });
const makeCampaign = (as, title, key) => post(as, '/v1/campaigns', { title, summary: '摘要' }, key);
const replayed = (answer) => answer.headers['idempotency-replayed'];
const campaigns = async (title) => Number((await platform.sql(`select count(*) from donations.campaign where title = '${title}'`))[0][0]);

test('a repetition gives the same bytes, status, Location and ETag, and has one effect', async () => {
	const key = randomUUID();
	const first = await makeCampaign('staff:campaigns', '同一次', key);
	assert.equal(first.status, 201, first.text);
	assert.equal(replayed(first), undefined);
	for (const form of [key, `"${key}"`]) {
		const again = await makeCampaign('staff:campaigns', '同一次', form);
		assert.equal(again.status, 201);
		assert.equal(replayed(again), 'true');
		assert.deepEqual(again.raw, first.raw);
		for (const name of ['location', 'etag', 'content-type']) assert.equal(again.headers[name], first.headers[name], name);
	}
	assert.equal(await campaigns('同一次'), 1);
});

test('the order of members and white space do not make another request; a value does', async () => {
	const key = randomUUID();
	const first = await makeCampaign('staff:campaigns', '次序', key);
	const turned = await platform.client.request('POST', '/v1/campaigns', { headers: { ...await people.headers('staff:campaigns'), 'idempotency-key': key }, body: '{ "summary" : "摘要",\n"title":"次序" }' });
	assert.equal(turned.status, 201, turned.text);
	assert.deepEqual(turned.raw, first.raw);
	const other = await makeCampaign('staff:campaigns', '别的', key);
	assert.equal(other.status, 422);
	assert.equal(other.json.code, 'idempotency-key-reused');
	assert.equal(await campaigns('别的'), 0);
});

test("another caller's key is another key", async () => {
	const key = randomUUID();
	const mine = await makeCampaign('staff:campaigns', '两人', key);
	const theirs = await makeCampaign('staff:admin', '两人', key);
	assert.equal(mine.status, 201, mine.text);
	assert.equal(replayed(theirs), undefined);
	if (theirs.status === 201) assert.notEqual(theirs.json.id, mine.json.id);
});

test('twenty at once: one effect, twenty equal answers', async () => {
	const key = randomUUID();
	const answers = await Promise.all(Array.from({ length: 20 }, () => makeCampaign('staff:campaigns', '同时', key)));
	assert.deepEqual([...new Set(answers.map((a) => a.status))], [201]);
	assert.equal(new Set(answers.map((a) => a.text)).size, 1);
	assert.equal(answers.filter((a) => !replayed(a)).length, 1);
	assert.equal(await campaigns('同时'), 1);
});

test('a refund of everything, repeated, is answered as the first time, not refused by its own effect', async () => {
	const [open] = (await platform.client.get('/v1/campaigns?state=OPEN&limit=1')).json.items;
	const gift = (await post('citizen:lin', '/v1/gifts', { campaign_id: open.id, amount_fen: 5000 }, randomUUID())).json;
	await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.out_trade_no });
	await eventually(async () => (await platform.client.get(`/v1/public/gifts/${gift.public_code}`)).status === 200);
	const key = randomUUID();
	const refund = (k) => post('staff:finance', `/v1/gifts/${gift.id}/refunds`, { reason: '误捐' }, k);
	const [first, ...rest] = await Promise.all(Array.from({ length: 8 }, () => refund(key)));
	for (const again of [...rest, await refund(key)]) {
		assert.equal(again.status, first.status, again.text);
		assert.deepEqual(again.raw, first.raw);
	}
	assert.ok(first.status < 300, first.text);
	const other = await refund(randomUUID());
	assert.equal(other.json.code, 'refund-exceeds-payment', other.text);
	const [[count]] = await platform.sql(`select count(*) from donations.refund where gift_id = '${gift.id}'`);
	assert.equal(Number(count), 1);
});

test('cursors: a page goes on where the last one ended, and belongs to its list, its filters and its caller', async () => {
	const get = async (target, as) => platform.client.get(target, as ? await people.headers(as) : {});
	const all = (await get('/v1/campaigns?limit=100')).json.items.map((c) => c.id);
	const seen = [];
	let cursor = '';
	do {
		const page = await get(`/v1/campaigns?limit=4${cursor && `&cursor=${cursor}`}`);
		assert.equal(page.status, 200, page.text);
		seen.push(...page.json.items.map((c) => c.id));
		assert.equal(page.json.has_more, page.json.next_cursor !== undefined);
		if (page.json.has_more) assert.ok(page.headers.link.includes(`cursor=${page.json.next_cursor}>; rel="next"`));
		cursor = page.json.next_cursor;
	} while (cursor);
	assert.deepEqual(seen, all);

	const { next_cursor: mine } = (await get('/v1/campaigns?limit=2')).json;
	for (const target of [`/v1/campaigns?state=OPEN&cursor=${mine}`, `/v1/campaigns?cursor=${mine.slice(0, -2)}AA`, '/v1/campaigns?cursor=AAAA']) {
		const refused = await get(target);
		assert.equal(refused.status, 400, target);
		assert.equal(refused.json.code, 'cursor-mismatch');
	}
	const managed = (await get('/v1/managed-campaigns?limit=1', 'staff:campaigns')).json.next_cursor;
	assert.equal((await get(`/v1/managed-campaigns?limit=1&cursor=${managed}`, 'staff:campaigns')).status, 200);
	const county = await get(`/v1/managed-campaigns?limit=1&cursor=${managed}`, 'staff:duanzhou');
	assert.notEqual(county.status, 200, 'a cursor is of one organisation');
});

test('entity tags: 304 with the tag, also for HEAD and lists of tags; changes are compared strongly', async () => {
	const [campaign] = (await platform.client.get('/v1/campaigns?limit=1')).json.items;
	const target = `/v1/campaigns/${campaign.id}`;
	const { headers: { etag } } = await platform.client.get(target);
	assert.match(etag, /^"[^"]+"$/);
	for (const [method, tag] of [['GET', etag], ['HEAD', etag], ['GET', `W/${etag}`], ['GET', `"x", ${etag}`], ['GET', '*']]) {
		const same = await platform.client.request(method, target, { headers: { 'if-none-match': tag } });
		assert.equal(same.status, 304, `${method} ${tag}`);
		assert.equal(same.headers.etag, etag);
		assert.equal(same.raw.length, 0);
	}
	for (const tag of ['"x"', etag.slice(1, -1), `x${etag.slice(1, -1)}x`]) assert.equal((await platform.client.get(target, { 'if-none-match': tag })).status, 200, tag);
});
