// A new gateway takes the place of the old one under load, and nobody notices; one that cannot start changes nothing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Authority } from './pki.mjs';
import { freePort } from '../support/platform.mjs';
import { startEdge, until } from './support.mjs';

const root = new URL('../..', import.meta.url).pathname;
const built = resolve(root, process.env.EDGE_BIN ?? `build/${process.env.VARIANT ?? 'dev'}/bin/gateway`);
let dir, servers, ca;
const at = (...parts) => join(dir, ...parts);

before(() => {
	dir = mkdtempSync(join(tmpdir(), 'yg-restart-'));
	servers = new Authority(dir, 'servers');
	mkdirSync(at('certs'));
	servers.issue(at('certs', 'default'), { names: ['localhost', '127.0.0.1'] });
	writeFileSync(at('tickets.key'), `${'ab'.repeat(32)}\n`);
	ca = readFileSync(servers.cert);
	copyFileSync(built, at('gateway')); // so that a test can put another program in its place
});
/* What a failed test left running would keep this file from ending. */
const begun = [];
after(() => {
	for (const edge of begun) {
		for (const pid of [edge.process.pid, edge.lastPid()]) if (pid) try { process.kill(pid, 'SIGKILL'); } catch { /* gone */ }
		for (const s of [edge.identity.server, edge.echo.server]) s.close(), s.closeAllConnections();
	}
	rmSync(dir, { recursive: true });
});

async function start(env = {}) {
	const tlsPort = await freePort();
	const kept = process.env.EDGE_BIN;
	process.env.EDGE_BIN = at('gateway');
	rmSync(at('pid'), { force: true });
	const edge = await startEdge({
		YG_TLS_LISTEN: `127.0.0.1:${tlsPort}`, YG_TLS_CERTIFICATES: at('certs'), YG_TLS_TICKET_KEY_FILE: at('tickets.key'), YG_PID_FILE: at('pid'), ...env,
	}).finally(() => { if (kept === undefined) delete process.env.EDGE_BIN; else process.env.EDGE_BIN = kept; });
	edge.tlsPort = tlsPort;
	edge.pid = () => Number(readFileSync(at('pid'), 'utf8'));
	edge.lastPid = () => { try { return edge.pid(); } catch { return 0; } };
	begun.push(edge);
	await until(() => existsSync(at('pid')));
	/** Hands over; the new pid. */
	edge.restart = async () => {
		const old = edge.pid();
		process.kill(old, 'SIGUSR2');
		await until(() => edge.pid() !== old, 40000);
		return old;
	};
	/** The last one ends; then what the test holds of the first. */
	edge.end = async () => {
		const last = edge.pid();
		if (last !== edge.process.pid) process.kill(last, 'SIGTERM');
		await until(() => !running(last) || last === edge.process.pid, 40000);
		const exited = await edge.stop();
		assert.deepEqual(exited, { code: 0, signal: null });
	};
	return edge;
}

