// The public log's tables against whoever holds the service's role, or the owner's: what is written stays, and grows by one rule only.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { Platform, ROOT } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

let platform;
const size = async () => Number((await platform.sql('select size from transparency.log_state'))[0][0]);

/** Puts leaves into donations' outbox; they need not be of real gifts. */
const write = (count) => platform.sql(`set search_path = donations;
	select count(outbox_leaf('gift.paid', 'X', '{}', 'gift.received', 'T' || i, now(), json_build_object('amount_fen', i), null,
		json_build_array(json_build_object('account', 'bank:wechat', 'fen', i), json_build_object('account', 'fund:0001', 'fen', -i)))) from generate_series(1, ${count}) i`);

/** An event that the login role may not write: it comes with the role's transaction and waits for its position. */
const IMAGINED = `create function donations.imagined(p_subject text) returns void language sql security definer set search_path = donations, pg_temp
	as $$ insert into outbox (type, subject, payload) values ('imagined', p_subject, '{}') $$`;

before(async () => {
	platform = await Platform.start({ demo: 'small', port: process.env.YG_TEST_PORT && Number(process.env.YG_TEST_PORT) });
	const start = await size();
	await write(600);
	await eventually(async () => await size() >= start + 600, 30000);
});
after(() => platform?.stop());

const refused = (role, text, why) => refusedFor(platform.session(role, text), why);

test('the role cannot change, take away or add', async () => {
	const column = { log_checkpoint: 'size', log_balance: 'fen', log_state: 'size', log_pending: 'subject', log_refused: 'reason', inbox: 'position', consumer_state: 'position' };
	for (const table of ['log_leaf', 'log_node', 'log_checkpoint', 'log_balance', 'log_state', 'log_pending', 'log_refused', 'inbox', 'consumer_state']) {
		const name = column[table] ?? 'index';
		await refused('yg_transparency', `update ${table} set ${name} = ${name}`, /permission denied/);
		await refused('yg_transparency', `truncate ${table}`, /permission denied/);
		if (table !== 'inbox') await refused('yg_transparency', `delete from ${table}`, /permission denied/);
	}
	await refused('yg_transparency', "insert into log_leaf (index, event, subject, leaf, hash) values (0, gen_random_uuid(), 'x', 'x', 'x')", /permission denied/);
	await refused('yg_transparency', "insert into log_checkpoint (size, root, note, delay_ms) values (9, 'x', 'x', 0)", /permission denied/);
	await refused('yg_transparency', "insert into inbox (stream, position, id, type, subject, payload, occurred_at) values ('donations', 1, gen_random_uuid(), 'x', 'x', '{}', now())", /permission denied/);
});

test('the owner cannot either: append-only, gapless, hashed, growing', async () => {
	const owner = 'yg_transparency_owner';
	for (const table of ['log_leaf', 'log_node', 'log_checkpoint']) {
		await refused(owner, `delete from ${table}`, /append-only/);
		await refused(owner, `truncate ${table}`, /append-only/);
	}
	await refused(owner, "update log_leaf set subject = 'x' where index = 0", /append-only/);
	await refused(owner, "update log_checkpoint set note = ''", /append-only/);
	const n = await size();
	const insert = (index, leaf = 'x', hashed = leaf) => `insert into log_leaf (index, event, subject, leaf, hash) values (${index}, '${randomUUID()}', 'x', '${leaf}', sha256('\\x00'::bytea || '${hashed}'))`;
	await refused(owner, insert(n + 1), /leaves a gap/);
	await refused(owner, insert(n - 1), /leaves a gap/);
	await refused(owner, insert(n, 'x', 'y'), /another hash/);
	for (const wrong of [n, n - 1, 0]) await refused(owner, `insert into log_checkpoint (size, root, note, delay_ms) values (${wrong}, 'x', 'x', 0)`, /no later one/);
	await refused(owner, `insert into log_checkpoint (size, root, note, delay_ms) values (${n + 1}, 'x', 'x', 0)`, /not of all leaves/);
	await refused(owner, `insert into log_leaf (index, event, subject, leaf, hash) select ${n}, event, subject, leaf, hash from log_leaf where index = 0`, /log_leaf_event/);
});

