// What a psql session with the service's own role cannot do to gifts in kind; and the rule of shelf life, by dates that are given.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

const id = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const SHA = 'a'.repeat(64);
const as = (kind, n, organization = '4412') => `set yg.kind = '${kind}'; set yg.subject = '${id(n)}'; set yg.organization = '${kind === 'staff' ? organization : ''}'`;
const [COUNTER, RECEIVER, DONOR] = [1, 2, 3];
let platform;

before(async () => { platform = await Platform.start({ demo: 'small' }); });
after(() => platform?.stop());

const role = (who, text) => platform.session('yg_donations', who, text);
const refused = (who, text, why) => refusedFor(role(who, text), why);

const line = (more = {}) => ({ name: '棉被', unit: '床', quantity: 10, valuation: 'MARKET', unit_value_fen: 5000, quality_document_sha256: SHA, ...more });
const code = (n) => `G${String(n).padStart(15, '0')}`;
const offer = (n, lines = [line()], more = {}, on = '2026-06-01') => `select state from inkind_offer('${id(n)}', '${code(n)}', '${JSON.stringify({ organization: '4412', donor_kind: 'PERSON', lines, ...more })}', '${on}')`;
const today = "(now() at time zone 'Asia/Shanghai')::date";
const count = (n, lines, representative = 'null', on = today) => `select state from inkind_count_record('${id(n)}', ${on}, ${today}, '${JSON.stringify(lines)}', '${SHA}', '\\x01', gen_random_uuid(), '\\x01', ${representative})`;
const accept = (n) => `select state from inkind_accept('${id(n)}')`;
const receive = (n) => `select state from inkind_receive('${id(n)}', now())`;

test('six months of shelf life must be left, three where the whole life is six; by the rule of the day', async () => {
	const enough = async (made, expires, on) => role(as('staff', 1), `select shelf_life_enough(${made ? `'${made}'` : 'null'}, ${expires ? `'${expires}'` : 'null'}, '${on}')`);
	const grant = "grant execute on function donations.shelf_life_enough to yg_donations";
	await platform.sql(grant);
	assert.equal(await enough(null, null, '2026-06-01'), 't', 'what does not expire');
	assert.equal(await enough(null, '2026-12-01', '2026-06-01'), 't', 'six months to the day');
	assert.equal(await enough(null, '2026-11-30', '2026-06-01'), 'f');
	assert.equal(await enough('2026-04-01', '2026-10-01', '2026-07-01'), 't', 'a life of six months: three are enough');
	assert.equal(await enough('2026-04-01', '2026-10-01', '2026-07-02'), 'f');
	assert.equal(await enough('2026-04-01', '2026-10-02', '2026-07-01'), 'f', 'a life of a day more');
	assert.equal(await enough(null, '2026-12-01', '2015-12-31'), 'f', 'before there was a rule nothing that expires is taken');
	await platform.sql("insert into donations.shelf_rule values ('2026-08-01', 8, 6, 3)");
	assert.equal(await enough(null, '2027-03-01', '2026-08-01'), 'f', 'a stricter rule from its date on');
	assert.equal(await enough(null, '2027-02-01', '2026-07-31'), 't', 'and the old one before');
	await assert.rejects(platform.sql('delete from donations.shelf_rule'), /append-only/);
	await platform.sql("alter table donations.shelf_rule disable trigger user; delete from donations.shelf_rule where effective_from = '2026-08-01'; alter table donations.shelf_rule enable trigger user; revoke execute on function donations.shelf_life_enough from yg_donations");
});

test('what was fresh when it was offered may be too old when it is counted', async () => {
	const [[soon]] = await platform.sql(`select (${today} + interval '5 months')::date`);
	assert.equal(await role(as('citizen', DONOR), offer(10, [line({ expires_on: soon }), line()], {}, '2025-01-01')), 'OFFERED');
	assert.equal(await role(as('staff', COUNTER), accept(10)), 'ACCEPTED');
	await refused(as('staff', COUNTER), count(10, [{ line_no: 1, quantity: 1 }, { line_no: 2, quantity: 10 }]), /expires too soon/);
	assert.equal(await role(as('staff', COUNTER), count(10, [{ line_no: 1, quantity: 0 }, { line_no: 2, quantity: 10 }])), 'COUNTED', 'the rest is taken');
});

