// Funds, as a psql session with the service's own role meets them: four eyes, terms that stay, limits of a township, sources apart, gifts
// that move by the rule only, entries together or not at all.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

const id = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const CITY = "set yg.kind = 'staff'; set yg.organization = '4412'";
const TOWN = "set yg.kind = 'staff'; set yg.organization = '4412/441202'";
let platform;
let donors = 0;

before(async () => { platform = await Platform.start({ demo: 'small' }); });
after(() => platform?.stop());

const role = (text, who = CITY) => platform.session('yg_donations', who, text);
const owner = (text) => platform.session('yg_donations_owner', text);
const refused = (text, why, who) => refusedFor(role(text, who), why);
const agrees = async () => {
	assert.deepEqual(await platform.sql('select * from donations.ledger_disagreement'), []);
	assert.deepEqual(await platform.sql('select * from donations.money_disagreement'), []);
	assert.deepEqual(await platform.sql('select * from donations.share_disagreement'), []);
};
const propose = (n, code, { kind = 'EARMARKED', source = 'DONATION', org = '4412', delegated = 'null', earmarks = [], by = 1 } = {}) =>
	`select state from fund_propose('${id(n)}', '${code}', '${kind}', '${source}', '${code}', '${org}', 'p', null, null, null, null, null, ${delegated},
		${source === 'DONATION' ? "'h', 'b', '44120000'" : 'null, null, null'}, '[]', '${JSON.stringify(earmarks.map((e) => ({ code: e, name: e })))}', '${id(by)}')`;
const open = (code, by = 2) => `select state from fund_open('${code}', '${id(by)}')`;
async function fund(n, code, more, who) {
	assert.equal(await role(propose(n, code, more), who), 'PROPOSED');
	assert.equal(await role(open(code)), 'OPEN');
}
/** A paid gift to the fund, straight through the statements' functions. */
async function give(fundId, fen, earmark, code = `FND${String(donors).padStart(13, '0')}`) {
	donors += 1;
	await owner(`with g as (insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, earmark) values ('${id(700 + donors)}', '${code}', '${fundId}', '${id(1)}', ${fen}, 'WECHAT_JSAPI', ${earmark ? `'${earmark}'` : 'null'}))
		insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at) values ('${code}', '${id(700 + donors)}', '${fundId}', ${fen}, 'WECHAT_JSAPI', now() + interval '1 hour', now() + interval '1 hour')`);
	assert.equal(await role(`select payment_settle('${code}', 'tx${code}', ${fen}, now() - interval '1 hour' + interval '1 second' * ${donors})`), 'SETTLED');
	return code;
}
const draft = (n, code, fen, earmark, who) => role(`select state from disbursement_create('${id(n)}', '${code}', ${fen}, 'p', 'BRANCH', 'x${n}', null, null, false, '${id(1)}', ${earmark ? `'${earmark}'` : 'null'})`, who);
const approve = (n, by = 2) => `select state from disbursement_approve_read('${id(n)}', '${id(by)}', '*')`;
const pay = (n) => role(`select state from disbursement_pay('${id(n)}', '${id(2)}', 'b', null)`);
const move = (n, from, lines, { by = 1, decision = 'null' } = {}) =>
	`select state from fund_move_propose('${id(n)}', '${from}', '${JSON.stringify(lines.map(([to, fen]) => ({ fund: to, amount_fen: fen })))}', 'p', null, ${decision}, '${id(by)}')`;
const book = (n, by = 2) => `select state from fund_move_approve('${id(n)}', '${id(by)}')`;
const uses = async (n) => (await platform.sql(`select public_code, amount_fen from donations.gift_use where disbursement_id = '${id(n)}' order by seq`)).map(([code, fen]) => [code, Number(fen)]);
const balance = async (code) => Number((await platform.sql(`select -donations.account_balance('fund:${code}')`))[0][0]);

test('a fund is proposed by one and opened by another, and its terms stay', async () => {
	assert.equal(await role(propose(10, 'aid')), 'PROPOSED');
	await refused(open('aid', 1), /who proposed it/);
	await refused(open('aid'), /no such fund of the unit/, "set yg.kind = 'staff'; set yg.organization = '4499'");
	assert.equal(await role("select count(*) from fund where code = 'aid'", "set yg.kind = 'citizen'"), '0', 'a proposal is seen by staff only');
	assert.equal(await role(open('aid')), 'OPEN');
	await refused(open('aid', 3), /OPEN/);
	await refused("update fund set purpose = 'x'", /permission denied/);
	await refused("insert into fund (code, kind, name, organization) values ('x', 'EARMARKED', 'x', '4412')", /permission denied/);
	await refusedFor(owner("update fund set purpose = 'x' where code = 'aid'"), /terms of a fund/);
	await refusedFor(owner("update fund set state = 'PROPOSED' where code = 'aid'"), /OPEN to PROPOSED|fund_state_consistent/);
	await refusedFor(owner(`update fund set opened_by = proposed_by where code = 'aid'`), /fund_own/);
	await refused(propose(11, 'x1', { org: '4499' }), /not a unit/);
});

