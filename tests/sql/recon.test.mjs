// What a psql session with the service's own role cannot do to reconciliation.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

const id = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const STAFF = "set yg.kind = 'staff'; set yg.organization = '4412'";
let platform;

before(async () => { platform = await Platform.start({ demo: 'small' }); });
after(() => platform?.stop());

const role = (text) => platform.session('yg_donations', STAFF, text);
const refused = (text, why) => refusedFor(role(text), why);

/* A finished run of a day with one difference, made by the owner. */
async function seed(n, day, organization) {
	await platform.sql(`insert into donations.reconciliation_run (id, day, state, next_try_at, finished_at, payments) values ('${id(n)}', '${day}', 'DONE', null, now(), 0);
		insert into donations.reconciliation_difference (id, day, kind, subject, number, provider_id, theirs_fen, organization, note, first_run, last_run)
		values ('${id(n + 1)}', '${day}', 'MISSING_HERE', 'PAYMENT', 'N${n}', 't', 500, ${organization ? `'${organization}'` : 'null'}, 'x', '${id(n)}', '${id(n)}')`);
	return id(n + 1);
}

test('the tables themselves are closed', async () => {
	const it = await seed(10, '2020-01-01');
	for (const table of ['reconciliation_run', 'reconciliation_difference', 'reconciliation_resolution', 'bill_line', 'receipt_line', 'reconciliation_since']) {
		await refused(`delete from ${table}`, /permission denied/);
		await refused(`insert into ${table} default values`, /permission denied/);
	}
	await refused("update reconciliation_run set state = 'DONE'", /permission denied/);
	await refused(`update reconciliation_difference set settled_at = now() where id = '${it}'`, /permission denied/);
	await refused('select count(*) from bill_line', /permission denied/);
	await refused('select count(*) from receipt_line', /permission denied/);
	await refused(`select bill_line_store('${id(10)}', 'TRADE', '[]')`, /permission denied/);
	await assert.rejects(platform.sql(`update donations.reconciliation_run set state = 'GARBAGE', finished_at = null where id = '${id(10)}'`), /never changes/);
	await assert.rejects(platform.sql(`delete from donations.reconciliation_difference where id = '${it}'`), /append-only/);
});

test('a resolution is once, by whom it concerns, and stays', async () => {
	const it = await seed(20, '2020-01-02');
	const county = await seed(30, '2020-01-03', '4412/441202');
	const resolve = (which, unit = '4412') => role(`set yg.organization = '${unit}'; select reason from reconciliation_resolve('${which}', 'done', '${id(1)}')`);
	assert.equal(await resolve(it, '4412/441202'), '', 'nobody’s is the topmost unit’s');
	assert.equal(await resolve(county, '4412/441223'), '', 'another unit’s');
	assert.equal(await role(`set yg.organization = '4412/441223'; select count(*) from reconciliation_difference`), '0');
	assert.equal(await resolve(county, '4412/441202'), 'done');
	assert.equal(await resolve(it), 'done');
	await assert.rejects(resolve(it), (error) => /reconciliation_resolved_once/.test(error.stderr));
	await assert.rejects(platform.sql(`update donations.reconciliation_resolution set reason = 'other' where difference_id = '${it}'`), /append-only/);
});

test('a finished run is not finished again, and money counts once however often it is compared', async () => {
	const [[no, fen, tx]] = await platform.sql("select out_trade_no, amount_fen, transaction_id from donations.pay_order where state = 'PAID' and channel = 'WECHAT_JSAPI' order by out_trade_no limit 1");
	const line = (more = 0) => JSON.stringify([['PAYMENT', no, tx, '', '', 'SUCCESS', Number(fen) + more, 0, '2020-02-01 12:00:00']]);
	const moves = async () => (await platform.sql(`select count(*), sum(amount_fen) from donations.money_entry`)).join();
	const before = await moves();
	for (const [n, more] of [[40, 0], [41, 1]]) {
		await platform.sql(`insert into donations.reconciliation_run (id, day, next_try_at, attempts) values ('${id(n)}', '2020-02-01', ${n === 40 ? 'null' : 'now() + interval \'1 day\''}, 1)`);
		await role(`select reconciliation_finish('${id(n)}', '', '', '${line(more)}', '[]')`);
		await role(`select reconciliation_finish('${id(n)}', '', '', '${line(7)}', '[]')`);
	}
	assert.equal(await moves(), before);
	const found = await platform.sql("select kind, ours_fen, theirs_fen from donations.reconciliation_difference where day = '2020-02-01' and kind not in ('FUND_FLOW') order by kind");
	assert.deepEqual(found, [['AMOUNT', fen, String(Number(fen) + 1)]]);
	assert.equal((await platform.sql("select count(*) from donations.money_disagreement"))[0][0], '0');
});

