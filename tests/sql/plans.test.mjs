// What a psql session with the service's own role cannot do to plans, and how their dates move. Business days are parameters here.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

const id = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
let platform;
let campaign;
before(async () => {
	platform = await Platform.start({ demo: 'small' });
	[[campaign]] = await platform.sql("select id from donations.campaign_taking_gifts order by id limit 1");
	await platform.sql(`alter table donations.campaign disable trigger user; update donations.campaign set ends_on = '2099-12-31' where id = '${campaign}'; alter table donations.campaign enable trigger user`);
});
after(() => platform?.stop());

const own = (text) => platform.sql(`set search_path = donations; ${text}`);
const role = (text, donor = 1) => platform.session('yg_donations', `set yg.kind = 'citizen'; set yg.subject = '${id(donor)}'`, text);
const refused = (text, why, donor) => refusedFor(role(text, donor), why);
const create = (n, { day = 1, unit = 'MONTH', every = 1, start, today = start, end = null, fen = 600 }) => own(`select next_charge_on from plan_create_on('${id(n)}', '${id(1)}', '${campaign}', ${fen}, '${unit}',
	${every}::smallint, ${day}::smallint, null, '${start}', ${end ? `'${end}'` : 'null'}, null, '${today}')`);

test('due dates: the 31st of short months, quarters, leap years, the end', async () => {
	const dates = async (plan, after) => (await own(`select coalesce(plan_next_on(json_populate_record(null::plan, '${JSON.stringify(plan)}'), d)::text, 'none') from unnest(array[${after.map((d) => `'${d}'`)}]::date[]) d`)).flat();
	const fields = (unit, every, day, start, end) => ({ unit, every, cycle_day: day, start_on: start, end_on: end });
	assert.deepEqual(await dates(fields('MONTH', 1, 31, '2028-01-31'), ['2028-01-30', '2028-01-31', '2028-02-29', '2028-04-29', '2028-04-30']), ['2028-01-31', '2028-02-29', '2028-03-31', '2028-04-30', '2028-05-31']);
	assert.deepEqual(await dates(fields('MONTH', 1, 5, '2027-01-20'), ['2027-01-19', '2027-02-05']), ['2027-02-05', '2027-03-05'], 'the month of the start has no due date before it');
	assert.deepEqual(await dates(fields('QUARTER', 1, 15, '2027-11-15'), ['2027-11-14', '2027-11-15', '2028-02-15']), ['2027-11-15', '2028-02-15', '2028-05-15']);
	assert.deepEqual(await dates(fields('YEAR', 1, 29, '2028-02-29'), ['2028-02-29', '2029-02-28', '2031-03-01']), ['2029-02-28', '2030-02-28', '2032-02-29']);
	assert.deepEqual(await dates(fields('MONTH', 2, 1, '2027-01-01', '2027-05-01'), ['2027-01-01', '2027-03-01', '2027-05-01']), ['2027-03-01', '2027-05-01', 'none']);
});

test('the tables are closed, and days are not the caller\'s to choose', async () => {
	await create(10, { start: '2050-01-01' });
	for (const table of ['plan', 'plan_gift']) {
		await refused(`delete from ${table}`, /permission denied/);
		await refused(`insert into ${table} default values`, /permission denied/);
	}
	await refused("update plan set next_charge_on = '2026-01-01'", /permission denied/);
	await refused("select plan_orders_make_on('2060-01-01', 10)", /permission denied/);
	await refused("select plan_orders_recall(10)", /permission denied/);
	await refused(`select plan_resume_on('${id(10)}', '2020-01-01')`, /permission denied/);
	await refused(`select plan_create_on('${id(11)}', '${id(1)}', '${campaign}', 600, 'MONTH', 1::smallint, 1::smallint, null, null, null, null, '2020-01-01')`, /permission denied/);
	await refused(`insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, plan_id) values ('${id(12)}', 'X', '${campaign}', '${id(1)}', 600, 'WECHAT_JSAPI', '${id(10)}')`, /permission denied/);
	await refused(`select plan_create('${id(11)}', '${campaign}', 600, 'MONTH', 1::smallint, 1::smallint, null, '2020-01-01', null, null)`, /in the past/);
	assert.equal(await role('select plan_orders_make()'), '0', 'today there is nothing to make');
});

