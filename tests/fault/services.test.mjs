// Our own processes mute, killed, ended and reloaded under load: refusals in time, what was accepted is answered, a reload is not felt.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { checkProblem } from '../support/schema.mjs';
import { Client } from '../support/client.mjs';
import { complaints, giftSender, load, pidOf, report, signal, signalPostgres, sleep, startFaulty } from './support.mjs';

const DEADLINE_MS = 10000;
const SLACK_MS = 3000;
const QUICK_MS = 3000;
const IN_FLIGHT = 60;
const SERVICES = ['identity', 'donations'];

let platform;
let campaign;
let headers;
let give;
let many; /* a client with a connection for each request in flight */
let giveAtOnce;
before(async () => {
	let people;
	({ platform, campaign, people } = await startFaulty());
	headers = await people.headers('citizen:services');
	give = giftSender(platform, campaign, headers);
	many = new Client(platform.demo.base_url, { connections: IN_FLIGHT * 2 });
	giveAtOnce = giftSender({ client: many }, campaign, headers);
});
after(async () => {
	many?.close();
	await platform?.stop();
});

const read = (client = platform.client) => client.get('/v1/me/gifts?limit=2', headers);
const isGood = (answer) => answer.status === 200 || answer.status === 201;
const recovers = (limitMs) => eventually(async () => isGood(await read().catch(() => ({}))) && isGood(await give().catch(() => ({}))), limitMs, 50);

/** Starts what the pid file says has ended, once it has. */
async function startAgain(name, pid) {
	await eventually(() => { try { process.kill(pid, 0); return false; } catch { return true; } }, 40000);
	await platform.command('start', name);
}

async function timed(promise) {
	const start = Date.now();
	const answer = await promise;
	return { answer, ms: Date.now() - start };
}

test('a mute service: 504 within the deadline, the others go on', { timeout: 60000 }, async () => {
	signal(platform, 'donations', 'SIGSTOP');
	try {
		const waiting = [1, 2, 3, 4].map((n) => timed(n % 2 ? read(many) : giveAtOnce()));
		const me = await timed(platform.client.get('/v1/me', headers));
		assert.equal(me.answer.status, 200, 'identity answers as ever');
		assert.ok(me.ms < QUICK_MS);
		for (const { answer, ms } of await Promise.all(waiting)) {
			assert.ok([503, 504].includes(answer.status), `${answer.status} ${answer.text}`);
			assert.deepEqual(checkProblem(answer), []);
			assert.ok(ms < DEADLINE_MS + SLACK_MS, `answered after ${ms} ms`);
		}
	} finally {
		signal(platform, 'donations', 'SIGCONT');
	}
	const { ms } = await timed(recovers(10000));
	report(`well ${ms} ms after the service woke up`);
});

test('a mute identity: tokens that are known go on, logins are refused in time', { timeout: 60000 }, async () => {
	signal(platform, 'identity', 'SIGSTOP');
	try {
		const login = timed(many.post('/v1/auth/wechat', { code: 'demo-mute' }));
		const { answer, ms } = await timed(read());
		assert.equal(answer.status, 200, answer.text);
		assert.ok(ms < QUICK_MS);
		const refused = await login;
		assert.ok([503, 504].includes(refused.answer.status), refused.answer.text);
		assert.deepEqual(checkProblem(refused.answer), []);
		assert.ok(refused.ms < DEADLINE_MS + SLACK_MS);
	} finally {
		signal(platform, 'identity', 'SIGCONT');
	}
	await eventually(async () => (await platform.client.post('/v1/auth/wechat', { code: 'demo-mute' })).status === 200, 10000);
});

/* Gifts that wait for WeChat share connections with quick reads: answers between our own processes come in any order. */
test('a slow WeChat Pay delays nobody else', { timeout: 60000 }, async () => {
	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'slow', endpoint: 'jsapi', ms: 2000, times: -1 });
	const payers = load(() => give({ channel: 'WECHAT_JSAPI' }), { workers: 4 });
	try {
		await sleep(500);
		const times = [];
		for (let i = 0; i < 10; i += 1) times.push((await timed(platform.client.get('/v1/campaigns?limit=2'))).ms);
		report(`reads beside slow orders: ${times.join(' ')} ms`);
		assert.ok(Math.max(...times) < 1900, `no read waited for an order: ${times} ms`);
	} finally {
		await payers.stop();
		await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'none' });
	}
});

test('a killed service: bridged, or 503 with Retry-After', { timeout: 60000 }, async () => {
	const calls = load((n) => (n % 2 ? give() : read()), { workers: 8, keep: (answer) => !isGood(answer) });
	for (let i = 0; i < 3; i += 1) {
		await sleep(500);
		signal(platform, 'donations', 'SIGKILL');
		await sleep(i * 300);
		await platform.command('start', 'donations');
		await recovers(5000);
	}
	const result = await calls.stop();
	report(`killed: ${JSON.stringify(result.statuses)}, slowest ${result.slowestMs} ms`);
	for (const answer of result.kept) {
		assert.equal(answer.status, 503, `${answer.status} ${answer.text}`);
		assert.deepEqual(checkProblem(answer), []);
		assert.match(answer.headers['retry-after'], /^\d+$/);
	}
	assert.ok(result.slowestMs < DEADLINE_MS + SLACK_MS);
});

