// Amounts in capitals against an independent writer, and what a psql session with the service's own role cannot do to receipts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

const id = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const STAFF = "set yg.kind = 'staff'; set yg.organization = '4412'; set yg.subject = '00000000-0000-7000-8000-000000000001'";
const JOB = "set yg.kind = ''";
let platform;
let gifts; // [id, code, donor, amount] of paid gifts to the city's unit

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	gifts = await platform.sql("select g.id, g.public_code, g.donor, g.amount_fen from donations.gift g join donations.campaign c on c.id = g.campaign_id where g.state = 'PAID' and c.organization = '4412' and not exists (select from donations.receipt r where r.gift_id = g.id) order by g.id limit 8");
	assert.equal(gifts.length, 8);
	await platform.command('stop', 'donations'); // the job would ask the platform about what is made up here
});
after(() => platform?.stop());

const role = (text, who = STAFF) => platform.session('yg_donations', who, text);
const job = (text) => role(text, JOB);
const refused = (text, why, who) => refusedFor(role(text, who), why);
const citizen = (gift) => `set yg.kind = 'citizen'; set yg.organization = ''; set yg.subject = '${gift[2]}'`;
const ask = (n, gift) => `select state from receipt_request('${id(n)}', '${gift[0]}', 'PERSON', null, '\\x00', '${id(1000 + n)}', '\\x00', '\\x${'00'.repeat(16)}', '${'0'.repeat(64)}')`;
const requestNo = (n) => id(n).replaceAll('-', '');
const settle = (n, gift, number, fen = gift[3]) => `select receipt_settle('${requestNo(n)}', ${fen}, '44060126', '${String(number).padStart(10, '9')}', 'abc123', now())`;

/* Another way to write it: every digit with its place, then zeros are tidied away. */
function words(fen) {
	const [yuan, jiao, cent] = [BigInt(fen) / 100n, Number(BigInt(fen) / 10n % 10n), Number(BigInt(fen) % 10n)];
	const digits = [...'零壹贰叁肆伍陆柒捌玖'];
	const group = (n) => [...String(n).padStart(4, '0')].map((d, i) => (d === '0' ? '零' : digits[d] + ['仟', '佰', '拾', ''][i])).join('').replace(/零+/g, '零').replace(/零$/, '');
	const parts = [[yuan / 100000000n, '亿'], [yuan / 10000n % 10000n, '万'], [yuan % 10000n, '']];
	let text = parts.map(([n, unit], i) => (n ? group(n) + unit : i ? '零' : '')).join('').replace(/零+/g, '零').replace(/^零|零$/g, '');
	if (text) text += '元';
	if (!jiao && !cent) return `${text}整`;
	if (jiao) return `${text}${digits[jiao]}角${cent ? `${digits[cent]}分` : '整'}`;
	return `${text}${text && '零'}${digits[cent]}分`;
}

test('amounts in capitals: by hand', async () => {
	for (const [fen, text] of [[1, '壹分'], [10, '壹角整'], [11, '壹角壹分'], [100, '壹元整'], [101, '壹元零壹分'], [10000, '壹佰元整'], [140950, '壹仟肆佰零玖元伍角整'],
		[600714, '陆仟零柒元壹角肆分'], [1640902, '壹万陆仟肆佰零玖元零贰分'], [10700000, '壹拾万柒仟元整'], [100070000, '壹佰万零柒佰元整'], [10000700000, '壹亿零柒仟元整'],
		[100000000000, '壹拾亿元整'], [100000001, '壹佰万元零壹分'], [99999999999999, '玖仟玖佰玖拾玖亿玖仟玖佰玖拾玖万玖仟玖佰玖拾玖元玖角玖分']]) {
		assert.equal((await platform.sql(`select donations.fen_in_words(${fen})`))[0][0], text);
	}
	assert.deepEqual(await platform.sql('select donations.fen_in_words(n) is null from unnest(array[0, -1, 100000000000000]) n'), [['t'], ['t'], ['t']]);
});

test('amounts in capitals: sixty thousand against the independent writer', async () => {
	const amounts = new Set();
	for (let fen = 1; fen <= 20000; fen += 1) amounts.add(fen);
	for (let i = 0; i < 14; i += 1) for (let d = 1; d < 10; d += 1) for (let j = 0; j <= i; j += 1) for (let e = 0; e < 10; e += 3) amounts.add(d * 10 ** i + (j < i ? e * 10 ** j : 0));
	let seed = 20261126;
	const next = () => { seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; return seed / 2 ** 32; };
	while (amounts.size < 60000) {
		let fen = Math.floor(10 ** (14 * next()));
		for (let k = 0; k < 3; k += 1) if (next() < 0.5) { const place = 10 ** Math.floor(14 * next()); fen -= Math.floor(fen / place) % 10 * place; }
		if (fen >= 1) amounts.add(fen);
	}
	const list = [...amounts];
	const rows = await platform.sql(`select n, donations.fen_in_words(n) from unnest(array[${list.join(',')}]::bigint[]) n`);
	assert.equal(rows.length, list.length);
	assert.deepEqual(rows.filter(([fen, text]) => text !== words(fen)).slice(0, 5).map(([fen, text]) => [fen, text, words(fen)]), []);
});