test('a writer who is late appends nothing', async () => {
	const n = await size();
	const stdout = await platform.session('yg_transparency', `select log_append(${n - 1}, '[]', '[]', 'x', 'x'), log_append(${n}, '[999999999]', '[]', 'x', 'x')`);
	assert.equal(stdout.trim(), 'f|f');
	assert.equal(await size(), n);
});

test('no session can store a root, a node or a note that is not the tree\'s', async () => {
	await eventually(async () => (await platform.sql('select count(*) from transparency.log_pending'))[0][0] === '0', 10000);
	const id = randomUUID();
	const leaf = Buffer.from(`{"v":1,"type":"t","id":"${id}","subject":"s","data":{}}`).toString('hex');
	const entries = JSON.stringify([{ position: '1', previous: '0', id, type: 't', subject: 's', payload: '{}', leaf, occurred_at: '2026-11-26 08:00:00+08' }]);
	const append = (root, note) => `begin; select taken from inbox_take('forged', '${entries}');
		select log_append((select size from log_state), (select json_agg(seq) from log_pending where stream = 'forged'), '[]', ${root}, ${note}); rollback`;
	await refused('yg_transparency', append("sha256('x')", "'x'"), /another root|misses nodes/);
	await refused('yg_transparency', append('(select root from log_checkpoint order by size desc limit 1)', '(select note from log_checkpoint order by size desc limit 1)'), /another root|misses nodes/);

	// The owner, who may call what works the root out.
	const leaves = (many) => `insert into log_leaf (index, event, subject, leaf, hash)
		select size + i, gen_random_uuid(), 'x', 'x', sha256('\\x00'::bytea || 'x') from log_state, generate_series(0, ${many - 1}) i order by i;`;
	const last = 'with n as (select max(index) + 1 as size from log_leaf), c as (select note from log_checkpoint order by size desc limit 1)';
	const name = "split_part(c.note, E'\\n', 1)";
	const checkpoint = (root, note) => `${last} insert into log_checkpoint (size, root, note, delay_ms) select n.size, ${root}, ${note}, 0 from n, c;`;
	const right = `${name} || E'\\n' || n.size || E'\\n' || encode(log_root(n.size), 'base64') || E'\\n'`;
	const nodes = `insert into log_node (level, index, hash) select 1, i, log_fold(log_tile(0, i, (i + 1) * 256))
		from generate_series((select max(index) + 1 from log_node where level = 1), (select (max(index) + 1) / 256 - 1 from log_leaf)) i order by i;`;
	const owner = (text) => platform.session('yg_transparency_owner', `begin; ${text} rollback`);
	await owner(leaves(300) + nodes + checkpoint('log_root(n.size)', right));
	await refusedFor(owner(leaves(300) + checkpoint('log_root(n.size)', right)), /misses nodes/);
	await refusedFor(owner(leaves(300) + nodes + checkpoint("sha256('x')", right)), /another root/);
	await refusedFor(owner(leaves(300) + nodes + checkpoint('log_root(n.size)', right.replace('n.size ||', 'n.size + 1 ||'))), /something else/);
	await refusedFor(owner(leaves(300) + nodes + checkpoint('log_root(n.size)', right.replace(name, "'another.example/log'"))), /something else/);
	await refusedFor(owner(leaves(600) + nodes.replace('log_fold(', "sha256('x' || ")), /not the root/);
	await refusedFor(owner(leaves(600) + nodes.replace('+ 1 from log_node', '+ 2 from log_node')), /leaves a gap/);
	await refusedFor(owner(leaves(600) + nodes.replace('/ 256 - 1', '/ 256')), /not the root/);
	await refusedFor(owner("insert into log_node (level, index, hash) values (0, 0, 'x');"), /leaves a gap/);
});

test('tables of a session\'s own stand before nothing, should it be able to make them', async () => {
	const [[database]] = await platform.sql('select current_database()');
	await platform.sql(`grant temporary on database ${database} to yg_transparency`);
	const shadows = ['log_state', 'log_leaf', 'log_checkpoint', 'log_pending'].map((table) =>
		`create temporary table ${table} (like transparency.${table} including defaults); grant all on pg_temp.${table} to yg_transparency_owner;`).join('\n');
	const stdout = await platform.session('yg_transparency', `${shadows} insert into pg_temp.log_state (size) values (7); select log_append(7, '[]', '[]', 'x', 'x')`);
	await platform.sql(`revoke temporary on database ${database} from yg_transparency`);
	assert.match(stdout, /^f$/m);
	// A database of before, in which functions were made without.
	await platform.session('yg_transparency_owner', 'alter function log_append set search_path = transparency, public',
		fs.readFileSync(path.join(ROOT, 'common/service/migrations/0007_temporary_last.sql'), 'utf8'));
	for (const schema of ['identity', 'donations', 'transparency'])
		assert.deepEqual(await platform.sql(`select p.oid::regprocedure from pg_proc p, unnest(proconfig) c where pronamespace = '${schema}'::regnamespace
			and c like 'search\\_path=%' and c not like '%pg\\_temp' order by 1`), []);
});

