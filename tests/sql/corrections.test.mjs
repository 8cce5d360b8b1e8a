// What a psql session with the service's own role cannot do to the ledger by way of corrections.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

const id = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const DOC = 'd'.repeat(64);
let platform;

before(async () => { platform = await Platform.start({ demo: 'small' }); });
after(() => platform?.stop());

const as = (n, text, unit = '4412') => platform.session('yg_donations', `set yg.kind = 'staff'; set yg.organization = '${unit}'; set yg.subject = '${id(n)}'`, text);
const refused = (n, text, why, unit) => refusedFor(as(n, text, unit), why);
const fee = (n, fen = 500, at = 'null') => `select (it).state from correction_propose('${id(n)}', null, 'expense:bank-fee', 'bank:transfer', ${fen}, ${at}, 'fee', '${DOC}')`;
const turnBack = (n, entry) => `select (it).state from correction_propose('${id(n)}', '${entry}', null, null, null, null, 'wrong', '${DOC}')`;
const one = async (text) => (await platform.sql(text))[0]?.[0];

test('the tables themselves are closed', async () => {
	for (const table of ['correction', 'correction_kind', 'posting_rule']) {
		await refused(1, `delete from ${table}`, /permission denied/);
		await refused(1, `insert into ${table} default values`, /permission denied/);
	}
	await refused(1, "update correction set state = 'BOOKED'", /permission denied/);
	await refused(1, `select correction_take('${id(1)}')`, /permission denied/);
});

test('four eyes, once, and the entry has an id of its own', async () => {
	assert.equal(await as(1, fee(100)), 'PROPOSED');
	assert.equal(await as(1, `select existed from correction_propose('${id(100)}', null, 'expense:bank-fee', 'bank:transfer', 500, null, 'fee', '${DOC}')`), 't');
	await refused(2, fee(100), /this id says something else/);
	await refused(1, `select correction_book('${id(100)}', '${id(101)}')`, /does not book it/);
	const gift = await one("select g.id from donations.gift g where g.paid_at is null and not exists (select from donations.entry e where e.id = g.id) order by g.id limit 1");
	assert.ok(gift, 'a gift that is not paid yet');
	await refused(2, `select correction_book('${id(100)}', '${gift}')`, /a gift's or a refund's/);
	assert.equal(await as(2, `select state from correction_book('${id(100)}', '${id(101)}')`), 'BOOKED');
	await refused(2, `select correction_book('${id(100)}', '${id(102)}')`, /BOOKED/);
	await refused(2, `select correction_refuse('${id(100)}', 'no')`, /BOOKED/);
	assert.equal(await one(`select string_agg(account || ' ' || fen, ', ' order by seq) from donations.posting where entry_id = '${id(101)}'`), 'expense:bank-fee 500, bank:transfer -500');
	await assert.rejects(platform.sql(`update donations.correction set reason = 'x' where id = '${id(100)}'`), /does not change/);
});

test('a reversal: once, never of a reversal, a gift or a payment; its leaf leads to what it turns back and says the document', async () => {
	await as(1, turnBack(110, id(101)));
	await refused(1, turnBack(111, id(101)), /correction_once/);
	await as(2, `select state from correction_book('${id(110)}', '${id(112)}')`);
	await refused(1, turnBack(113, id(101)), /not turned back this way/);
	await refused(1, turnBack(113, id(112)), /not turned back this way/);
	const gift = await one("select id from donations.entry where kind = 'gift.received' order by id limit 1");
	await refused(1, turnBack(113, gift), /not turned back this way/);
	const [[leaf, first]] = await platform.sql(`select convert_from(o.leaf, 'UTF8'), (select event_id from donations.entry_leaf where entry_id = '${id(101)}')
		from donations.outbox o join donations.entry_leaf l on l.event_id = o.id where l.entry_id = '${id(112)}'`);
	const said = JSON.parse(leaf);
	assert.equal(said.type, 'correction.published');
	assert.deepEqual(said.links, [first]);
	assert.equal(said.data.document_sha256, DOC);
	assert.deepEqual(said.postings, [{ account: 'expense:bank-fee', fen: -500 }, { account: 'bank:transfer', fen: 500 }]);
	assert.equal(await one('select count(*) from donations.ledger_disagreement'), '0');
	assert.equal(await one(`select donations.account_balance('expense:bank-fee')`), '0');
});