test('its giving target is no campaign that staff can change, show or report', async () => {
	assert.equal(await role(`update campaign set title = 'x' where id = '${id(10)}' returning 1`), '');
	await refused(`insert into campaign (id, organization, title, fund_code) values ('${id(11)}', '4412', 't', 'aid')`, /permission denied/);
	await refusedFor(owner(`update campaign set bank_account = '1' where id = '${id(10)}'`), /filed plan cannot change/);
	await refusedFor(owner(`update campaign set max_gift_fen = 200 where id = '${id(10)}'`), /giving target/);
	assert.deepEqual(await platform.sql(`select count(*) from donations.outbox where type = 'campaign.changed' and subject = '${id(10)}'`), [['0']], 'no clock of disclosure runs by it');
	assert.deepEqual(await platform.sql(`select count(*) from donations.fund where campaign_id = '${id(10)}'`), [['1']]);
});

test('unrestricted: one of each unit and source; a named fund is whole; money of others takes no gifts', async () => {
	await fund(12, 'free-lottery', { kind: 'UNRESTRICTED', source: 'LOTTERY', org: '4412/441204' });
	await fund(41, 'fiscal', { source: 'FISCAL' });
	await refused(move(410, 'free-lottery', [['fiscal', 1]]), /classes of sources/);
	await refused(propose(13, 'free-lottery-2', { kind: 'UNRESTRICTED', source: 'LOTTERY', org: '4412/441204' }), /fund_unrestricted_once/);
	await refused(propose(13, 'named', { kind: 'NAMED' }), /fund_named_terms/);
	await refused(`select page_permit('${id(10)}', true, '${id(1)}')`, /no personal pages/);
	await refusedFor(owner(`insert into gift (id, public_code, campaign_id, donor, amount_fen, channel) values ('${id(600)}', 'FNDX000000000000', '${id(12)}', '${id(1)}', 500, 'WECHAT_JSAPI')`), /does not take this gift/);
});

test('up to its limit a township approves alone; above it the unit above does', async () => {
	await refused(propose(14, 'town', { kind: 'TOWNSHIP', org: '4412', delegated: 1000 }), /fund_township_unit/);
	assert.equal(await role(propose(14, 'town', { kind: 'TOWNSHIP', org: '4412/441202', delegated: 1000 }), TOWN), 'PROPOSED');
	await refused(open('town'), /unit above opens/, TOWN);
	assert.equal(await role(open('town')), 'OPEN');
	await give(id(14), 5000);
	assert.equal(await draft(140, 'town', 1000, null, TOWN), 'DRAFT');
	await refused(approve(140, 1), /author/, TOWN);
	assert.equal(await role(approve(140), TOWN), 'APPROVED');
	assert.equal(await draft(141, 'town', 1001, null, TOWN), 'DRAFT');
	await refused(approve(141), /unit above approves/, TOWN);
	await refused(`insert into disbursement_approval (disbursement_id, approved_by) values ('${id(141)}', '${id(3)}')`, /permission denied/, TOWN);
	assert.equal(await role(approve(141)), 'APPROVED');
	await agrees();
});

test('the rule: the earmark first, then the earliest; what was given for something else stays', async () => {
	await fund(15, 'kit', { earmarks: ['aed', 'bed'] });
	const plain = await give(id(15), 1000);
	const bed = await give(id(15), 700, 'bed');
	const aed = await give(id(15), 600, 'aed');
	const later = await give(id(15), 500);
	await assert.rejects(give(id(15), 100, 'cot'), /does not offer/);
	await refusedFor(owner(`update gift set earmark = null where public_code = '${aed}'`), /earmark of a gift/);
	await assert.rejects(draft(150, 'kit', 100, 'cot'), /disbursement_earmark_offered/);
	assert.equal(await draft(151, 'kit', 1700, 'aed'), 'DRAFT');
	assert.equal(await role(approve(151)), 'APPROVED');
	assert.equal(await draft(152, 'kit', 401, null), 'DRAFT');
	await refused(approve(152), /other purposes/);
	assert.equal(await draft(153, 'kit', 400, null), 'DRAFT');
	assert.equal(await role(approve(153)), 'APPROVED');
	assert.equal(await pay(151), 'PAID');
	assert.deepEqual(await uses(151), [[aed, 600], [plain, 1000], [later, 100]]);
	assert.equal(await pay(153), 'PAID');
	assert.deepEqual(await uses(153), [[later, 400]]);
	assert.equal(await draft(154, 'kit', 700, 'bed'), 'DRAFT');
	assert.equal(await role(approve(154)), 'APPROVED');
	assert.equal(await pay(154), 'PAID');
	assert.deepEqual(await uses(154), [[bed, 700]]);
	assert.equal(await role(`select state from disbursement_reverse('${id(151)}', '${id(1510)}', '${id(2)}', 'r')`), 'REVERSED');
	assert.equal(await balance('kit'), 1700);
	await agrees();
});

