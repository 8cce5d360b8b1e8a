// What went wrong elsewhere, as tests by name: H3, H6 and H8 (H1 and H5 stand in use.test.mjs).
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { checkedAnew } from '../support/checked.mjs';
import { eventually } from '../support/eventually.mjs';
import { must } from '../support/must.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

let platform;
let people;
let campaign;
const get = (target) => platform.client.get(target);
const post = async (as, target, body) => platform.client.post(target, body, { ...await people.headers(as), 'idempotency-key': randomUUID() });
const day = (offset) => new Date(Date.now() + 8 * 3600e3 + offset * 864e5).toISOString().slice(0, 10);
/* As the owner, round the rules of a filed campaign. */
const starts = (on) => platform.sql(`alter table donations.campaign disable trigger user; update donations.campaign set starts_on = '${on}' where id = '${campaign.id}'; alter table donations.campaign enable trigger user`);

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	[campaign] = must(await get('/v1/campaigns?state=OPEN&limit=1')).items;
});
after(() => platform?.stop());

test('H3 (2011): no gift is booked to a campaign before its start', async () => {
	const [[began]] = await platform.sql(`select starts_on from donations.campaign where id = '${campaign.id}'`);
	await starts(day(1));
	assert.equal((await post('citizen:lin', '/v1/gifts', { campaign_id: campaign.id, amount_fen: 700 })).json.code, 'campaign-not-started');
	await starts(day(0));
	const gift = must(await post('citizen:lin', '/v1/gifts', { campaign_id: campaign.id, amount_fen: 700, channel: 'BANK_TRANSFER' }), 201);
	const arrived = (at) => post('staff:finance', `/v1/gifts/${gift.id}/transfers`, { amount_fen: 700, bank_reference: 'H3', received_at: at });
	const early = await arrived(new Date(Date.parse(`${day(0)}T00:00:00+08:00`) - 1000).toISOString());
	assert.equal(early.json.code, 'transfer-before-gift', early.text);
	assert.ok((await arrived(new Date().toISOString())).status < 300);
	await starts(began);
});

test('H6 (2020): two official totals cannot differ: summary, funds, ledger and public log say the same', async () => {
	const leaves = Number((await platform.sql('select count(*) from donations.outbox where leaf is not null'))[0][0]);
	await eventually(async () => must(await get('/v1/public/log')).size === leaves, 30000);
	await eventually(async () => {
		const summary = must(await get('/v1/public/summary'));
		// gifts are the funds of donations; lottery money, appropriations and fees are funds too, and no gifts
		const [[received, net, all]] = (await platform.sql(`select sum(x.received_fen) filter (where f.source = 'DONATION'), sum(x.balance_fen) filter (where f.source = 'DONATION'),
			sum(x.balance_fen) from donations.fund f cross join lateral donations.fund_figures(f.code) x`)).map((row) => row.map(Number));
		const log = must(await get('/log/balances.json')).items.filter((item) => item.account.startsWith('fund:')).reduce((sum, item) => sum - item.fen, 0);
		assert.ok(summary.as_of);
		return summary.received_fen === received && summary.net_fen === net && log === all;
	}, 15000);
	assert.equal((await checkedAnew(platform, async () => must(await get('/v1/public/ledger/check')))).ok, true);
});

test('H8: a gift and all its refunds sum to nothing', async () => {
	const gift = must(await post('citizen:chen', '/v1/gifts', { campaign_id: campaign.id, amount_fen: 900 }), 201);
	await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.out_trade_no });
	await eventually(async () => (await get(`/v1/public/gifts/${gift.public_code}`)).status === 200);
	for (const fen of [300, 600]) {
		must(await post('staff:finance', `/v1/gifts/${gift.id}/refunds`, { amount_fen: fen, reason: '重复捐赠' }), 201);
		await eventually(async () => (await platform.sql(`select count(*) from donations.refund where gift_id = '${gift.id}' and state <> 'SUCCESS'`))[0][0] === '0');
	}
	assert.equal((await post('staff:finance', `/v1/gifts/${gift.id}/refunds`, { amount_fen: 1, reason: '再退' })).status, 409);
	assert.deepEqual(await platform.sql(`select account, sum(fen) from donations.posting where gift_id = '${gift.id}' group by account having sum(fen) <> 0`), []);
	await eventually(async () => (await get(`/v1/public/gifts/${gift.public_code}`)).json.state === 'REFUNDED');
});