test('a plan is its donor\'s own', async () => {
	assert.equal(await role('select count(*) from plan', 2), '0');
	for (const act of ['plan_pause', 'plan_end', 'plan_resume']) await refused(`select ${act}('${id(10)}')`, /no such plan/, 2);
	await refused(`select plan_change('${id(10)}', 700, '*')`, /no such plan/, 2);
	await refused(`set yg.kind = 'staff'; select plan_pause('${id(10)}')`, /no such plan/);
	assert.equal(await role(`select state from plan_pause('${id(10)}')`), 'PAUSED');
});

test('each due date makes one order, whoever asks and how many at a time', async () => {
	for (let n = 20; n < 30; n += 1) await create(n, { start: '2051-01-01' });
	assert.equal((await own("select count(*) from plan where next_charge_on = '2051-01-01'"))[0][0], '10');
	const made = await Promise.all([1, 2, 3, 4].map(async () => {
		let sum = 0;
		for (let i = 0; i < 10; i += 1) sum += Number((await own("select plan_orders_make_on('2051-01-01', 3)"))[0][0]);
		return sum;
	}));
	assert.equal(made.reduce((a, b) => a + b), 10);
	assert.deepEqual(await own(`select count(*), count(distinct plan_id), count(distinct gift_id) from plan_gift where asked_on = '2051-01-01'`), [['10', '10', '10']]);
	assert.equal((await own("select count(*) from outbox where type = 'plan.due' and payload ->> 'due_on' = '2051-01-01'"))[0][0], '10');
	await assert.rejects(own(`insert into plan_gift (plan_id, asked_on, due_on, attempt, gift_id, amount_fen) values ('${id(20)}', '2051-01-02', '2051-01-01', 2, '${id(99)}', 600)`), /plan_order_open_once/);
	await assert.rejects(own(`update plan set amount_fen = 1, unit = 'YEAR' where id = '${id(20)}'`), /only the amount changes/);
	await assert.rejects(own(`update plan_gift set due_on = due_on - 1 where plan_id = '${id(20)}'`), /never changes/);
	await assert.rejects(own(`update gift set plan_id = null where plan_id = '${id(20)}'`), /never changes/);
	await assert.rejects(own(`delete from plan where id = '${id(20)}'`), /append-only/);
});

test('dates that nobody asked for in time are left out', async () => {
	await create(40, { start: '2052-01-01' });
	await own("select plan_orders_make_on('2052-04-15', 100)");
	assert.deepEqual(await own(`select due_on, asked_on from plan_gift where plan_id = '${id(40)}'`), [['2052-04-01', '2052-04-15']]);
	assert.deepEqual(await own(`select next_charge_on from plan where id = '${id(40)}'`), [['2052-05-01']]);
});

test('money that came late for a date that was paid is booked, and told', async () => {
	await create(50, { start: '2053-01-01' });
	await own("select plan_orders_make_on('2053-01-01', 100)");
	const order = async () => (await own(`select g.public_code from plan p join gift g on g.id = p.open_gift where p.id = '${id(50)}'`))[0][0];
	const first = await order();
	await own(`update pay_order set expires_at = now() where out_trade_no = '${first}'; select order_close('${first}')`);
	assert.deepEqual(await own(`select state, failure_count, retry_on from plan where id = '${id(50)}'`), [['FAILING', '1', '2053-01-03']]);
	await own("select plan_orders_make_on('2053-01-03', 100)");
	const second = await order();
	assert.notEqual(second, first);
	const pay = async (code) => (await own(`select payment_settle('${code}', 'test:${code}', 600, now())`))[0][0];
	assert.equal(await pay(first), 'SETTLED');
	assert.deepEqual(await own(`select state, failure_count, retry_on from plan where id = '${id(50)}'`), [['ACTIVE', '0', '']]);
	await own('select plan_orders_recall(100)'); // the platform's own job may have been first
	assert.deepEqual(await own(`select expires_at <= now() from pay_order where out_trade_no = '${second}'`), [['t']], 'the other order is not wanted any more');
	assert.equal(await pay(second), 'SETTLED');
	assert.deepEqual(await own(`select attempt, state from plan_gift where plan_id = '${id(50)}' order by attempt`), [['1', 'PAID'], ['2', 'EXTRA']]);
	assert.deepEqual(await own(`select paid_count, state from plan where id = '${id(50)}'`), [['1', 'ACTIVE']]);
	assert.equal((await own(`select count(*) from outbox where type = 'plan.paid_twice' and subject = '${id(50)}'`))[0][0], '1');
	assert.deepEqual(await own('select * from money_disagreement union all select * from ledger_disagreement'), []);
});

