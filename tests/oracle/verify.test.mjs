// yangguang-verify (C) and verify.mjs against logs that tests/oracle/log.mjs makes: right ones, and each way of tampering. Both must give the same answer.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import * as es from '../../deploy/verify/verify.mjs';
import * as log from './log.mjs';

const program = path.join(process.env.YG_BIN ?? 'build/asan/bin', 'yangguang-verify');
const base = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-verify-'));
after(() => fs.rmSync(base, { recursive: true }));
let folders = 0;
const folder = () => path.join(base, String(folders += 1));

const key = log.makeKey('log.example.org/gifts');
const witness = log.makeKey('witness.example.org', 4);
const stranger = log.makeKey('log.example.org/gifts');
const keys = [key, witness];

function runProgram(...args) {
	const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
	assert.equal(stderr, '', stderr);
	const m = /^(yes|no|cannot be checked)(?:: ([a-z-]+))?: (.*)$/m.exec(stdout) ?? assert.fail(`no answer: ${stdout}`);
	assert.equal(status, { yes: 0, no: 1, 'cannot be checked': 2 }[m[1]]);
	return m[1] === 'no' ? `no ${m[2]}` : m[1].split(' ')[0];
}
const short = ({ answer, check }) => (answer === 'no' ? `no ${check}` : answer);

const reader = (dir) => async (name) => {
	const file = path.join(dir, name);
	return fs.existsSync(file) ? new Uint8Array(fs.readFileSync(file)) : null;
};
const fileOf = (text) => {
	const file = folder();
	fs.writeFileSync(file, text);
	return file;
};
const flags = (used, witnesses) => ['--key', used.text, ...witnesses.flatMap((w) => ['--witness', w.text])];

async function receiptIs(expected, text, used = key, witnesses = []) {
	assert.equal(runProgram('receipt', fileOf(text), ...flags(used, witnesses)), expected, 'C');
	assert.equal(short(await es.verifyReceipt(text, { key: used.text, witnesses: witnesses.map((w) => w.text) })), expected, 'ES');
}

async function allIs(expected, dir, { seen, used = key, witnesses = [] } = {}) {
	const more = seen ? ['--seen', fileOf(seen)] : [];
	assert.equal(runProgram('all', dir, ...flags(used, witnesses), ...more), expected, 'C');
	assert.equal(short(await es.verifyAll(reader(dir), { key: used.text, seen, witnesses: witnesses.map((w) => w.text) })), expected, 'ES');
}

async function consistencyIs(expected, older, newer, dir) {
	assert.equal(runProgram('consistency', fileOf(older), fileOf(newer), dir, '--key', key.text), expected, 'C');
	assert.equal(short(await es.verifyConsistency(older, newer, reader(dir), { key: key.text })), expected, 'ES');
}

function logOf(entries, change = () => {}) {
	const dir = folder();
	log.putLog(dir, entries, keys);
	change(dir);
	return dir;
}
const SIZE = 600;
const entries = log.entriesOf(SIZE);

test('our SHA-256 and UTF-8 are those of Node.js', () => {
	for (let n = 0; n < 300; n += 1) {
		const bytes = crypto.randomBytes(n);
		assert.deepEqual(Buffer.from(es.sha256(bytes)), crypto.createHash('sha256').update(bytes).digest());
		assert.deepEqual(Buffer.from(es.base64Decode(bytes.toString('base64'))), bytes);
		const text = bytes.toString('utf8');
		assert.deepEqual(Buffer.from(es.utf8Encode(text)), Buffer.from(text));
		assert.equal(es.utf8Decode(Buffer.from(text)), text);
	}
	const big = Buffer.alloc(100000, 7);
	assert.deepEqual(Buffer.from(es.sha256(big)), crypto.createHash('sha256').update(big).digest());
	for (const bad of ['ff', 'c080', 'eda080', 'f4908080', 'e282', '80']) assert.equal(es.utf8Decode(Buffer.from(bad, 'hex')), null);
	for (const bad of ['A', 'AA', 'AAA', 'AB==', 'AAB=', 'A===', 'AA==A', 'AA A', 'AA-_']) assert.equal(es.base64Decode(bad), null);
});