test('money moves from an unrestricted fund, all lines or none, and the gifts go on in the new funds', async () => {
	await fund(16, 'free', { kind: 'UNRESTRICTED', org: '4412/441203', earmarks: ['own'] });
	await fund(17, 'dest');
	const a = await give(id(16), 1000);
	const own = await give(id(16), 300, 'own');
	const b = await give(id(16), 1000);
	await refused(move(160, 'aid', [['dest', 100]]), /stays with it/);
	await refused(move(160, 'free', [['free-lottery', 100]]), /takes it|classes of sources/);
	await refused(move(160, 'free-lottery', [['dest', 100]]), /takes it|classes of sources/);
	assert.equal(await role(move(160, 'free', [['dest', 800], ['aid', 700]])), 'PROPOSED');
	await refused(book(160, 1), /who proposed it/);
	assert.equal(await role(book(160)), 'BOOKED');
	await refused(book(160, 3), /BOOKED/);
	assert.deepEqual([await balance('free'), await balance('dest'), await balance('aid')], [800, 800, 700]);
	const shares = await platform.sql(`select f.code, s.public_code, s.fen from donations.gift_share s join donations.fund f on f.id = s.fund_id order by 1 desc, 2`);
	assert.deepEqual(shares, [['dest', a, '800'], ['aid', a, '200'], ['aid', b, '500']]);
	const [[linked]] = await platform.sql(`select count(distinct l.first_id) || ' of ' || count(*) from donations.entry_link l join donations.fund_move_line m using (entry_id) where m.move_id = '${id(160)}'`);
	assert.equal(linked, '1 of 2');
	// more than the gifts that are not earmarked come to: not one line is booked
	assert.equal(await role(move(161, 'free', [['dest', 500], ['aid', 300]])), 'PROPOSED');
	await refused(book(161), /do not come to it/);
	assert.equal(await balance('dest'), 800);
	// used there, by the rule, and given back by a reversal
	const direct = await give(id(17), 100);
	assert.equal(await draft(162, 'dest', 850, null), 'DRAFT');
	assert.equal(await role(approve(162)), 'APPROVED');
	assert.equal(await pay(162), 'PAID');
	assert.deepEqual(await uses(162), [[a, 800], [direct, 50]]);
	await refused(`select refund_request('${id(1620)}', (select gift_id from gift_public where public_code = '${a}'), '${a}', 1, 'r', '${id(1)}', null)`, /refund_exceeds_unspent|was spent/);
	assert.equal(await role(`select state from disbursement_reverse('${id(162)}', '${id(1621)}', '${id(2)}', 'r')`), 'REVERSED');
	const [[spent, there]] = await platform.sql(`select spent_fen, allocated_fen from donations.gift_public where public_code = '${a}'`);
	assert.deepEqual([spent, there], ['0', '1000']);
	await refused(`select refund_request('${id(1622)}', (select gift_id from gift_public where public_code = '${a}'), '${a}', 1, 'r', '${id(1)}', null)`, /refund_exceeds_unspent|was spent/);
	assert.deepEqual(await platform.sql(`select allocated_fen, earmark from donations.gift_public where public_code = '${own}'`), [['0', 'own']]);
	await agrees();
});

test('two funds that give to each other at once do not wait in a circle', async () => {
	await fund(18, 'free-2', { kind: 'UNRESTRICTED', org: '4412/441223' });
	await give(id(18), 1000);
	await role(move(172, 'free', [['free-2', 10]]));
	await role(move(173, 'free-2', [['free', 10]]));
	const both = await Promise.all([172, 173].map((n) => role(`begin; ${book(n)}; select pg_sleep(0.3); commit`)));
	assert.deepEqual(both, ['BOOKED', 'BOOKED']);
	await agrees();
});