test('a gap in a stream is noticed and nothing behind it is taken', async () => {
	const take = (entries) => platform.session('yg_transparency', `select reached, gap, taken from inbox_take('imagined', '${JSON.stringify(entries)}')`);
	const entry = (position, previous = position - 1, type = 'campaign.changed') => ({ position: String(position), previous: String(previous), id: randomUUID(), type, subject: 's', payload: '{}', occurred_at: '2026-11-26 08:00:00+08' });
	assert.equal(await take([entry(2)]), '0|t|0');
	assert.equal(await take([entry(1), entry(2), entry(4)]), '2|t|2');
	assert.equal(await take([entry(1), entry(2), entry(3), entry(4)]), '4|f|2');
	assert.equal(await take([entry(9, 4), entry(10)]), '10|f|2', 'positions may jump when the chain says so');
	assert.equal(await take([entry(9, 4), entry(10)]), '10|f|0', 'what was taken is passed over');
	assert.equal(await take([entry(11, 10, 'gift.created')]), '11|f|1', 'it was there');
	assert.equal(await take([entry(11, 10), entry(11, 10), entry(12), entry(12)]), '12|f|1', 'twice in one slice is once');
	assert.equal((await platform.sql("select count(*) from transparency.inbox where stream = 'imagined'"))[0][0], '7', 'and has no effect here: only that is kept which has one');
});

test('what is no leaf is kept apart and does not stop the others', async () => {
	const [[id]] = await platform.sql(`set search_path = donations; insert into outbox (type, subject, payload, leaf) values ('gift.paid', 'x', '{}', '{"v":2}') returning id`);
	const n = await size();
	await write(1);
	await eventually(async () => await size() === n + 1, 20000);
	await eventually(async () => (await platform.sql(`select reason from transparency.log_refused where event = '${id}'`)).length === 1, 5000);
});

test('a leaf has one spelling only, and its numbers are read alike everywhere', async () => {
	const id = '00000000-0000-7000-8000-000000000001';
	const fault = async (text) => (await platform.sql(`select coalesce(transparency.leaf_fault(convert_to('${text}', 'UTF8'), '${id}'), 'none')`))[0][0];
	const leaf = (data, rest = '') => `{"v":1,"type":"t","id":"${id}","subject":"s","data":${data}${rest}}`;
	assert.equal(await fault(leaf('{"fen":9007199254740991,"名":"爱"}')), 'none');
	assert.match(await fault(leaf('{"fen":9007199254740992}')), /out of range/);
	assert.match(await fault(leaf('{"fen":1.5}')), /out of range/);
	assert.match(await fault(leaf('{"a":[{"b":-9007199254740992}]}')), /out of range/);
	assert.match(await fault(leaf('{"fen": 1}')), /spelling/);
	assert.match(await fault(leaf('{"fen":null}')), /spelling/);
	assert.equal(await fault(leaf('{}').replace('"v":1', '"v":"1"')), 'members');
	assert.equal(await fault(leaf('{}').replace('"subject":"s"', '"subject":7')), 'members');
	assert.match(await fault(leaf('{}', ',"postings":[{"account":"a","fen":1}]')), /sum to 0/);
});

test('an event that nobody can read stops nothing', async () => {
	await platform.sql(`set search_path = donations; insert into outbox (type, subject, payload) values ('campaign.changed', 'no-uuid', '{"starts_on":"2026-01-01","ends_on":"2026-02-01"}')`);
	const n = await size();
	await write(1);
	await eventually(async () => await size() === n + 1, 20000);
});