test('one live receipt per gift, for its donor only', async () => {
	await refused(ask(1, gifts[0]), /no such gift/);
	await refused(ask(1, gifts[0]), /no such gift/, citizen([0, 0, id(5)]));
	assert.equal(await role(ask(1, gifts[0]), citizen(gifts[0])), 'REQUESTED');
	await refused(ask(2, gifts[0]), /receipt_live/, citizen(gifts[0]));
	assert.equal(await role('select count(*) from receipt', citizen([0, 0, id(5)])), '0');
	assert.equal(await role('select count(*) from receipt', "set yg.kind = 'staff'; set yg.organization = '4499'"), '0');
	assert.equal(await role(`select count(*) from receipt where id = '${id(1)}'`), '1');
});

test('two at once: one', async () => {
	const both = await Promise.allSettled([role(ask(3, gifts[1]), citizen(gifts[1])), role(ask(4, gifts[1]), citizen(gifts[1]))]);
	assert.deepEqual(both.map((b) => b.status).sort(), ['fulfilled', 'rejected']);
});

test('a number once, for the amount that was asked for, and heard twice changes nothing', async () => {
	assert.equal(await job(settle(1, gifts[0], 1, Number(gifts[0][3]) + 1)), 'REQUESTED');
	assert.equal(await job(settle(1, gifts[0], 1)), 'ISSUED');
	assert.equal(await job(settle(1, gifts[0], 2)), 'ISSUED');
	assert.deepEqual(await platform.sql(`select number from donations.receipt_number where receipt_id = '${id(1)}'`), [['9999999991']]);
	assert.equal(await role(ask(5, gifts[2]), citizen(gifts[2])), 'REQUESTED');
	// an answer that cannot be a receipt's is a failure that staff see, and may be asked for again
	const failed = () => platform.sql(`select state, last_error from donations.receipt where id = '${id(5)}'`);
	const again = () => role(`select state from receipt_retry('${id(5)}')`);
	assert.equal(await job(settle(5, gifts[2], 1)), 'FAILED');
	assert.deepEqual(await failed(), [['FAILED', 'NUMBER_TAKEN']]);
	for (const [code, at] of [["'1', '2', '3'", 'now()'], ["null, '0000000077', 'abc123'", 'now()'], ["'44060126', '0000000077', 'abc123'", 'null'], ["'44060126', '0000000077', 'abc123'", "receipt_time('2026-02-30T10:00:00+08:00')"]]) {
		assert.equal(await again(), 'REQUESTED');
		assert.equal(await job(`select receipt_settle('${requestNo(5)}', ${gifts[2][3]}, ${code}, ${at})`), 'FAILED');
		assert.deepEqual(await failed(), [['FAILED', 'BAD_NUMBER']]);
	}
	assert.equal(await again(), 'REQUESTED');
	assert.equal(await job(`select receipt_fail('${requestNo(1)}', 'LATE')`), '');
	assert.equal((await platform.sql(`select count(*) from donations.outbox where type = 'receipt.issued' and subject = '${id(1)}' and leaf is not null`))[0][0], '1');
});

test('turned back once, by staff of the unit', async () => {
	const turn = (n) => `select state from receipt_void('${id(n)}', '${id(1)}', 'x')`;
	await refused(turn(20), /no such receipt/, citizen(gifts[0]));
	await refused(turn(20), /no such receipt/, "set yg.kind = 'staff'; set yg.organization = '4499'");
	assert.equal(await role(turn(20)), 'ISSUED');
	await refused(turn(21), /receipt_reversed_once/);
	const red = (fen, number) => `select receipt_reversal_settle('${requestNo(20)}', ${fen}, '44060226', '${number}', 'abc123', now())`;
	assert.equal(await job(red(gifts[0][3], '8000000001')), 'REQUESTED');
	assert.equal(await job(red(-gifts[0][3], '8000000001')), 'VOIDED');
	assert.equal(await job(red(-gifts[0][3], '8000000002')), 'VOIDED');
	await refused(turn(22), /VOIDED/);
	assert.equal(await role(ask(6, gifts[0]), citizen(gifts[0])), 'REQUESTED', 'the gift may have another one now');
});