test('receipts of every leaf in trees of every small size', async () => {
	for (let size = 1; size <= 40; size += 1) {
		const some = entries.slice(0, size);
		for (let i = 0; i < size; i += 1) {
			const text = JSON.stringify(log.receiptOf(some, i, keys));
			assert.equal(short(await es.verifyReceipt(text, { key: key.text })), 'yes');
			if (size % 13 === 0) assert.equal(runProgram('receipt', fileOf(text), '--key', key.text), 'yes');
		}
	}
});

test('a receipt with cosignature and the donor\'s opening', async () => {
	const receipt = { ...log.receiptOf(entries, 3, keys), openings: { donor: { salt: log.saltOf(3).toString('hex'), value: log.donorOf(3) } } };
	await receiptIs('yes', JSON.stringify(receipt), key, [witness]);
	await receiptIs('no witness', JSON.stringify(log.receiptOf(entries, 3, [key])), key, [witness]);
	await receiptIs('no witness', JSON.stringify(receipt), key, [log.makeKey('witness.example.org', 4)]);
	receipt.openings.donor.value = log.donorOf(4);
	await receiptIs('no commitment', JSON.stringify(receipt));
	receipt.openings = { phone: { salt: '00'.repeat(16), value: '1' } };
	await receiptIs('no commitment', JSON.stringify(receipt));
});

test('tampered receipts', async () => {
	const good = log.receiptOf(entries, 3, keys);
	const changed = (part) => JSON.stringify({ ...good, ...part });
	const hash = (i, h) => good.proof.map((p, j) => (i === j ? h : p));
	await receiptIs('no inclusion', changed({ leaf: good.leaf.replace('"fen":103', '"fen":203') }));
	await receiptIs('no inclusion', changed({ index: 4 }));
	await receiptIs('no inclusion', changed({ index: SIZE }));
	await receiptIs('no inclusion', changed({ proof: good.proof.slice(1) }));
	await receiptIs('no inclusion', changed({ proof: [...good.proof, good.proof[0]] }));
	await receiptIs('no inclusion', changed({ proof: hash(2, good.proof[1]) }));
	await receiptIs('no inclusion', changed({ checkpoint: log.signedCheckpoint(entries.slice(0, 599), keys) }));
	await receiptIs('no checkpoint-key', changed({}), stranger);
	await receiptIs('no checkpoint-key', changed({ checkpoint: log.signedCheckpoint(entries, [stranger]) }));
	await receiptIs('no checkpoint-signature', changed({ checkpoint: good.checkpoint.replace('\n600\n', '\n601\n') }));
	await receiptIs('no checkpoint-origin', changed({ checkpoint: log.signedCheckpoint(entries, keys, 'other.example.org') }));
	await receiptIs('no checkpoint-form', changed({ checkpoint: good.checkpoint.replace('— ', '- ') }));
	for (const part of [{ v: 2 }, { index: -1 }, { index: 1.5 }, { index: '3' }, { leaf: 3 }, { checkpoint: null }, { proof: 'x' }, { proof: ['AA=='] },
		{ proof: hash(0, 3) }, { openings: [] }, { openings: { donor: { salt: '00', value: 'x' } } }, { proof: Array(65).fill(good.proof[0]) }]) {
		await receiptIs('no receipt-form', changed(part));
	}
	for (const text of ['', '{', '[]', `${changed({})}x`, changed({}).replace('{', '{"v":1,'), '[[[[[]]]]]']) await receiptIs('no receipt-form', text);
});