test('a refused one may be proposed again', async () => {
	await as(1, fee(120, 700));
	await as(1, `select correction_refuse('${id(120)}', 'my mistake')`);
	assert.equal(await one(`select count(*) from donations.entry where reason = 'my mistake'`), '0');
	await as(1, fee(121, 700));
	await as(2, `select correction_book('${id(121)}', '${id(122)}')`);
	await as(1, turnBack(123, id(122)));
	await as(2, `select correction_refuse('${id(123)}', 'no')`);
	assert.equal(await as(1, turnBack(124, id(122))), 'PROPOSED');
});

test('accounts are the topmost unit’s, a fund’s entries its unit’s; nobody posts to a fund', async () => {
	await refused(1, fee(130), /two accounts/, '4412/441202');
	const entry = id(122);
	await refused(1, turnBack(131, entry), /no such entry/, '4412/441202');
	const fund = await one("select 'fund:' || code from donations.fund order by code limit 1");
	await refused(1, `select correction_propose('${id(132)}', null, '${fund}', 'bank:transfer', 5, null, 'x', '${DOC}')`, /two accounts/);
	await refused(1, `select correction_propose('${id(132)}', null, 'expense:bank-fee', '${fund}', 5, null, 'x', '${DOC}')`, /two accounts/);
	await refused(1, `select correction_propose('${id(132)}', null, 'bank:wechat', 'bank:wechat', 5, null, 'x', '${DOC}')`, /two accounts/);
	assert.equal(await as(1, `select count(*) from correction`, '4412/441202'), '0');
	assert.equal(await platform.session('yg_donations', "set yg.kind = 'citizen'", 'select count(*) from correction'), '0');
});

test('nothing is dated ahead, nor before the books of its accounts begin', async () => {
	const [[first]] = await platform.sql("select opened_on from donations.account where name = 'bank:transfer'");
	const [[year, now]] = await platform.sql("select date_trunc('year', donations.business_day() - interval '3 months')::date, donations.business_day()");
	assert.equal(first, year);
	const before = `'${first} 00:00+08'::timestamptz - interval '1 second'`;
	await refused(1, fee(150, 800, before), /books of (bank:transfer|expense:bank-fee) begin later/);
	assert.equal(await as(1, fee(151, 801, `'${first} 00:00+08'`)), 'PROPOSED');
	await as(2, `select correction_book('${id(151)}', '${id(152)}')`);
	assert.equal(await one(`select occurred_at = '${first} 00:00+08' from donations.entry where id = '${id(152)}'`), 't');
	// whoever posts it, and not by way of another account
	const post = (n, at, to = 'bank:wechat') => platform.session('yg_donations_owner', `select ledger_post('${id(n)}', 'correction', ${at}, '[{"account":"bank:transfer","fen":5},{"account":"${to}","fen":-5}]', 'x', null)`);
	await refusedFor(post(153, before), /begin later/);
	await refusedFor(post(153, "now() + interval '6 minutes'"), /has not happened/);
	await platform.sql(`insert into donations.account (name, kind, opened_on) values ('bank:new', 'bank', '${now}')`);
	await refusedFor(post(153, `'${now} 00:00+08'::timestamptz - interval '1 second'`, 'bank:new'), /books of bank:new begin later/);
	assert.equal(await post(153, `'${now} 00:00+08'`, 'bank:new'), 'created');
	await refusedFor(platform.session('yg_donations_owner', "update account set opened_on = '2000-01-01'"), /append-only/);
	await refused(1, "insert into account (name, kind, opened_on) values ('bank:old', 'bank', '2000-01-01')", /permission denied/);
});