test('a list that names one request twice is compared all the same, and neither row is believed', async () => {
	await platform.command('stop', 'donations'); // nobody else settles what is asked for here
	const [[gift, code, fen]] = await platform.sql("select g.id, g.public_code, g.amount_fen from donations.gift g where g.state = 'PAID' and not exists (select from donations.receipt r where r.gift_id = g.id) order by g.id limit 1");
	const donor = (await platform.sql(`select donor from donations.gift where id = '${gift}'`))[0][0];
	await platform.session('yg_donations', `set yg.kind = 'citizen'; set yg.subject = '${donor}'`,
		`select state from receipt_request('${id(800)}', '${gift}', 'PERSON', null, '\\x00', '${id(801)}', '\\x00', '\\x${'00'.repeat(16)}', '${'0'.repeat(64)}')`);
	const no = id(800).replaceAll('-', '');
	const row = (request, order, number, amount) => ['ISSUE', request, order, '44060126', number, 'abc123', amount, 'ISSUED', '2020-02-02 12:00:00', ''];
	const list = JSON.stringify([row(no, code, '9000000801', Number(fen)), row(no, code, '9000000802', Number(fen)), row('strange', 'NOBODY', '9000000803', 5), row('strange', 'NOBODY', '9000000804', 5)]);
	await platform.sql(`insert into donations.reconciliation_run (id, day, next_try_at, attempts) values ('${id(42)}', '2020-02-02', null, 1)`);
	await platform.session('yg_donations', "set yg.kind = ''", `select reconciliation_finish('${id(42)}', '', '', '[]', '[]', '${list}')`);
	assert.deepEqual(await platform.sql(`select kind, provider_id, settled_at is null from donations.reconciliation_difference where first_run = '${id(42)}' and subject = 'RECEIPT' order by provider_id`), [
		['RECEIPT_MISSING_HERE', '440601269000000801', 't'], ['RECEIPT_TWICE', '440601269000000802', 't'],
		['RECEIPT_MISSING_HERE', '440601269000000803', 't'], ['RECEIPT_TWICE', '440601269000000804', 't']]);
	assert.deepEqual(await platform.sql(`select state from donations.receipt where id = '${id(800)}'`), [['REQUESTED']]);

	// one that was turned back while the list was on its way, and the one that replaced it, are no two
	const job = (text) => platform.session('yg_donations', "set yg.kind = ''", text);
	assert.equal(await job(`select receipt_settle('${no}', ${fen}, '44060126', '9000000801', 'abc123', now())`), 'ISSUED');
	await role(`set yg.subject = '${id(1)}'; select state from receipt_void('${id(810)}', '${id(800)}', 'x')`);
	assert.equal(await job(`select receipt_reversal_settle('${id(810).replaceAll('-', '')}', -${fen}, '44060226', '9000000810', 'abc123', now())`), 'VOIDED');
	await platform.session('yg_donations', `set yg.kind = 'citizen'; set yg.subject = '${donor}'`,
		`select state from receipt_request('${id(820)}', '${gift}', 'PERSON', null, '\\x00', '${id(821)}', '\\x00', '\\x${'00'.repeat(16)}', '${'0'.repeat(64)}')`);
	assert.equal(await job(`select receipt_settle('${id(820).replaceAll('-', '')}', ${fen}, '44060126', '9000000820', 'abc123', now())`), 'ISSUED');
	const late = async (n, day) => {
		await platform.sql(`insert into donations.reconciliation_run (id, day, next_try_at, attempts) values ('${id(n)}', '${day}', null, 1)`);
		await job(`select reconciliation_finish('${id(n)}', '', '', '[]', '[]', '${JSON.stringify([row(no, code, '9000000801', Number(fen))])}')`);
		return (await platform.sql(`select kind from donations.reconciliation_difference where first_run = '${id(n)}' order by 1`)).flat();
	};
	assert.deepEqual(await late(43, '2020-02-03'), []);
	await platform.sql(`alter table donations.receipt disable trigger user; update donations.receipt set ended_at = now() - interval '1 hour' where id = '${id(800)}'; alter table donations.receipt enable trigger user`);
	assert.deepEqual(await late(44, '2020-02-04'), ['RECEIPT_TWICE'], 'an hour later the platform should know');
	await platform.command('start', 'donations');
});