test('logged leaves that are not in the one permitted form', async () => {
	const good = log.entryOf(3).toString();
	const bad = [
		good.replace('{', '{ '), good.replace('"v":1,', ''), good.replace('"v":1', '"v":2'), good.replace('"v":1', '"v":1.0'), `${good}\n`, good.replace('}', ''),
		good.replace('gift.received', 'gift'), good.replace('gift.received', 'Gift.received'), good.replace('gift.received', 'gift.a.b'), good.replace('01930000', '0193000A'),
		good.replace(log.uuid(3), '00000000-0000-0000-0000-000000000000'), good.replace('+08:00', 'Z'), good.replace('11-26', '11-31'), good.replace('T08', ' 08'),
		good.replace('"subject":"G3"', '"subject":""'), good.replace('"G3"', '"G 3"'), good.replace('"data"', '"date"'), good.replace('null', '1e3'), good.replace('null', '-0'),
		good.replace('null', '9007199254740992'), good.replace('null', '[[0.5]]'), good.replace('"note"', '"campaign"'), good.replace('null', '"\\u0000"'), good.replace('null', '"\\ud800"'),
		good.replace('"fen":103', '"fen":103,"x":1'), good.replace('"fen":103', '"fen":"103"'), good.replace('"account":"bank:1","fen":103', '"fen":103,"account":"bank:1"'),
		good.replace('bank:1', 'bank1'), good.replace('bank:1', 'bank:'), good.replace('bank:1', 'Bank:1'), good.replace('bank:1', `bank:${'1'.repeat(124)}`),
		good.replace(/"donor":"[0-9a-f]{2}/, '"donor":"AA'), good.replace(/"commitments":\{[^}]*\}/, '"commitments":{}'), good.replace(/"postings":\[.*\]/, '"postings":[]'),
		good.replace(/}$/, ',"links":[]}'), good.replace(/}$/, ',"links":["x"]}'), good.replace(/}$/, ',"more":1}'), good.replace('null', `${'['.repeat(31)}${']'.repeat(31)}`),
	];
	for (const text of bad) {
		assert.notEqual(text, good);
		await receiptIs('no leaf-form', JSON.stringify(log.receiptOf([Buffer.from(text)], 0, keys)));
	}
	for (const text of [good.replace('null', `${'['.repeat(30)}${']'.repeat(30)}`), good.replace('null', '-9007199254740991'), good.replace('bank:1', `bank:${'1'.repeat(123)}`), good.replace('"G3"', '"\\u0047\\ud83d\\ude00"')]) {
		await receiptIs('yes', JSON.stringify(log.receiptOf([Buffer.from(text)], 0, keys)));
	}
});

test('whole logs of many sizes', async () => {
	for (const size of [0, 1, 2, 11, 255, 256, 257, 512, SIZE]) await allIs('yes', logOf(entries.slice(0, size)));
	await allIs('yes', logOf(entries), { witnesses: [witness], seen: log.signedCheckpoint(entries.slice(0, 300), keys) });
});

test('balances of an earlier position, and bundles of a later one', async () => {
	await allIs('yes', logOf(entries, (dir) => log.put(dir, 'balances.json', JSON.stringify(log.balancesOf(entries.slice(0, 301))))));
	await allIs('yes', logOf(entries.slice(0, 300), (dir) => {
		fs.rmSync(path.join(dir, 'tile'), { recursive: true });
		log.putEntries(dir, entries.slice(0, 512));
	}));
	await allIs('yes', logOf(entries, (dir) => fs.rmSync(path.join(dir, 'tile/0'), { recursive: true })));
});

test('changed leaf', async () => {
	await allIs('no root', logOf(entries, (dir) => log.putEntries(dir, log.entriesOf(SIZE, { 300: { subject: 'G999' } }))));
	/* The thief makes the tiles and the balances fit too. */
	const forged = log.entriesOf(SIZE, { 300: { postings: [{ account: 'bank:1', fen: 1 }, { account: 'fund:0000', fen: -1 }] } });
	await allIs('no root', logOf(forged, (dir) => log.put(dir, 'checkpoint', log.signedCheckpoint(entries, keys))));
	await allIs('no tile', logOf(entries, (dir) => log.putHashes(dir, forged)));
	const { text } = await es.verifyAll(reader(logOf(entries, (dir) => log.putEntries(dir, forged))), { key: key.text });
	assert.match(text, /first wrong one is 300$/);
});

