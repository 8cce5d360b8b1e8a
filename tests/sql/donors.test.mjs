// The donor database: a merge that is undone restores exactly, whatever came between; the last word of a consent counts; and what a psql
// session with the service's own role cannot do.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

const id = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const STAFF = "set yg.kind = 'staff'; set yg.organization = '4412'; set yg.subject = '00000000-0000-7000-8000-000000000001'";
const COUNTY = "set yg.kind = 'staff'; set yg.organization = '4412/441223'";
let platform;
let donors; // accounts that have given to the city's unit, in the order of their ids

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	donors = (await platform.sql("select distinct g.donor from donations.gift g join donations.campaign c on c.id = g.campaign_id where c.organization = '4412' and g.paid_at is not null order by 1 limit 5")).map(([donor]) => donor);
});
after(() => platform?.stop());

const role = (text, who = STAFF) => platform.session('yg_donations', who, text);
const refused = (text, why, who) => refusedFor(role(text, who), why);
const register = (n, kind = 'PERSON') => role(`select id from party_register('${id(n)}', null, '${kind}', 'NONE', null, '\\x00', '\\x00', '${String(n % 10).repeat(64)}', '${id(100 + n)}', '\\x00')`);
const merge = (n, a, b) => `select merged_into from party_merge_into('${id(n)}', '${id(a)}', '${id(b)}', 'same')`;
const unmerge = (a) => `select coalesce(merged_into::text, 'none') from party_unmerge_from('${id(a)}', 'two')`;
const subjects = (a) => role(`select array(select unnest(party_subjects('${id(a)}')) order by 1)`);
const link = (a, s) => role(`select id from party_link_to('${id(a)}', '${donors[s]}')`);

test('merge and un-merge: the whole database as it was', async () => {
	for (const n of [1, 2, 3, 4]) await register(n);
	for (const n of [1, 2, 3]) await link(n, n);
	const whole = () => platform.sql("select 'party', p::text from donations.party p union all select 'link', l::text from donations.party_link l order by 1, 2");
	const before = await whole();
	assert.equal(await role(merge(20, 1, 2)), id(2));
	assert.equal(await role(merge(21, 2, 3)), id(3));
	for (const n of [1, 2, 3]) assert.equal(await subjects(n), `{${[1, 2, 3].map((n) => donors[n])}}`, 'each record speaks for all');
	assert.equal(await role(unmerge(1)), 'none');
	assert.equal(await subjects(1), `{${donors[1]}}`);
	assert.equal(await subjects(3), `{${[2, 3].map((n) => donors[n])}}`);
	assert.equal(await role(unmerge(2)), 'none');
	assert.deepEqual(await whole(), before);
	assert.equal((await platform.sql('select count(*) from donations.party_merge'))[0][0], '2', 'what was done is not forgotten');
});

test('no circles, none merged twice, not across kinds or units', async () => {
	await refused(merge(22, 1, 1), /already/);
	assert.equal(await role(merge(22, 1, 2)), id(2));
	await refused(merge(23, 2, 1), /already/);
	await refused(merge(23, 1, 3), /already/);
	await register(5, 'ORGANIZATION');
	await refused(merge(23, 5, 3), /no organization/);
	await refused(merge(23, 3, 4), /no such party/, COUNTY);
	const both = await Promise.allSettled([role(merge(24, 3, 4)), role(merge(25, 4, 3))]);
	assert.deepEqual(both.map((b) => b.status).sort(), ['fulfilled', 'rejected']);
});

test('an account is one party’s; consents are kept, the last word counts', async () => {
	await refused(`select party_link_to('${id(2)}', '${donors[1]}')`, /party_linked_once/);
	await refused(`select party_link_to('${id(2)}', '${id(501)}')`, /nothing to the unit/);
	const say = (n, given) => role(`select given from donor_consent_record('${id(n)}', '${id(1)}', 'NEWS', ${given}, null)`);
	await say(60, true);
	await say(61, false);
	assert.equal(await role(`select given from donor_consent_record('${id(62)}', null, 'FEEDBACK', true, null)`, `set yg.kind = 'citizen'; set yg.subject = '${donors[1]}'`), 't');
	assert.deepEqual(JSON.parse(await role(`select party_consents('${id(2)}')`)).map((c) => [c.purpose, c.given]), [['FEEDBACK', true], ['NEWS', false]]);
	assert.equal(await role(`select party_consents('${id(2)}')`, COUNTY), '[]');
	await refused(`select donor_consent_record('${id(63)}', null, 'NEWS', true, null)`, /whose/);
});

