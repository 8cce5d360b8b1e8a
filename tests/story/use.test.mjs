// What gifts pay for: two donors, a campaign, a large disbursement with two approvals, the story of each gift with its share, a refund
// of what is left, a reversal; everything worked out again from what is public, and proved by the public log.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { must } from '../support/must.mjs';
import { Platform, ROOT } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';
import { downloadLog } from '../support/public_log.mjs';

const BIN = path.resolve(ROOT, process.env.YG_BIN ?? 'build/release/bin');
let platform;
let people;
let campaign;
let dir;

const get = async (target, as) => platform.client.get(target, as ? await people.headers(as) : {});
const post = async (as, target, body) => platform.client.post(target, body, { ...await people.headers(as), 'idempotency-key': randomUUID() });

async function all(target) {
	const items = [];
	for (let next = ''; next !== undefined;) {
		const page = must(await get(`${target}?limit=100${next && `&cursor=${next}`}`));
		items.push(...page.items);
		next = page.next_cursor;
	}
	return items;
}

async function give(as, fen, more) {
	const gift = must(await post(as, '/v1/gifts', { campaign_id: campaign.id, amount_fen: fen, ...more }), 201);
	await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.out_trade_no });
	await eventually(async () => (await get(`/v1/public/gifts/${gift.public_code}`)).status === 200);
	return gift;
}

const nextSecond = () => new Promise((done) => { setTimeout(done, 1100); }); // WeChat Pay tells the second only
const draft = async (fen, more = {}) => must(await post('staff:campaigns', '/v1/disbursements', { fund: campaign.id, amount_fen: fen, purpose: '灾民过渡安置', payee_kind: 'BRANCH', payee: '怀集县红十字会', ...more }), 201);
const approve = (as, it) => post(as, `/v1/disbursements/${it.id}/approvals`);
const pay = (it) => post('staff:finance', `/v1/disbursements/${it.id}/payments`, { bank_reference: 'ICBC-77' });

/* The published rule, from public pages only. */
async function expected(fen) {
	const gifts = (await all(`/v1/campaigns/${campaign.id}/gifts`)).sort((a, b) => Date.parse(a.paid_at) - Date.parse(b.paid_at) || (a.paid_at < b.paid_at ? -1 : a.paid_at > b.paid_at ? 1 : a.public_code < b.public_code ? -1 : 1));
	const uses = [];
	for (const gift of gifts) {
		const { spent_fen: spent = 0, allocated_fen: elsewhere = 0, earmark } = must(await get(`/v1/public/gifts/${gift.public_code}`));
		const rest = earmark ? 0 : Math.min(fen, gift.amount_fen - (gift.refunded_fen ?? 0) - spent - elsewhere);
		if (rest > 0) uses.push([gift.public_code, rest]);
		fen -= Math.max(rest, 0);
		if (!fen) break;
	}
	return uses;
}

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	[campaign] = (await get('/v1/campaigns?state=OPEN&limit=1')).json.items;
	dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-use-'));
});
after(async () => {
	await platform?.stop();
	if (dir) fs.rmSync(dir, { recursive: true, force: true });
});

let first;
let last;
let paid;

