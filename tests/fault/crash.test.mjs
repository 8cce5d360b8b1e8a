// kill -9 of any process, at random points, under load with payments and refunds: no acknowledged gift is lost, none is doubled, every
// payment and refund is booked exactly once, the sums agree. CRASH_SECONDS bounds the time (default 40), CRASH_SEED repeats a run.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { complaints, pidOf, random, report, sleep, startFaulty, streamAgrees } from './support.mjs';

const SECONDS = Number(process.env.CRASH_SECONDS ?? 40);
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1e6);
const OURS = ['gateway', 'donations', 'identity', 'relay_donations'];
const STORES = ['redis', 'postgres'];
const OUTSIDE = ['wechat', 'wechat_pay'];
/* Ours more often than the rest; two at once now and then. */
const VICTIMS = [...OURS, ...OURS, ...STORES, ...STORES, ...OUTSIDE];
const STARTED = [...STORES, ...OUTSIDE, 'identity', 'donations', 'relay_donations', 'gateway'];
const TRANSFERS = 4;
const PAYERS = 4;
const TRIES_MAX = 900;
const SETTLE_MS = 60000;

let platform;
let campaign;
let people;
let demo; /* gifts that the demo city has: WeChat Pay never saw them */
before(async () => {
	({ platform, campaign, people } = await startFaulty());
	demo = new Set((await platform.sql('select gift_id from donations.money_entry')).map(([id]) => id));
});
after(() => platform?.stop());

const outcomes = {};
let retries = 0;

/** As a careful client: the same key and body until an answer comes that is not "later". */
async function persist(method, target, { headers, body, good = [201] }) {
	const key = randomUUID();
	for (let tries = 0; tries < TRIES_MAX; tries += 1) {
		const answer = await platform.client.request(method, target, { headers: { ...headers, 'idempotency-key': key }, timeoutMs: 15000, body })
			.catch((error) => ({ status: error.code ?? 'lost' }));
		outcomes[answer.status] = (outcomes[answer.status] ?? 0) + 1;
		if (good.includes(answer.status)) return answer.json;
		const later = typeof answer.status === 'string' || [502, 503, 504].includes(answer.status) || answer.json?.code === 'idempotency-in-progress';
		assert.ok(later, `${method} ${target}: ${answer.status} ${answer.text}`);
		retries += 1;
		await sleep(50);
	}
	throw new Error(`no answer for ${method} ${target}`);
}

/** The stand-in's control, which may itself be dead for a moment. */
const control = (method, what, body) => eventually(() => platform.control('wechat_pay', method, what, body).catch(() => null), 30000);

class Donors {
	constructor() {
		this.end = Date.now() + SECONDS * 1000;
		this.next = random(SEED + 1);
		this.given = new Map(); /* public code → what was sent */
		this.paid = [];
		this.refunded = [];
	}

	async give(n, i, channel, headers) {
		const amount = 100 + (n * 131 + i * 17) % 900;
		const message = randomUUID();
		const gift = await persist('POST', '/v1/gifts', { headers, body: { campaign_id: campaign.id, amount_fen: amount, channel, message } });
		assert.ok(!this.given.has(gift.public_code), 'a code is given once');
		this.given.set(gift.public_code, { amount, message, id: gift.id });
		return gift;
	}

	async transfers(n, headers) {
		for (let i = 0; Date.now() < this.end; i += 1) await this.give(n, i, 'BANK_TRANSFER', headers);
	}

	/* Gives, pays three of four, and loses some of the callbacks. */
	async payers(n, headers) {
		for (let i = 0; Date.now() < this.end; i += 1) {
			const gift = await this.give(n, i, 'WECHAT_JSAPI', headers);
			const chance = this.next();
			if (chance < 0.25) continue;
			if (chance < 0.45) await control('POST', 'behaviour', { mode: 'no_callback', endpoint: 'callback', out_trade_no: gift.out_trade_no, times: 1 });
			const done = await control('POST', 'payments', { out_trade_no: gift.out_trade_no });
			assert.equal(done.status, 200, JSON.stringify(done.body));
			this.paid.push(gift);
		}
	}

