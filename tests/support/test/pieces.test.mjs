// The small parts of the harness.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { differences, substitute } from '../cases.mjs';
import { Client, rawExchange } from '../client.mjs';
import { Contracts } from '../contracts.mjs';
import { isPublicCode, Schemas } from '../schema.mjs';
import { Tap } from '../tap.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));

test('public codes: every wrong symbol and nearly every swap is noticed', () => {
	const symbols = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
	const code = [...symbols].map((last) => `7ZK3M9QT4HX2B8D${last}`).find(isPublicCode);
	assert.ok(code);
	for (let i = 0; i < 16; i++) for (const symbol of symbols) if (symbol !== code[i]) assert.ok(!isPublicCode(code.slice(0, i) + symbol + code.slice(i + 1)));
	assert.ok(!isPublicCode(code.toLowerCase()) && !isPublicCode(`${code}0`) && !isPublicCode(''));
});

test('substitution keeps types and refuses unknown names', () => {
	const saved = { n: 7, s: 'a' };
	assert.deepEqual(substitute({ a: '${n}', b: ['x-${s}-${n}'], c: 1, d: null }, saved), { a: 7, b: ['x-a-7'], c: 1, d: null });
	assert.match(substitute('${today+12}', {}), /^\d{4}-\d\d-\d\d$/);
	assert.throws(() => substitute('${missing}', saved), /saved so far: n, s/);
});

test('differences: subsets, patterns, absence', () => {
	assert.deepEqual(differences({ a: 1, b: '/^x/', c: null, d: [{ e: 1 }] }, { a: 1, b: 'xy', d: [{ e: 1, f: 2 }, {}], z: 9 }), []);
	for (const [expected, real] of [[{ a: 1 }, { a: '1' }], [{ a: null }, { a: 0 }], [{ a: '/x/' }, {}], [[], [1]], [[1], {}], [{ a: { b: 1 } }, { a: null }]]) assert.equal(differences(expected, real).length, 1);
});

test('TAP: counts, escapes, and an empty run fails', async () => {
	let text = '';
	const tap = new Tap((part) => { text += part; });
	await tap.test('good # one', () => {});
	await tap.test('bad', () => { throw Object.assign(new Error('why\nnot'), { expected: true }); });
	assert.equal(tap.end(), false);
	assert.equal(text, 'ok 1 - good   one\nnot ok 2 - bad\n# why\n# not\n1..2\n');
	assert.equal(new Tap(() => {}).end(), false);
});

test('a format nobody knows is an error', () => {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-format-'));
	fs.writeFileSync(path.join(dir, 'x.yaml'), 'components: {schemas: {A: {type: string, format: made-up}}}');
	assert.throws(() => new Schemas(new Contracts(dir)), /made-up/);
	fs.writeFileSync(path.join(dir, 'x.yaml'), 'components: {schemas: {A: {$ref: "#/components/schemas/B"}}}\npaths: {/a: {get: {operationId: a, responses: {"200": {$ref: "#/nowhere"}}}}}');
	assert.throws(() => new Contracts(dir), /is not there/);
	fs.rmSync(dir, { recursive: true });
});

test('the reporter counts leaves, failures with their parents, and an empty file', async () => {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-reporter-'));
	const file = path.join(dir, 'a.test.mjs');
	fs.writeFileSync(file, `import { test } from 'node:test';
test('p', async (t) => { await t.test('c1', () => {}); await t.test('c2', () => { throw new Error('no'); }); });
test('lone', () => {});
test('later', { skip: true }, () => {});
`);
	const { NODE_TEST_CONTEXT: _, ...env } = process.env;
	const { code, out } = await new Promise((done) => {
		execFile(process.execPath, ['--test', `--test-reporter=${path.join(HERE, '../reporter.mjs')}`, '--test-reporter-destination=stdout', file], { env }, (error, stdout) => done({ code: error?.code ?? 0, out: stdout }));
	});
	fs.rmSync(dir, { recursive: true });
	assert.equal(code, 1);
	assert.deepEqual(out.split('\n').filter((line) => /^(not )?ok|^1\.\./.test(line)), ['ok 1 - p > c1', 'not ok 2 - p > c2', 'ok 3 - lone', '1..3']);
});

test('raw exchanges tell closed from quiet', async () => {
	const server = net.createServer((socket) => socket.on('data', (data) => { socket.write('HI'); if (String(data).includes('bye')) socket.end(); }));
	await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
	const { port } = server.address();
	assert.deepEqual(await rawExchange(port, 'x', { quietMs: 60 }), { text: 'HI', closed: false });
	assert.equal((await rawExchange(port, ['x', 'bye'], { pauseMs: 30 })).closed, true);
	server.close();
	const client = new Client(`http://127.0.0.1:${port}`);
	await assert.rejects(client.get('/'));
	assert.throws(() => client.wx({ url: '/', method: 'LINK' }), /has no LINK/);
});
