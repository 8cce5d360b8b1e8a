// Origins of plain proxy routes that are names: looked up beside the loop, again and again, and followed when they move.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort } from '../support/platform.mjs';
import { call, sleep, until } from './support.mjs';

const root = new URL('../..', import.meta.url).pathname;
const binary = resolve(root, process.env.EDGE_BIN ?? `build/${process.env.VARIANT ?? 'dev'}/bin/gateway`);
const dir = mkdtempSync(join(tmpdir(), 'edge-names-'));
const shim = join(dir, 'fake_names.so');
const servers = [];
let port;

/** Kept connections, as of a real origin; /slow answers after a second. */
async function listen(host) {
	const server = http.createServer({ keepAliveTimeout: 60000 }, async (req, res) => {
		if (req.url === '/slow') await sleep(1000);
		res.setHeader('Cache-Control', 'no-store');
		res.end(host);
	});
	server.listen(port, host);
	await once(server, 'listening');
	server.connections = () => new Promise((done) => server.getConnections((_, n) => done(n)));
	servers.push(server);
	return server;
}

before(async () => {
	execFileSync('cc', ['-shared', '-fPIC', '-o', shim, join(root, 'tests/edge/fake_names.c'), '-ldl']);
	port = await freePort();
});
after(() => {
	for (const s of servers) s.close(), s.closeAllConnections();
	rmSync(dir, { recursive: true });
});

let started = 0;
async function start(origins, names, more = '') {
	const own = join(dir, String(started++)), file = `${own}.yaml`, g = { port: await freePort(), metricsPort: await freePort(), log: '' };
	g.names = (text) => { writeFileSync(`${own}.new`, text); renameSync(`${own}.new`, `${own}.names`); };
	g.names(names);
	writeFileSync(file, `listeners: ['127.0.0.1:${g.port}']\nmetrics: '127.0.0.1:${g.metricsPort}'\nroutes:\n  - { name: one, origins: [${origins.map((o) => `'${o}'`)}], resolve_s: 1${more} }\n`);
	const child = spawn(binary, ['--config', file], { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH, LD_PRELOAD: shim, FAKE_NAMES: `${own}.names`, ASAN_OPTIONS: 'verify_asan_link_order=0' } });
	child.stderr.setEncoding('utf8').on('data', (d) => { g.log += d; });
	g.exited = once(child, 'exit');
	g.ask = (path = '/', options = {}) => call(g.port, 'GET', path, options);
	g.metric = async (text) => (await call(g.metricsPort, 'GET', '/metrics')).text.split('\n').find((l) => l.startsWith(`${text} `))?.split(' ')[1];
	g.stop = async () => {
		child.kill('SIGTERM');
		assert.deepEqual(await g.exited, [0, null], g.log);
	};
	await until(() => g.log.includes('"msg":"ready"') || child.exitCode !== null);
	return g;
}

test('a name is followed when it moves; requests end where they began, and none fails', async (t) => {
	const [two, three] = [await listen('127.0.0.2'), await listen('127.0.0.3')];
	const g = await start([`origin.test:${port}`], 'origin.test 0 127.0.0.2\n');
	const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
	const seen = [];
	let over = false;
	t.after(() => { over = true; });
	const worker = async () => {
		while (!over && seen.length < 1e6) seen.push(await g.ask('/', { agent }).then((r) => (r.status === 200 ? r.text : r.status), (e) => e.code));
	};
	const all = [worker(), worker(), worker()];
	await until(() => seen.length > 50);
	const slow = g.ask('/slow');
	await until(async () => await g.metric('yg_origin_in_flight{route="one"}') !== '0');
	g.names('origin.test 0 127.0.0.3\n');
	await until(() => seen.at(-1) === '127.0.0.3');
	assert.equal((await slow).text, '127.0.0.2');
	const from = seen.length;
	await until(() => seen.length > from + 50);
	assert.ok(seen.slice(from).every((text) => text === '127.0.0.3'), 'never back');
	over = true;
	await Promise.all(all);
	assert.deepEqual(seen.filter((text) => text !== '127.0.0.2' && text !== '127.0.0.3'), []);
	await until(async () => await two.connections() === 0, 3000);

	g.names('origin.test 0 127.0.0.3 127.0.0.2 127.0.0.3\n');
	await until(async () => await g.metric('yg_origin_addresses{route="one"}') === '2');
	const found = () => g.log.split('"origin found"').length - 1;
	assert.equal(found(), 3);
	g.names('origin.test 0 127.0.0.2 127.0.0.3\n');
	await sleep(2500);
	assert.equal(found(), 3, 'another order is no news');
	g.names('');
	await until(() => g.log.includes('"origin not found"'));
	await sleep(2500);
	assert.equal(g.log.split('"origin not found"').length - 1, 1, 'told once');
	assert.equal((await g.ask()).status, 200, 'what was known last counts');
	agent.destroy();
	await g.stop();
	await Promise.all([two, three].map((s) => { s.closeAllConnections(); return new Promise((done) => s.close(done)); }));
});

test('requests wait for the first answer, and no longer', async () => {
	const two = await listen('127.0.0.2');
	const late = await start([`origin.test:${port}`], 'origin.test 1500 127.0.0.2\n');
	const began = Date.now();
	const answers = await Promise.all([1, 2, 3].map(() => late.ask()));
	assert.deepEqual(answers.map((r) => r.text), Array(3).fill('127.0.0.2'));
	assert.ok(Date.now() - began > 500 && (await late.metric('yg_origin_failed_total{route="one"}')) === '0');
	await late.stop();

	const unknown = await start([`origin.test:${port}`], '');
	const r = await unknown.ask();
	assert.equal(r.status, 503);
	assert.equal(r.headers['proxy-status'], 'yangguang; error=destination_unavailable');
	unknown.names('origin.test 0 127.0.0.2\n');
	await until(async () => (await unknown.ask()).text === '127.0.0.2', 4000);
	await unknown.stop();

	const never = await start([`origin.test:${port}`], 'origin.test 3000 127.0.0.2\n', ', timeout_s: 1');
	assert.equal((await never.ask()).status, 504);
	await never.stop();

	const both = await start([`gone.test:${port}`, `127.0.0.2:${port}`], '');
	assert.equal((await both.ask()).text, '127.0.0.2', 'an address beside it counts');
	await both.stop();
	two.closeAllConnections();
	await new Promise((done) => two.close(done));
});

test('what is neither an address nor a name with a port, and a prefix that no path could be compared with, is refused at the start', async () => {
	for (const bad of ['origin.test', 'origin.test:0', 'origin.test:65536', 'origin.test:http', '127.1:80', '1.2.3:80', '-a.test:80', 'a..test:80', 'a b:80', ':80', 'unix:x', 'http://a:80']) {
		const g = await start([bad], '');
		assert.deepEqual(await g.exited, [78, null], bad);
		assert.match(g.log, /is neither an address nor a name with a port/);
	}
	for (const prefix of ['/a/', '/a/../b', '/./a', '/a//b', '/a%20b', 'a', '/a?b', '/a|b']) {
		const g = await start(['127.0.0.1:1'], '', `, prefix: '${prefix}'`);
		assert.deepEqual(await g.exited, [78, null], prefix);
		assert.match(g.log, /prefix must be a path/);
	}
});