test('whoever begins to consume after a pruning begins at the first event that is left', async () => {
	const prune = fs.readFileSync(path.join(ROOT, 'common/service/sql/outbox_prune.sql'), 'utf8');
	const rows = await platform.sql(`set search_path = donations; begin;
		update outbox set occurred_at = now() - interval '8 days';
		update relay_state set confirmed = null, published = position;
		${prune};
		select position, coalesce(previous, -1) from outbox where position is not null order by position; rollback`);
	const kept = rows.filter((row) => row.length === 2).map((row) => row.map(Number));
	assert.ok(kept.length > 10);
	kept.forEach(([, previous], i) => assert.equal(previous, i ? kept[i - 1][0] : 0));
});

test('old events leave the outbox only when the log has them', async () => {
	const prune = fs.readFileSync(path.join(ROOT, 'common/service/sql/outbox_prune.sql'), 'utf8');
	const left = async (confirmed) => (await platform.sql(`set search_path = donations; begin;
		update outbox set occurred_at = now() - interval '8 days';
		update relay_state set confirmed = ${confirmed}, published = position;
		${prune};
		select count(*) filter (where position <= 5), count(*) filter (where position > 5), count(*) filter (where leaf is not null) from outbox; rollback`)).at(-1).map(Number);
	const [[all, leaves]] = (await platform.sql('select count(*) filter (where position > 5), count(*) filter (where leaf is not null) from donations.outbox')).map((row) => row.map(Number));
	const some = await left('5');
	assert.deepEqual([some[0], some[1]], [0, all], 'what is confirmed goes, the rest stays');
	const none = await left('null');
	assert.equal(none[2], leaves, 'without a consumer leaves stay');
	assert.deepEqual((await left('position')).slice(0, 2), [0, 0]);
});

test('the relay’s role claims nothing that cannot be, and deletes nothing young', async () => {
	await write(1);
	await eventually(async () => (await platform.sql('select published > 0 from donations.relay_state'))[0][0] === 't');
	await platform.sql(IMAGINED);
	const lie = (text, why) => assert.rejects(platform.session('yg_donations', text), (error) => why.test(error.stderr) || assert.fail(error.stderr));
	await lie('update relay_state set published = position + 1', /went back, or beyond/);
	await lie('update relay_state set published = -1', /went back, or beyond/);
	await lie('update relay_state set confirmed = position + 1', /went back, or beyond/);
	await lie('update relay_state set position = position + 1000000', /no event has position/);
	await lie('update outbox set position = position + 1000000 where seq = (select max(seq) from outbox where position is not null)', /is given/);
	const last = 'where seq = (select max(seq) from outbox where position is not null)';
	await lie(`update outbox set previous = previous - 1 ${last}`, /not the last before it/);
	await lie(`update outbox set previous = position ${last}`, /not the last before it/);
	await lie('update outbox set previous = 0 where position > (select min(position) from outbox)', /not the last before it/);
	const unsent = "select imagined('x1'); select imagined('x2');";
	const nth = (n) => `where seq = (select seq from outbox where position is null and subject = 'x${n}')`;
	const behind = (n) => `position = (select position from relay_state) + ${n}`;
	const before = 'previous = (select position from relay_state)';
	await lie(`begin; select position from relay_state for update; ${unsent} update outbox set position = 0 ${nth(1)}; commit`, /not the last before it/);
	await lie(`begin; select position from relay_state for update; ${unsent} update outbox set ${behind(1)} ${nth(1)}; commit`, /not the last before it/);
	await lie(`begin; select position from relay_state for update; ${unsent} update outbox set ${behind(2)}, ${before} ${nth(2)}; update outbox set ${behind(-1)}, ${before} - 2 ${nth(1)}; commit`, /not the last before it/);
	await lie('update relay_state set published = position, confirmed = position; delete from outbox where seq = (select min(seq) from outbox where position is not null)', /not gone out, or not long ago/);
});