test('only the topmost unit starts a run, and only of days that have a bill', async () => {
	await refused(`set yg.organization = '4412/441202'; select reconciliation_start('${id(50)}', current_date - 5, '${id(1)}')`, /topmost/);
	await refused(`select reconciliation_start('${id(50)}', current_date + 1, '${id(1)}')`, /no bill/);
	await refused(`select reconciliation_start('${id(50)}', current_date - 200, '${id(1)}')`, /no bill/);
});

test('what was taken out stays recorded; nobody records in another’s name', async () => {
	const as = (who, unit = '4412') => `set yg.subject = '${id(who)}'; set yg.organization = '${unit}'`;
	const add = (n, by) => `insert into export_record (id, kind, requested_by, filter, rows, sha256) values ('${id(n)}', 'GIFTS', '${id(by)}', '{}', 1, repeat('0', 64))`;
	await role(`${as(1)}; ${add(60, 1)}`);
	await refused(`${as(1)}; ${add(61, 2)}`, /row-level security/);
	await refused(`${as(1)}; delete from export_record`, /permission denied/);
	await refused(`${as(1)}; update export_record set rows = 0`, /permission denied/);
	assert.equal(await role(`${as(1, '4412/441202')}; select count(*) from export_record`), '0');
	await assert.rejects(platform.sql('delete from donations.export_record'), /append-only/);
});

