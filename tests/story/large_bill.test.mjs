// A day with many payments and as many receipts, end to end: the bills of it, our side of it, a few differences. LARGE_BILL=30000 for the
// largest that is taken; nobody else waits meanwhile.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

const COUNT = Number(process.env.LARGE_BILL ?? 2000);
const DAY = new Date(Date.now() + 8 * 3600e3 - 3 * 86400e3).toISOString().slice(0, 10);
const AT = `${DAY}T12:00:00+08:00`;
const FEN = 1234;
let platform;
let people;

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	for (const name of ['wechat_pay', 'receipts']) await platform.control(name, 'POST', 'large_day', { date: DAY, count: COUNT, fen: FEN });
	// our side, as if it had all happened: without the triggers, since what is measured is the run
	await platform.sql(`set session_replication_role = replica; set search_path = donations, public;
		create temp table c as select id, organization from campaign where state = 'OPEN' and organization = '4412' order by id limit 1;
		create temp table g as select n, (substr(uuid7_floor('${AT}'::timestamptz)::text, 1, 14) || '7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid as id, 'K' || lpad(n::text, 15, '0') as no from generate_series(1, ${COUNT}) n;
		insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, state, paid_at, created_at) select g.id, no, c.id, g.id, ${FEN}, 'WECHAT_JSAPI', 'PAID', '${AT}', '${AT}' from g, c;
		insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, state, expires_at, next_check_at, paid_at, transaction_id)
		select no, g.id, c.id, ${FEN}, 'WECHAT_JSAPI', case when n = 1 then 'CLOSED' else 'PAID' end, '${AT}', '${AT}', case when n > 1 then '${AT}'::timestamptz end, case when n > 1 then '42000' || n end from g, c;
		insert into money_entry (gift_id, campaign_id, amount_fen, kind, occurred_at) select g.id, c.id, ${FEN}, 'PAYMENT', '${AT}' from g, c where n > 2;
		insert into receipt (id, request_no, gift_id, public_code, campaign_id, organization, donor, amount_fen, payer_kind, title, key_id, commitment, state, code, number, check_code, issued_at, issued_event)
		select g.id, case n when 1 then repeat('f', 32) else lpad(n::text, 32, '0') end, g.id, no, c.id, c.organization, g.id, ${FEN}, 'PERSON', '\\x00', g.id, repeat('0', 64), 'ISSUED', '44060126', (5000000000 + n)::text, 'abc123', '${AT}', g.id from g, c`);
});
after(() => platform?.stop());

test(`${COUNT} payments and ${COUNT} receipts`, async () => {
	const headers = await people.headers('staff:finance');
	const made = await platform.client.post('/v1/reconciliation-runs', { date: DAY }, headers);
	assert.equal(made.status, 201, made.text);
	const begun = performance.now();
	let worst = 0;
	let ended = false;
	const others = (async () => { // somebody else's requests meanwhile, past all caches
		while (!ended) {
			const at = performance.now();
			await platform.client.get('/v1/me/gifts?limit=1', await people.headers('citizen:lin'));
			worst = Math.max(worst, performance.now() - at);
			await new Promise((done) => { setTimeout(done, 5); });
		}
	})();
	const look = async () => (await platform.client.get(`/v1/reconciliation-runs/${made.json.id}`, headers)).json;
	await eventually(async () => (await look()).state !== 'REQUESTED', 240000);
	const took = performance.now() - begun;
	ended = true;
	await others;
	const done = await look();
	console.log(`# ${COUNT}: ${Math.round(took)} ms, longest wait of another request ${Math.round(worst)} ms`);
	assert.equal(done.state, 'DONE', JSON.stringify(done));
	assert.deepEqual([done.payments, done.receipts, done.paid_fen, done.receipts_fen], [COUNT, COUNT, COUNT * FEN, COUNT * FEN]);
	const found = await platform.sql(`select kind, subject, number from donations.reconciliation_difference where day = '${DAY}' order by 1, 2, 3`);
	assert.deepEqual(found, [['MISSING_HERE', 'PAYMENT', 'K000000000000001'], ['RECEIPT_MISSING_THERE', 'RECEIPT', 'f'.repeat(32)], ['RECEIPT_TWICE', 'RECEIPT', '1'.padStart(32, '0')]]);
});
