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

test('a letter from the counter is tied to its donor’s record by hand, and is erased with it', async () => {
	const [mine, others, account] = [id(661), id(662), id(663)];
	await platform.sql(`insert into donations.inkind_gift (id, public_code, organization, registered_by, donor_kind, donor_name, wish) values
			('${mine}', 'H000000000000001', '4412', '${id(1)}', 'PERSON', '周大山', '周大山赠'), ('${others}', 'H000000000000002', '4412', '${id(1)}', 'PERSON', '周大海', null);
		insert into donations.inkind_gift (id, public_code, organization, donor, donor_kind, donor_name) values ('${account}', 'H000000000000003', '4412', '${id(664)}', 'PERSON', '周大川')`);
	await platform.sql(`insert into donations.person_key (key_id, subject, wrapped_key) values ('${id(667)}', '${mine}', '\\x01'), ('${id(668)}', '${others}', '\\x01'), ('${id(669)}', '${id(670)}', '\\x01');
		insert into donations.inkind_count (gift_id, counted_by, counted_on, representative, key_id, representative_subject, sheet_sha256) values
			('${mine}', '${id(1)}', current_date, '\\x01', '${id(667)}', null, '${'a'.repeat(64)}'), ('${others}', '${id(1)}', current_date, '\\x01', '${id(668)}', null, '${'a'.repeat(64)}'),
			('${account}', '${id(1)}', current_date, '\\x01', '${id(669)}', '${id(670)}', '${'a'.repeat(64)}')`);
	for (const n of [665, 666]) await register(n);
	const link = (party, letter) => `select id from party_letter_to('${id(party)}', '${letter}')`;
	await role(link(665, mine));
	await refused(link(666, mine), /party_letter_once/);
	await refused(link(665, account), /no letter of a donor/);
	await refused(link(665, others), /no such party/, COUNTY);
	await role(link(665, others));
	await role(`select party_letter_from('${id(665)}', '${others}')`);
	await refused(`select party_letter_from('${id(665)}', '${others}')`, /not linked/);
	await refused(`insert into party_letter (inkind_gift_id, party_id, linked_by) values ('${others}', '${id(665)}', '${id(1)}')`, /permission denied/);
	await role(`select erased_at is not null from party_erase('${id(665)}')`);
	assert.deepEqual(await platform.sql("select public_code, coalesce(donor_name, '-'), coalesce(wish, '-') from donations.inkind_gift where public_code like 'H0000%' order by 1"),
		[['H000000000000001', '-', '-'], ['H000000000000002', '周大海', '-'], ['H000000000000003', '周大川', '-']]);
	assert.deepEqual(await platform.sql(`select party_id from donations.party_letter where party_id = '${id(665)}'`), []);
	const signers = () => platform.sql(`select key_id from donations.person_key where key_id in ('${id(667)}', '${id(668)}', '${id(669)}') order by 1`);
	assert.deepEqual(await signers(), [[id(668)], [id(669)]], 'who signed for himself');
	await platform.sql(`update donations.inkind_gift set donor_name = null where id in ('${others}', '${account}')`);
	assert.deepEqual(await signers(), [[id(669)]], 'and not who signed for another, by his account');
});

test('who gave goods without a name signed for them all the same: erasing him takes that too', async () => {
	const [counter, wished, account] = [id(671), id(672), id(673)], donor = id(674);
	await platform.sql(`insert into donations.inkind_gift (id, public_code, organization, registered_by, donor_kind, wish) values
			('${counter}', 'H000000000000004', '4412', '${id(1)}', 'PERSON', null), ('${wished}', 'H000000000000005', '4412', '${id(1)}', 'PERSON', '给老人');
		insert into donations.inkind_gift (id, public_code, organization, donor, donor_kind) values ('${account}', 'H000000000000006', '4412', '${donor}', 'PERSON');
		insert into donations.person_key (key_id, subject, wrapped_key) values ('${id(675)}', '${counter}', '\\x01'), ('${id(676)}', '${wished}', '\\x01'), ('${id(677)}', '${donor}', '\\x01');
		insert into donations.inkind_count (gift_id, counted_by, counted_on, representative, key_id, representative_subject, sheet_sha256)
		select l::uuid, '${id(1)}', current_date, '\\x01', k::uuid, s::uuid, '${'a'.repeat(64)}'
		from (values ('${counter}', '${id(675)}', null), ('${wished}', '${id(676)}', null), ('${account}', '${id(677)}', '${donor}')) v (l, k, s)`);
	await register(678);
	await platform.sql(`insert into donations.party_link (party_id, subject, linked_by, organization) values ('${id(678)}', '${donor}', '${id(1)}', '4412')`);
	for (const letter of [counter, wished]) await role(`select id from party_letter_to('${id(678)}', '${letter}')`);
	await role(`select erased_at is not null from party_erase('${id(678)}')`);
	assert.deepEqual(await platform.sql(`select key_id from donations.person_key where key_id in ('${id(675)}', '${id(676)}', '${id(677)}') order by 1`), []);
});

