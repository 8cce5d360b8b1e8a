// A personal page with a goal: read by staff before anybody else, gifts that come through it, a refund, the deadline with the goal missed.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

let platform;
let people;
let campaign;
let other;
let page;
let paid;

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	const rows = await platform.sql("select id from donations.campaign where state = 'OPEN' and organization = '4412' and ends_on > current_date + 30 order by id limit 2");
	[campaign, other] = rows.flat();
});
after(() => platform?.stop());

function must(answer, status = 200) {
	assert.equal(answer.status, status, answer.text);
	return answer.json;
}
const post = async (who, path, body) => platform.client.post(path, body, { ...await people.headers(who), 'idempotency-key': randomUUID() });
const shown = async () => must(await platform.client.get(`/v1/public/pages/${page.code}`));
const give = (fen, more = {}) => post('citizen:friend', '/v1/gifts', { campaign_id: campaign, amount_fen: fen, page_code: page.code, ...more });
const day = (days) => new Date(Date.now() + 8 * 3600_000 + days * 86400_000).toISOString().slice(0, 10);

test('no page where the campaign allows none', async () => {
	const draft = { campaign_id: campaign, organizer: '小林', title: '生日愿望', story: '今年生日不收礼物，\n请捐给除颤器项目。', goal_fen: 100_000, ends_on: day(20) };
	assert.equal((await post('citizen:founder', '/v1/me/pages', draft)).json.code, 'page-not-allowed');
	must(await post('staff:campaigns', `/v1/managed-campaigns/${campaign}/page-permissions`, { allowed: true }));
	page = must(await post('citizen:founder', '/v1/me/pages', draft), 201);
	assert.equal(page.failure_rule, 'STAYS_WITH_CAMPAIGN', 'said from the beginning');
});

test('nobody sees it, or gives through it, before staff have read it', async () => {
	must(await post('citizen:founder', `/v1/me/pages/${page.id}/submissions`));
	assert.equal((await platform.client.get(`/v1/public/pages/${page.code}`)).status, 404);
	assert.equal((await give(600)).json.code, 'gift-page-open');
	must(await post('staff:campaigns', `/v1/pages/${page.id}/reviews`, { decision: 'OPEN' }));
	await eventually(async () => (await platform.client.get(`/v1/public/pages/${page.code}`)).status === 200);
	assert.equal((await shown()).raised_fen, 0);
});

test('what comes through it counts for the page and for the campaign, from one moment on', async () => {
	const before = must(await platform.client.get(`/v1/campaigns/${campaign}`)).total.received_fen;
	for (const fen of [3000, 5000]) {
		const gift = must(await give(fen), 201);
		await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.out_trade_no });
		paid = gift;
	}
	await eventually(async () => (await shown()).raised_fen === 8000, 20000);
	assert.equal((await shown()).gift_count, 2);
	await eventually(async () => must(await platform.client.get(`/v1/campaigns/${campaign}`)).total.received_fen === before + 8000, 20000);
	await eventually(async () => Number((await platform.sql('select count(*) from donations.page_total'))[0][0]) === 1, 20000);
	assert.equal((await shown()).raised_fen, 8000, 'folded or not');
	const items = must(await platform.client.get(`/v1/public/pages?campaign_id=${campaign}`)).items;
	assert.deepEqual(items.map((item) => [item.code, item.raised_fen]), [[page.code, 8000]]);
	assert.equal((await post('citizen:friend', '/v1/gifts', { campaign_id: other, amount_fen: 600, page_code: page.code })).json.code, 'gift-page-open', 'a page is of one campaign');
});

test('a refund is taken off', async () => {
	must(await post('staff:finance', `/v1/gifts/${paid.id}/refunds`, { amount_fen: 2000, reason: '捐赠人要求' }), 201);
	await eventually(async () => (await shown()).raised_fen === 6000, 20000);
	assert.equal((await shown()).refunded_fen, 2000);
});

test('the deadline closes it; the goal was missed and the money is the campaign\'s', async () => {
	const waiting = must(await give(700), 201);
	await platform.sql(`set search_path = donations; select pages_close_on('${day(20)}')`);
	assert.equal(must(await platform.client.get(`/v1/me/pages/${page.id}`, await people.headers('citizen:founder'))).state, 'OPEN', 'the last day counts');
	await platform.sql(`set search_path = donations; select pages_close_on('${day(21)}')`);
	const closed = must(await platform.client.get(`/v1/me/pages/${page.id}`, await people.headers('citizen:founder')));
	assert.deepEqual([closed.state, closed.close_reason, closed.raised_fen, closed.goal_fen], ['CLOSED', 'DEADLINE', 6000, 100_000]);
	assert.equal((await give(600)).json.code, 'gift-page-open');
	await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: waiting.out_trade_no });
	await eventually(async () => must(await platform.client.get(`/v1/me/pages/${page.id}`, await people.headers('citizen:founder'))).raised_fen === 6700, 20000);
	const [[balance, gifts]] = await platform.sql(`select donations.account_balance('fund:${campaign}'), (select -sum(amount_fen) from donations.money_entry where campaign_id = '${campaign}')`);
	assert.equal(balance, gifts, 'all of it is in the campaign\'s fund');
	for (const view of ['money_disagreement', 'ledger_disagreement', 'page_disagreement']) assert.deepEqual(await platform.sql(`select * from donations.${view}`), []);
});
