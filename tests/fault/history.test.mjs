// Random histories of gifts, refunds, disbursements, reversals and transfers between funds, while processes are killed: every entry sums to 0,
// no floor is broken, what was used, moved and given back is never more than the gift, a transfer is booked whole or not at all, the log is a prefix of what it becomes, and the offline verifier agrees with the database.
// HISTORY_SECONDS bounds the time (default 25), HISTORY_SEED repeats a choice of steps.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { ROOT } from '../support/platform.mjs';
import { downloadLog } from '../support/public_log.mjs';
import { pidOf, random, report, sleep, startFaulty } from './support.mjs';

const SECONDS = Number(process.env.HISTORY_SECONDS ?? 25);
const SEED = Number(process.env.HISTORY_SEED ?? Date.now() % 1e6);
const BIN = path.resolve(ROOT, process.env.YG_BIN ?? 'build/release/bin');
const VICTIMS = ['donations', 'donations', 'relay_donations', 'transparency', 'gateway', 'postgres'];
const STARTED = ['postgres', 'identity', 'donations', 'relay_donations', 'transparency', 'gateway'];

let platform;
let campaign;
let people;
let dir;
before(async () => {
	({ platform, campaign, people } = await startFaulty());
	const [proposer, opener] = [await people.headers('staff:campaigns'), await people.headers('staff:finance')];
	for (const [code, kind, organization] of [[FREE[0], 'UNRESTRICTED', '4412/441225'], [FREE[1], 'UNRESTRICTED', '4412/441226'], ['history.aid', 'EARMARKED', '4412']]) {
		await act('fund', proposer, '/v1/managed/funds', { code, kind, source: 'DONATION', name: code, organization, purpose: '人道救助', bank_holder: '肇庆市红十字会', bank_name: '演示银行', bank_account: '441200009999' });
		await act('open', opener, `/v1/managed/funds/${code}/openings`, undefined);
	}
	dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-history-'));
});
after(async () => {
	await platform?.stop();
	if (dir) fs.rmSync(dir, { recursive: true, force: true });
});

const outcomes = {};
/** The same key until an answer comes that is none of "later". What the rules refuse is part of a history. */
async function act(what, headers, target, body) {
	const key = randomUUID();
	for (let tries = 0; tries < 600; tries += 1) {
		const answer = await platform.client.request('POST', target, { headers: { ...headers, 'idempotency-key': key }, timeoutMs: 15000, body }).catch((error) => ({ status: error.code ?? 'lost' }));
		if (typeof answer.status === 'string' || [502, 503, 504].includes(answer.status) || answer.json?.code === 'idempotency-in-progress') {
			await sleep(50);
			continue;
		}
		assert.ok(answer.status < 300 || answer.status === 409 || answer.status === 422, `${target}: ${answer.status} ${answer.text}`);
		const seen = `${what} ${answer.status < 300 ? 'done' : answer.json.code}`;
		outcomes[seen] = (outcomes[seen] ?? 0) + 1;
		return answer.status < 300 ? answer.json : null;
	}
	throw new Error(`no answer for ${target}`);
}

const made = { gifts: [], paid: [] };
const FREE = ['history.free', 'history.free-2']; // of two units, since each has one
const FUNDS = [...FREE, 'history.aid'];

async function steps(worker, end, as) {
	const next = random(SEED + worker);
	const pick = (list) => list[Math.floor(next() * list.length)];
	while (Date.now() < end) {
		const chance = next();
		if (chance < 0.5) {
			const to = next() < 0.5 ? { campaign_id: campaign.id } : { fund_code: pick(FUNDS) };
			const gift = await act('gift', as.donor, '/v1/gifts', { ...to, amount_fen: 100 + Math.floor(next() * 5000) });
			await eventually(() => platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.out_trade_no }).catch(() => null), 30000);
			made.gifts.push(gift);
		} else if (chance < 0.65 && made.gifts.length) {
			await act('refund', as.finance, `/v1/gifts/${pick(made.gifts).id}/refunds`, { amount_fen: 1 + Math.floor(next() * 3000), reason: '捐赠人要求' });
		} else if (chance < 0.75) {
			const from = pick(FREE);
			const lines = [...FUNDS, campaign.id].filter((fund) => fund !== from && next() < 0.5).map((fund) => ({ fund, amount_fen: 1 + Math.floor(next() * 6000) }));
			if (!lines.length) continue;
			const move = await act('transfer', as.campaigns, '/v1/managed/fund-moves', { from, purpose: '冬季备灾', lines });
			if (move && next() < 0.9) await act('book', as.finance, `/v1/managed/fund-moves/${move.id}/approvals`, undefined);
			else if (move) await act('do not book', as.finance, `/v1/managed/fund-moves/${move.id}/refusals`, { reason: '改期' });
		} else if (chance < 0.92) {
			const draft = await act('draft', as.campaigns, '/v1/disbursements', { fund: pick([campaign.id, ...FUNDS]), amount_fen: 1 + Math.floor(next() * 40000), purpose: '过渡安置', payee_kind: 'BRANCH', payee: '怀集县红十字会' });
			if (draft && await act('approve', as.finance, `/v1/disbursements/${draft.id}/approvals`, undefined) && next() < 0.9 &&
				await act('pay', as.finance, `/v1/disbursements/${draft.id}/payments`, { bank_reference: `B${worker}` })) made.paid.push(draft);
		} else if (made.paid.length) {
			await act('reverse', as.finance, `/v1/disbursements/${pick(made.paid).id}/reversals`, { reason: '银行退回' });
		}
	}
}