test('a large disbursement wants two approvals by others, and a decision where the amount asks for one', async () => {
	first = await give('citizen:lin', 2_000_000, { disclosure: 'NAMED', real_name: '林小满' });
	await nextSecond();
	await give('citizen:chen', 9_000_000);
	await nextSecond();
	last = await give('citizen:chen', 50_000);
	const large = await draft(10_000_000);
	assert.equal((await approve('staff:finance', large)).json.code, 'disbursement-decision-missing');
	must(await post('staff:finance', `/v1/disbursements/${large.id}/refusals`, { reason: '没有集体决策文号' }));
	const [[balance]] = (await platform.sql(`select -donations.account_balance('fund:${campaign.id}')`)).map((row) => row.map(Number));
	paid = await draft(balance - 40_000, { decision_no: '肇红办〔2026〕6号' });
	assert.equal((await approve('staff:finance', paid)).json.code, 'disbursement-not-carried', 'a number is no vote');
	const accounts = (await platform.sql("select id from identity.staff where state = 'ACTIVE' and organization = '4412' order by id limit 4")).flat();
	const meeting = { number: '肇红办〔2026〕7号', met_on: '2026-01-05', document_sha256: 'd'.repeat(64), votes: ['YES', 'YES', 'NO', 'YES'].map((vote, n) => ({ voter: accounts[n], office: '副会长', vote })) };
	const decided = await platform.client.post(`/v1/disbursements/${paid.id}/decisions`, meeting, { ...await people.headers('staff:finance'), 'if-match': `"${paid.version}"` });
	assert.equal(must(decided).decision.carried, true);
	const again = async (body, key) => platform.client.post(`/v1/disbursements/${paid.id}/decisions`, body, { ...await people.headers('staff:finance'), 'if-match': '*', 'idempotency-key': key });
	const key = randomUUID();
	const once = await again({ ...meeting, number: '肇红办〔2026〕8号' }, key);
	assert.equal(must(once).decision.carried, true);
	const replayed = await again({ ...meeting, number: '肇红办〔2026〕8号' }, key);
	assert.deepEqual([replayed.status, replayed.text, replayed.headers['idempotency-replayed']], [200, once.text, 'true'], 'voters are asked about first, and the key still replays');
	const stranger = await again({ ...meeting, number: '肇红办〔2026〕9号', votes: [...meeting.votes.slice(1), { ...meeting.votes[0], voter: randomUUID() }] }, randomUUID());
	assert.equal(stranger.json.code, 'decision-voter-unknown');
	assert.equal(must(await approve('staff:finance', paid)).state, 'DRAFT');
	assert.equal((await approve('staff:finance', paid)).json.code, 'disbursement-approved-once');
	assert.equal((await pay(paid)).json.code, 'disbursement-transition');
	assert.equal(must(await approve(`staff:${platform.demo.staff[0].username}`, paid)).state, 'APPROVED');
	await eventually(async () => must(await get(`/v1/public/funds/${campaign.id}`)).available_fen === 40_000); // the money is held
	const small = await draft(5_000);
	const waits = must(await get('/v1/approvals', 'staff:finance')).items.find((item) => item.id === small.id);
	assert.deepEqual([waits.approvals_needed, waits.decision_missing, waits.counted_fen], [2, true, paid.amount_fen + 5_000], 'a little more for the same payee is part of the same');
	assert.equal((await approve('staff:finance', small)).json.code, 'disbursement-decision-missing');
	const greedy = await draft(40_001, { payee: '另一收款单位' });
	assert.equal((await approve('staff:finance', greedy)).json.code, 'account-floor', 'what is held cannot be promised twice');
});

test('the gifts that pay are those of the published rule, worked out from public pages', async () => {
	const uses = await expected(paid.amount_fen);
	const other = await platform.hold('yg_donations_owner', `select from account where name = 'fund:${campaign.id}' for update`);
	const headers = { ...await people.headers('staff:finance'), 'idempotency-key': randomUUID() };
	const payments = [1, 2].map(() => platform.client.post(`/v1/disbursements/${paid.id}/payments`, { bank_reference: 'ICBC-77' }, headers));
	const waits = async () => Number((await platform.sql("select count(*) from pg_stat_activity where usename = 'yg_donations' and wait_event_type = 'Lock' and now() - query_start > interval '1.5 seconds'"))[0][0]) === 2;
	await eventually(waits);
	await other.release();
	const answers = await Promise.all(payments);
	for (const answer of answers) must(answer, 200, 'on a connection of its own it waits for who is at the fund, longer than others may');
	assert.equal(answers[0].text, answers[1].text);
	assert.equal(answers.filter((answer) => answer.headers['idempotency-replayed'] === 'true').length, 1, 'told twice meanwhile, done once');
	const named = (await all(`/v1/public/disbursements/${paid.number}/gifts`)).map((use) => [use.public_code, use.amount_fen]);
	assert.deepEqual(named, uses);
	assert.equal(named.reduce((sum, [, fen]) => sum + fen, 0), paid.amount_fen);
	must(await post('staff:campaigns', `/v1/disbursements/${paid.id}/acknowledgements`, { evidence_sha256: createHash('sha256').update('signed list').digest('hex') }));
});