test('a refund turns it back and asks for the rest; of one that failed only the rest is asked for', async () => {
	const refund = (gift, fen, state = 'PARTIALLY_REFUNDED') => platform.sql(`alter table donations.gift disable trigger all; alter table donations.gift enable trigger receipt_gift_refunded; update donations.gift set refunded_fen = ${fen}, state = '${state}' where id = '${gift[0]}'; alter table donations.gift enable trigger all`).catch((error) => { throw new Error(error.message); });
	assert.equal(await role(ask(7, gifts[3]), citizen(gifts[3])), 'REQUESTED');
	assert.equal(await job(settle(7, gifts[3], 7)), 'ISSUED');
	await refund(gifts[3], 1);
	const [[red]] = await platform.sql(`select request_no from donations.receipt_reversal where receipt_id = '${id(7)}' and requested_by is null`);
	assert.equal(await job(`select receipt_reversal_settle('${red}', ${-gifts[3][3]}, '44060226', '8000000007', 'abc123', now())`), 'VOIDED');
	assert.deepEqual(await platform.sql(`select state, amount_fen, replaces from donations.receipt where gift_id = '${gifts[3][0]}' and id <> '${id(7)}'`), [['REQUESTED', String(gifts[3][3] - 1), id(7)]]);
	assert.equal(await role(ask(8, gifts[4]), citizen(gifts[4])), 'REQUESTED');
	assert.equal(await job(`select receipt_fail('${requestNo(8)}', 'PAYER_INVALID')`), 'FAILED');
	await refund(gifts[4], gifts[4][3], 'REFUNDED');
	assert.deepEqual(await platform.sql(`select state from donations.receipt where gift_id = '${gifts[4][0]}'`), [['CLOSED']], 'nothing is left, nothing is asked for');
	assert.deepEqual(await platform.sql(`select 1 from donations.person_key where key_id = '${id(1008)}'`), [], 'the title of what never was issued is forgotten');
	assert.deepEqual(await platform.sql(`select count(*) from donations.person_key where key_id = '${id(1007)}'`), [['1']]);
	assert.deepEqual(await platform.sql(`select salt is null from donations.receipt where id = '${id(8)}'`), [['t']]);
});

test('one that failed and that nobody decided about is given up after ninety days, and its title goes', async () => {
	const gift = gifts[4];
	const [[refunded, state]] = await platform.sql(`select refunded_fen, state from donations.gift where id = '${gift[0]}'`);
	const gave = (columns) => platform.sql(`alter table donations.gift disable trigger all; update donations.gift set ${columns} where id = '${gift[0]}'; alter table donations.gift enable trigger all`);
	await gave("refunded_fen = 0, state = 'PAID'");
	assert.equal(await role(ask(30, gift), citizen(gift)), 'REQUESTED');
	const key = async () => (await platform.sql(`select count(*) from donations.person_key where key_id = (select key_id from donations.receipt where id = '${id(30)}')`))[0][0];
	const aged = async (days, error) => {
		await platform.sql(`update donations.receipt set next_check_at = now() - interval '${days} days'${error ? `, last_error = '${error}'` : ''} where id = '${id(30)}'`);
		await job('select receipts_give_up()');
		return (await platform.sql(`select state from donations.receipt where id = '${id(30)}'`))[0][0];
	};
	assert.equal(await job(`select receipt_fail('${requestNo(30)}', 'PAYER_INVALID')`), 'FAILED');
	assert.equal(await aged(89), 'FAILED');
	for (const error of ['BAD_NUMBER', 'AMOUNT_MISMATCH']) assert.equal(await aged(91, error), 'FAILED', 'it stands at the platform');
	await refused('select receipts_give_up()', /for the job only/);
	assert.equal(await key(), '1');
	assert.equal(await aged(91, 'PAYER_INVALID'), 'CLOSED');
	assert.equal(await key(), '0');
	assert.equal(await role(ask(31, gift), citizen(gift)), 'REQUESTED', 'the donor may ask again');
	await job(`select receipt_fail('${requestNo(31)}', 'PAYER_INVALID')`);
	await role(`select state from receipt_void('${id(42)}', '${id(31)}', 'x')`);
	await gave(`refunded_fen = ${refunded}, state = '${state}'`);
});

