// The clocks of disclosure, by days given: nothing here looks at today.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';

let platform;
before(async () => { platform = await Platform.start({ demo: 'small', port: process.env.YG_TEST_PORT && Number(process.env.YG_TEST_PORT) }); });
after(() => platform?.stop());

/** A campaign as its event tells of it; then each obligation on a day as "rule due state". */
async function campaign(columns) {
	const id = randomUUID();
	const c = { id, organization: '4412', title: '时钟测试', state: 'OPEN', emergency_late: false, ...columns };
	const position = Number((await platform.sql("select coalesce(max(position), 0) + 1 from transparency.inbox where stream = 'donations'"))[0][0]);
	await platform.sql(`insert into transparency.inbox (stream, position, id, type, subject, payload, occurred_at) values ('donations', ${position}, '${randomUUID()}', 'campaign.changed', '${id}', '${JSON.stringify(c)}', '2026-01-01')`);
	return {
		id,
		on: async (day) => (await platform.sql(`select rule, due_on, state from transparency.obligations('${day}') where campaign_id = '${id}' order by due_on, rule`)).map((row) => row.join(' ')),
		becomes: (change) => platform.sql(`update transparency.disclosed_campaign set ${change} where id = '${id}'`),
	};
}

test('the filing is due ten days before the start', async () => {
	const c = await campaign({ starts_on: '2026-03-20', ends_on: '2026-05-20' });
	assert.deepEqual(await c.on('2026-02-01'), [], 'not yet begun');
	assert.deepEqual(await c.on('2026-03-10'), ['filing 2026-03-10 DUE']);
	assert.deepEqual(await c.on('2026-03-11'), ['filing 2026-03-10 OVERDUE']);
	await c.becomes("filed_on = '2026-03-05'");
	assert.deepEqual(await c.on('2026-03-04'), ['filing 2026-03-10 DUE'], 'seen from the day before it was met');
	assert.deepEqual(await c.on('2026-03-05'), ['filing 2026-03-10 MET']);
});

test('a major emergency may file until ten days after it', async () => {
	const c = await campaign({ starts_on: '2026-03-20', ends_on: '2026-05-20', emergency_late: true });
	assert.deepEqual(await c.on('2026-03-30'), ['emergency-filing 2026-03-30 DUE']);
	assert.deepEqual(await c.on('2026-03-31'), ['emergency-filing 2026-03-30 OVERDUE']);
});

test('longer than six months: every three months, and everything within three months after the end', async () => {
	const c = await campaign({ starts_on: '2026-01-31', ends_on: '2026-10-15', filed_on: '2026-01-01' });
	const progress = async (day) => (await c.on(day)).filter((line) => line.startsWith('progress'));
	assert.deepEqual(await progress('2026-04-30'), ['progress 2026-04-30 DUE', 'progress 2026-07-31 DUE']);
	assert.deepEqual(await progress('2026-05-01'), ['progress 2026-04-30 OVERDUE', 'progress 2026-07-31 DUE']);
	const final = async (day) => (await c.on(day)).filter((line) => line.startsWith('final'));
	assert.deepEqual(await final('2026-10-14'), []);
	assert.deepEqual(await final('2027-01-15'), ['final 2027-01-15 DUE']);
	assert.deepEqual(await final('2027-01-16'), ['final 2027-01-15 OVERDUE']);
	await c.becomes("closed_on = '2026-06-30', state = 'CLOSED'");
	assert.deepEqual(await progress('2026-12-01'), [], 'it ran for five months only');
	assert.deepEqual(await final('2026-09-30'), ['final 2026-09-30 DUE'], 'from the day it was closed');
	await c.becomes("reported_on = '2026-09-01'");
	assert.deepEqual(await final('2026-09-30'), ['final 2026-09-30 MET']);
});

test('six months exactly are not longer', async () => {
	const c = await campaign({ starts_on: '2026-01-01', ends_on: '2026-07-01', filed_on: '2025-12-01' });
	assert.deepEqual((await c.on('2026-06-30')).filter((line) => line.startsWith('progress')), []);
});