const running = (pid) => {
	try { return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')); } catch { return false; }
};

/** Clients that ask without end: by each transport, with connections kept and without. A failure of any kind is kept. */
function load(edge) {
	const state = { asked: 0, closes: 0, failures: [], stop: false };
	const kinds = [
		{ lib: http, port: edge.port, agent: new http.Agent({ keepAlive: true, maxSockets: 3 }) },
		{ lib: https, port: edge.tlsPort, ca, servername: 'localhost', agent: new https.Agent({ keepAlive: true, maxSockets: 3 }) },
		{ lib: http, port: edge.port, agent: false },
		{ lib: https, port: edge.tlsPort, ca, servername: 'localhost', agent: false },
	];
	const one = ({ lib, ...options }, path) => new Promise((done, fail) => {
		const req = lib.request({ host: '127.0.0.1', ...options, path, method: 'GET' }, (res) => {
			let n = 0;
			res.on('data', (d) => { n += d.length; }).on('error', fail).on('end', () => done({ status: res.statusCode, close: res.headers.connection === 'close', n }));
		});
		req.on('error', fail).end();
	});
	const worker = async (kind, path) => {
		while (!state.stop) {
			try {
				const r = await one(kind, path);
				if (r.status !== 200 || r.n === 0) state.failures.push(`status ${r.status}, ${r.n} bytes`);
				if (r.close && kind.agent) state.closes++;
			} catch (e) {
				state.failures.push(`${e.code} ${e.message}`);
			}
			state.asked++;
		}
	};
	const workers = kinds.flatMap((kind) => [worker(kind, '/v1/echo'), worker(kind, '/v1/echo'), worker(kind, '/problems/not-found')]);
	workers.push(worker(kinds[0], '/v1/echo?mode=slow'), worker(kinds[1], '/v1/echo?mode=slow'));
	state.end = async () => {
		state.stop = true;
		await Promise.all(workers);
		for (const k of kinds) if (k.agent) k.agent.destroy();
	};
	return state;
}

for (const workers of ['1', '2']) {
	describe(`SIGUSR2, ${workers} worker${workers > 1 ? 's' : ''}`, () => {
		test('restarts under load: no request fails, connections are told to close and go over', async () => {
			const edge = await start({ YG_WORKERS: workers });
			const state = load(edge);
			await until(() => state.asked > 100, 40000);
			const gone = [];
			for (let i = 0; i < 4; i++) {
				gone.push(await edge.restart());
				const from = state.asked;
				await until(() => state.asked > from + 200, 40000);
			}
			await state.end();
			assert.deepEqual(state.failures, [], `${state.asked} requests`);
			assert.ok(state.closes > 0, 'a kept connection was told');
			await until(() => gone.every((pid) => !running(pid)), 40000);
			assert.equal((await edge.private('/readyz')).status, 200);
			await edge.end();
		});

		test('a program that cannot start, or ends at once: the old one goes on', async () => {
			const edge = await start({ YG_WORKERS: workers });
			const old = edge.pid();
			renameSync(at('gateway'), at('good'));
			for (const text of ['no program at all', '#!/bin/sh\nexit 3\n']) {
				writeFileSync(at('gateway.new'), text, { mode: 0o755 });
				renameSync(at('gateway.new'), at('gateway'));
				const said = edge.log.split('the old one goes on').length;
				process.kill(old, 'SIGUSR2');
				await until(() => edge.log.split('the old one goes on').length > said, 40000);
				assert.equal((await edge.call('GET', '/v1/echo')).status, 200);
				assert.equal(edge.pid(), old);
			}
			renameSync(at('good'), at('gateway'));
			const contract = join(edge.dir, 'proto', 'echo.yaml'), good = readFileSync(contract, 'utf8');
			writeFileSync(contract, `${good}\n  : broken [`); // it starts, finds its contracts broken, and ends
			const said = edge.log.split('the old one goes on').length;
			process.kill(old, 'SIGUSR2');
			await until(() => edge.log.split('the old one goes on').length > said, 40000);
			assert.equal((await edge.call('GET', '/v1/echo')).status, 200);
			writeFileSync(contract, good);
			await edge.restart();
			assert.equal((await edge.call('GET', '/v1/echo')).status, 200);
			await until(() => !running(old), 40000);
			await edge.end();
		});
	});
}

test('a connection between two requests may send one more, in the old process; the answer is its last', async () => {
	const edge = await start();
	const s = net.connect(edge.port, '127.0.0.1');
	let got = '';
	const closed = once(s, 'close');
	s.on('data', (d) => { got += d; });
	s.write('GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n');
	await until(() => got.includes('200 OK'));
	const old = await edge.restart();
	/* The new one says that it is ready before the old one has heard it: until then answers are as ever. */
	await until(async () => {
		got = '';
		s.write('GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n');
		await until(() => got.includes('"body":""}'));
		return got.includes('Connection: close');
	}, 40000);
	await closed;
	await until(() => !running(old), 40000);
	await edge.end();
});

test('a handshake that has begun is finished by the old process', async () => {
	const edge = await start();
	const relay = net.createServer((a) => { // holds the client's second flight back until the restart is done
		const b = net.connect(edge.tlsPort, '127.0.0.1');
		let flights = 0;
		a.on('data', async (d) => { if (++flights === 2) await edge.restart(); b.write(d); }).on('error', () => {});
		b.on('data', (d) => a.write(d)).on('error', () => {}).on('close', () => a.end());
	}).listen(0, '127.0.0.1');
	await once(relay, 'listening');
	const r = await new Promise((done, fail) => {
		https.get({ host: '127.0.0.1', port: relay.address().port, ca, servername: 'localhost', agent: false, path: '/v1/echo' }, (res) => {
			res.resume().on('end', () => done(res));
		}).on('error', fail);
	});
	assert.equal(r.statusCode, 200);
	assert.equal(r.headers.connection, 'close');
	relay.close();
	await edge.end();
});

test('a successor that is told to end before it serves leaves the old one alone', async () => {
	const edge = await start();
	edge.identity.server.close(); // it will wait for the key set
	edge.identity.server.closeAllConnections();
	const old = edge.pid();
	process.kill(old, 'SIGUSR2');
	const next = await until(() => Number(/to process (\d+)/.exec(edge.log)?.[1]));
	await until(() => running(next));
	assert.equal(edge.pid(), old);
	process.kill(next, 'SIGTERM');
	await until(() => edge.log.includes('the old one goes on'), 40000);
	assert.equal((await edge.call('GET', '/v1/echo')).status, 200);
	await edge.end();
});

/* What systemd does, as far as we need it: holds a socket and hears what is told, and starts the program with both. */
const SYSTEMD = `
import os, socket, sys
held = socket.socket(); held.bind(('127.0.0.1', 0)); held.listen(64)
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); ear.bind(sys.argv[1])
print('port', held.getsockname()[1], flush=True)
for line in sys.stdin:
    if line.strip() == 'end': break
    pid = os.fork()
    if pid == 0:
        os.dup2(held.fileno(), 3); os.set_inheritable(3, True)
        host = '127.0.0.1:%d' % held.getsockname()[1]
        os.execve(sys.argv[2], [sys.argv[2]], {**os.environ, 'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1', 'NOTIFY_SOCKET': sys.argv[1], 'YG_LISTEN': host})
    print('pid', pid, flush=True)
    print('told', ear.recv(200).decode().replace('\\n', ' '), flush=True)
    print('ended', os.waitpid(pid, 0)[1], flush=True)
`;

test('systemd: sockets are taken from LISTEN_FDS, readiness is told, and who waits meanwhile is served by the next', async () => {
	const edge = await start(); // only for what stands behind it
	let said = '';
	const systemd = spawn('python3', ['-c', SYSTEMD, at('notify.sock'), at('gateway')], {
		stdio: ['pipe', 'pipe', 'inherit'],
		env: {
			PATH: process.env.PATH, YG_PROTO: join(edge.dir, 'proto'), YG_IDENTITY_KEY_FILE: join(edge.dir, 'identity.key'), YG_PUBLIC_URL: 'https://api.example.org',
			YG_UPSTREAMS: `identity=unix:${edge.dir}/identity.sock,echo=unix:${edge.dir}/echo.sock`, YG_LOG: 'error',
		},
	});
	systemd.stdout.setEncoding('utf8').on('data', (d) => { said += d; });
	const after = (pattern) => until(() => pattern.exec(said), 40000);
	const port = Number((await after(/port (\d+)/))[1]);
	const ask = () => new Promise((done, fail) => http.get({ host: '127.0.0.1', port, path: '/v1/echo', agent: false }, (r) => r.resume().on('end', () => done(r.statusCode))).on('error', fail));
	const run = async () => {
		said = '';
		systemd.stdin.write('start\n');
		const pid = Number((await after(/pid (\d+)/))[1]);
		assert.equal((await after(/told (.*)\n/))[1], `READY=1 MAINPID=${pid}`);
		return pid;
	};
	const first = await run();
	assert.equal(await ask(), 200);
	process.kill(first, 'SIGTERM');
	assert.equal((await after(/ended (\d+)/))[1], '0');
	const waiting = ask(); // nobody accepts: the socket keeps it
	const second = await run();
	assert.equal(await waiting, 200);
	process.kill(second, 'SIGTERM');
	await after(/ended (\d+)/);
	systemd.stdin.end('end\n');
	await edge.end();
});