test('late money of an older date leaves the retry of the later one alone', async () => {
	await create(51, { start: '2054-01-01' });
	const order = async (day) => { await own(`select plan_orders_make_on('${day}', 100)`); return (await own(`select g.public_code from plan p join gift g on g.id = p.open_gift where p.id = '${id(51)}'`))[0][0]; };
	const close = (code) => own(`update pay_order set expires_at = now() where out_trade_no = '${code}'; select order_close('${code}')`);
	const older = await order('2054-01-01');
	await close(older);
	await close(await order('2054-02-01'));
	assert.deepEqual(await own(`select state, retry_on from plan where id = '${id(51)}'`), [['FAILING', '2054-02-03']]);
	assert.equal((await own(`select payment_settle('${older}', 'test:${older}', 600, now())`))[0][0], 'SETTLED');
	assert.deepEqual(await own(`select state, retry_on, paid_count from plan where id = '${id(51)}'`), [['FAILING', '2054-02-03', '1']]);
});

test('cohorts: who gave again and who lapsed, small numbers left out', async () => {
	const rows = [];
	for (let i = 0; i < 20; i += 1) rows.push([i, '2011-01'], ...(i < 10 ? [[i, '2011-03']] : []), ...(i < 3 ? [[i, '2011-04']] : []), ...(i < 17 ? [[i, '2011-05']] : []));
	for (let i = 20; i < 24; i += 1) rows.push([i, '2011-02']);
	await own(`alter table gift disable trigger user; alter table gift disable row level security; insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, state, created_at, paid_at)
		select gen_random_uuid(), public_code_new(), '${campaign}', ('00000000-0000-7000-9000-' || lpad(d::text, 12, '0'))::uuid, 100, 'WECHAT_JSAPI', 'PAID', now(), (m || '-15')::timestamptz
		from (values ${rows.map(([d, m]) => `(${d}, '${m}')`)}) v (d, m); alter table gift enable trigger user; alter table gift enable row level security`);
	const of = async (today) => JSON.parse((await own(`select donor_cohorts('2011-01-01', '2011-12-01', '${today}')`))[0][0]);
	const [first, second] = await of('2011-06-10');
	assert.deepEqual(first, { month: '2011-01', donor_count: 20, lapsed_count: 0, months: [{ month: '2011-02', donor_count: 0 }, { month: '2011-03', donor_count: 10 }, { month: '2011-04' }, { month: '2011-05' }, { month: '2011-06', donor_count: 0 }] });
	assert.deepEqual(second, { month: '2011-02' }, 'four persons are not told of');
	assert.equal((await of('2012-04-02'))[0].lapsed_count, undefined, 'three who lapsed are not told of');
	assert.equal((await of('2012-06-02'))[0].lapsed_count, 20);
	assert.equal(await role("set yg.kind = 'staff'; set yg.organization = '99'; select donor_cohorts('2011-01-01', '2011-12-01', '2012-06-02')"), '[]');
});

test('twenty plans a donor, whoever asks at once', async () => {
	const ask = (n) => platform.session('yg_donations', `set yg.kind = 'citizen'; set yg.subject = '${id(77)}'`,
		`select state from plan_create('${id(800 + n)}', '${campaign}', 600, 'MONTH', 1::smallint, 1::smallint, null, null, null, null)`);
	for (let n = 0; n < 18; n++) await ask(n);
	const both = await Promise.allSettled([18, 19, 20, 21, 22, 23].map(ask));
	assert.equal(both.filter((one) => one.status === 'fulfilled').length, 2);
	assert.equal((await platform.sql(`select count(*) from donations.plan where donor = '${id(77)}'`))[0][0], '20');
});
