// The gateway's own rows: answers from its two caches, 304, TLS, passing through; then what is not a ratio: one flight, p99 at half the
// peak, memory of idle connections.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import * as edge from './edge_peers.mjs';
import * as platform from './platform.mjs';
import { residentKiB } from './proc.mjs';
import { background, sleep, until } from './process.mjs';
import { SERVER_CORE, settings } from './settings.mjs';
import { wrk } from './wrk.mjs';

const GIFT = '/v1/public/gifts/5000042129999570'; // gift 42 of data.sql
const CAMPAIGN = '/v1/campaigns/0197f3a0-0000-7000-8000-100000000007'; // its answer has an entity tag
const METADATA = '/.well-known/oauth-authorization-server';
const port = (n) => settings.port + 40 + n;
const certificate = () => ({ crt: `${platform.folder}/tls/server/default.crt`, key: `${platform.folder}/tls/server/default.key` });

const load = (url, request) => (seconds) => wrk(url, { kind: 'constant', ...request, seconds });

async function get(url, token, fields = {}) {
	const response = await fetch(url, { headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...fields } });
	return { status: response.status, text: await response.text(), cache: response.headers.get('cache-status') ?? '', etag: response.headers.get('etag') };
}

// Asks until the answer comes from where the row wants it from.
async function warm(url, token, pattern) {
	await until(`${url} answers ${pattern}`, 20, async () => pattern.test((await get(url, token)).cache));
	return get(url, token);
}

let made;
async function parts() {
	const token = await platform.login();
	const cached = await platform.startGateway('gateway_cached', port(0), { YG_CACHE_BYTES: null });
	const second = await platform.startGateway('gateway_l2', port(1), { YG_CACHE_SHARED: null });
	const tls = await platform.startGateway('gateway_tls', port(2), { YG_TLS_LISTEN: `127.0.0.1:${port(3)}`, YG_CACHE_BYTES: null });
	const answer = await warm(cached.url + GIFT, token, /hit/);
	const origin = await edge.startOrigin(answer.text);
	return { token, cached, second, tls, answer, origin, nginx: await edge.startNginxCache(certificate()), varnish: await edge.startVarnish() };
}
const shared = () => (made ??= parts());

const ours = (name, pid, run) => ({ name, processes: () => ({ gateway: [pid], ...platform.pids('donations', 'postgres', 'redis') }), run });

async function empty(n, url, token, request = {}) {
	const loop = await edge.startBareLoop(n, url, token, request.field);
	return { ...loop, run: load(loop.url, { token, ...request }) };
}

async function cachedRow() {
	const p = await shared();
	const url = p.cached.url + GIFT;
	return [ours('gateway L1', p.cached.pid, load(url, { token: p.token })),
		{ name: 'nginx proxy_cache', target: 1.4, processes: () => p.nginx.processes, run: load(p.nginx.url) },
		{ name: 'Varnish', target: 2, processes: () => p.varnish.processes, run: load(p.varnish.url) },
		await empty(5, url, p.token)];
}

async function validatedRow() {
	const p = await shared();
	const url = p.cached.url + CAMPAIGN;
	const { etag } = await warm(url, p.token, /hit/);
	assert.ok(etag, 'the cached answer has an entity tag');
	const theirs = (await get(p.nginx.url)).etag;
	const ask = (tag) => ({ field: `If-None-Match: ${tag}` });
	assert.equal((await get(url, p.token, { 'If-None-Match': etag })).status, 304);
	assert.equal((await get(p.nginx.url, null, { 'If-None-Match': theirs })).status, 304);
	return [ours('gateway L1', p.cached.pid, load(url, { token: p.token, ...ask(etag) })),
		{ name: 'nginx proxy_cache', target: 1.4, processes: () => p.nginx.processes, run: load(p.nginx.url, ask(theirs)) },
		{ name: 'Varnish', target: 2, processes: () => p.varnish.processes, run: load(p.varnish.url, ask(theirs)) },
		await empty(6, url, p.token, ask(etag))];
}

// The value that the second level keeps for the gift: the longest string there.
async function storedKey() {
	const keys = (await platform.redis('--scan')).split('\n').filter(Boolean);
	let best = { length: 0 };
	for (const key of keys) {
		const length = Number(await platform.redis('strlen', key).catch(() => 0)) || 0;
		if (length > best.length) best = { key, length };
	}
	assert.ok(best.key, 'Redis keeps the answer');
	return best.key;
}

async function secondRow() {
	const p = await shared();
	await warm(p.second.url + GIFT, p.token, /detail=shared/);
	const key = await storedKey();
	let rate = 20000;
	const bench = async (seconds) => {
		const result = await edge.redisBenchmark(await platform.redisSocket(), key, seconds, rate);
		rate = result.rate;
		return result;
	};
	return [ours('gateway L2', p.second.pid, load(p.second.url + GIFT, { token: p.token })),
		{ name: 'redis-benchmark', target: 0.6, processes: () => platform.pids('redis'), run: bench }];
}

