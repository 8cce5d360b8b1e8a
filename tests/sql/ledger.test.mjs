// The ledger, as a psql session with the service's own role meets it: entries balance, floors hold, history stays.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

let platform;
before(async () => { platform = await Platform.start({ demo: 'small' }); });
after(() => platform?.stop());

const session = (user, text) => platform.session(user, text);
// Posting and holding are the owner's: his functions do it for gifts, disbursements and goods.
const role = (text) => session(/ledger_(post|hold)/.test(text) ? 'yg_donations_owner' : 'yg_donations', text);
const refused = (text, why) => refusedFor(role(text), why);
const id = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const post = (n, postings, { kind = 'correction', reverses = null } = {}) => `select ledger_post('${id(n)}', '${kind}', '2026-01-05+08', '${JSON.stringify(postings.map(([account, fen]) => ({ account, fen })))}', 'a reason', ${reverses ? `'${id(reverses)}'` : 'null'})`;
const hold = (n, fen, until = "now() + interval '1 hour'") => `select ledger_hold('${id(n)}', id, ${fen}, ${until}, 'a purpose') from fund where code = 'general'`;
const agrees = async () => assert.deepEqual(await platform.sql('select * from donations.ledger_disagreement'), []);
const IN = [['bank:transfer', 1000], ['fund:general', -1000]];

test('gifts and refunds of the demo are entries, each fund says what its campaign says', async () => {
	await agrees();
	const [[differ]] = await platform.sql(`select count(*) from donations.campaign_money m join donations.fund f using (campaign_id)
		where m.payment_fen - m.refund_fen <> -donations.account_balance('fund:' || f.code)`);
	assert.equal(differ, '0');
	const [[sum]] = await platform.sql('select sum(fen) from donations.posting');
	assert.equal(sum, '0');
});