test('of two transfers of the same money one is booked', async () => {
	await role(move(170, 'free', [['dest', 400]]));
	await role(move(171, 'free', [['aid', 400]]));
	const one = (n) => role(`begin; ${book(n)}; select pg_sleep(0.3); commit`).then(() => 1, () => 0);
	assert.equal((await Promise.all([one(170), one(171)])).reduce((x, y) => x + y), 1);
	await agrees();
});

test('linked entries: one fails, none is booked; sources do not mix over several', async () => {
	const at = '2026-01-05T00:00:00+08:00';
	const all = (entries) => owner(`select ledger_post_all('${JSON.stringify(entries.map(([n, ...postings]) => ({ id: id(n), kind: 'correction', occurred_at: at, reason: 'r', postings: postings.map(([account, fen]) => ({ account, fen })) })))}')`);
	await platform.sql("insert into donations.account (name, kind) values ('payable:clearing', 'payable')");
	await refusedFor(all([[800, ['bank:transfer', 10], ['fund:aid', -10]], [801, ['fund:aid', 99999999], ['bank:transfer', -99999999]]]), /overdrawn/);
	assert.deepEqual(await platform.sql(`select count(*) from donations.entry where id in ('${id(800)}', '${id(801)}')`), [['0']]);
	await refusedFor(all([[800, ['fund:free-lottery', 10], ['payable:clearing', -10]], [801, ['payable:clearing', 10], ['fund:aid', -10]]]), /classes of sources/);
	const good = [[800, ['bank:transfer', 10], ['payable:clearing', -10]], [801, ['payable:clearing', 10], ['bank:transfer', -10]]];
	assert.equal(await all(good), 'created');
	assert.equal(await all(good), 'exists');
	await refusedFor(all([good[0], [802, ['bank:transfer', 1], ['payable:clearing', -1]]]), /posted otherwise/);
	await refused("select ledger_post_all('[]')", /permission denied/);
	await agrees();
});

test('an income is booked by another, once, and never as a donation', async () => {
	const income = (n, code, ref) => role(`select state from fund_income_propose('${id(n)}', '${code}', 5000, '民政局', '${ref}', repeat('a', 64), now(), '${id(1)}')`);
	assert.equal(await income(180, 'free-lottery', 'B1'), 'PROPOSED');
	await assert.rejects(income(181, 'free-lottery', 'B1'), /fund_income_bank_taken/);
	await assert.rejects(income(181, 'aid', 'B2'), /come as gifts/);
	await refused(`select state from fund_income_approve('${id(180)}', '${id(1)}')`, /does not book it/);
	assert.equal(await role(`select state from fund_income_approve('${id(180)}', '${id(2)}')`), 'BOOKED');
	await refused(`select state from fund_income_refuse('${id(180)}', '${id(2)}', 'r')`, /BOOKED/);
	assert.equal(await balance('free-lottery'), 5000);
	const [[type, source]] = await platform.sql(`select convert_from(o.leaf, 'UTF8')::json ->> 'type', convert_from(o.leaf, 'UTF8')::json -> 'data' ->> 'source' from donations.entry_leaf l join donations.outbox o on o.id = l.event_id where l.entry_id = '${id(180)}'`);
	assert.deepEqual([type, source], ['fund.received', 'LOTTERY']);
	await agrees();
});

test('a fund ends only when it is empty, and takes nothing then', async () => {
	await refused(`select state from fund_end('free-lottery', '${id(2)}', 'r')`, /money in it/);
	await fund(19, 'short');
	assert.equal(await role(`select state from fund_end('short', '${id(2)}', 'r')`), 'ENDED');
	await assert.rejects(give(id(19), 100), /does not take this gift/);
	await assert.rejects(draft(190, 'short', 1), /not open/);
	await refused(`select state from fund_end('goods.4412', '${id(2)}', 'r')`, /goods|no such fund/);
});

test('a transfer does not take what a disbursement was promised, though what was given for a purpose stays behind', async () => {
	await fund(30, 'free-4', { kind: 'UNRESTRICTED', org: '4412/441225', earmarks: ['own'] });
	await give(id(30), 1000);
	await give(id(30), 300, 'own');
	assert.equal(await draft(300, 'free-4', 900), 'DRAFT');
	assert.equal(await role(approve(300)), 'APPROVED');
	await role(move(301, 'free-4', [['dest', 101]]));
	await refused(book(301), /other purposes/);
	await role(move(302, 'free-4', [['dest', 100]]));
	assert.equal(await role(book(302)), 'BOOKED');
	assert.equal(await pay(300), 'PAID');
	await agrees();
});