async function tlsRow() {
	const p = await shared();
	const url = `https://127.0.0.1:${port(3)}${GIFT}`;
	await warm(p.tls.url + GIFT, p.token, /hit/);
	return [ours('gateway L1, TLS', p.tls.pid, load(url, { token: p.token })),
		{ name: 'nginx proxy_cache, TLS', target: 1.1, processes: () => p.nginx.processes, run: load(p.nginx.tlsUrl) }];
}

async function passRow(peers) {
	const token = await platform.login();
	const url = platform.baseUrl + METADATA;
	const { text } = await get(url, token);
	const pair = await peers.nginx(Buffer.byteLength(text));
	const haproxy = await edge.startHaproxy();
	return [{ name: 'gateway → identity', processes: () => platform.pids('gateway', 'identity'), run: load(url, { token }) },
		{ name: 'nginx → nginx', target: 1.6, processes: () => pair.processes, run: load(pair.url) },
		{ name: 'HAProxy → nginx', target: 1.6, processes: () => ({ ...haproxy.processes, 'nginx back': pair.processes['nginx back'] }), run: load(haproxy.url) }];
}

export const edgeRows = [
	{ name: 'cached', title: 'cached GET (L1)', contestants: cachedRow },
	{ name: 'validated', title: 'cached GET, 304', contestants: validatedRow },
	{ name: 'second', title: 'L2 hit only', contestants: secondRow },
	{ name: 'tls', title: 'TLS cached GET', contestants: tlsRow },
	{ name: 'pass', title: 'pass-through', contestants: passRow },
];

// ── what is not a ratio of rates ──

// 64 clients ask at once for one key that takes the origin 300 ms.
async function oneFlight() {
	let asked = 0;
	const origin = http.createServer((request, response) => {
		asked += 1;
		setTimeout(() => response.end('slow'), 300);
		response.setHeader('Cache-Control', 'max-age=60');
	});
	await new Promise((done) => { origin.listen(port(5), '127.0.0.1', done); });
	const file = `${settings.folder}/proxy.yaml`;
	fs.writeFileSync(file, `listeners: ['127.0.0.1:${port(4)}']\nroutes:\n  - name: cold\n    prefix: /\n    origins: ['127.0.0.1:${port(5)}']\n    cache: honour-origin\n`);
	background(`${settings.bin}/gateway`, ['--config', file], { core: SERVER_CORE, log: `${settings.folder}/proxy.log`, bare: true });
	const url = `http://127.0.0.1:${port(4)}`;
	await until('the proxy answers', 20, async () => (await fetch(`${url}/warm`)).ok);
	asked = 0;
	const agent = new http.Agent({ maxSockets: 64 });
	await Promise.all(Array.from({ length: 64 }, () => new Promise((done, fail) => {
		http.get(`${url}/cold`, { agent }, (response) => response.resume().on('end', done)).on('error', fail);
	})));
	agent.destroy();
	origin.close();
	return { met: asked === 1, text: `64 clients, one cold key: the origin saw ${asked} (exactly: 1)` };
}

async function tails() {
	const p = await shared();
	const url = p.cached.url + GIFT;
	const fields = { Authorization: `Bearer ${p.token}` };
	const peak = async (at, token) => (await wrk(at, { kind: 'constant', token, seconds: 2 })).rate;
	const half = Math.min(await peak(url, p.token), await peak(p.nginx.url)) / 2;
	const [mine, theirs] = [[], []];
	for (let i = 0; i < settings.rounds; i += 1) {
		mine.push((await edge.constantRate(url, half, settings.seconds, fields)).p99);
		theirs.push((await edge.constantRate(p.nginx.url, half, settings.seconds, {})).p99);
	}
	const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
	const [a, b] = [middle(mine), middle(theirs)];
	return { met: a <= b, text: `p99 of cached GET at ${Math.round(half)}/s: ${a.toFixed(2)} ms, nginx ${b.toFixed(2)} ms (at most nginx's)` };
}

// Connections that have asked once and then stay idle.
async function openIdle(count, origin) {
	const sockets = [];
	for (let i = 0; i < count; i += 1) {
		sockets.push(new Promise((done, fail) => {
			const socket = net.connect({ port: port(0), host: '127.0.0.1', localAddress: `127.0.0.${origin + Math.floor(i / 5000)}` }, () => socket.write(`GET ${GIFT} HTTP/1.1\r\nHost: a\r\n\r\n`));
			socket.once('data', () => done(socket));
			socket.on('error', fail);
		}));
		if (i % 200 === 199) await Promise.all(sockets.slice(-200));
	}
	return Promise.all(sockets);
}

async function idleConnections() {
	const p = await shared();
	const least = residentKiB([p.cached.pid]);
	const first = await openIdle(9500, 2);
	await sleep(2000);
	const added = (residentKiB([p.cached.pid]) - least) / 1024 * (10000 / first.length);
	for (const socket of first) socket.destroy();
	await sleep(1000);
	return { met: added <= 60, text: `10,000 idle connections add ${added.toFixed(1)} MiB (at most: 60; measured with ${first.length})` };
}

export async function edgeTargets() {
	const targets = [];
	for (const one of [oneFlight, tails, idleConnections]) targets.push(await one());
	return targets;
}