test('a matter has thirty days, the report of a year until 31 May', async () => {
	const [[id]] = await platform.sql("insert into transparency.disclosure_matter (id, organization, kind, title, happened_on) values (gen_random_uuid(), '4412', 'MAJOR', 'x', '2026-03-01') returning id");
	const matter = async (day) => (await platform.sql(`select due_on, state from transparency.obligations('${day}') where key = 'matter:${id}'`)).map((row) => row.join(' '));
	assert.deepEqual(await matter('2026-02-28'), []);
	assert.deepEqual(await matter('2026-03-31'), ['2026-03-31 DUE']);
	assert.deepEqual(await matter('2026-04-01'), ['2026-03-31 OVERDUE']);
	const annual = async (day) => (await platform.sql(`select due_on, state from transparency.obligations('${day}') where key = 'annual:4412:2025'`)).map((row) => row.join(' '));
	assert.deepEqual(await annual('2025-12-31'), []);
	assert.deepEqual(await annual('2026-05-31'), ['2026-05-31 DUE']);
	assert.deepEqual(await annual('2026-06-01'), ['2026-05-31 OVERDUE']);
	await platform.sql(`insert into transparency.disclosure (id, organization, obligation, title, summary, event, published_at) values (gen_random_uuid(), '4412', 'annual:4412:2025', 'x', 'x', gen_random_uuid(), '2026-05-31 23:59:00+08')`);
	assert.deepEqual(await annual('2026-06-01'), ['2026-05-31 MET']);
});

test('a rule is asked about the days of its force only', async () => {
	await platform.sql("insert into transparency.disclosure_matter (id, organization, kind, title, happened_on) values ('01930000-0000-7000-8000-000000000001', '4412', 'MAJOR', 'x', '2025-11-01')");
	assert.deepEqual(await platform.sql("select key from transparency.obligations('2026-06-01') where key = 'matter:01930000-0000-7000-8000-000000000001'"), [], 'due before 2026-01-01');
});

test('an obligation is met by the unit that has it or by one above, never by one below', async () => {
	const c = await campaign({ organization: '4412/441202', starts_on: '2026-03-20', ends_on: '2026-05-20', filed_on: '2026-03-01', closed_on: '2026-05-20' });
	const publish = (organization) => platform.sql(`insert into transparency.disclosure (id, organization, obligation, title, summary, event, published_at)
		values ('${randomUUID()}', '${organization}', 'final:${c.id}', 't', 's', '${randomUUID()}', '2026-06-01+08')`);
	const final = async () => (await c.on('2026-06-02')).find((line) => line.startsWith('final'));
	await publish('4412/441203');
	await publish('4412/441202/1');
	assert.equal(await final(), 'final 2026-08-20 DUE');
	await publish('4412');
	assert.equal(await final(), 'final 2026-08-20 MET');
});

test('each obligation has one rule: that of its day, with its article', async () => {
	const c = await campaign({ starts_on: '2025-05-01', ends_on: '2025-09-30', filed_on: '2025-04-01' });
	const d = await campaign({ starts_on: '2025-06-01', ends_on: '2025-10-01', filed_on: '2025-04-01' });
	const article = async (key) => (await platform.sql(`select r.article from transparency.obligations('2026-12-31') o
		join transparency.disclosure_rule r on r.code = o.rule and o.due_on between r.effective_from and coalesce(r.effective_to, 'infinity') where o.key = '${key}'`)).flat();
	assert.deepEqual(await article(`final:${c.id}`), ['红十字会法（2017年修订）第十九条、第二十三条；慈善法（2023年修正）第七十九条第二款'], 'due 2025-12-30');
	assert.deepEqual(await article(`final:${d.id}`), ['红十字会法（2017年修订）第十九条、第二十三条；慈善法（2023年修正）第七十九条第二款；慈善组织信息公开办法（民政部令第81号）第七条'], 'due 2026-01-01');
	const [before] = await article('annual:4412:2024'), [since] = await article('annual:4412:2025');
	assert.match(before, /未规定日期/);
	assert.match(since, /令第81号/);
	assert.deepEqual(await article('annual:4412:2023'), [], 'due before the law as it is now');
	assert.deepEqual(await platform.sql("select key from transparency.obligations('2027-12-31') group by key having count(*) > 1"), [], 'none has two');
	assert.deepEqual(await platform.sql(`select a.code from transparency.disclosure_rule a join transparency.disclosure_rule b on a.code = b.code and a.effective_from < b.effective_from
		where coalesce(a.effective_to, 'infinity') >= b.effective_from`), [], 'no two of a code on one day');
});