test('a gift that was moved there and back says so', async () => {
	await fund(31, 'free-5', { kind: 'UNRESTRICTED', org: '4412/441226' });
	await fund(32, 'free-6', { kind: 'UNRESTRICTED', org: '4412/441227' });
	const gift = await give(id(31), 500, null, await owner('select public_code_new()')); // one that has a page
	for (const [n, from, to] of [[310, 'free-5', 'free-6'], [311, 'free-6', 'free-5']]) {
		await role(move(n, from, [[to, 500]]));
		assert.equal(await role(book(n)), 'BOOKED');
	}
	const { json } = await platform.client.get(`/v1/public/gifts/${gift}`);
	assert.equal(json.allocated_fen, undefined);
	assert.deepEqual(json.moves.map((one) => [one.from, one.to, one.amount_fen]), [['free-5', 'free-6', 500], ['free-6', 'free-5', 500]]);
	await agrees();
});

test('transfers are public by when they were booked, not by when they were proposed', async () => {
	for (const n of [320, 321]) await role(move(n, 'free-5', [['free-6', n - 300]]));
	for (const n of [321, 320]) assert.equal(await role(book(n)), 'BOOKED');
	const first = (await platform.client.get('/v1/public/fund-moves?limit=1')).json;
	const next = (await platform.client.get(`/v1/public/fund-moves?limit=1&cursor=${encodeURIComponent(first.next_cursor)}`)).json;
	assert.deepEqual([first, next].map((page) => page.items[0].amount_fen), [20, 21]);
});

test('who decides is somebody', async () => {
	assert.equal(await role(propose(33, 'anon')), 'PROPOSED');
	await refused("select fund_open('anon', null)", /fund_state_consistent/);
	await refused("select fund_refuse('anon', null, 'r')", /fund_state_consistent/);
	assert.equal(await role(open('anon')), 'OPEN');
	await refused("select fund_end('anon', null, 'r')", /fund_state_consistent/);
});

test('what comes back to a fund that ended is used for its purpose all the same', async () => {
	await fund(34, 'over');
	await give(id(34), 500);
	assert.equal(await draft(340, 'over', 500), 'DRAFT');
	assert.equal(await role(approve(340)), 'APPROVED');
	assert.equal(await pay(340), 'PAID');
	assert.equal(await role(`select state from fund_end('over', '${id(2)}', 'r')`), 'ENDED');
	await assert.rejects(draft(341, 'over', 1), /not open/);
	assert.equal(await role(`select state from disbursement_reverse('${id(340)}', '${id(3400)}', '${id(2)}', 'r')`), 'REVERSED');
	await assert.rejects(draft(341, 'over', 501), /not open/);
	assert.equal(await draft(341, 'over', 500), 'DRAFT');
	assert.equal(await role(approve(341)), 'APPROVED');
	assert.equal(await pay(341), 'PAID');
	await agrees();
});

test('a fund to which a filing sends its surplus does not end, and one that ended is not filed', async () => {
	const campaign = (n, to) => owner(`insert into campaign (id, organization, title, purpose, starts_on, ends_on, area, person_in_charge, office_address, how_to_give, bank_holder, bank_name, bank_account,
		beneficiaries, use_plan, cost_cap_fen, surplus_rule, surplus_fund, certificate_no, platform_url, contact_phone, filing_no, filed_on)
		values ('${id(n)}', '4412', 't', 'p', business_day(), business_day() + 30, 'a', 'p', 'o', 'h', 'h', 'b', '1', 'b', 'u', 0, 's', '${to}', 'c', 'https://x', '1', 'S${n}', business_day() - 20)`);
	const file = (n) => owner(`update campaign set state = 'FILED' where id = '${id(n)}'`);
	await fund(35, 'rest');
	await fund(36, 'rest-2');
	await campaign(350, 'rest');
	await campaign(351, 'rest-2');
	await file(350);
	await refused(`select fund_end('rest', '${id(2)}', 'r')`, /sends its surplus/);
	assert.equal(await role(`select state from fund_end('rest-2', '${id(2)}', 'r')`), 'ENDED');
	await refusedFor(file(351), /no open fund of the unit/);
});

