// A payment that very many small gifts pay for, and its way back: named all at once, within the time that an answer has. MANY_GIFTS=90000 for
// a larger one.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { must } from '../support/must.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

const COUNT = Number(process.env.MANY_GIFTS ?? 16000);
const FEN = Math.floor(9_000_000 / COUNT);
let platform;
let people;
let fund;

const post = async (as, target, body) => platform.client.post(target, body, { ...await people.headers(as), 'idempotency-key': randomUUID() });
const uses = async (number) => (await platform.sql(`select count(*), sum(u.amount_fen) from donations.gift_use u join donations.disbursement d on d.id = u.disbursement_id where d.number = '${number}'`))[0].map(Number);
const agrees = async () => { for (const view of ['ledger_disagreement', 'money_disagreement', 'share_disagreement']) assert.deepEqual(await platform.sql(`select * from donations.${view}`), [], view); };

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	// the earliest of all gifts, so that they are the first to be used
	[[fund]] = await platform.sql("select id from donations.campaign where state = 'OPEN' and organization = '4412' and fund_code is null order by id limit 1");
	await platform.sql(`set search_path = donations;
		create temp table g as select n, (substr(uuid7_floor(now())::text, 1, 14) || '7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid as id, 'M' || lpad(n::text, 15, '0') as code from generate_series(1, ${COUNT}) n;
		insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, disclosure) select id, code, '${fund}', id, ${FEN}, 'WECHAT_JSAPI', 'ANONYMOUS' from g;
		insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at) select code, id, '${fund}', ${FEN}, 'WECHAT_JSAPI', now() + interval '1 hour', now() + interval '1 hour' from g;
		analyze gift; analyze pay_order; set plan_cache_mode = force_generic_plan; set enable_seqscan = off;
		select count(payment_settle(code, 'tx-' || code, ${FEN}, '2020-01-01'::timestamptz + n * interval '1 second')) from g; analyze gift_public, pay_order`);
});
after(() => platform?.stop());

test(`${COUNT} gifts pay, and get it back`, async () => {
	const draft = must(await post('staff:campaigns', '/v1/disbursements', { fund, amount_fen: COUNT * FEN, purpose: '灾民安置', payee_kind: 'BRANCH', payee: '怀集县红十字会' }), 201);
	for (const name of ['finance', platform.demo.staff[0].username]) must(await post(`staff:${name}`, `/v1/disbursements/${draft.id}/approvals`));
	const begun = performance.now();
	assert.equal(must(await post('staff:finance', `/v1/disbursements/${draft.id}/payments`, { bank_reference: 'ICBC-1' })).state, 'PAID');
	console.log(`# ${COUNT} gifts: ${Math.round(performance.now() - begun)} ms`);
	assert.deepEqual(await uses(draft.number), [COUNT, COUNT * FEN]);
	await agrees();
	assert.equal(must(await post('staff:finance', `/v1/disbursements/${draft.id}/reversals`, { reason: '银行退回' })).state, 'REVERSED');
	assert.deepEqual(await uses(draft.number), [2 * COUNT, 0]);
	await agrees();
});
