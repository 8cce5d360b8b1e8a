// Funds from proposal to story: a named fund with instalments, gifts for one of several purposes, a campaign's surplus that goes where the
// filing says with the gifts it came from, lottery money apart; worked out again from public pages and proved by the public log.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { checkedAnew } from '../support/checked.mjs';
import { eventually } from '../support/eventually.mjs';
import { must } from '../support/must.mjs';
import { Platform, ROOT } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';
import { downloadLog } from '../support/public_log.mjs';

const BIN = path.resolve(ROOT, process.env.YG_BIN ?? 'build/release/bin');
const BANK = { bank_holder: '肇庆市红十字会', bank_name: '演示银行', bank_account: '441200009999' };
const day = (n) => new Date(Date.now() + 8 * 3600e3 + n * 86400e3).toISOString().slice(0, 10);
const sha = (text) => createHash('sha256').update(text).digest('hex');
let platform;
let people;

const get = async (target, as) => platform.client.get(target, as ? await people.headers(as) : {});
const post = async (as, target, body) => platform.client.post(target, body, { ...await people.headers(as), 'idempotency-key': randomUUID() });
const fundPage = async (code) => must(await get(`/v1/public/funds/${code}`));
const story = async (gift) => must(await get(`/v1/public/gifts/${gift.public_code}`));
const uses = async (it) => must(await get(`/v1/public/disbursements/${it.number}/gifts?limit=100`)).items.map((use) => [use.public_code, use.amount_fen]);

async function fund(code, more) {
	must(await post('staff:campaigns', '/v1/managed/funds', { code, kind: 'EARMARKED', source: 'DONATION', name: `基金 ${code}`, organization: '4412', purpose: '急救普及',
		...(more?.source ? {} : BANK), ...more }), 201);
	return must(await post('staff:finance', `/v1/managed/funds/${code}/openings`));
}
async function give(as, body) {
	const gift = must(await post(as, '/v1/gifts', body), 201);
	await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.out_trade_no });
	await eventually(async () => (await get(`/v1/public/gifts/${gift.public_code}`)).status === 200);
	await new Promise((done) => { setTimeout(done, 1100); }); // WeChat Pay tells the second only
	return gift;
}
async function spend(code, fen, more) {
	const it = must(await post('staff:campaigns', '/v1/disbursements', { fund: code, amount_fen: fen, purpose: '除颤器', payee_kind: 'BRANCH', payee: '怀集县红十字会', ...more }), 201);
	must(await post('staff:finance', `/v1/disbursements/${it.id}/approvals`));
	must(await post('staff:finance', `/v1/disbursements/${it.id}/payments`, { bank_reference: `ICBC-${code}` }));
	return it;
}

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
});
after(() => platform?.stop());

let named;

test('a named fund: proposed, opened by another, its first instalment given, its page and the story of the gift', async () => {
	must(await post('staff:finance', '/v1/managed/funds', { code: 'xinghu', kind: 'NAMED', source: 'DONATION', name: '星湖急救基金', organization: '4412', purpose: '急救进校园',
		founder: '星湖一家人', minimum_fen: 3000000, ...BANK, instalments: [{ due_date: day(0), amount_fen: 1000000 }, { due_date: day(300), amount_fen: 2000000 }] }), 201);
	assert.equal((await get('/v1/public/funds/xinghu')).status, 404, 'a proposal is nobody\'s business');
	assert.equal((await post('staff:finance', '/v1/managed/funds/xinghu/openings')).json.code, 'fund-own');
	assert.equal(must(await post(`staff:${platform.demo.staff[0].username}`, '/v1/managed/funds/xinghu/openings')).state, 'OPEN');
	assert.deepEqual((await fundPage('xinghu')).instalments.map((one) => one.state), ['DUE', 'DUE']);
	named = await give('citizen:lin', { fund_code: 'xinghu', amount_fen: 1000000, disclosure: 'ALIAS', alias: '星湖一家人' });
	await eventually(async () => (await fundPage('xinghu')).received_fen === 1000000);
	const page = await fundPage('xinghu');
	assert.deepEqual(page.instalments.map((one) => [one.state, one.met_fen]), [['MET', 1000000], ['DUE', 0]]);
	assert.equal(page.statement[0].balance_fen, 1000000);
	assert.ok(Number.isInteger(page.log_size) && page.as_of);
	const seen = await story(named);
	assert.deepEqual([seen.fund_code, seen.campaign.title, seen.donor_name], ['xinghu', '星湖急救基金', '星湖一家人']);
	assert.equal(must(await get(`/v1/campaigns/${seen.campaign.id}/gifts`)).items[0].public_code, named.public_code);
	assert.equal((await get(`/v1/campaigns/${seen.campaign.id}`)).status, 404, 'it is no public fundraising');
	assert.ok(!must(await get('/v1/campaigns?limit=100')).items.some((one) => one.id === seen.campaign.id));
	assert.equal(must(await get('/v1/managed/gifts?fund=xinghu', 'staff:finance')).items[0].public_code, named.public_code);
});