test('a fund whose term has not begun says that it takes no gifts', async () => {
	const page = async (code) => (await platform.client.get(`/v1/public/funds/${code}`)).json.takes_gifts;
	assert.equal(await role(`select state from fund_propose('${id(37)}', 'later', 'EARMARKED', 'DONATION', 'later', '4412', 'p', null, null, null, business_day() + 5, null, null, 'h', 'b', '1', '[]', '[]', '${id(1)}')`), 'PROPOSED');
	assert.equal(await role(open('later')), 'OPEN');
	assert.deepEqual([await page('later'), await page('aid'), await page('short')], [false, true, false]);
	const { items } = (await platform.client.get('/v1/public/funds?limit=100')).json;
	assert.deepEqual(items.filter((one) => ['later', 'aid', 'short'].includes(one.code)).map((one) => [one.code, one.takes_gifts]), [['aid', true], ['later', false], ['short', false]]);
});

test('the entry of a gift that is not paid yet is nobody else\'s', async () => {
	const waiting = id(38);
	await owner(`with g as (insert into gift (id, public_code, campaign_id, donor, amount_fen, channel) values ('${waiting}', 'FNDW000000000000', '${id(10)}', '${id(1)}', 500, 'WECHAT_JSAPI'))
		insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at) values ('FNDW000000000000', '${waiting}', '${id(10)}', 500, 'WECHAT_JSAPI', now() + interval '1 hour', now() + interval '1 hour')`);
	await role(`select fund_income_propose('${waiting}', 'free-lottery', 5, '民政局', 'B4', repeat('a', 64), now(), '${id(1)}')`);
	await refused(`select fund_income_approve('${waiting}', '${id(2)}')`, /gift's or a refund's/);
	assert.equal(await draft(380, 'dest', 1), 'DRAFT');
	assert.equal(await role(approve(380)), 'APPROVED');
	assert.equal(await pay(380), 'PAID');
	await refused(`select disbursement_reverse('${id(380)}', '${waiting}', '${id(2)}', 'r')`, /gift's or a refund's/);
	assert.equal(await role("select payment_settle('FNDW000000000000', 'txFNDW', 500, now())"), 'SETTLED');
	await agrees();
});

test('the tables themselves are closed', async () => {
	for (const table of ['fund_instalment', 'fund_earmark', 'fund_income', 'fund_move', 'fund_move_line', 'gift_share', 'gift_allocation', 'entry_link']) {
		await refused(`delete from ${table}`, /permission denied/);
		await refused(`insert into ${table} default values`, /permission denied/);
	}
	await assert.rejects(platform.sql('update donations.gift_share set fen = fen + 1'), /shares of gift/);
	await assert.rejects(platform.sql('delete from donations.gift_allocation'), /append-only/);
	await assert.rejects(platform.sql("update donations.fund_move set amount_fen = 1"), /does not change/);
});

test('an income of a month that is closed meanwhile is booked in the open one, and says when it came', async () => {
	await platform.sql(`insert into donations.period (month, ends_at, organization, proposed_by) select m::date, (m + interval '1 month') at time zone 'Asia/Shanghai', '44', '${id(1)}'
		from (select date_trunc('month', now() at time zone 'Asia/Shanghai') - interval '1 month' as m) s`);
	await role(`select fund_income_propose('${id(182)}', 'free-lottery', 5000, '民政局', 'B3', repeat('a', 64), date_trunc('month', now(), 'Asia/Shanghai') - interval '1 hour', '${id(1)}')`);
	assert.equal(await role(`select state from fund_income_approve('${id(182)}', '${id(2)}')`), 'BOOKED');
	const [[booked, told]] = await platform.sql(`select e.occurred_at = p.ends_at, (convert_from(o.leaf, 'UTF8')::json -> 'data' ->> 'received_at')::timestamptz = i.received_at from donations.period p, donations.fund_income i
		join donations.entry e on e.id = i.id join donations.entry_leaf l on l.entry_id = i.id join donations.outbox o on o.id = l.event_id where i.id = '${id(182)}'`);
	assert.deepEqual([booked, told], ['t', 't']);
	await agrees();
});