test('the statement of a year is the sum of the gifts, by Beijing’s calendar', async () => {
	const [[donor, year, count, fen, back]] = await platform.sql("select donor, extract(year from paid_at at time zone 'Asia/Shanghai'), count(*), sum(amount_fen), sum(refunded_fen) from donations.gift where paid_at is not null group by 1, 2 order by 3 desc limit 1");
	const own = `set yg.kind = 'citizen'; set yg.subject = '${donor}'`;
	assert.equal(await role(`select gift_count, amount_fen, refunded_fen, net_fen from giving_statement(array['${donor}'::uuid], ${year})`, own), [count, fen, back, fen - back].join('|'));
	assert.equal(await role(`select gift_count from giving_statement(array['${donor}'::uuid], ${year})`, `set yg.kind = 'citizen'; set yg.subject = '${id(5)}'`), '0', 'of others: nothing');
});

test('erased: nothing leads to him any more', async () => {
	const donor = donors[4];
	await register(7);
	await role(`select party_link_to('${id(7)}', '${donor}')`);
	const sums = () => platform.sql('select sum(amount_fen), count(*) from donations.money_entry');
	const before = await sums();
	assert.equal(await role(`select erased_at is not null from party_erase('${id(7)}')`), 't');
	assert.deepEqual(await platform.sql(`select count(*) from donations.party where phone_index = '${'7'.repeat(64)}'`), [['0']]);
	assert.deepEqual(await platform.sql(`select count(*) from donations.person_key where key_id = '${id(107)}'`), [['0']]);
	assert.equal(await subjects(7), '{}');
	assert.deepEqual(await sums(), before);
	await refused(`select party_erase('${id(7)}')`, /it was erased/);
	await refused(merge(26, 7, 5), /it was erased/);
});

test('a change seals the record anew and takes the old key; two at once: one is refused', async () => {
	await register(8);
	const change = (key, read, opened, index = 'e') => `select version from party_change('${id(8)}', '${read}', ${opened}, 'NONE', null, '\\x01', '\\x01', '${index.repeat(64)}', '${id(key)}', '\\x01')`;
	assert.equal(await role(change(300, 1, 1)), '2');
	assert.deepEqual(await platform.sql(`select key_id, (select count(*) from donations.person_key where key_id = '${id(108)}') from donations.party where id = '${id(8)}'`), [[id(300), '0']]);
	assert.equal(await role(change(301, 1, 2)), '', 'another version was read');
	assert.equal(await role(change(301, '*', 1)), '', 'another one was opened');
	await refused(change(301, '*', 2), /no such party/, COUNTY);
	assert.equal(await role(`select party_known(null, '${'e'.repeat(64)}')`), id(8));
	assert.equal(await role(`select party_known(null, '${'e'.repeat(64)}')`, COUNTY), '');
});

test('one account is one donor’s of each unit; a link is taken away by the unit', async () => {
	await platform.sql(`insert into donations.party_link (subject, party_id, organization, linked_by) values ('${donors[3]}', '${id(5)}', '4412/441223', '${id(1)}')`);
	await refused(`select party_unlink_from('${id(2)}', '${id(501)}')`, /not linked/);
	await refused(`select party_unlink_from('${id(2)}', '${donors[2]}')`, /no such party/, COUNTY);
	await role(`select party_unlink_from('${id(2)}', '${donors[2]}')`);
	assert.equal((await platform.sql(`select count(*) from donations.party_link where subject = '${donors[2]}'`))[0][0], '0');
	await link(2, 2);
	await platform.sql(`delete from donations.party_link where organization = '4412/441223'`);
});

test('erasure takes the words too, and nothing else does', async () => {
	await register(9);
	await register(10);
	await role(merge(27, 9, 10));
	await role(`select given from donor_consent_record('${id(64)}', '${id(9)}', 'NEWS', true, 'Wang called')`);
	await assert.rejects(platform.sql(`update donations.donor_consent set note = null where id = '${id(64)}'`), /only erasure/);
	await role(`select erased_at is not null from party_erase('${id(10)}')`);
	assert.deepEqual(await platform.sql(`select (select coalesce(reason, '-') from donations.party_merge where id = '${id(27)}'), (select coalesce(note, '-') from donations.donor_consent where id = '${id(64)}')`), [['-', '-']]);
	await assert.rejects(platform.sql(`update donations.donor_consent set note = 'again' where id = '${id(64)}'`), /only erasure/);
});

test('an account that was unlinked is nobody’s, and is reached by linking it to its owner’s record', async () => {
	const donor = donors[4], key = id(600);
	const [[gift]] = await platform.sql(`select g.id from donations.gift g join donations.campaign c on c.id = g.campaign_id where g.donor = '${donor}' and c.organization = '4412' and g.paid_at is not null limit 1`);
	await platform.sql(`insert into donations.person_key (key_id, subject, wrapped_key) values ('${key}', '${donor}', '\\x00');
		alter table donations.gift disable trigger all; update donations.gift set disclosure = 'NAMED', shown_name = '王*', real_name = '\\x00', key_id = '${key}' where id = '${gift}'; alter table donations.gift enable trigger all`);
	const kept = async () => (await platform.sql(`select count(*) from donations.person_key where key_id = '${key}'`))[0][0];
	for (const n of [884, 885]) await register(n);
	await role(`select party_link_to('${id(884)}', '${donor}')`);
	await role(`select party_unlink_from('${id(884)}', '${donor}')`);
	await role(`select erased_at is not null from party_erase('${id(884)}')`);
	assert.equal(await kept(), '1', 'the names are another person’s');
	await role(`select party_link_to('${id(885)}', '${donor}')`);
	await role(`select erased_at is not null from party_erase('${id(885)}')`);
	assert.equal(await kept(), '0');
});

