// The contract suite: for every operation of proto/ its declared cases (tests/contract/<service>/<operationId>.yaml) and the refusals
// that follow from the contract, each answer checked against its schema. Writes TAP.
//   node tests/contract/run.mjs [operationId or service …]     YG_TEST_DEMO=var/demo.json uses a platform that is running
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import YAML from 'yaml';
import { Client } from '../support/client.mjs';
import { Contracts } from '../support/contracts.mjs';
import { Coverage } from '../support/coverage.mjs';
import { Mismatch, prepareCase, runCase } from '../support/cases.mjs';
import { methodCases, refusalsOf, runRefusal } from '../support/negatives.mjs';
import { Platform, ROOT } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';
import { Schemas } from '../support/schema.mjs';
import { Tap } from '../support/tap.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const CASE_KEYS = ['name', 'as', 'prepare', 'sql', 'path', 'query', 'headers', 'body', 'raw', 'expect', 'within_ms'];

/** Test files by operationId; a key nobody reads is an error, since it would silently test nothing. */
export function readCaseFiles(dir) {
	const found = new Map();
	const names = fs.existsSync(dir) ? fs.readdirSync(dir, { recursive: true }).map(String).filter((name) => name.endsWith('.yaml')) : [];
	for (const name of names.sort()) {
		const file = YAML.parse(fs.readFileSync(path.join(dir, name), 'utf8'));
		if (file.operation !== path.basename(name, '.yaml')) throw new Error(`${name}: operation "${file.operation}" is not the file's name`);
		for (const one of file.cases ?? []) {
			const unknown = Object.keys(one).filter((key) => !CASE_KEYS.includes(key));
			if (unknown.length) throw new Error(`${name}, "${one.name}": unknown keys ${unknown.join(', ')}`);
			if (!one.name || one.expect?.status === undefined) throw new Error(`${name}: a case needs name and expect.status`);
		}
		found.set(file.operation, file);
	}
	return found;
}

/** Refusals and methods, from the first case that succeeds. */
async function generated(context, operation, file, tap) {
	const first = file.cases?.find((one) => one.expect.status >= 200 && one.expect.status < 300);
	if (!first) {
		if (!file.no_success) tap.result(`${operation.id}: one case succeeds`, 'no case expects a 2xx; write one, or say why not in no_success');
		return;
	}
	let base;
	if (!await tap.test(`${operation.id}: ready for refusals`, async () => {
		const { expect, within_ms: within, ...ready } = await prepareCase(context, first);
		base = ready;
	})) return;
	const skip = new Set(file.skip_generated ?? []);
	for (const one of await refusalsOf(context, operation, base)) {
		if (skip.has(one.title)) skip.delete(one.title);
		else await tap.test(`${operation.id}: refuses ${one.title}`, () => runRefusal(context, operation, base, one));
	}
	for (const [title, run] of methodCases(context, operation, base)) {
		if (skip.has(title)) skip.delete(title);
		else await tap.test(`${operation.id}: ${title}`, run);
	}
	for (const title of skip) tap.result(`${operation.id}: skip_generated "${title}"`, 'no generated case has this title');
}

/** Internal operations must not be reachable from outside at all. */
async function unreachable(context, operation, tap) {
	await tap.test(`${operation.id}: cannot be reached from outside`, async () => {
		const target = operation.path.replace(/\{[^}]*\}/g, '01890000-0000-7000-8000-000000000000');
		const answer = await context.client.request(operation.method, target, { body: operation.bodyType ? '{}' : undefined });
		if (answer.status !== 404 && answer.status !== 405) throw new Mismatch(`status ${answer.status}`);
	});
}

export async function runContracts(context, files, tap, wanted = []) {
	const chosen = context.contracts.operations.filter((operation) => !wanted.length || wanted.includes(operation.id) || wanted.includes(operation.service));
	for (const name of wanted) if (!chosen.some((operation) => operation.id === name || operation.service === name)) tap.result(`${name} is known`, 'no operation or service of this name');
	for (const operation of chosen) {
		const file = files.get(operation.id);
		if (operation.access === 'internal' && !file) {
			await unreachable(context, operation, tap);
			continue;
		}
		if (!file) {
			tap.result(`${operation.id}: has a test`, `tests/contract/${operation.service}/${operation.id}.yaml is missing`);
			continue;
		}
		for (const one of file.cases ?? []) await tap.test(`${operation.id}: ${one.name}`, () => runCase(context, operation, one));
		await generated(context, operation, file, tap);
	}
	if (!wanted.length) {
		for (const name of files.keys()) if (!context.contracts.byId.has(name)) tap.result(`${name}: is an operation`, 'the contract does not have it');
	}
}

async function main(wanted) {
	const tap = new Tap();
	const contracts = new Contracts(path.join(ROOT, 'proto'));
	const files = readCaseFiles(HERE);
	const schemas = new Schemas(contracts);
	let platform;
	let demo;
	if (process.env.YG_TEST_DEMO) {
		demo = JSON.parse(fs.readFileSync(process.env.YG_TEST_DEMO, 'utf8'));
		platform = Object.assign(new Platform(), { demo, dir: path.dirname(process.env.YG_TEST_DEMO), client: new Client(demo.base_url), stop: () => platform.client.close() });
	} else {
		platform = await Platform.start({ demo: 'small' });
		demo = platform.demo;
	}
	try {
		const context = {
			client: platform.client, contracts, schemas, coverage: new Coverage(), principals: new Principals(platform.client, demo),
			sql: (text) => platform.sql(text), control: (...call) => platform.control(...call),
		};
		await runContracts(context, files, tap, wanted);
	} finally {
		await platform.stop();
	}
	process.exitCode = tap.end() ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