test('a founder who is erased is called so no more, and the log has never had his name', async () => {
	await role(`select id from party_register('${id(900)}', null, 'PERSON', 'NONE', null, '\\x00', '\\x00', '${'9'.repeat(64)}', '${id(901)}', '\\x00')`, `${CITY}; set yg.subject = '${id(1)}'`);
	assert.equal(await role(`select state from fund_propose('${id(902)}', 'lake-family', 'NAMED', 'DONATION', '星湖基金', '4412', 'p', '星湖一家人', '${id(900)}', 1000, business_day(), business_day() + 300, null,
		'h', 'b', '1', '[{"due_date":"2027-01-01","amount_fen":1000}]', '[]', '${id(1)}')`), 'PROPOSED');
	assert.equal(await role(open('lake-family')), 'OPEN');
	for (const change of ["founder = 'x'", "founder = '匿名', founder_party = null"])
		await refusedFor(owner(`update fund set ${change} where code = 'lake-family'`), /terms of a fund/); // he is not erased
	assert.equal((await platform.sql("select count(*) from donations.outbox where type = 'fund.opened' and convert_from(leaf, 'UTF8') like '%lake-family%' and convert_from(leaf, 'UTF8') !~ '星湖'"))[0][0], '1');
	await role(`select party_erase('${id(900)}')`, `${CITY}; set yg.subject = '${id(1)}'`);
	assert.deepEqual(await platform.sql("select founder, founder_party is null from donations.fund where code = 'lake-family'"), [['匿名', 't']]);
});

test('what was delegated to a township holds for all of its funds, also when its account has ended', async () => {
	const TOWN5 = "set yg.kind = 'staff'; set yg.organization = '4412/441205'";
	const VILLAGE = "set yg.kind = 'staff'; set yg.organization = '4412/441205/441205001'";
	await fund(20, 'purse', { org: '4412/441205' });
	await fund(21, 'village', { org: '4412/441205/441205001' });
	await fund(22, 'free-5a', { kind: 'UNRESTRICTED', org: '4412/441205' });
	for (const n of [20, 21, 22]) await give(id(n), 9000);
	// nothing was delegated yet: the unit is no township
	assert.equal(await draft(200, 'purse', 1001, null, TOWN5), 'DRAFT');
	assert.equal(await role(approve(200), TOWN5), 'APPROVED');
	await fund(23, 'town-5', { kind: 'TOWNSHIP', org: '4412/441205', delegated: 1000 }, TOWN5);
	await fund(24, 'town-6', { kind: 'TOWNSHIP', org: '4412/441205', delegated: 2000 }, TOWN5);
	assert.equal(await draft(201, 'purse', 1001, null, TOWN5), 'DRAFT');
	await refused(approve(201), /unit above approves/, TOWN5);
	assert.equal(await draft(202, 'purse', 1000, null, TOWN5), 'DRAFT');
	assert.equal(await role(approve(202), TOWN5), 'APPROVED');
	assert.equal(await role(approve(201)), 'APPROVED');
	// of the units below it too; they are not "above" for each other
	assert.equal(await draft(203, 'village', 1001, null, VILLAGE), 'DRAFT');
	await refused(approve(203), /unit above approves/, VILLAGE);
	await refused(approve(203), /unit above approves/, TOWN5);
	assert.equal(await role(approve(203)), 'APPROVED');
	// nor does an account that a unit below gets, with whatever limit, let either approve more
	await fund(25, 'village-own', { kind: 'TOWNSHIP', org: '4412/441205/441205001', delegated: 900000 }, VILLAGE);
	await give(id(25), 9000);
	assert.equal(await draft(208, 'village-own', 1001, null, VILLAGE), 'DRAFT');
	await refused(approve(208), /unit above approves/, VILLAGE);
	await refused(approve(208), /unit above approves/, TOWN5);
	assert.equal(await role(approve(208)), 'APPROVED');
	// a transfer takes money out as well
	assert.equal(await role(move(204, 'free-5a', [['purse', 600], ['village', 401]]), TOWN5), 'PROPOSED');
	await refused(book(204), /unit above approves/, TOWN5);
	assert.equal(await role(book(204)), 'BOOKED');
	assert.equal(await role(move(205, 'free-5a', [['town-6', 1000]]), TOWN5), 'PROPOSED');
	assert.equal(await role(book(205), TOWN5), 'BOOKED');
	// its own account keeps its own limit; ending one is no way out
	await give(id(24), 5000);
	assert.equal(await draft(206, 'town-6', 2000, null, TOWN5), 'DRAFT');
	assert.equal(await role(approve(206), TOWN5), 'APPROVED');
	assert.equal(await role(`select state from fund_end('town-5', '${id(3)}', 'r')`, TOWN5), 'ENDED');
	assert.equal(await draft(207, 'purse', 2001, null, TOWN5), 'DRAFT');
	await refused(approve(207), /unit above approves/, TOWN5);
	await agrees();
});