test('it is used, receipted, refunded as any gift', async () => {
	const it = await spend('xinghu', 400000);
	assert.deepEqual(await uses(it), [[named.public_code, 400000]]);
	must(await post('staff:finance', `/v1/gifts/${named.id}/refunds`, { amount_fen: 100000, reason: '捐赠人要求' }), 201);
	await eventually(async () => (await story(named)).refunded_fen === 100000);
	must(await post('citizen:lin', `/v1/me/gifts/${named.id}/receipts`, { title: '林小满' }), 201);
	await eventually(async () => {
		const page = await fundPage('xinghu');
		return page.balance_fen === 500000 && page.spent_fen === 400000 && page.refunded_fen === 100000 && page.instalments[0].state === 'DUE';
	});
});

test('the published rule with earmarks, worked out from public pages', async () => {
	await fund('kits', { earmarks: [{ code: 'aed', name: '除颤器' }, { code: 'bed', name: '棉被' }] });
	for (const [as, fen, earmark] of [['citizen:chen', 3000], ['citizen:lin', 2000, 'bed'], ['citizen:chen', 1000, 'aed'], ['citizen:lin', 5000], ['citizen:wu', 800, 'aed']]) {
		await give(as, { fund_code: 'kits', amount_fen: fen, ...(earmark ? { earmark } : {}) });
	}
	const { id } = (await story({ public_code: must(await get('/v1/managed/gifts?fund=kits', 'staff:finance')).items[0].public_code })).campaign;
	const gifts = await Promise.all(must(await get(`/v1/campaigns/${id}/gifts?limit=100`)).items.map(story));
	const order = (a, b) => Date.parse(a.paid_at) - Date.parse(b.paid_at) || (a.public_code < b.public_code ? -1 : 1);
	let left = 4000;
	const expected = [];
	for (const gift of [...gifts.filter((one) => one.earmark === 'aed').sort(order), ...gifts.filter((one) => !one.earmark).sort(order)]) {
		const part = Math.min(left, gift.amount_fen - (gift.refunded_fen ?? 0) - (gift.spent_fen ?? 0) - (gift.allocated_fen ?? 0));
		if (part > 0) expected.push([gift.public_code, part]);
		left -= part;
	}
	assert.equal(expected.length, 3);
	assert.deepEqual(await uses(await spend('kits', 4000, { earmark: 'aed' })), expected);
	const greedy = must(await post('staff:campaigns', '/v1/disbursements', { fund: 'kits', amount_fen: 5801, purpose: '除颤器', payee_kind: 'BRANCH', payee: '怀集县红十字会' }), 201);
	assert.equal((await post('staff:finance', `/v1/disbursements/${greedy.id}/approvals`)).json.code, 'disbursement-earmarked', 'beds are not bought for it');
});

let moved;

