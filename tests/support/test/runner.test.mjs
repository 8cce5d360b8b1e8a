// The tester is tested: against a server that keeps its contract nothing fails, and each broken promise is noticed by name.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readCaseFiles, runContracts } from '../../contract/run.mjs';
import { Client } from '../client.mjs';
import { Contracts } from '../contracts.mjs';
import { Coverage, coverageReport, readCoverage } from '../coverage.mjs';
import { Principals } from '../principals.mjs';
import { Schemas } from '../schema.mjs';
import { Tap } from '../tap.mjs';
import { startFake } from './fake.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const contracts = new Contracts(path.join(HERE, 'proto'));
const schemas = new Schemas(contracts);
const files = readCaseFiles(path.join(HERE, 'cases'));
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-harness-'));
let fake;
let client;
before(async () => { fake = await startFake(contracts, schemas); client = new Client(fake.url); });
after(async () => { client.close(); await fake.stop(); fs.rmSync(dir, { recursive: true }); });

async function run(broken = null, cases = files, wanted = []) {
	fake.broken = broken;
	let text = '';
	const tap = new Tap((part) => { text += part; });
	const context = { client, contracts, schemas, coverage: new Coverage(dir), principals: new Principals(client, {}), sql: async () => [['x']], control: async () => ({ status: 200 }) };
	await runContracts(context, cases, tap, wanted);
	tap.end();
	return { text, count: tap.count, failed: text.split('\n').filter((line) => line.startsWith('not ok')) };
}

test('a server that keeps its contract passes, with a refusal for every promise', async () => {
	const { text, failed, count } = await run();
	assert.deepEqual(failed, [], text);
	assert.ok(count > 45, `only ${count} tests`);
	assert.match(text, new RegExp(`1\\.\\.${count}\\n$`));
});

const PROMISES = {
	authentication: /nobody signed in/, token: /a token nobody issued/, scope: /citizen:probe, who lacks the scope/, key: /no Idempotency-Key/, query: /unknown query parameter/,
	media: /another media type/, charset: /another charset/, encoding: /encoding nobody has/, size: /over the limit/, malformed: /a cut body/, utf8: /not UTF-8/, depth: /nested too deeply/, duplicates: /a repeated member/,
	pointer: /\/maker\/city has a wrong type/, maximum: /\/size is above its maximum/, unknown: /refuses \/yg_unknown is not known/, all: /two things wrong at once/, answer: /a thing is made/, status: /a thing is made/,
	location: /a thing is made/, parameter: /query\.depth has a wrong type/, internal: /cannot be reached/, options: /OPTIONS tells/, allow: /is not allowed, said in zh/,
	english: /said in en/, chinese: /said in zh/, type: /nobody knows it/, challenge: /nobody signed in/, head: /HEAD is GET/,
};
for (const [promise, title] of Object.entries(PROMISES)) {
	test(`a broken promise is noticed: ${promise}`, async () => {
		const { failed } = await run(promise);
		assert.ok(failed.some((line) => title.test(line)), `${title} is not among:\n${failed.join('\n')}`);
	});
}

test('an operation without a test, a test without an operation, and an unknown name fail', async () => {
	const some = new Map([...files].filter(([name]) => name !== 'thing_get'));
	some.set('thing_lost', { operation: 'thing_lost', cases: [] });
	const { failed } = await run(null, some);
	assert.ok(failed.some((line) => /thing_get: has a test/.test(line)));
	assert.ok(failed.some((line) => /thing_lost: is an operation/.test(line)));
	assert.ok((await run(null, files, ['thing_nowhere'])).failed.length > 0);
	assert.ok((await run(null, new Map([['thing_get', { cases: [] }]]), ['thing_get'])).failed.some((line) => /one case succeeds/.test(line)));
});

test('a misspelt key or name in a case file is an error', () => {
	const write = (text) => { const at = fs.mkdtempSync(path.join(dir, 'c')); fs.writeFileSync(path.join(at, 'thing_get.yaml'), text); return at; };
	assert.throws(() => readCaseFiles(write('operation: thing_got\ncases: []')), /is not the file's name/);
	assert.throws(() => readCaseFiles(write('operation: thing_get\ncases: [{name: a, expcet: {status: 200}, expect: {status: 200}}]')), /unknown keys expcet/);
	assert.throws(() => readCaseFiles(write('operation: thing_get\ncases: [{name: a}]')), /needs name and expect/);
});

test('coverage: produced, missing, excused and stale pairs', async () => {
	await run();
	const seen = readCoverage(dir);
	assert.ok(seen.has('thing_get 404') && seen.has('thing_create 201'));
	const all = coverageReport(contracts, seen);
	assert.deepEqual(all.missing.map((row) => `${row.operation} ${row.status}`), ['thing_sweep 204']);
	assert.deepEqual(coverageReport(contracts, seen, 'thing_sweep 204 only the job calls it').missing, []);
	assert.deepEqual(coverageReport(contracts, seen, 'thing_get 404 cannot happen').stale, ['thing_get 404']);
	assert.throws(() => coverageReport(contracts, seen, 'thing_sweep 204'), /needs a reason/);
	assert.equal(coverageReport(contracts, new Set()).missing.length, 6);
});
