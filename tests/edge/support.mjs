// Starts a gateway of its own for a test file, and talks to it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PUBLIC_URL, SEAL_KEY, startEcho, startIdentity } from './fakes.mjs';
import { freePort } from '../support/platform.mjs';

const root = new URL('../..', import.meta.url).pathname;
export const sleep = (ms) => new Promise((go) => setTimeout(go, ms));

/** Asks again until `check` is content; fails after `ms`. */
export async function until(check, ms = 8000) {
	for (const end = Date.now() + ms; ;) {
		const value = await Promise.resolve(check()).catch(() => undefined);
		if (value) return value;
		if (Date.now() > end) throw new Error(`still not so after ${ms} ms: ${check}`);
		await sleep(50);
	}
}

/**
 * `prepare` is called with the fake services before the gateway starts; it may add contracts and services, and returns more settings,
 * among them more `upstreams`. The gateway is waited for until `readyAt` says 200.
 */
export async function startEdge(env = {}, { prepare = () => {}, readyAt = '/readyz' } = {}) {
	const dir = mkdtempSync(join(tmpdir(), 'edge-'));
	cpSync(new URL('proto', import.meta.url).pathname, join(dir, 'proto'), { recursive: true });
	writeFileSync(join(dir, 'identity.key'), `${SEAL_KEY.toString('hex')}\n`, { mode: 0o600 });
	const edge = { dir, port: await freePort(), privatePort: await freePort(), log: '', exited: null };
	edge.identity = await startIdentity(join(dir, 'identity.sock'));
	edge.echo = await startEcho(join(dir, 'echo.sock'));
	const { upstreams = '', ...more } = (await prepare(edge)) ?? {};
	edge.process = spawn(resolve(root, process.env.EDGE_BIN ?? `build/${process.env.VARIANT ?? 'dev'}/bin/gateway`), {
		stdio: ['ignore', 'ignore', 'pipe'],
		env: {
			PATH: process.env.PATH, YG_LISTEN: `127.0.0.1:${edge.port}`, YG_METRICS_LISTEN: `127.0.0.1:${edge.privatePort}`,
			YG_PROTO: join(dir, 'proto'), YG_IDENTITY_KEY_FILE: join(dir, 'identity.key'), YG_PUBLIC_URL: PUBLIC_URL,
			YG_UPSTREAMS: `identity=unix:${dir}/identity.sock,echo=unix:${dir}/echo.sock${upstreams}`,
			YG_CORS_ORIGINS: 'https://app.example,*', ...more, ...env,
		},
	});
	edge.process.stderr.setEncoding('utf8').on('data', (d) => { edge.log += d; });
	edge.exit = once(edge.process, 'exit').then(([code, signal]) => { edge.exited = { code, signal }; return edge.exited; });
	edge.call = (method, path, options = {}) => call(edge.port, method, path, options);
	edge.private = (path) => call(edge.privatePort, 'GET', path);
	edge.raw = (text, ms) => raw(edge.port, text, ms);
	edge.stop = async () => {
		if (!edge.exited) edge.process.kill('SIGTERM');
		const exited = await edge.exit;
		await edge.atEnd?.();
		for (const s of [edge.identity.server, edge.echo.server]) s.close(), s.closeAllConnections();
		rmSync(dir, { recursive: true });
		return exited;
	};
	const ready = await until(async () => edge.exited || (await edge.private(readyAt)).status === 200).catch(() => false);
	if (ready === true) return edge;
	edge.process.kill('SIGKILL');
	const { code, signal } = await edge.stop();
	throw new Error(`the gateway did not start: code ${code}, signal ${signal}\n${edge.log}`);
}

export function call(port, method, path, { headers = {}, body, agent } = {}) {
	return new Promise((done, fail) => {
		const req = http.request({ host: '127.0.0.1', port, method, path, headers, agent }, (res) => {
			const parts = [];
			res.on('data', (d) => parts.push(d)).on('error', fail).on('end', () => {
				const text = Buffer.concat(parts).toString();
				let json;
				try { json = JSON.parse(text); } catch { /* not JSON */ }
				done({ status: res.statusCode, headers: res.headers, text, json });
			});
		});
		req.on('error', fail).end(body);
	});
}

/** Bytes out, bytes in, until the other side closes or is silent for `ms`. */
export function raw(port, text, ms = 300) {
	return new Promise((done, fail) => {
		let got = '';
		const s = net.connect(port, '127.0.0.1', () => s.write(text));
		s.setTimeout(ms, () => s.destroy());
		s.on('data', (d) => { got += d; }).on('error', fail).on('close', () => done(got));
	});
}