test('H3 (2011), for funds: a gift is used elsewhere only by the filed rule, and its page says so', async () => {
	await fund('reserve');
	const campaign = must(await post('staff:campaigns', '/v1/campaigns', { title: '山洪救助', purpose: 'p', starts_on: day(-5), ends_on: day(60), area: '肇庆市', person_in_charge: '李', office_address: 'o',
		contact_phone: '0758-2200000', how_to_give: 'h', ...BANK, beneficiaries: 'b', use_plan: 'u', cost_cap_fen: 0, surplus_rule: '结余转入备灾基金', surplus_fund: 'reserve', certificate_no: 'c',
		platform_url: 'https://cszg.mca.gov.cn/1', goal_fen: 10000 }), 201);
	must(await post('staff:campaigns', `/v1/campaigns/${campaign.id}/filings`, { filing_no: 'H3', filed_on: day(-20) }));
	must(await post('staff:campaigns', `/v1/campaigns/${campaign.id}/openings`));
	const headers = { ...await people.headers('staff:campaigns'), 'if-match': '*', 'content-type': 'application/merge-patch+json' };
	const changed = await platform.client.request('PATCH', `/v1/campaigns/${campaign.id}`, { body: JSON.stringify({ surplus_fund: 'kits' }), headers });
	assert.equal(changed.json.code, 'campaign-filing-frozen', changed.text);
	assert.equal(must(await get(`/v1/campaigns/${campaign.id}`)).surplus_fund, 'reserve', 'the public knows where it goes');
	moved = await give('citizen:chen', { campaign_id: campaign.id, amount_fen: 9000 });
	const last = await give('citizen:wu', { campaign_id: campaign.id, amount_fen: 6000 });
	const move = async (fen, to = 'reserve') => post('staff:campaigns', '/v1/managed/fund-moves', { from: campaign.id, purpose: '超出目标的部分', lines: [{ fund: to, amount_fen: fen }] });
	const book = (it) => post('staff:finance', `/v1/managed/fund-moves/${it.id}/approvals`);
	assert.equal((await move(1000, 'kits')).json.code, 'fund-move-rule', 'only to the fund that was filed');
	assert.equal((await book(must(await move(5001), 201))).json.code, 'fund-move-rule', 'no more than came in beyond the goal');
	must(await book(must(await move(5000), 201)));
	assert.equal((await book(must(await move(1), 201))).json.code, 'fund-move-rule', 'and that once');
	const seen = await story(moved);
	assert.deepEqual([seen.allocated_fen, seen.moves[0].from, seen.moves[0].to, seen.moves[0].amount_fen], [5000, campaign.id, 'reserve', 5000]);
	must(await post('staff:campaigns', `/v1/campaigns/${campaign.id}/closures`, { reason: '期满' }));
	must(await book(must(await move(10000), 201)));
	assert.equal((await fundPage(campaign.id)).balance_fen, 0);
	const reserve = await fundPage('reserve');
	assert.deepEqual([reserve.moved_in_fen, reserve.received_fen, reserve.balance_fen], [15000, 0, 15000]);
	assert.ok(must(await get('/v1/public/fund-moves?limit=2')).items.every((one) => one.from === campaign.id && one.rule === 'SURPLUS'));
	const it = await spend('reserve', 12000);
	assert.deepEqual(await uses(it), [[moved.public_code, 9000], [last.public_code, 3000]]);
	assert.equal((await story(moved)).uses[0].disbursement, it.number);
	assert.equal((await post('staff:finance', `/v1/gifts/${last.id}/refunds`, { amount_fen: 1, reason: 'r' })).json.code, 'refund-exceeds-unspent');
});