test('removed leaf', async () => {
	await allIs('no entries', logOf(entries, (dir) => log.put(dir, 'tile/entries/002.p/88', fs.readFileSync(path.join(dir, 'tile/entries/002.p/88')).subarray(0, -2))));
	await allIs('no root', logOf(entries, (dir) => log.putEntries(dir, [...entries.slice(0, 300), ...entries.slice(301), log.entryOf(SIZE)])));
	await allIs('no entries', logOf(entries, (dir) => fs.appendFileSync(path.join(dir, 'tile/entries/000'), 'x')));
	await allIs('cannot', logOf(entries, (dir) => fs.rmSync(path.join(dir, 'tile/entries/001'))));
	await allIs('cannot', logOf(entries, (dir) => fs.rmSync(path.join(dir, 'balances.json'))));
});

test('forked tree', async () => {
	const other = log.entriesOf(SIZE, { 5: { subject: 'G999' } });
	await allIs('no fork', logOf(other), { seen: log.signedCheckpoint(entries.slice(0, 300), keys) });
	await allIs('no fork', logOf(other), { seen: log.signedCheckpoint(entries, keys) });
	const dir = logOf(other);
	await consistencyIs('no fork', log.signedCheckpoint(entries.slice(0, 300), keys), log.signedCheckpoint(other, keys), dir);
	await consistencyIs('no fork', log.signedCheckpoint(entries, keys), log.signedCheckpoint(other, keys), dir);
	await consistencyIs('no tile', log.signedCheckpoint(entries.slice(0, 300), keys), log.signedCheckpoint(entries, keys), dir);
});

test('rolled-back checkpoint', async () => {
	await allIs('no rolled-back', logOf(entries.slice(0, 300)), { seen: log.signedCheckpoint(entries, keys) });
	await consistencyIs('no rolled-back', log.signedCheckpoint(entries, keys), log.signedCheckpoint(entries.slice(0, 300), keys), logOf(entries));
});

test('consistency of right logs', async () => {
	const dir = logOf(entries), newer = log.signedCheckpoint(entries, keys);
	for (const size of [0, 1, 2, 3, 64, 255, 256, 257, 300, 511, 512, 599, SIZE]) await consistencyIs('yes', log.signedCheckpoint(entries.slice(0, size), keys), newer, dir);
	const older = log.signedCheckpoint(entries.slice(0, 300), keys);
	fs.truncateSync(path.join(dir, 'tile/1/000.p/2'), 40);
	await consistencyIs('no tile', older, newer, dir);
	fs.rmSync(path.join(dir, 'tile/1/000.p/2'));
	await consistencyIs('cannot', older, newer, dir);
});

test('wrong key', async () => {
	await allIs('no checkpoint-key', logOf(entries.slice(0, 9)), { used: stranger });
	await allIs('no checkpoint-signature', logOf(entries.slice(0, 9), (dir) => {
		const file = path.join(dir, 'checkpoint');
		fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('\n9\n', '\n8\n'));
	}));
	await allIs('cannot', logOf(entries.slice(0, 9)), { used: { text: key.text.replace('+', '+0') } });
});

