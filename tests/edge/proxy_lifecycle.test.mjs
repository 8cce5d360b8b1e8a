// `gateway --config` is restarted and reloaded like any gateway: its listeners and its metrics are handed over, its routes are read anew.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { startOrigin } from './origin.mjs';
import { freePort } from '../support/platform.mjs';
import { call, sleep, until } from './support.mjs';

const root = new URL('../..', import.meta.url).pathname;
const binary = resolve(root, process.env.EDGE_BIN ?? `build/${process.env.VARIANT ?? 'dev'}/bin/gateway`);

/** Not asked of the sanitizer's build, which keeps what was freed for a while. */
async function holdsAtMost(g, bytes) {
	const held = Number(await g.metric('process_resident_memory_bytes'));
	if (!/asan/.test(binary)) assert.ok(held < bytes, `${held} bytes`);
}

const dirs = [], alive = new Set();
const running = (pid) => {
	try { return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')); } catch { return false; }
};
after(() => {
	for (const pid of alive) try { process.kill(pid, 'SIGKILL'); } catch { /* gone */ }
	for (const dir of dirs) rmSync(dir, { recursive: true });
});

/** A gateway of plain proxy routes alone; `write` lays down its routes. */
async function start(routes, env = {}) {
	const dir = mkdtempSync(join(tmpdir(), 'edge-routes-'));
	dirs.push(dir);
	const g = { port: await freePort(), metricsPort: await freePort(), log: '' };
	const file = join(dir, 'routes.yaml'), pidFile = join(dir, 'pid');
	g.write = (text) => writeFileSync(file, `listeners: ['127.0.0.1:${g.port}']\nmetrics: '127.0.0.1:${g.metricsPort}'\nroutes:\n${text}\n`);
	g.write(routes);
	const child = spawn(binary, ['--config', file], { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH, YG_PID_FILE: pidFile, ...env } });
	child.stderr.setEncoding('utf8').on('data', (d) => { g.log += d; });
	g.pid = () => (existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0);
	g.ask = (path, headers = {}) => call(g.port, 'GET', path, { headers });
	g.metric = async (text) => (await call(g.metricsPort, 'GET', '/metrics')).text.split('\n').find((l) => l.startsWith(`${text} `))?.split(' ')[1];
	g.reload = async (text, said = '"reloaded"') => {
		const seen = g.log.split(said).length;
		if (text) g.write(text);
		process.kill(g.pid(), 'SIGHUP');
		await until(() => g.log.split(said).length > seen);
	};
	g.restart = async () => {
		const old = g.pid();
		process.kill(old, 'SIGUSR2');
		await until(() => g.pid() !== old, 40000);
		alive.add(g.pid());
		return old;
	};
	g.stop = async () => {
		const last = g.pid();
		process.kill(last, 'SIGTERM');
		await until(() => !running(last), 40000);
		assert.equal(child.exitCode ?? 0, 0);
	};
	alive.add(child.pid);
	await until(() => g.pid());
	alive.add(g.pid());
	return g;
}

for (const workers of ['1', '2']) {
	test(`SIGUSR2, ${workers} worker(s): no request fails, the metrics go over too`, { timeout: 120000 }, async () => {
		const origin = await startOrigin();
		origin.give('/a', { head: ['Cache-Control: max-age=100'], body: 'kept' });
		origin.give('/b', { head: ['Cache-Control: no-store'], body: 'asked' });
		const g = await start(`  - { name: one, prefix: /, origins: ['${origin.address}'] }`, { YG_WORKERS: workers });
		const agent = new http.Agent({ keepAlive: true, maxSockets: 3 });
		const failures = [];
		let asked = 0, over = false;
		const worker = async (path, own) => {
			while (!over) {
				const r = await call(g.port, 'GET', path, { agent: own }).catch((e) => ({ status: e.code }));
				if (r.status !== 200) failures.push(`${path} ${r.status}`);
				asked++;
			}
		};
		const all = [worker('/a', agent), worker('/b', agent), worker('/a', false), worker('/b', false)];
		const gone = [];
		for (let i = 0; i < 3; i++) {
			gone.push(await g.restart());
			const from = asked;
			await until(() => asked > from + 100, 40000);
		}
		over = true;
		await Promise.all(all);
		agent.destroy();
		assert.deepEqual(failures, [], `${asked} requests`);
		await until(() => gone.every((pid) => !running(pid)), 40000);
		assert.equal(await g.metric('yg_origin_in_flight{route="one"}'), '0');
		await g.stop();
		await origin.close();
	});
}