	/* Staff give some of it back. */
	async refunds(headers) {
		for (let i = 0; Date.now() < this.end; i += 1) {
			await sleep(400);
			const gift = this.paid[i];
			if (!gift) { i -= 1; continue; }
			const [[state]] = await platform.sql(`select state from donations.gift where id = '${gift.id}'`).catch(() => [['?']]);
			if (state !== 'PAID') continue;
			await persist('POST', `/v1/gifts/${gift.id}/refunds`, { headers, body: { amount_fen: 50, reason: '重复捐赠' }, good: [201, 202] });
			this.refunded.push(gift);
		}
	}
}

/* Kills, waits a moment, starts again: one process, or two at once. */
async function killer(end) {
	const next = random(SEED);
	const kills = {};
	while (Date.now() < end - 3000) {
		await sleep(200 + next() * 1500);
		const victims = new Set([VICTIMS[Math.floor(next() * VICTIMS.length)]]);
		if (next() < 0.25) victims.add(VICTIMS[Math.floor(next() * VICTIMS.length)]);
		for (const victim of victims) {
			process.kill(pidOf(platform, victim), 'SIGKILL');
			kills[victim] = (kills[victim] ?? 0) + 1;
		}
		await sleep(next() * 400);
		for (const one of STARTED) if (victims.has(one)) await platform.command('start', one);
	}
	return kills;
}

const count = async (query) => Number((await platform.sql(`select count(*) from ${query}`))[0][0]);

/** Acknowledged gifts against stored ones. */
async function compareGifts(donors) {
	const rows = await eventually(() => platform.sql('select message, public_code, amount_fen from donations.gift where message is not null').catch(() => null), 30000);
	const stored = new Map();
	for (const [message, code, amount] of rows) stored.set(message, [...(stored.get(message) ?? []), { code, amount: Number(amount) }]);
	const found = { acknowledged: donors.given.size, missing: 0, differing: 0, doubled: 0 };
	for (const [code, { amount, message }] of donors.given) {
		const mine = stored.get(message) ?? [];
		if (mine.length === 0) found.missing += 1;
		else if (mine[0].code !== code || mine[0].amount !== amount) found.differing += 1;
		if (mine.length > 1) found.doubled += 1;
	}
	return found;
}

/** What WeChat Pay has booked against what we have. Lost callbacks are found by asking: the wait of a minute is cut short. */
async function comparePayments() {
	await control('POST', 'clock', { advance_s: 60 });
	const orders = (await control('GET', 'orders')).body.items.filter((order) => order.trade_state === 'SUCCESS' || order.trade_state === 'REFUND');
	const entries = async () => (await platform.sql(`select o.out_trade_no, o.transaction_id, e.amount_fen, count(*) over (partition by e.gift_id), e.gift_id
		from donations.money_entry e join donations.pay_order o on o.gift_id = e.gift_id where e.kind = 'PAYMENT'`)).filter(([, , , , gift]) => !demo.has(gift));
	let settled = [];
	const started = Date.now();
	let missing = orders;
	while (missing.length && Date.now() < started + SETTLE_MS) {
		settled = await entries();
		const known = new Set(settled.map(([number]) => number));
		missing = orders.filter((order) => !known.has(order.out_trade_no));
		if (missing.length) await platform.sql(`update donations.pay_order set next_check_at = now() where next_check_at > now() and out_trade_no in (${missing.map((o) => `'${o.out_trade_no}'`)})`);
		await sleep(500);
	}
	const byNumber = new Map(orders.map((order) => [order.out_trade_no, order]));
	const wrong = settled.filter(([number, transaction, amount, times]) => {
		const order = byNumber.get(number);
		return order?.transaction_id !== transaction || order.amount.total !== Number(amount) || times !== '1';
	});
	return { payments: orders.length, unsettled: missing.length, wrong: wrong.length, settledInMs: Date.now() - started };
}