test('an order that is not its gift’s never gets money: another fund, number, amount or channel', async () => {
	const [[a], [b]] = await platform.sql("select id from donations.campaign where state = 'OPEN' and fund_code is null order by id limit 2");
	let n = 0;
	for (const [campaign, fen, channel, other] of [[b, 1000, 'WECHAT_JSAPI', false], [a, 999, 'WECHAT_JSAPI', false], [a, 1000, 'BANK_TRANSFER', false], [a, 1000, 'WECHAT_JSAPI', true], [a, 1000, 'WECHAT_JSAPI', false]]) {
		n += 1;
		const gift = `0${Math.floor(Date.now()).toString(16)}`.padStart(12, '0').replace(/^(.{8})(.{4})$/, `$1-$2-7000-8000-00000000000${n}`), code = `ATTACK000000000${n}`, order = other ? 'ATTACKED00000009' : code;
		await session('yg_donations', `insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, disclosure) values ('${gift}', '${code}', '${a}', '${id(1)}', 1000, 'WECHAT_JSAPI', 'ANONYMOUS');
			insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at) values ('${order}', '${gift}', '${campaign}', ${fen}, '${channel}', now() + interval '1 hour', now() + interval '1 hour')`);
		const settle = `select payment_settle('${order}', 'tx-${order}', ${fen}, now())`;
		if (n < 5) await refused(settle, /an order is its gift's/);
		else assert.equal(await role(settle), 'SETTLED');
	}
	assert.deepEqual(await platform.sql('select * from donations.share_disagreement'), []);
});

test('an entry is made once and sums to 0', async () => {
	await platform.sql(`insert into donations.fund (code, kind, source, name, organization) values
		('general', 'UNRESTRICTED', 'DONATION', 'general', '4412/441225'), ('lottery', 'UNRESTRICTED', 'LOTTERY', 'lottery', '4412/441225')`);
	assert.equal(await role(post(1, IN)), 'created');
	assert.equal(await role(post(1, IN)), 'exists');
	assert.equal(await role(post(1, [['bank:transfer', 1], ['fund:general', -1]])), 'conflict');
	await refused(post(2, [['bank:transfer', 10], ['fund:general', -11]]), /sum to 0/);
	await refused(post(2, []), /sum to 0/);
	await refused(post(2, [['bank:nowhere', 10], ['fund:general', -10]]), /no such account/);
	await refused(post(2, IN, { kind: 'gift.received' }), /their own rows/);
});

test('the service does not post by itself, and makes no leaf', async () => {
	const closed = (text) => assert.rejects(session('yg_donations', text), (error) => /permission denied/.test(error.stderr) || assert.fail(error.stderr));
	await closed(post(5, IN));
	await closed(hold(25, 1));
	await closed(`select ledger_hold_post('${id(25)}', '${id(5)}')`);
	await closed(`select ledger_hold_void('${id(25)}', 'x')`);
	await closed("insert into outbox (type, subject, payload, leaf) values ('x', 'x', '{}', 'x')");
	await closed("select outbox_leaf('x', 'x', '{}', 'gift.received', 'x', now(), '{}')");
	await closed("insert into outbox (type, subject, payload) values ('gift.created', 'x', '{}')");
});

test('a fund is not overdrawn, and what is held is left alone', async () => {
	await refused(post(3, [['bank:transfer', -1001], ['fund:general', 1001]]), /overdrawn/);
	assert.equal(await role(hold(20, 600)), 'created');
	assert.equal(await role(hold(20, 600)), 'exists');
	await refused(hold(21, 401), /can spend/);
	await refused(post(3, [['bank:transfer', -401], ['fund:general', 401]]), /is held/);
	assert.equal(await role(`begin; ${post(4, [['bank:transfer', -600], ['fund:general', 600]])}; select ledger_hold_post('${id(20)}', '${id(4)}'); commit`), 'created');
	await refused(`select ledger_hold_void('${id(20)}', 'late')`, /not pending/);
	assert.equal(await role(hold(22, 400, "now() - interval '1 second'")), 'created');
	assert.equal(await role("select fund_available(id) from fund where code = 'general'"), '400', 'an expired hold holds nothing');
	await agrees();
});

test('of two that spend the same money at once, one is refused', async () => {
	const spend = (n) => role(`begin; ${post(n, [['bank:transfer', -300], ['fund:general', 300]])}; select pg_sleep(0.3); commit`).then(() => 1, () => 0);
	const [a, b] = await Promise.all([spend(30), spend(31)]);
	assert.equal(a + b, 1);
	await agrees();
});

test('an entry is reversed once, a reversal never; classes of sources stay apart', async () => {
	assert.equal(await role(post(40, IN)), 'created');
	const back = IN.map(([account, fen]) => [account, -fen]);
	await refused(post(41, [['bank:transfer', -1], ['fund:general', 1]], { reverses: 40 }), /signs turned/);
	assert.equal(await role(post(41, back, { reverses: 40 })), 'created');
	await refused(post(42, back, { reverses: 40 }), /entry_reversed_once/);
	await refused(post(42, IN, { reverses: 41 }), /not reversed/);
	await refused(post(43, [['fund:lottery', -10], ['fund:general', 10]]), /classes of sources/);
});

test('history cannot be rewritten', async () => {
	for (const table of ['entry', 'posting', 'account', 'fund', 'hold', 'account_total']) {
		await refused(`delete from ${table}`, /permission denied/);
		await refused(`insert into ${table} default values`, /permission denied/);
	}
	for (const table of ['entry', 'posting']) await assert.rejects(platform.sql(`delete from donations.${table}`), /append-only/);
	await agrees();
});

test('a gift and its refunds sum to 0', async () => {
	const rows = await platform.sql(`select g.id from donations.gift g join donations.posting p on p.gift_id = g.id and p.account like 'fund:%'
		where g.state = 'REFUNDED' group by g.id having sum(p.fen) <> 0`);
	assert.deepEqual(rows, []);
});

test('every entry is one leaf of the public log, with its own postings', async () => {
	const sum = `select count(*) from donations.entry e where not exists (select from donations.entry_leaf l join donations.outbox o on o.id = l.event_id
		where l.entry_id = e.id and (convert_from(o.leaf, 'UTF8')::json -> 'postings')::jsonb = (select jsonb_agg(jsonb_build_object('account', account, 'fen', fen) order by seq) from donations.posting where entry_id = e.id))`;
	const before = await platform.sql('select count(*) from donations.entry_leaf');
	assert.equal(await role(post(70, IN)), 'created');
	assert.equal(await role(post(71, IN.map(([account, fen]) => [account, -fen]), { reverses: 70 })), 'created');
	assert.equal(Number((await platform.sql('select count(*) from donations.entry_leaf'))[0][0]), Number(before[0][0]) + 2);
	const [[type, link, known]] = await platform.sql(`select convert_from(o.leaf, 'UTF8')::json ->> 'type', convert_from(o.leaf, 'UTF8')::json -> 'links' ->> 0,
		(select event_id from donations.entry_leaf where entry_id = '${id(70)}') from donations.entry_leaf l join donations.outbox o on o.id = l.event_id where l.entry_id = '${id(71)}'`);
	assert.equal(type, 'correction.published');
	assert.equal(link, known, 'the reversal leads to what it turns back');
	assert.deepEqual(await platform.sql(sum), [['0']]);
	const [[gift]] = await platform.sql("select id from donations.entry where kind = 'gift.received' limit 1");
	for (const type of ['gift.paid', 'campaign.changed', 'inkind.received', 'x'])
		await refused(`insert into outbox (type, subject, payload) values ('${type}', '${gift}', json_build_object('gift_id', '${gift}', 'amount_fen', 1))`, /permission denied/);
	await refused("select campaign_tell(c) from campaign c limit 1", /permission denied/);
	const owner = (text, why) => refusedFor(session('yg_donations_owner', text), why);
	await owner(`insert into outbox (type, subject, payload) values ('gift.paid', '${gift}', json_build_object('gift_id', '${gift}', 'amount_fen', 1))`, /entry_leaf_pkey/);
	await owner(`insert into outbox (type, subject, payload) values ('gift.paid', 'x', json_build_object('gift_id', '${id(999)}', 'amount_fen', 1))`, /no such entry/);
	await refused('delete from entry_leaf', /permission denied/);
});

test('a donor whose key is destroyed is found by nobody, and the commitment stays', async () => {
	const [[gift, subject]] = await platform.sql("select id, donor from donations.gift where state = 'PAID' and disclosure = 'ANONYMOUS' limit 1");
	await platform.sql(`insert into donations.person_key (key_id, subject, wrapped_key) values ('${id(500)}', '${subject}', '\\x00');
		insert into donations.gift_commitment (gift_id, key_id, salt, commitment) values ('${gift}', '${id(500)}', decode(repeat('ab', 16), 'hex'), repeat('0f', 32))`);
	await refused(`update gift_commitment set salt = null where gift_id = '${gift}'`, /permission denied/);
	assert.equal(await role(`select count(*) from gift_commitment where gift_id = '${gift}'`), '0', 'not even the service sees a salt without its donor');
	await assert.rejects(platform.sql(`update donations.gift_commitment set commitment = repeat('00', 32), salt = null where gift_id = '${gift}'`), /only the salt/);
	await assert.rejects(platform.sql(`delete from donations.gift_commitment where gift_id = '${gift}'`), /only the salt/);
	await platform.sql(`delete from donations.person_key where key_id = '${id(500)}'`);
	assert.deepEqual(await platform.sql(`select salt is null, commitment from donations.gift_commitment where gift_id = '${gift}'`), [['t', '0f'.repeat(32)]]);
	await agrees();
});