test('a number that comes after it was closed is turned back, and what replaced it stays', async () => {
	const gift = gifts[6];
	assert.equal(await role(ask(10, gift), citizen(gift)), 'REQUESTED');
	assert.equal(await job(`select receipt_fail('${requestNo(10)}', 'PAYER_INVALID')`), 'FAILED');
	assert.equal(await role(`select state from receipt_void('${id(40)}', '${id(10)}', 'x')`), 'CLOSED');
	assert.equal(await role(ask(11, gift), citizen(gift)), 'REQUESTED');
	assert.equal(await job(settle(10, gift, 12, Number(gift[3]) + 1)), 'CLOSED', 'another amount is for a person');
	assert.equal(await job(settle(10, gift, 12)), 'LATE');
	assert.equal(await job(settle(10, gift, 13)), 'LATE');
	await refused(`select receipt_void('${id(41)}', '${id(10)}', 'x')`, /LATE/);
	const [[red]] = await platform.sql(`select request_no from donations.receipt_reversal where receipt_id = '${id(10)}' and requested_by is null`);
	const back = (number) => job(`select receipt_reversal_settle('${red}', ${-gift[3]}, '44060226', '${number}', 'abc123', now())`);
	assert.equal(await back('x'), 'FAILED');
	assert.deepEqual(await platform.sql('select red_letters_failed from donations.money_matters()'), [['1']]);
	await role(`select state from receipt_retry('${id(10)}')`);
	assert.equal(await back('8000000012'), 'VOIDED');
	assert.deepEqual(await platform.sql(`select state from donations.receipt where gift_id = '${gift[0]}' order by id`), [['VOIDED'], ['REQUESTED']]);
	assert.equal((await platform.sql(`select count(*) from donations.outbox where type in ('receipt.issued', 'receipt.voided') and subject = '${id(10)}' and leaf is not null`))[0][0], '2');
});

test('waived once, and not where there is one', async () => {
	const waive = (n, gift, kind = 'DONOR_WISH') => `select kind from receipt_waive('${id(n)}', '${gift[0]}', '${kind}', null)`;
	await refused(waive(30, gifts[2]), /there is a receipt/);
	await refused(waive(30, gifts[5]), /no such gift/, citizen([0, 0, id(5)]));
	assert.equal(await role(waive(30, gifts[5])), 'DONOR_WISH');
	await refused(waive(31, gifts[5]), /receipt_waived_once/);
	assert.equal(await role(ask(9, gifts[5]), citizen(gifts[5])), 'REQUESTED', 'who changes his mind gets one');
});

test('what the job does is not for people, and the salt is for the donor', async () => {
	for (const who of [STAFF, citizen(gifts[0])]) {
		for (const text of ['select count(*) from receipt_take_due(8)', `select receipt_fail('${requestNo(6)}', 'x')`, `select receipt_note_error('${requestNo(6)}', 'x')`, settle(6, gifts[0], 6),
			`select receipt_reversal_settle('${requestNo(20)}', 1, '44060226', '8000000001', 'abc123', now())`]) await refused(text, /for the job only/, who);
		await refused('select salt from receipt', /permission denied/, who);
	}
	assert.equal(await role(`select receipt_salt('${id(1)}') is null`), 't');
	assert.equal(await role(`select receipt_salt('${id(1)}') is null`, citizen([0, 0, id(5)])), 't');
	assert.equal(await role(`select receipt_salt('${id(1)}')`, citizen(gifts[0])), `\\x${'00'.repeat(16)}`);
	assert.equal(await job(`select receipt_fail('${requestNo(9)}', 'x')`), 'FAILED');
	assert.equal(await role(`select salt is null from receipt_retry('${id(9)}')`), 't');
});

test('the salt goes with the key', async () => {
	await platform.sql(`delete from donations.person_key where key_id = '${id(1005)}'`);
	assert.deepEqual(await platform.sql(`select salt is null, commitment from donations.receipt where id = '${id(5)}'`), [['t', '0'.repeat(64)]]);
});

test('the tables themselves are closed', async () => {
	for (const table of ['receipt', 'receipt_reversal', 'receipt_number', 'receipt_waiver']) {
		await refused(`delete from ${table}`, /permission denied/);
		await refused(`insert into ${table} default values`, /permission denied/);
		await assert.rejects(platform.sql(`delete from donations.${table}`), /append-only|append_only/);
	}
	await refused("update receipt set state = 'ISSUED'", /permission denied/);
	await refused('select receipt_replace(null)', /permission denied/);
	await assert.rejects(platform.sql(`update donations.receipt set amount_fen = 1 where id = '${id(1)}'`), /never changes/);
	await assert.rejects(platform.sql(`update donations.receipt set state = 'CLOSED', ended_at = now() where id = '${id(6)}'`), /REQUESTED to CLOSED/);
	await assert.rejects(platform.sql(`insert into donations.receipt_number values ('11111111', '1111111111', '${id(6)}', 'ISSUE')`), /do not fit together/);
	await assert.rejects(platform.sql(`update donations.receipt set state = 'ISSUED', code = '11111111', number = '1111111111', check_code = 'abcdef', issued_at = now(), issued_event = '${id(1)}' where id = '${id(6)}'`), /do not fit together/);
});