async function compareRefunds(donors) {
	await eventually(async () => {
		await platform.sql("update donations.refund set next_check_at = now() where finished_at is null and next_check_at > now() + interval '1 second'");
		return await count("donations.refund where state <> 'SUCCESS'") === 0;
	}, SETTLE_MS, 500);
	const theirs = (await control('GET', 'refunds')).body.items.map((refund) => `${refund.out_refund_no} ${refund.amount.refund} ${refund.status}`).sort();
	const ours = (await platform.sql("select r.gift_id, out_refund_no || ' ' || -e.amount_fen || ' ' || r.state from donations.refund r join donations.money_entry e on e.refund_id = r.id"))
		.filter(([gift]) => !demo.has(gift)).map(([, text]) => text).sort();
	const differing = [...ours.filter((one) => !theirs.includes(one)), ...theirs.filter((one) => !ours.includes(one))];
	assert.deepEqual(differing.slice(0, 5), [], 'refunds here and at WeChat Pay are the same');
	assert.equal(ours.length, donors.refunded.length, 'every acknowledged refund is one refund');
	return ours.length;
}

async function compareSums() {
	assert.equal(await count('donations.money_disagreement'), 0, 'the checker of sums finds nothing');
	assert.equal(await count('donations.payment_exception'), 0, 'no payment was taken for a strange one');
	assert.equal(await count('donations.gift g where not exists (select from donations.pay_order o where o.gift_id = g.id and o.amount_fen = g.amount_fen)'), 0);
	const totals = () => platform.sql('select sum(payment_fen), sum(refund_fen), sum(payment_count), (select folded from donations.fold_state) from donations.campaign_total');
	const [[payments, refunds, gifts, highest]] = await platform.sql(`select sum(amount_fen) filter (where kind = 'PAYMENT'), -sum(amount_fen) filter (where kind = 'REFUND'),
		count(*) filter (where kind = 'PAYMENT'), max(seq) from donations.money_entry`);
	await eventually(async () => Number((await totals())[0][3]) >= Number(highest), 20000, 200);
	assert.deepEqual((await totals())[0].slice(0, 3), [payments, refunds, gifts], 'what was folded is the sum of the entries');
	const summary = (await platform.client.get('/v1/public/summary')).json;
	assert.deepEqual([summary.received_fen, summary.refunded_fen, summary.gift_count], [Number(payments), Number(refunds), Number(gifts)], 'the public summary says the same');
}

test(`random kills for ${SECONDS} s (seed ${SEED})`, { timeout: (SECONDS + 240) * 1000 }, async () => {
	const headers = await people.headers('citizen:steady');
	const finance = await people.headers('staff:finance');
	const donors = new Donors();
	const [kills] = await Promise.all([
		killer(donors.end),
		donors.refunds(finance),
		...Array.from({ length: TRANSFERS }, (_, n) => donors.transfers(n, headers)),
		...Array.from({ length: PAYERS }, (_, n) => donors.payers(TRANSFERS + n, headers)),
	]);
	const gifts = await compareGifts(donors);
	report(`seed ${SEED}: kills ${JSON.stringify(kills)}; answers ${JSON.stringify(outcomes)}; retries ${retries}`);
	report(`seed ${SEED}: gifts ${JSON.stringify(gifts)}`);
	assert.deepEqual([gifts.missing, gifts.differing, gifts.doubled], [0, 0, 0], 'every acknowledged gift is there once, as it was acknowledged');
	assert.ok(gifts.acknowledged > 20 && donors.paid.length > 5, 'there was load');
	assert.ok(Object.keys(kills).length >= 2, 'there were kills');

	const payments = await comparePayments();
	report(`seed ${SEED}: payments ${JSON.stringify(payments)}`);
	assert.deepEqual([payments.unsettled, payments.wrong], [0, 0], 'every payment is settled exactly once');
	assert.ok(donors.paid.length <= payments.payments, 'no payment is lost at the stand-in');
	const refunds = await compareRefunds(donors);
	await compareSums();
	const events = await streamAgrees(platform);
	report(`seed ${SEED}: refunds ${refunds}, events ${events}, sums agree`);
	assert.deepEqual(complaints(platform), []);
});