describe('SIGHUP', () => {
	test('routes come, change and go; requests end with what they began with; what is kept stays', async () => {
		const [a, b] = [await startOrigin(), await startOrigin()];
		for (const [o, name] of [[a, 'a'], [b, 'b']]) {
			o.give('/kept', { head: ['Cache-Control: max-age=100'], body: `${name} kept` });
			o.give('/now', { head: ['Cache-Control: no-store'], body: name });
			o.give('/slow', { head: ['Cache-Control: no-store'], body: `${name} slow`, delayMs: 1500 });
			o.give('/more/x', { head: ['Cache-Control: no-store'], body: `${name} more` });
		}
		const g = await start(`  - { name: one, prefix: /, origins: ['${a.address}'] }`);
		assert.equal((await g.ask('/now')).text, 'a');
		assert.equal((await g.ask('/kept')).text, 'a kept');
		const slow = g.ask('/slow');
		await until(() => a.asked('/slow').length);

		await g.reload(`  - { name: one, prefix: /, origins: ['${b.address}'] }\n  - { name: two, prefix: /more, origins: ['${a.address}'], cache: 'off' }`);
		assert.equal((await g.ask('/now')).text, 'b');
		assert.equal((await g.ask('/more/x')).text, 'a more');
		assert.equal((await g.ask('/kept')).text, 'a kept', 'the name is the key');
		assert.equal(a.asked('/kept').length + b.asked('/kept').length, 1);
		assert.equal((await slow).text, 'a slow');
		assert.equal(await g.metric('yg_origin_failed_total{route="two"}'), '0');

		await g.reload(`  - { name: two, prefix: /, origins: ['${b.address}'], cache: 'off' }`);
		assert.equal((await g.ask('/more/x')).text, 'b more');
		assert.equal(await g.metric('yg_origin_connections{route="one"}'), '0');
		await g.stop();
		await a.close();
		await b.close();
	});

	test('a file that is not right changes nothing', async () => {
		const origin = await startOrigin();
		origin.give('/now', { head: ['Cache-Control: no-store'], body: 'fine' });
		const g = await start(`  - { name: one, prefix: /, origins: ['${origin.address}'] }`);
		for (const bad of ['  - { name: one, prefix: /, origins: [] }', '  - { nam', `  - { name: one, prefix: x, origins: ['${origin.address}'] }`]) {
			await g.reload(bad, '"reload refused, nothing changed"');
			assert.equal((await g.ask('/now')).text, 'fine');
		}
		await g.stop();
		await origin.close();
	});

	test('again and again under load: nothing fails, and no descriptor is left behind', { timeout: 120000 }, async () => {
		const origin = await startOrigin();
		origin.give('/now', { head: ['Cache-Control: no-store'], body: 'fine' });
		const other = await startOrigin();
		other.give('/now', { head: ['Cache-Control: no-store'], body: 'fine' });
		const g = await start(`  - { name: one, prefix: /, origins: ['${origin.address}'] }`);
		const failures = [];
		let over = false;
		const worker = async () => {
			while (!over) {
				const r = await g.ask('/now').catch((e) => ({ status: e.code }));
				if (r.status !== 200 || r.text !== 'fine') failures.push(r.status);
			}
		};
		const all = [worker(), worker(), worker(), worker()];
		for (let i = 0; i < 40; i++) await g.reload(`  - { name: one, prefix: /, origins: ['${[origin, other][i % 2].address}'] }`);
		over = true;
		await Promise.all(all);
		assert.deepEqual(failures, []);
		await sleep(2500); // connections to origins are kept for two seconds
		assert.equal(await g.metric('yg_origin_connections{route="one"}'), '0');
		assert.ok(Number(await g.metric('process_open_fds')) < 40);
		await g.stop();
		await origin.close();
		await other.close();
	});
});