test('words of a merge that was undone go with either of the two', async () => {
	for (const n of [91, 92]) await register(n);
	await role(merge(93, 91, 92));
	await role(`select merged_into is null from party_unmerge_from('${id(91)}', 'not Wang after all')`);
	await role(`select erased_at is not null from party_erase('${id(92)}')`);
	assert.deepEqual(await platform.sql(`select (select erased_at is null from donations.party where id = '${id(91)}'), (select coalesce(reason, '-') from donations.party_merge where id = '${id(93)}'),
		(select coalesce(reason, '-') from donations.party_unmerge where merge_id = '${id(93)}')`), [['t', '-', '-']]);
});

test('who is there already is told of as the record that leads', async () => {
	await platform.sql(`update donations.party set phone_index = '${'c'.repeat(64)}' where id = '${id(91)}'`);
	const known = () => role(`select party_known(null, '${'c'.repeat(64)}')`);
	assert.equal(await known(), id(91));
	await register(94);
	await role(merge(95, 91, 94));
	assert.equal(await known(), id(94));
	await role(unmerge(91));
	assert.equal(await known(), id(91));
	assert.equal(await role(`select party_known(null, '${'c'.repeat(64)}') is null`, COUNTY), 't');
});

test('feedback: each payment is told of once', async () => {
	const [[fund]] = await platform.sql("select code from donations.fund where organization = '4412' and donations.fund_available(id) > 100000 limit 1");
	const seen = async () => (await platform.sql(`select coalesce(seen, '-') from donations.use_feedback_due((select id from donations.fund where code = '${fund}'))`))[0][0];
	await refused(`select use_feedback_send('${id(80)}', 'nothing', 1, 'x', 'x', null)`, /no such fund/);
	const before = await seen();
	for (const n of [81, 82]) {
		await role(`select state from disbursement_create('${id(n)}', '${fund}', 1000, 'p', 'BRANCH', 'x', null, null, false, '${id(1)}')`);
		await role(`select state from disbursement_approve_read('${id(n)}', '${id(2)}', '*')`);
		await role(`select state from disbursement_pay('${id(n)}', '${id(2)}', 'b', null)`);
	}
	const now = await seen();
	const send = (n, uses, which) => `select note from use_feedback_send('${id(n)}', '${fund}', ${uses}, '${which}', 'x', null)`;
	await refused(send(83, 1, now), /2 uses, not 1/);
	await refused(send(83, 2, before), /or others/);
	await refused(send(83, 2, now), /no such fund/, COUNTY);
	await role(`select state from disbursement_reverse('${id(82)}', '${id(85)}', '${id(2)}', 'came back')`);
	await role(`select state from disbursement_create('${id(86)}', '${fund}', 1000, 'p', 'BRANCH', 'x', null, null, false, '${id(1)}')`);
	await role(`select state from disbursement_approve_read('${id(86)}', '${id(2)}', '*')`);
	await role(`select state from disbursement_pay('${id(86)}', '${id(2)}', 'b', null)`);
	await refused(send(83, 2, now), /or others/, STAFF); // as many, not the same
	assert.equal(await role(send(83, 2, await seen())), 'x');
	await refused(send(84, 2, now), /nothing new/);
});

test('the tables themselves are closed', async () => {
	for (const table of ['party', 'party_link', 'party_merge', 'party_unmerge', 'donor_consent', 'use_feedback', 'use_feedback_item']) {
		await refused(`delete from ${table}`, /permission denied/);
		await refused(`insert into ${table} default values`, /permission denied/);
		if (table !== 'party_link') await assert.rejects(platform.sql(`delete from donations.${table}`), /append-only|append_only/);
	}
	await refused('update party set merged_into = null', /permission denied/);
	await assert.rejects(platform.sql(`update donations.party set merged_into = '${id(5)}' where id = '${id(2)}'`), /do not fit together/);
	await assert.rejects(platform.sql(`insert into donations.party_merge values ('${id(90)}', '${id(2)}', '${id(5)}', 'x', '${id(1)}')`), /do not fit together/);
	assert.equal(await role('select count(*) from party', "set yg.kind = 'citizen'; set yg.subject = '00000000-0000-7000-8000-000000000001'"), '0');
});