/** Requests that are in the process when SIGTERM comes: `hold` keeps them there, `release` lets them go. */
async function drained(name, hold, release) {
	await Promise.all(Array.from({ length: IN_FLIGHT }, () => read(many))); /* every connection is there already */
	const pid = pidOf(platform, name);
	await hold();
	const waiting = Array.from({ length: IN_FLIGHT }, (_, n) => timed(n % 2 ? giveAtOnce() : read(many)).then(({ answer }) => answer.status, (error) => error.code ?? error.message));
	await sleep(500);
	signal(platform, name, 'SIGTERM');
	await sleep(500);
	await release();
	const answers = await Promise.all(waiting);
	const counts = answers.reduce((sum, status) => ({ ...sum, [status]: (sum[status] ?? 0) + 1 }), {});
	report(`${name} ended with ${IN_FLIGHT} in it: ${JSON.stringify(counts)}`);
	await startAgain(name, pid);
	await recovers(10000);
	assert.deepEqual(Object.keys(counts).filter((status) => status !== '200' && status !== '201'), [], 'all that was accepted is answered');
}

test('SIGTERM for the gateway: what is in it is answered', { timeout: 90000 }, () => drained('gateway',
	() => signal(platform, 'donations', 'SIGSTOP'), () => signal(platform, 'donations', 'SIGCONT')));

test('SIGTERM for a service: what is in it is answered', { timeout: 90000 }, () => drained('donations',
	() => signalPostgres(platform, 'SIGSTOP'), () => signalPostgres(platform, 'SIGCONT')));

test('a service that is replaced under load: nothing but 503 in between', { timeout: 60000 }, async () => {
	const calls = load((n) => (n % 2 ? give() : read()), { workers: 8, keep: (answer) => !isGood(answer) });
	for (let i = 0; i < 2; i += 1) {
		await sleep(500);
		const pid = pidOf(platform, 'donations');
		signal(platform, 'donations', 'SIGTERM');
		await startAgain('donations', pid);
		await recovers(5000);
	}
	const result = await calls.stop();
	report(`replaced: ${JSON.stringify(result.statuses)}, slowest ${result.slowestMs} ms`);
	assert.deepEqual(result.kept.filter((answer) => answer.status !== 503).map((answer) => `${answer.status} ${answer.text ?? ''}`), []);
});

/* A reload reads contracts and asks PostgreSQL about every statement: that must not happen between two answers. */
test('SIGHUP under load is not felt', { timeout: 60000 }, async () => {
	const calls = load((n) => (n % 2 ? give() : read()), { workers: 8, keep: (answer) => !isGood(answer) });
	const reloads = () => SERVICES.map((name) => (fs.readFileSync(path.join(platform.dir, 'log', `${name}.log`), 'utf8').match(/"re-linked"/g) ?? []).length);
	const before = reloads();
	for (let i = 0; i < 4; i += 1) {
		await sleep(400);
		for (const name of ['gateway', ...SERVICES]) signal(platform, name, 'SIGHUP');
	}
	await eventually(() => reloads().every((count, i) => count > before[i]), 20000, 100);
	await sleep(1000);
	const result = await calls.stop();
	report(`reloaded: ${JSON.stringify(result.statuses)}, slowest ${result.slowestMs} ms`);
	assert.deepEqual(result.kept.slice(0, 3).map((answer) => `${answer.status} ${answer.text ?? ''}`), []);
	for (const name of ['gateway', ...SERVICES]) assert.doesNotThrow(() => process.kill(pidOf(platform, name), 0), `${name} lives`);
	assert.deepEqual(complaints(platform), []);
});

/* The link waits for a frozen PostgreSQL; a request that needs none is answered at once all the same. */
test('SIGHUP while PostgreSQL is frozen: the service still answers what needs no database', { timeout: 60000 }, async () => {
	await signalPostgres(platform, 'SIGSTOP');
	try {
		for (const name of SERVICES) signal(platform, name, 'SIGHUP');
		await sleep(500);
		for (let i = 0; i < 5; i += 1) {
			const { answer, ms } = await timed(platform.client.post('/v1/gifts', { amount_fen: 'much' }, { ...headers, 'idempotency-key': `frozen-${i}` }));
			assert.equal(answer.status, 422, answer.text);
			assert.ok(ms < QUICK_MS, `${ms} ms`);
		}
	} finally {
		await signalPostgres(platform, 'SIGCONT');
	}
	await recovers(20000);
	for (const name of SERVICES) assert.doesNotThrow(() => process.kill(pidOf(platform, name), 0), `${name} lives`);
});