test('H5: every gift of any size tells what it paid for, with its share', async () => {
	for (const [code, fen] of (await all(`/v1/public/disbursements/${paid.number}/gifts`)).map((use) => [use.public_code, use.amount_fen])) {
		const { uses } = must(await get(`/v1/public/gifts/${code}`));
		assert.ok(uses.some((use) => use.disbursement === paid.number && use.amount_fen === fen && use.of_fen === paid.amount_fen), code);
	}
	const story = must(await get(`/v1/public/gifts/${first.public_code}`));
	assert.equal(story.spent_fen, 2_000_000);
	assert.ok(story.uses[0].acknowledged_at);
});

test('a refund takes only what is unspent', async () => {
	const refund = (gift, fen) => post('staff:finance', `/v1/gifts/${gift.id}/refunds`, { amount_fen: fen, reason: '捐赠人要求' });
	assert.equal((await refund(first, 100)).json.code, 'refund-exceeds-unspent');
	const { spent_fen: spent = 0 } = must(await get(`/v1/public/gifts/${last.public_code}`));
	assert.equal(spent, 10_000, 'the last gift paid for the rest');
	assert.equal((await refund(last, 40_001)).json.code, 'refund-exceeds-unspent');
	must(await refund(last, 40_000), 201);
	await eventually(async () => (await get(`/v1/public/gifts/${last.public_code}`)).json.refunded_fen === 40_000);
});

test('H1: what comes in is what goes out and what is there, before and after a reversal', async () => {
	const agrees = async () => {
		const [[balance]] = await platform.sql(`select -donations.account_balance('fund:${campaign.id}')`);
		await eventually(async () => {
			const fund = must(await get(`/v1/public/funds/${campaign.id}`));
			assert.equal(fund.received_fen - fund.refunded_fen - fund.spent_fen, fund.balance_fen);
			return String(fund.balance_fen) === balance;
		});
		assert.deepEqual(await platform.sql('select * from donations.ledger_disagreement'), []);
	};
	await agrees();
	must(await post('staff:finance', `/v1/disbursements/${paid.id}/reversals`, { reason: '收款账户错误，银行退回' }));
	assert.equal((await platform.sql(`select spent_fen from donations.gift_public where public_code = '${first.public_code}'`))[0][0], '0');
	await agrees();
	const again = await draft(500);
	must(await approve('staff:finance', again));
	const uses = await expected(500);
	must(await pay(again));
	assert.deepEqual((await all(`/v1/public/disbursements/${again.number}/gifts`)).map((use) => [use.public_code, use.amount_fen]), uses);
});

test('the log proves each event of the story, and folds to the ledger', async () => {
	const leaves = Number((await platform.sql('select count(*) from donations.outbox where leaf is not null'))[0][0]);
	await eventually(async () => must(await get('/v1/public/log')).size === leaves, 30000);
	const { verifier_key: key } = must(await get('/v1/public/log'));
	const { items } = must(await get(`/v1/public/gifts/${first.public_code}/proof`));
	const types = items.map(({ leaf }) => JSON.parse(leaf).type);
	for (const type of ['gift.received', 'gift.spent', 'disbursement.paid']) assert.ok(types.includes(type), `${type} in ${types}`);
	const verify = (...words) => new Promise((done) => { execFile(path.join(BIN, 'yangguang-verify'), [...words, '--key', key], (error, out) => done(`${error?.code ?? 0} ${out.trim()}`)); });
	for (const item of items) {
		const file = path.join(dir, 'receipt.json');
		fs.writeFileSync(file, JSON.stringify(item));
		assert.match(await verify('receipt', file), /^0 yes/);
	}
	await downloadLog(platform.client, dir);
	assert.match(await verify('all', dir), /^0 yes/);
	const published = JSON.parse(fs.readFileSync(path.join(dir, 'balances.json'), 'utf8')).items;
	const ledger = await platform.sql("select account, sum(fen) from donations.posting group by account having sum(fen) <> 0 order by account collate \"C\"");
	assert.deepEqual(published.filter((item) => item.fen).map((item) => [item.account, String(item.fen)]).sort(), ledger.sort());
});
