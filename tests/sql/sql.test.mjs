// What PostgreSQL itself says of our SQL: every statement is taken, none reads a big table from end to end, and each role is refused
// what it may not touch, also in a psql session that goes round our code.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Platform, ROOT } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

const run = promisify(execFile);
const SERVICES = ['identity', 'donations', 'transparency'];
/* Tables that grow with use: a statement that scans one of them whole is a mistake. Partitions and the folding jobs' tails included. */
const BIG = /Seq Scan on (gift|gift_p\w*|pay_order|money_entry|refund|payment_notification|idempotency|person_key|session|refresh_token|citizen|auth_event|log_leaf|log_node|inbox)\b/;
/* Jobs that look at small partial sets, or whole-table checks made on purpose. */
const MAY_SCAN = new Set([...(process.env.SQL_MAY_SCAN ?? '').split(',').filter(Boolean)]);

let platform;
before(async () => { platform = await Platform.start({ demo: 'full' }); });
after(() => platform?.stop());

async function statements(service) {
	const { stdout } = await run(path.join(ROOT, 'deploy/local/run'), ['statements', service], { cwd: ROOT, env: platform.env, maxBuffer: 16 << 20 });
	return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

const refused = (role, text, why = /permission denied|violates|must be|append-only|policy|refus/i) => refusedFor(platform.session(role, text), why);

for (const service of SERVICES) {
	test(`${service}: every statement is prepared and planned without reading a big table whole`, async () => {
		await platform.sql(`analyze`);
		const all = await statements(service);
		assert.ok(all.length > 10, 'there are statements');
		const bad = [];
		for (const { name, sql, parameters } of all) {
			const nulls = parameters ? `(${Array(parameters).fill('null').join(',')})` : '';
			const stdout = await platform.session(`yg_${service}`, `set plan_cache_mode = force_generic_plan; set enable_seqscan = off; prepare s as ${sql}; explain execute s${nulls}`);
			if (BIG.test(stdout) && !MAY_SCAN.has(name)) bad.push(`${name}: ${stdout.match(BIG)[0]}`);
		}
		assert.deepEqual(bad, []);
	});

	test(`${service}: its role sees no other schema`, async () => {
		for (const other of SERVICES.filter((s) => s !== service)) {
			const [[table]] = await platform.sql(`select table_name from information_schema.tables where table_schema = '${other}' limit 1`);
			await refused(`yg_${service}`, `select * from ${other}.${table} limit 1`);
		}
		await refused(`yg_${service}`, `create table ${service}.mine (a int)`);
		await refused(`yg_${service}`, 'create table public.mine (a int)');
		await refused(`yg_${service}`, `drop table ${service}.idempotency`, /must be owner|permission denied/);
		await refused(`yg_${service}`, `truncate ${service}.outbox`);
	});
}

test('donations: history cannot be rewritten, money cannot be invented', async () => {
	const role = 'yg_donations';
	for (const table of ['money_entry', 'campaign_event', 'payment_notification']) {
		await refused(role, `delete from ${table}`);
		await refused(role, `update ${table} set ${table === 'money_entry' ? 'amount_fen = 1' : 'campaign_id = null'}`, /permission denied|does not exist/);
	}
	await refused(role, "insert into money_entry (gift_id, campaign_id, kind, amount_fen) select id, campaign_id, 'PAYMENT', 1000000 from gift limit 1", /permission denied|does not exist/);
	await refused(role, "update pay_order set state = 'PAID'");
	await refused(role, "update gift set amount_fen = 1");
	await refused(role, "delete from gift");
	await refused(role, "delete from campaign");
});

test('donations: rows of others are invisible, even to a query without a condition', async () => {
	const count = async (settings, text) => Number((await platform.session('yg_donations', `${settings} ${text}`)).trim().split('\n').pop());
	const nobody = "set yg.kind = 'citizen'; set yg.subject = '00000000-0000-7000-8000-000000000000';";
	assert.equal(await count(nobody, 'select count(*) from gift'), 0);
	assert.equal(await count('', 'select count(*) from gift'), 0, 'no identity, no rows');
	const [[donor, own]] = await platform.sql('select donor, count(*) from donations.gift group by 1 order by 2 desc limit 1');
	assert.equal(await count(`set yg.kind = 'citizen'; set yg.subject = '${donor}';`, 'select count(*) from gift'), Number(own));
	const [[county]] = await platform.sql(`select organization from donations.campaign where organization like '4412/%' group by 1 limit 1`);
	const [[inCounty]] = await platform.sql(`select count(*) from donations.gift g join donations.campaign c on c.id = g.campaign_id where c.organization = '${county}'`);
	assert.equal(await count(`set yg.kind = 'staff'; set yg.organization = '${county}';`, 'select count(*) from gift'), Number(inCounty));
});

test('the owner of the data cannot break its invariants either', async () => {
	const owner = 'yg_donations_owner';
	await refused(owner, "update money_entry set amount_fen = amount_fen + 1 where seq = (select min(seq) from money_entry)", /append|refus|immutable|violates/i);
	await refused(owner, "delete from money_entry where seq = (select min(seq) from money_entry)", /append|refus|immutable|violates/i);
	await refused(owner, "update gift set state = 'PENDING' where id = (select id from gift where state = 'PAID' limit 1)", /refus|state|violates|transition/i);
});