test('two that give positions at a time leave no event out, and one who does it behind the relay does not stop it', async () => {
	const mine = (n, wait = '') => `begin isolation level ${n === 3 ? 'repeatable read' : 'read committed'}; select imagined('y${n}');
		update outbox set position = (select position from relay_state) + ${n === 1 ? 1 : 2}, previous = (select position from relay_state) where subject = 'y${n}'; ${wait} commit`;
	const first = platform.session('yg_donations', mine(1, 'select pg_sleep(2);'));
	const inTime = async () => (await platform.sql("select count(*) from pg_stat_activity where query like '%pg_sleep(2)%' and state = 'active' and pid <> pg_backend_pid()"))[0][0] === '1';
	await eventually(inTime, 5000);
	const refused = (n, why) => assert.rejects(platform.session('yg_donations', mine(n)), (error) => why.test(error.stderr) || assert.fail(error.stderr));
	await Promise.all([refused(2, /not the last before it/), refused(3, /could not serialize/)]);
	await first;
	const n = await size();
	await write(1);
	await eventually(async () => await size() === n + 1, 20000);
	assert.equal((await platform.sql("select count(*) from donations.outbox o, donations.relay_state where o.subject like 'y_' and o.position <= published"))[0][0], '1');
	assert.deepEqual(await platform.sql(`select o.position from donations.outbox o where o.previous <> (select max(position) from donations.outbox b where b.position < o.position)`), [], 'the chain is whole');
});

test('a round of the relay costs what is new, however many events stand in the outbox', async () => {
	await platform.sql("begin; insert into donations.outbox (type, subject, payload) select 'z', i::text, '{}' from generate_series(1, 20000) i; analyze donations.outbox; commit");
	await eventually(async () => (await platform.sql('select not exists (select from donations.outbox where position is null)'))[0][0] === 't', 30000);
	for (const statistics of ['say that all are new', 'say that none is']) {
		if (statistics === 'say that none is') await platform.sql('analyze donations.outbox');
		for (const name of ['relay_due', 'relay_assign', 'relay_pending', 'relay_state']) {
			const text = fs.readFileSync(path.join(ROOT, `common/service/sql/${name}.sql`), 'utf8').replaceAll(/:relay\.after/g, '(select position - 5 from relay_state)');
			const plan = await platform.session('yg_donations', `set plan_cache_mode = force_custom_plan; explain ${text}`);
			assert.doesNotMatch(plan, /Seq Scan on outbox/, `${name}, statistics ${statistics}`);
			assert.doesNotMatch(plan, /outbox_pkey on outbox outbox_1|Filter: \("?position"? IS NULL\)/, `${name}, statistics ${statistics}: new ones have an index of their own`);
			if (name === 'relay_assign') assert.match(plan, /Index Scan using outbox_pkey/, 'each new row is found by its key');
		}
	}
});

test('the role publishes disclosures with their leaf, and no other leaf and no disclosure without one', async () => {
	const as = (text, unit = '4412') => platform.session('yg_transparency', `set yg.kind = 'staff'; set yg.organization = '${unit}'`, text);
	const no = (text, why, unit) => refusedFor(as(text, unit), why);
	await no("select outbox_leaf('gift.paid', 'x', '{}', 'gift.received', 'FORGEDFORGED0001', now(), '{}', null, '[{\"account\":\"bank:wechat\",\"fen\":5},{\"account\":\"fund:x\",\"fen\":-5}]')", /permission denied/);
	await no("insert into disclosure (id, organization, obligation, title, summary, event) values (gen_random_uuid(), '4412', 'annual:4412:2025', 't', 's', gen_random_uuid())", /permission denied/);
	await no("insert into outbox (type, subject, payload) values ('log.grown', '99999', '{\"size\":99999}')", /permission denied/);
	const publish = (unit, obligation = 'null') => `select id, event from disclosure_publish(gen_random_uuid(), '${unit}', ${obligation}, 't', 's', null, null, gen_random_uuid())`;
	await no(publish('4412/441223'), /not a unit of the caller/, '4412/441202');
	await refusedFor(platform.session('yg_transparency', "set yg.kind = 'citizen'", publish('4412')), /not a unit of the caller/);
	const [made, event] = (await as(publish('4412'))).split('|');
	assert.deepEqual(await platform.sql(`select type, leaf is not null from transparency.outbox where id = '${event}'`), [['disclosure.published', 't']]);
	await no(`select id from disclosure_amend(gen_random_uuid(), '${made}', 'e', 't', 's', null, null, gen_random_uuid())`, /not a unit of the caller/, '4412/441202');
});

test('every public total says which log it stands beside', async () => {
	await write(3);
	await eventually(async () => (await platform.client.get('/v1/public/ledger/check', { headers: { 'cache-control': 'no-cache' } })).json.log_size === await size(), 40000);
	const { items } = (await platform.client.get('/v1/campaigns')).json;
	assert.ok(items.every((one) => one.total.log_size > 0));
});