test('lottery money, appropriations and fees arrive as such and stay apart', async () => {
	await fund('lottery', { kind: 'UNRESTRICTED', source: 'LOTTERY', organization: '4412/441204' });
	await fund('lottery-schools', { source: 'LOTTERY' });
	const income = must(await post('staff:campaigns', '/v1/managed/fund-incomes', { fund: 'lottery', amount_fen: 80000, payer: '肇庆市民政局', bank_reference: 'FC-1', document_sha256: sha('拨款通知'), received_at: new Date().toISOString() }), 201);
	must(await post('staff:finance', `/v1/managed/fund-incomes/${income.id}/approvals`));
	const move = (to) => post('staff:campaigns', '/v1/managed/fund-moves', { from: 'lottery', purpose: '助学', lines: [{ fund: to, amount_fen: 30000 }] });
	assert.ok(['fund-source-mixed', 'fund-move-line-to'].includes((await move('reserve')).json.code));
	must(await post('staff:finance', `/v1/managed/fund-moves/${must(await move('lottery-schools'), 201).id}/approvals`));
	await spend('lottery-schools', 20000);
	const page = await fundPage('lottery-schools');
	assert.deepEqual([page.source, page.moved_in_fen, page.spent_fen, page.balance_fen], ['LOTTERY', 30000, 20000, 10000]);
});

test('H1, for funds: of each what came in is what went out and what is there', async () => {
	for (const code of ['xinghu', 'kits', 'reserve', 'lottery', 'lottery-schools']) {
		const page = await fundPage(code);
		assert.equal(page.received_fen + (page.moved_in_fen ?? 0) - page.refunded_fen - page.spent_fen - (page.moved_out_fen ?? 0), page.balance_fen, code);
	}
	assert.deepEqual(await platform.sql('select * from donations.ledger_disagreement'), []);
	assert.deepEqual(await platform.sql('select * from donations.money_disagreement'), []);
	assert.equal((await checkedAnew(platform, async () => must(await get('/v1/public/ledger/check')))).ok, true);
});

test('H4 (2011): money that is no gift of anybody, and sums below the least, are in no total', async () => {
	const before = (await platform.sql('select sum(amount_fen) from donations.money_entry'))[0][0];
	for (let i = 0; i < 6; i += 1) {
		assert.equal((await post('citizen:lin', '/v1/gifts', { fund_code: 'reserve', amount_fen: 10 })).json.code, 'amount-below-minimum');
		assert.equal(await platform.session('yg_donations', `select payment_settle('TEST${i}ABCDEFGHJKM', 'test${i}', 10, now())`), 'UNKNOWN_ORDER');
	}
	assert.equal((await platform.sql('select sum(amount_fen) from donations.money_entry'))[0][0], before);
	assert.ok(must(await get('/v1/payment-exceptions?limit=100', 'staff:finance')).items.length >= 6, 'they wait for a person');
});

test('the log proves the way of a gift that was moved, and folds to the ledger', async () => {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-funds-'));
	try {
		const leaves = Number((await platform.sql('select count(*) from donations.outbox where leaf is not null'))[0][0]);
		await eventually(async () => must(await get('/v1/public/log')).size === leaves, 30000);
		const { verifier_key: key } = must(await get('/v1/public/log'));
		const { items } = must(await get(`/v1/public/gifts/${moved.public_code}/proof`));
		const types = items.map(({ leaf }) => JSON.parse(leaf).type);
		for (const type of ['gift.received', 'gift.allocated', 'ledger.posted', 'gift.spent', 'disbursement.paid']) assert.ok(types.includes(type), `${type} in ${types}`);
		const verify = (...words) => new Promise((done) => { execFile(path.join(BIN, 'yangguang-verify'), [...words, '--key', key], (error, out) => done(`${error?.code ?? 0} ${out.trim()}`)); });
		for (const item of items) {
			fs.writeFileSync(path.join(dir, 'receipt.json'), JSON.stringify(item));
			assert.match(await verify('receipt', path.join(dir, 'receipt.json')), /^0 yes/);
		}
		await downloadLog(platform.client, dir);
		assert.match(await verify('all', dir), /^0 yes/);
	} finally {
		fs.rmSync(dir, { recursive: true, force: true });
	}
});
