// `gateway --config` is restarted and reloaded like any gateway: its listeners and its metrics are handed over, its routes are read anew.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { startOrigin } from './origin.mjs';
import { freePort } from '../support/platform.mjs';
import { call, sleep, until } from './support.mjs';

const root = new URL('../..', import.meta.url).pathname;
const binary = resolve(root, process.env.EDGE_BIN ?? `build/${process.env.VARIANT ?? 'dev'}/bin/gateway`);
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