test('erasure takes what was shown of him: names and words beside gifts, on pages, of plans and of goods; another unit keeps its own', async () => {
	const donor = id(650);
	const [[here, unit], [there]] = await platform.sql(`(select id, organization from donations.campaign where organization <> '4412' and fund_code is null and state = 'OPEN' limit 1) union all (select id, organization from donations.campaign where organization = '4412' and fund_code is null and state = 'OPEN' limit 1)`);
	const ITS = `set yg.kind = 'staff'; set yg.organization = '${unit}'; set yg.subject = '${id(1)}'`;
	const codes = ['E000000000000001', 'E000000000000002', 'E000000000000003'];
	await platform.sql(`set search_path = donations; insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, disclosure, shown_name, message) values
			(uuid7_new(), '${codes[0]}', '${here}', '${donor}', 700, 'WECHAT_JSAPI', 'ALIAS', '怀集李小明', '李小明祝好'), (uuid7_new(), '${codes[1]}', '${there}', '${donor}', 700, 'WECHAT_JSAPI', 'ALIAS', '怀集李小明', null),
			(uuid7_new(), '${codes[2]}', '${here}', '${donor}', 700, 'WECHAT_JSAPI', 'ANONYMOUS', null, '李小明又来了');
		insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at) select public_code, id, campaign_id, amount_fen, channel, now() + interval '1 day', now() + interval '1 day' from gift where donor = '${donor}';
		select payment_settle(public_code, 'tx-' || public_code, 700, now()) from gift where donor = '${donor}' and public_code <> '${codes[2]}';
		insert into page (id, code, campaign_id, organization, owner, organizer, title, story, goal_fen, ends_on, state, submitted_at, reviewed_by, opened_at)
			values ('${id(651)}', 'ERASEDPAGE000001', '${here}', '${unit}', '${donor}', '匿名', '李小明的生日', '我是李小明', 1000, '2999-01-01', 'OPEN', now(), '${id(1)}', now());
		insert into plan (id, donor, campaign_id, amount_fen, unit, every, cycle_day, start_on, disclosure, shown_name, next_charge_on) values ('${id(652)}', '${donor}', '${here}', 500, 'MONTH', 1, 5, '2026-01-05', 'ALIAS', '怀集李小明', '2999-01-05');
		insert into inkind_gift (id, public_code, organization, donor, donor_kind, donor_name, wish) values ('${id(653)}', 'E000000000000009', '${unit}', '${donor}', 'PERSON', '李小明', '请交李小明母校')`);
	await role(`select id from party_register('${id(655)}', null, 'PERSON', 'NONE', null, '\\x00', '\\x00', '${'e'.repeat(64)}', '${id(755)}', '\\x00')`, ITS);
	await role(`select party_link_to('${id(655)}', '${donor}')`, ITS);
	const sums = async () => platform.sql('select (select sum(amount_fen) from donations.gift_public), (select count(*) from donations.money_disagreement), (select count(*) from donations.page_disagreement)');
	const before = await sums();
	await role(`select erased_at is not null from party_erase('${id(655)}')`, ITS);
	const left = await platform.sql(`select (select count(*) from donations.gift where public_code in ('${codes[0]}', '${codes[2]}') and to_jsonb(gift)::text ~ '李小明'), (select count(*) from donations.gift_public where public_code = '${codes[0]}' and to_jsonb(gift_public)::text ~ '李小明'),
		(select count(*) from donations.page where to_jsonb(page)::text ~ '李小明'), (select count(*) from donations.plan where to_jsonb(plan)::text ~ '李小明'), (select count(*) from donations.inkind_gift where to_jsonb(inkind_gift)::text ~ '李小明')`);
	assert.deepEqual(left, [['0', '0', '0', '0', '0']]);
	assert.deepEqual(await platform.sql(`select shown_name from donations.gift_public where public_code = '${codes[1]}'`), [['怀集李小明']], 'given to another unit: that unit erases it');
	assert.deepEqual(await platform.sql(`select state, close_reason from donations.page where id = '${id(651)}'`), [['CLOSED', 'ERASED']]);
	assert.equal(await platform.session('yg_donations', '', `select payment_settle('${codes[2]}', 'tx-${codes[2]}', 700, now())`), 'SETTLED');
	assert.deepEqual(await platform.sql(`select coalesce(shown_name, '-'), coalesce(message, '-') from donations.gift_public where public_code = '${codes[2]}'`), [['-', '-']], 'an order that was under way says nothing either');
	const after = await sums();
	assert.deepEqual([Number(after[0][0]) - 700, after[0][1], after[0][2]], [Number(before[0][0]), '0', '0']);
	await assert.rejects(platform.sql(`update donations.page set story = 'again' where id = '${id(651)}'`), /what was submitted/);
	await assert.rejects(platform.sql(`update donations.inkind_gift set donor_name = 'again' where id = '${id(653)}'`), /never changes/);
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