test('a township that splits a payment or a transfer stays above its limit', async () => {
	const TOWN8 = "set yg.kind = 'staff'; set yg.organization = '4412/441208'";
	const to = (n, code, fen, payee, who = TOWN8) => role(`select state from disbursement_create('${id(n)}', '${code}', ${fen}, 'p', 'SUPPLIER', '${payee}', null, null, false, '${id(1)}')`, who);
	await fund(70, 'purse-8', { org: '4412/441208' });
	await fund(71, 'free-8', { kind: 'UNRESTRICTED', org: '4412/441208' });
	await fund(72, 'town-8', { kind: 'TOWNSHIP', org: '4412/441208', delegated: 1000 }, TOWN8);
	for (const n of [70, 71, 72]) await give(id(n), 9000);
	await to(700, 'town-8', 600, '镇中文具店');
	await to(701, 'town-8', 401, '镇中 文具店');
	await to(702, 'purse-8', 401, '镇中文具店');
	await to(703, 'purse-8', 400, '镇中文具店');
	assert.equal(await role(approve(700), TOWN8), 'APPROVED');
	await refused(approve(701), /unit above approves/, TOWN8);
	await refused(approve(702), /unit above approves/, TOWN8);
	assert.equal(await role(approve(703), TOWN8), 'APPROVED', 'up to the limit');
	assert.equal(await role(approve(701)), 'APPROVED');
	await to(704, 'town-8', 1000, '另一家');
	assert.equal(await role(approve(704), TOWN8), 'APPROVED');
	// it gives the same fund little by little
	assert.equal(await role(move(705, 'free-8', [['purse-8', 600]]), TOWN8), 'PROPOSED');
	assert.equal(await role(move(706, 'free-8', [['purse-8', 401]]), TOWN8), 'PROPOSED');
	assert.equal(await role(book(705), TOWN8), 'BOOKED');
	await refused(book(706), /unit above approves/, TOWN8);
	assert.equal(await role(book(706)), 'BOOKED');
	await agrees();
});

test('transfers to one fund that come to a large sum want a decision to be named', async () => {
	const CITY8 = "set yg.kind = 'staff'; set yg.organization = '4412/441209'";
	await fund(75, 'free-9', { kind: 'UNRESTRICTED', org: '4412/441209' });
	await fund(76, 'purse-9', { org: '4412/441209' });
	await give(id(75), 12000000);
	assert.equal(await role(move(710, 'free-9', [['purse-9', 6000000]]), CITY8), 'PROPOSED');
	assert.equal(await role(move(711, 'free-9', [['purse-9', 4000000]]), CITY8), 'PROPOSED');
	assert.equal(await role(book(710), CITY8), 'BOOKED');
	await refused(book(711), /must be named/, CITY8);
	assert.equal(await role(move(712, 'free-9', [['purse-9', 3999999]]), CITY8), 'PROPOSED');
	assert.equal(await role(book(712), CITY8), 'BOOKED');
	await agrees();
});

test('the figures of every fund are what all of its postings add up to, and no other entry names a gift', async () => {
	const wrong = await platform.sql(`set search_path = donations; select f.code from fund f cross join lateral fund_figures(f.code) x left join posting p on p.account = 'fund:' || f.code left join (select n.id, coalesce(o.kind, n.kind) as kind from entry n
		left join entry o on o.id = n.reverses and n.kind = 'correction') e on e.id = p.entry_id
		group by f.code, x.balance_fen, x.received_fen, x.refunded_fen, x.spent_fen, x.moved_in_fen, x.moved_out_fen having (x.balance_fen, x.received_fen, x.refunded_fen, x.spent_fen, x.moved_in_fen, x.moved_out_fen) is distinct from (coalesce(-sum(p.fen), 0)::bigint,
			coalesce(-sum(p.fen) filter (where e.kind in ('gift.received', 'goods.received', 'fund.received')), 0)::bigint, coalesce(sum(p.fen) filter (where e.kind = 'gift.refunded'), 0)::bigint,
			coalesce(sum(p.fen) filter (where e.kind in ('disbursement', 'disbursement.reversed')), 0)::bigint, coalesce(-sum(p.fen) filter (where e.kind = 'fund.moved' and p.fen < 0), 0)::bigint,
			coalesce(sum(p.fen) filter (where e.kind = 'fund.moved' and p.fen > 0), 0)::bigint)`);
	assert.deepEqual(wrong, []);
	const [[some]] = await platform.sql("select count(*) from donations.fund f cross join lateral donations.fund_figures(f.code) x where x.spent_fen > 0 or x.moved_in_fen > 0");
	assert.ok(Number(some) > 3);
	await refusedFor(owner(`select ledger_post('${id(900)}', 'correction', now(), '[{"account":"bank:transfer","fen":5,"gift_id":"${id(1)}"},{"account":"bank:wechat","fen":-5}]', 'x', null)`), /names a gift/);
});