test('edited balance', async () => {
	const edited = (change, size = SIZE) => logOf(entries, (dir) => {
		const balances = log.balancesOf(entries.slice(0, size));
		change(balances);
		log.put(dir, 'balances.json', JSON.stringify(balances));
	});
	await allIs('no balance', edited((b) => { b.items[0].fen += 1; }));
	await allIs('no balance', edited((b) => { b.items[1].fen -= 1; }, 400));
	await allIs('no balance', edited((b) => { b.items.pop(); }));
	await allIs('no balance', edited((b) => { b.items.push({ account: 'fund:9999', fen: 5 }); }));
	await allIs('yes', edited((b) => { b.items.push({ account: 'fund:9999', fen: 0 }); }));
	await allIs('no balance', edited((b) => { b.log_size -= 1; }));
	await allIs('no balances-size', edited((b) => { b.log_size += 1; }));
	await allIs('no balances-form', edited((b) => { b.items.push(b.items[0]); }));
	await allIs('no balances-form', edited((b) => { b.items[0].fen = '1'; }));
	await allIs('no balances-form', edited((b) => { delete b.log_size; }));
	await allIs('no balances-form', edited((b) => { b.items = {}; }));
});

test('a log that is signed and yet breaks its own rules', async () => {
	const broken = (n, changes) => logOf(log.entriesOf(40, { [n]: changes }));
	await allIs('no postings', broken(12, { postings: [{ account: 'bank:1', fen: 5 }] }));
	await allIs('no postings', broken(12, { postings: [{ account: 'bank:1', fen: 5 }, { account: 'fund:0001', fen: -4 }] }));
	await allIs('no leaf-id', broken(12, { id: log.uuid(3) }));
	await allIs('no leaf-link', broken(12, { links: [log.uuid(12)] }));
	await allIs('no leaf-link', broken(12, { links: [log.uuid(3), log.uuid(30)] }));
	await allIs('no leaf-form', broken(12, { subject: 'a b' }));
	const most = Number.MAX_SAFE_INTEGER;
	const huge = { postings: [{ account: 'bank:9', fen: most }, { account: 'fund:9', fen: -most }] };
	await allIs('no postings', logOf(log.entriesOf(40, { 12: huge, 13: huge })));
});

/** One or two small changes at places that the seed decides. */
function mutated(text, random) {
	const symbols = [...' "{}[]:,0123456789-+.eE\\uabtfnxXZ\n\té公\u007f\u00a0'];
	for (let k = random(2); k >= 0; k -= 1) {
		const at = random(text.length), symbol = symbols[random(symbols.length)];
		const kind = random(4);
		if (kind === 0) text = text.slice(0, at) + text.slice(at + 1);
		else if (kind === 1) text = text.slice(0, at) + symbol + text.slice(at);
		else if (kind === 2) text = text.slice(0, at) + symbol + text.slice(at + 1);
		else text = text.slice(0, at + 1 + random(12)) + text.slice(at);
	}
	return text;
}

test('both programs say the same of receipts, notes and signed leaves changed at random', async () => {
	let state = 20261126;
	const random = (n) => {
		state = (Math.imul(state, 1103515245) + 12345) >>> 0;
		return Math.floor(state / 65536) % n;
	};
	const five = entries.slice(0, 5);
	for (let n = 0; n < 150; n += 1) {
		const receipt = n % 3 ? log.receiptOf([Buffer.from(mutated(entries[n % 30].toString(), random))], 0, keys) : log.receiptOf(five, 2, keys);
		if (n % 6 === 0) receipt.checkpoint = mutated(receipt.checkpoint, random);
		const text = n % 6 === 3 ? mutated(JSON.stringify(receipt), random) : JSON.stringify(receipt);
		const answer = short(await es.verifyReceipt(text, { key: key.text }));
		assert.equal(runProgram('receipt', fileOf(text), '--key', key.text), answer, text);
	}
});

test('usage', () => {
	for (const args of [[], ['receipt'], ['all', '.', '.', '--key', key.text], ['nothing', '.', '--key', key.text], ['receipt', 'x', '--seen', 'y', '--key', key.text], ['all', '.', '--key']]) {
		const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
		assert.equal(status, 2);
		assert.match(stderr, /^usage: /);
	}
	assert.equal(runProgram('receipt', '/nonexistent', '--key', key.text), 'cannot');
	assert.equal(runProgram('receipt', base, '--key', fileOf(`${key.text}\n`)), 'cannot');
});