test('both sides count, and a third receives', async () => {
	await role(as('citizen', DONOR), offer(11));
	await refused(as('citizen', DONOR), accept(11), /the Red Cross accepts/);
	await refused(as('staff', COUNTER), receive(11), /OFFERED/);
	await role(as('staff', COUNTER), accept(11));
	await refused(as('staff', COUNTER), receive(11), /ACCEPTED/);
	const lines = [{ line_no: 1, quantity: 9 }];
	await refused(as('staff', COUNTER), count(11, lines, `'${id(COUNTER)}'`), /inkind_two_sides/);
	await refused(as('staff', COUNTER), count(11, [...lines, ...lines]), /inkind_count_line_once/);
	await refused(as('staff', COUNTER), count(11, lines, 'null', "date '2026-01-01'"), /counted before/);
	assert.equal(await role(as('staff', COUNTER), count(11, lines, `'${id(DONOR)}'`)), 'COUNTED');
	await refused(as('staff', COUNTER), receive(11), /who counted does not receive/);
	await refused(as('staff', DONOR), receive(11), /who counted does not receive/);
	await refused(as('staff', RECEIVER, '4412/441202'), receive(11), /no such gift/);
	assert.equal(await role(as('staff', RECEIVER), receive(11)), 'RECEIVED');
	await refused(as('staff', RECEIVER), receive(11), /RECEIVED/);
	assert.deepEqual(await platform.sql(`select account, fen from donations.posting where entry_id = '${id(11)}' order by account`), [['fund:goods.4412', '-45000'], ['inkind:goods.4412', '45000']]);
	assert.deepEqual(await platform.sql(`select count(*) from donations.entry_leaf where entry_id = '${id(11)}'`), [['1']]);
});

test('no price is no value: nothing is posted, and it is counted apart', async () => {
	await role(as('citizen', DONOR), offer(12, [line({ valuation: 'NONE', unit_value_fen: undefined })]));
	await role(as('staff', COUNTER), accept(12));
	await role(as('staff', COUNTER), count(12, [{ line_no: 1, quantity: 10 }]));
	assert.equal(await role(as('staff', RECEIVER), receive(12)), 'RECEIVED');
	assert.deepEqual(await platform.sql(`select value_fen, unpriced_lines, (select count(*) from donations.entry where id = g.id) from donations.inkind_gift g where id = '${id(12)}'`), [['0', '1', '0']]);
	await refused(as('citizen', DONOR), offer(13, [line({ unit_value_fen: 0 })]), /inkind_value_range/);
	await refused(as('citizen', DONOR), offer(13, [line({ unit_value_fen: undefined })]), /inkind_price_basis/);
	await refused(as('citizen', DONOR), offer(13, [line()], { beneficiary: 'x', beneficiary_related: true }), /inkind_beneficiary_related/);
});

test('goods are never paid out as money', async () => {
	const draft = `select id from disbursement_create('${id(20)}', 'goods.4412', 1000, 'p', 'BRANCH', 'x', null, null, false, '${id(1)}')`;
	await role(as('staff', 1), draft);
	await refused(as('staff', 2), `select state from disbursement_approve_read('${id(20)}', '${id(2)}', '*')`, /never paid out/);
	await assert.rejects(platform.sql(`select donations.ledger_post('${id(21)}', 'adjustment', now(), '[{"account":"fund:goods.4412","fen":100},{"account":"bank:transfer","fen":-100}]', 'x', null)`), /never paid out/);
});

test('the tables themselves are closed', async () => {
	const staff = as('staff', 1);
	for (const table of ['inkind_gift', 'inkind_line', 'inkind_part', 'inkind_count', 'inkind_count_line', 'inkind_reclassification', 'shelf_rule']) {
		await refused(staff, `delete from ${table}`, /permission denied/);
		await refused(staff, `insert into ${table} default values`, /permission denied/);
	}
	for (const change of ['inkind_line set quantity = 1', "inkind_count set sheet_sha256 = ''", 'inkind_count_line set quantity = 1', 'shelf_rule set min_months = 1'])
		await assert.rejects(platform.sql(`update donations.${change}`), /append-only/, change);
	await refused(staff, "update inkind_gift set state = 'RECEIVED'", /permission denied/);
	await assert.rejects(platform.sql("update donations.inkind_gift set donor_name = 'x' where state = 'RECEIVED'"), /never changes/);
	await assert.rejects(platform.sql("update donations.inkind_gift set state = 'OFFERED' where state = 'RECEIVED'"), /RECEIVED to OFFERED|inkind/);
	await assert.rejects(platform.sql(`insert into donations.inkind_part values ('${id(11)}', 1, 1, 'x', null, 'y', 1)`), /inkind_kit_contents|line 1/);
	assert.equal(await role("set yg.kind = ''", `select count(*) from inkind_count`), '0', 'who counted is nobody\'s business');
	assert.equal(await role(as('citizen', 99), `select count(*) from inkind_gift where received_at is null`), '0');
	assert.equal(await role(as('staff', 1, '4412/441202'), `select count(*) from inkind_gift where received_at is null`), '0');
});