test('money of a month that was closed meanwhile is booked in the open one', async () => {
	await platform.sql("alter table donations.account disable trigger user; update donations.account set opened_on = '2020-03-01'; alter table donations.account enable trigger user");
	await as(1, fee(140, 900, "'2020-03-05 10:00+08'"));
	await as(1, fee(141, 901, "'2020-05-05 10:00+08'"));
	await platform.sql(`insert into donations.period (month, ends_at, organization, proposed_by) values ('2020-03-01', '2020-03-31 16:00Z', '4412', '${id(9)}')`);
	await as(2, `select correction_book('${id(140)}', '${id(142)}')`);
	await as(2, `select correction_book('${id(141)}', '${id(143)}')`);
	assert.equal(await one(`select occurred_at > now() - interval '1 minute' from donations.entry where id = '${id(142)}'`), 't');
	assert.equal(await one(`select occurred_at = '2020-05-05 10:00+08' from donations.entry where id = '${id(143)}'`), 't');
	assert.equal(await one('select count(*) from donations.ledger_disagreement'), '0');
	// one that is closed already is not proposed for at all
	await refused(1, fee(144, 902, "'2020-03-31 23:59:59+08'"), /month is closed/);
});

test('an income that was booked wrongly is turned back, its line of the statement is free again, and no figure has it any more', async () => {
	await platform.sql("insert into donations.fund (code, kind, source, name, organization) values ('fees-here', 'UNRESTRICTED', 'FEE', 'fees', '4412/441202')");
	const UNIT = '4412/441202';
	const income = (n, fen) => as(1, `select state from fund_income_propose('${id(n)}', 'fees-here', ${fen}, '会员', 'LINE-1', '${DOC}', now(), '${id(1)}')`, UNIT);
	const figures = async () => (await platform.sql("select received_fen, balance_fen from donations.fund_figures('fees-here')"))[0].map(Number);
	await income(400, 90000);
	assert.equal(await as(2, `select state from fund_income_approve('${id(400)}', '${id(2)}')`, UNIT), 'BOOKED');
	await refusedFor(income(401, 9000), /fund_income_bank_taken/);
	await refusedFor(platform.sql(`update donations.fund_income set state = 'REVERSED', reason = 'r' where id = '${id(400)}'`).catch((error) => { error.stderr = String(error); throw error; }), /does not change/);
	await refused(1, turnBack(402, id(400)), /no such entry/, '4412/441223');
	await as(1, turnBack(402, id(400)), UNIT);
	assert.deepEqual(await figures(), [90000, 90000], 'only proposed');
	assert.equal(await as(2, `select state from correction_book('${id(402)}', '${id(403)}')`, UNIT), 'BOOKED');
	assert.deepEqual(await platform.sql(`select state, reason from donations.fund_income where id = '${id(400)}'`), [['REVERSED', 'wrong']]);
	assert.deepEqual(await figures(), [0, 0]);
	await income(401, 9000);
	assert.equal(await as(2, `select state from fund_income_approve('${id(401)}', '${id(2)}')`, UNIT), 'BOOKED');
	assert.deepEqual(await figures(), [9000, 9000]);
	// what was spent of it meanwhile is in the way: first that is put right
	await as(1, `select state from disbursement_create('${id(404)}', 'fees-here', 5000, 'p', 'BRANCH', 'x', null, null, false, '${id(1)}')`, UNIT);
	await as(2, `select state from disbursement_approve_read('${id(404)}', '${id(2)}', '*')`, '4412');
	await as(2, `select state from disbursement_pay('${id(404)}', '${id(2)}', 'b', null)`, UNIT);
	await as(1, turnBack(405, id(401)), UNIT);
	await refused(2, `select state from correction_book('${id(405)}', '${id(406)}')`, /overdrawn/, UNIT);
});

test('goods that were turned back are in no figure of their fund', async () => {
	const [[code]] = await platform.sql("select donations.inkind_fund('4412')"), entry = id(420);
	const posted = JSON.stringify([{ account: `inkind:${code}`, fen: 7000 }, { account: `fund:${code}`, fen: -7000 }]);
	const figures = async () => (await platform.sql(`select received_fen, balance_fen from donations.fund_figures('${code}')`))[0].map(Number);
	const [received, balance] = await figures();
	await platform.sql(`select donations.ledger_post('${entry}', 'goods.received', now(), '${posted}', 'g', null)`);
	assert.deepEqual(await figures(), [received + 7000, balance + 7000]);
	await as(1, turnBack(421, entry));
	await as(2, `select state from correction_book('${id(421)}', '${id(422)}')`);
	assert.deepEqual(await figures(), [received, balance]);
});