async function killer(end) {
	const next = random(SEED);
	const kills = {};
	while (Date.now() < end - 2000) {
		await sleep(500 + next() * 2000);
		const victim = VICTIMS[Math.floor(next() * VICTIMS.length)];
		process.kill(pidOf(platform, victim), 'SIGKILL');
		kills[victim] = (kills[victim] ?? 0) + 1;
		await sleep(next() * 300);
		for (const one of STARTED) if (one === victim) await platform.command('start', one);
	}
	return kills;
}

const none = async (what, text) => assert.deepEqual(await platform.sql(`set search_path = donations; ${text}`), [], what);

test(`random histories for ${SECONDS} s (seed ${SEED})`, { timeout: (SECONDS + 240) * 1000 }, async () => {
	const as = { donor: await people.headers('citizen:lin'), finance: await people.headers('staff:finance'), campaigns: await people.headers('staff:campaigns') };
	await eventually(async () => Number((await platform.sql('select size from transparency.log_state'))[0][0]) > 0, 20000);
	const old = path.join(dir, 'old');
	fs.writeFileSync(old, (await platform.client.get('/log/checkpoint')).text);
	const end = Date.now() + SECONDS * 1000;
	const [kills] = await Promise.all([killer(end), ...[1, 2, 3, 4].map((worker) => steps(worker, end, as))]);
	report(`seed ${SEED}: kills ${JSON.stringify(kills)}; ${JSON.stringify(outcomes)}`);
	for (const what of ['gift done', 'refund done', 'pay done', 'reverse done', 'book done']) assert.ok(outcomes[what] > 0, `${what}: ${JSON.stringify(outcomes)}`);

	// until all that waits has come to its end
	await eventually(async () => {
		const [row] = await platform.sql(`select (select count(*) from donations.refund where state in ('REQUESTED', 'PROCESSING')), (select count(*) from donations.outbox where leaf is not null) - (select size from transparency.log_state),
			(select count(*) from donations.outbox where position is null)`).catch(() => [['?']]);
		return row.every((n) => Number(n) === 0);
	}, 90000, 300);
	await none('every sum agrees', 'select * from ledger_disagreement; select * from money_disagreement; select * from share_disagreement');
	await none('every entry sums to 0', 'select entry_id from posting group by 1 having sum(fen) <> 0');
	await none('no fund is overdrawn', "select name from account where side is not null and account_balance(name) * side < 0");
	await none('uses and refunds are never more than the gift', `select p.public_code from gift_public p left join (select public_code, sum(amount_fen) as used from gift_use group by 1) u using (public_code)
		where coalesce(used, 0) <> spent_fen or spent_fen + allocated_fen + refunded_fen > amount_fen or spent_fen < 0 or allocated_fen < 0`);
	await none('a transfer is booked whole or not at all, from the fund, and its gifts come to each line', `select m.number from fund_move m join fund_move_line l on l.move_id = m.id join fund f on f.id = m.from_fund join fund t on t.id = l.to_fund
		left join lateral (select sum(amount_fen) as fen from gift_allocation a where a.move_id = m.id and a.to_fund = l.to_fund and a.from_fund = m.from_fund) a on true
		where case when m.state = 'BOOKED' then l.amount_fen else 0 end <> all (array[coalesce(a.fen, 0), coalesce((select fen from posting where entry_id = l.entry_id and account = 'fund:' || f.code), 0),
			-coalesce((select fen from posting where entry_id = l.entry_id and account = 'fund:' || t.code), 0)])`);
	// what each gift's own rows say where its money is: came in, went on, came back, was used there
	await none('a share is what was moved there, less what was moved on or used', `select s.public_code from gift_share s join gift_public p using (public_code) join fund f on f.id = s.fund_id
		where s.fen <> (select coalesce(sum(case when to_fund = s.fund_id then amount_fen else -amount_fen end), 0) from gift_allocation where public_code = s.public_code and s.fund_id in (from_fund, to_fund))
			- (select coalesce(sum(u.amount_fen), 0) from gift_use u join disbursement d on d.id = u.disbursement_id where u.public_code = s.public_code and d.fund_id = s.fund_id)`);
	await none('what is paid is what gifts were used for', `select d.number from disbursement d left join gift_use u on u.disbursement_id = d.id group by d.id
		having coalesce(sum(u.amount_fen), 0) <> case when d.state in ('PAID', 'ACKNOWLEDGED') then d.amount_fen else 0 end and d.fund_id in (select id from fund where campaign_id = '${campaign.id}' or code in (${FUNDS.map((code) => `'${code}'`).join()}))`);
	await none('every entry is one leaf', 'select e.id from entry e left join entry_leaf l on l.entry_id = e.id where l.event_id is null');
	assert.deepEqual((await platform.sql("select account, fen from transparency.log_balance where fen <> 0 order by account collate \"C\"")),
		await platform.sql('select account, sum(fen) from donations.posting group by 1 having sum(fen) <> 0 order by account collate "C"'), 'the log folds to the ledger');

	const size = await downloadLog(platform.client, dir);
	const { verifier_key: key } = (await platform.client.get('/v1/public/log')).json;
	const verify = (...words) => new Promise((done) => { execFile(path.join(BIN, 'yangguang-verify'), [...words, '--key', key], (error, out, err) => done(`${error?.code ?? 0} ${out.trim()}${err}`)); });
	assert.match(await verify('all', dir, '--seen', old), /^0 yes/, `a log of ${size} leaves`);
});