describe('limits of clients', () => {
	/** A connection and what it has heard. */
	const connect = (port) => new Promise((done, fail) => {
		const c = { socket: net.connect(port, '127.0.0.1'), text: '', over: false };
		c.socket.setEncoding('latin1').on('data', (d) => { c.text += d; }).on('close', () => { c.over = true; }).on('connect', () => done(c)).on('error', fail);
	});

	test('connections, time and trusted proxies are set for these listeners too', async (t) => {
		const origin = await startOrigin();
		t.after(() => origin.close());
		origin.give('/now', { head: ['Cache-Control: no-store'], body: 'fine' });
		const g = await start(`  - { name: one, prefix: /, origins: ['${origin.address}'] }`, { YG_CONNECTIONS_PER_ADDRESS: '5', YG_HEAD_TIMEOUT_MS: '600' });
		const all = [];
		t.after(() => all.forEach((c) => c.socket.destroy()));
		for (let i = 0; i < 6; i++) all.push(await connect(g.port));
		await until(() => all[5].over);
		assert.match(all[5].text, /^HTTP\/1\.1 503 /);
		assert.equal(await g.metric('yg_limit_connections_refused_total'), '1');
		all[0].socket.write('GET / HT');
		await until(() => all[0].over, 3000);
		assert.match(all[0].text, /^HTTP\/1\.1 408 /);
		for (const c of all) c.socket.destroy();
		await until(async () => (await g.ask('/now')).status === 200);
		await g.stop();

		const behind = await start(`  - { name: one, prefix: /, origins: ['${origin.address}'] }`, { YG_TRUSTED_PROXIES: '127.0.0.1' });
		assert.equal((await behind.ask('/now', { 'X-Forwarded-For': '192.0.2.9' })).status, 200);
		await until(() => /"operation":"one"[^\n]*"address":"192\.0\.2\.9"/.test(behind.log));
		await behind.stop();
	});

	test('unfinished bodies have one budget: those that stand still are turned away, others get through', { timeout: 120000 }, async (t) => {
		const origin = await startOrigin();
		t.after(() => origin.close());
		origin.give('/in', { head: [], body: 'taken' });
		const g = await start(`  - { name: one, prefix: /, origins: ['${origin.address}'], body_bytes_max: 10485760 }`);
		const part = Buffer.alloc(8 * 1024 * 1024, 'x'), rest = Buffer.alloc(2 * 1024 * 1024, 'y');
		const all = [];
		t.after(() => all.forEach((c) => c.socket.destroy()));
		for (let i = 0; i < 60; i++) {
			const c = await connect(g.port);
			all.push(c);
			c.socket.on('error', () => {});
			c.socket.write('POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 10485760\r\n\r\n');
			await new Promise((done) => { c.socket.write(part, done); c.socket.once('close', done); });
		}
		await until(() => all.filter((c) => c.text).length > 40);
		assert.match(all[0].text, /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n[^]*"code":"busy"/);
		assert.ok(all.slice(0, 40).every((c) => c.text.startsWith('HTTP/1.1 503 ')), 'the oldest first');
		const last = all.at(-1);
		assert.equal(last.text, '');
		last.socket.write(rest);
		await until(() => last.text.endsWith('taken'));
		assert.equal(origin.asked('/in').length, 1);
		await holdsAtMost(g, 300e6);
		for (const c of all) c.socket.destroy();
		await g.stop();
	});

	test('whole bodies that wait for a mute origin are in the budget too: who has a request under way sends no more', { timeout: 120000 }, async (t) => {
		const origin = await startOrigin();
		t.after(() => origin.close());
		origin.give('/mute', { delayMs: 20000 });
		const g = await start(`  - { name: one, prefix: /, origins: ['${origin.address}'], body_bytes_max: 10485760, cache: 'off' }`);
		const c = await connect(g.port);
		t.after(() => c.socket.destroy());
		c.socket.on('error', () => {});
		const one = Buffer.concat([Buffer.from('POST /mute HTTP/1.1\r\nHost: a\r\nContent-Length: 10485760\r\n\r\n'), Buffer.alloc(10485760, 'x')]);
		for (let i = 0; i < 30; i++) c.socket.write(one);
		await until(() => origin.asked('/mute').length >= 12, 20000);
		await sleep(1500);
		assert.ok(origin.asked('/mute').length <= 14, `${origin.asked('/mute').length} bodies of 10 MiB`);
		c.socket.destroy();
		await g.stop();
	});

	test('who does not take an answer has no unfinished body beside the budget, at the cost of others', { timeout: 120000 }, async (t) => {
		const origin = await startOrigin();
		t.after(() => origin.close());
		origin.give('/big', { head: ['Cache-Control: no-store'], body: 'b'.repeat(1024 * 1024) });
		origin.give('/in', { head: [], body: 'taken' });
		const g = await start(`  - { name: one, prefix: /, origins: ['${origin.address}'], body_bytes_max: 15728640, cache: 'off' }`);
		const part = Buffer.alloc(15 * 1024 * 1024 - 1, 'x');
		const all = [];
		t.after(() => all.forEach((socket) => socket.destroy()));
		for (let i = 0; i < 10; i++) {
			const socket = net.connect(g.port, '127.0.0.1'); /* nobody reads it */
			all.push(socket);
			socket.on('error', () => {});
			socket.write('GET /big HTTP/1.1\r\nHost: a\r\n\r\nPOST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 15728640\r\n\r\n');
			await until(() => origin.asked('/big').length === i + 1);
			await new Promise((done) => { socket.write(part, done); socket.once('close', done); });
		}
		const honest = await connect(g.port);
		all.push(honest.socket);
		honest.socket.write('POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12');
		await sleep(300);
		honest.socket.write('345');
		await until(() => honest.text.includes('\r\n\r\n'));
		assert.match(honest.text, /^HTTP\/1\.1 200 [^]*taken$/);
		await holdsAtMost(g, 300e6);
		for (const socket of all) socket.destroy();
		await g.stop();
	});
});