test('cells that a spreadsheet would run are text', async () => {
	const cell = (text) => role(`select csv_cell(${text})`);
	for (const text of ["'=1+1'", "'+1'", "'-1'", "'@SUM'", "'  =1'", "E'\\t=1'", "'＝1'", "U&'\\200B=1'", "U&'\\3000=1'", "U&'\\00A0=1'", "U&'\\202E+1'", "E'\\x01=1'", "E'\\x01x'", "E'\\tx'", "E'\\rx'", "'＋1'", "'－1'", "'＠x'", "'﹦1'", "'−1'"]) assert.match(await cell(text), /^"'/, text);
	assert.equal(await cell("'张三'"), '"张三"');
	assert.equal(await cell(`'say "x", y'`), '"say ""x"", y"');
	assert.equal(await cell('null'), '""');
});

test('a closed month takes no posting, is sealed by two, and never opens again', async () => {
	const shift = "date_trunc('month', now() at time zone 'Asia/Shanghai')";
	const [[month, last]] = await platform.sql(`select (${shift} - interval '1 month')::date, ((${shift} - interval '1 second') at time zone 'Asia/Shanghai')`);
	const post = (n, at) => `select donations.ledger_post('${id(n)}', 'correction', ${at}, '[{"account":"bank:transfer","fen":100},{"account":"bank:wechat","fen":-100}]', 'x', null)`;
	assert.deepEqual(await platform.sql(post(70, `'${last}'`)), [['created']]);
	await refused(`set yg.organization = '4412/441202'; select period_propose('${month}', '${id(1)}')`, /topmost/);
	await refused(`select period_propose(('${month}'::date + interval '1 month')::date, '${id(1)}')`, /one after the other/);
	await role(`select period_propose('${month}', '${id(1)}')`);
	await assert.rejects(platform.sql(post(71, `'${last}'`)), /month is closed/);
	assert.deepEqual(await platform.sql(post(72, 'now()')), [['created']]);
	await refused(`select period_close('${month}', '${id(1)}')`, /does not close/);
	await role(`select period_close('${month}', '${id(2)}')`);
	await refused(`select period_close('${month}', '${id(2)}')`, /closed/);
	await refused(`select period_propose('${month}', '${id(1)}')`, /period_closed_once|already exists|duplicate/);
	const [[fold, sealed]] = await platform.sql(`select (select md5(string_agg(x::text, ',' order by x.account)) from (select p.account, sum(p.fen)::bigint as fen from donations.posting p join donations.entry e on e.id = p.entry_id where e.occurred_at <= '${last}' group by 1) x),
		(select md5(string_agg(x::text, ',' order by x.account)) from (select account, fen from donations.period_balance where month = '${month}') x)`);
	assert.ok(sealed);
	assert.equal(sealed, fold);
	const gaps = async () => (await platform.sql('select count(*) from donations.period_disagreement'))[0][0];
	assert.equal(await gaps(), '0');
	assert.equal((await platform.sql(`select count(*) from donations.outbox where type = 'period.closed' and leaf is not null`))[0][0], '1');
	for (const table of ['period', 'period_balance']) {
		await refused(`delete from ${table}`, /permission denied/);
		await refused(`insert into ${table} default values`, /permission denied/);
	}
	await assert.rejects(platform.sql(`update donations.period set state = 'CLOSING', closed_at = null, closed_by = null, sha256 = null`), /never opened again/);
	await assert.rejects(platform.sql('delete from donations.period'), /never opened again|violates foreign key/);
	await assert.rejects(platform.sql('update donations.period_balance set fen = 0'), /append-only/);
	// what WeChat tells of late is booked in the open month, with its own time kept beside it
	const [[gift, no, fen]] = await platform.sql("select gift_id, out_trade_no, amount_fen from donations.pay_order where state in ('CREATED', 'ORDERED', 'CLOSED') limit 1").then((rows) => (rows.length ? rows : [[]]));
	if (gift) {
		assert.equal(await role(`select payment_settle('${no}', 'late-${no}', ${fen}, '${last}')`), 'SETTLED');
		assert.deepEqual(await platform.sql(`select e.occurred_at > '${last}', m.occurred_at = '${last}' from donations.entry e join donations.money_entry m on m.gift_id = e.id and m.refund_id is null where e.id = '${gift}'`), [['t', 't']]);
		assert.equal(await gaps(), '0');
	}
	// a forged balance is found
	await platform.sql('alter table donations.period_balance disable trigger user; update donations.period_balance set fen = fen + 1 where account = (select min(account) from donations.period_balance); alter table donations.period_balance enable trigger user');
	assert.equal(await gaps(), '1');
});

test('closing waits for what began before the bar stood', async () => {
	await platform.sql("alter table donations.period disable trigger user; alter table donations.period_balance disable trigger user; delete from donations.period_balance; delete from donations.period; alter table donations.period enable trigger user; alter table donations.period_balance enable trigger user");
	await platform.sql("alter table donations.account disable trigger user; update donations.account set opened_on = '2012-01-01'; alter table donations.account enable trigger user");
	// it has its id and has looked; the month is proposed only now
	const early = platform.sql(`begin; select donations.ledger_post('${id(80)}', 'correction', '2012-02-10', '[{"account":"bank:transfer","fen":7},{"account":"bank:wechat","fen":-7}]', 'x', null); select pg_sleep(1.5); commit`);
	await new Promise((done) => { setTimeout(done, 500); });
	await role(`select period_propose('2012-02-01', '${id(1)}')`);
	await role(`select period_close('2012-02-01', '${id(2)}')`);
	await early;
	assert.deepEqual(await platform.sql("select account, fen from donations.period_balance where month = '2012-02-01' order by account"), [['bank:transfer', '7'], ['bank:wechat', '-7']]);
	assert.equal((await platform.sql('select count(*) from donations.period_disagreement'))[0][0], '0');
});
