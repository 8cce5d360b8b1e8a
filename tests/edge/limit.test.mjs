// Rate limits: two gateways keep one count in Redis, each keeps its own without it, and clients hear what is left.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { Authority } from './pki.mjs';
import { freePort } from '../support/platform.mjs';
import { startEdge, until } from './support.mjs';

const dir = mkdtempSync(join(tmpdir(), 'limit-'));
const socket = join(dir, 'redis.sock');
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const QUOTA = 2000;
let redis;
let one;
let two;

async function startRedis() {
	const child = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
	await until(async () => execFileSync('redis-cli', ['-s', socket, 'ping'], { stdio: 'pipe' }).toString().startsWith('PONG'));
	return child;
}

const windows = (quota, seconds) => `{ burst: { quota: ${quota}, window_s: ${seconds} } }`;
const policies = (read) => `defaults: { GET: read, POST: write, PUT: write, PATCH: write, DELETE: write }
address: { burst: { quota: 5000000, window_s: 60 } }
policies:
  read: { anonymous: ${read}, citizen: ${windows(5, 3600)}, staff: unlimited, partner: ${windows(7, 3600)} }
  write: { anonymous: { burst: { quota: 3, window_s: 3600 }, day: { quota: 5, window_s: 86400 } }, citizen: unlimited, staff: unlimited, partner: unlimited }
`;

function settings(extra = {}) {
	const file = join(dir, 'policies.yaml');
	writeFileSync(file, policies(windows(QUOTA, 3600)));
	return { YG_REDIS: `unix:${socket}`, YG_RATE_POLICIES: file, YG_TRUSTED_PROXIES: '127.0.0.0/8', ...extra };
}

const from = (address, edge, method = 'GET', path = '/v1/echo') =>
	edge.call(method, path, { agent, headers: { 'X-Forwarded-For': address } });

/** `count` requests over all edges, at most 64 at a time each; how often each status came. */
async function storm(edges, address, count) {
	const seen = {};
	let left = count;
	const walk = async (edge) => {
		while (left-- > 0) {
			const { status } = await from(address, edge);
			seen[status] = (seen[status] ?? 0) + 1;
		}
	};
	await Promise.all(edges.flatMap((edge) => Array.from({ length: 32 }, () => walk(edge))));
	return seen;
}

const metric = async (edge, name) => {
	const line = (await edge.private('/metrics')).text.split('\n').find((text) => text.startsWith(`${name} `));
	return Number(line?.split(' ')[1]);
};
const connected = (edge) => until(async () => await metric(edge, 'yg_limit_redis_up') === 1);
const alone = (edge) => until(async () => await metric(edge, 'yg_limit_redis_up') === 0);

before(async () => {
	redis = await startRedis();
	one = await startEdge(settings());
	two = await startEdge(settings());
	await connected(one);
	await connected(two);
});
after(async () => {
	assert.deepEqual(await one.stop(), { code: 0, signal: null });
	assert.deepEqual(await two.stop(), { code: 0, signal: null });
	agent.destroy();
	redis.kill('SIGKILL');
	rmSync(dir, { recursive: true });
});

describe('with Redis', () => {
	test('two gateways and 10,000 requests: what is let through is the quota, within one per cent', { timeout: 120000 }, async (t) => {
		const begun = Date.now();
		const seen = await storm([one, two], '192.0.2.1', 10000);
		const back = Math.ceil((Date.now() - begun) / 1000 * QUOTA / 3600) + 1; /* what came back meanwhile */
		t.diagnostic(`let through ${seen[200]} of ${QUOTA} + ${back}, refused ${seen[429]}; asks ${await metric(one, 'yg_limit_asks_total{outcome="granted"}')} and ${await metric(two, 'yg_limit_asks_total{outcome="granted"}')}`);
		assert.deepEqual(Object.keys(seen).sort(), ['200', '429']);
		/* On a machine so busy that Redis took longer than 10 ms, processes counted alone; the counter says how often. */
		const alone = await metric(one, 'yg_limit_alone_total') + await metric(two, 'yg_limit_alone_total');
		if (alone) t.diagnostic(`${alone} let through without an answer of Redis`);
		assert.ok(seen[200] <= (QUOTA + back) * 1.01 + alone, `${seen[200]} let through`);
		assert.ok(seen[200] >= QUOTA * 0.95, `${seen[200]} let through`);
		assert.ok(await metric(one, 'yg_limit_asks_total{outcome="granted"}') < QUOTA / 4, 'most requests ask nobody');
	});

	test('the fields tell what is left, the problem tells what was overstepped', async () => {
		const first = await from('192.0.2.2', one, 'POST');
		assert.equal(first.status, 200);
		assert.equal(first.headers['ratelimit-policy'], '"write-burst";q=3;w=3600, "write-day";q=5;w=86400');
		assert.match(first.headers.ratelimit, /^"write-burst";r=2;t=1200$/);
		await from('192.0.2.2', two, 'POST');
		let r;
		for (let i = 0; i < 4 && r?.status !== 429; i += 1) r = await from('192.0.2.2', [one, two][i % 2], 'POST');
		assert.equal(r.status, 429);
		assert.equal(r.json.type, 'https://iana.org/assignments/http-problem-types#quota-exceeded');
		assert.equal(r.json.code, 'quota-exceeded');
		assert.deepEqual(r.json['violated-policies'], ['write-burst']);
		const t = Number(r.headers.ratelimit.match(/^"write-burst";r=0;t=(\d+)$/)[1]);
		assert.ok(t > 0 && t <= 1200, r.headers.ratelimit);
		assert.ok(Number(r.headers['retry-after']) >= t);
		assert.equal((await from('192.0.2.3', two, 'POST')).status, 200, 'another client is not hurt');
	});

	test('people have their quota wherever they come from; client ids of partners each have their own', async () => {
		const citizen = { Authorization: `Bearer ${one.identity.signers[0].token()}` };
		const item = (edge, headers, address) => edge.call('GET', '/v1/items/018f0000-0000-7000-8000-000000000001', { agent, headers: { ...headers, 'X-Forwarded-For': address } });
		for (let i = 0; i < 5; i++) assert.equal((await item(one, citizen, `192.0.2.${10 + i}`)).status, 200);
		assert.equal((await item(one, citizen, '192.0.2.30')).status, 429);
		const key = (client) => {
			const text = one.identity.addApiKey({ subject: '018f0000-0000-7000-8000-00000000000a', client_id: client, scopes: 'item:read', key_id: '018f0000-0000-7000-8000-00000000000b' });
			return { Authorization: `ApiKey ${text}` };
		};
		const a = key('hospital-a'), b = key('hospital-b');
		for (let i = 0; i < 7; i++) assert.equal((await item(one, a, '192.0.2.40')).status, 200);
		assert.equal((await item(one, a, '192.0.2.40')).status, 429);
		assert.equal((await item(one, b, '192.0.2.40')).status, 200);
	});

	test('IPv6 clients own a /64', async () => {
		for (let i = 1; i <= 3; i++) assert.equal((await from(`2001:db8:1:2::${i}`, one, 'POST')).status, 200);
		assert.equal((await from('2001:db8:1:2:ffff::9', one, 'POST')).status, 429);
		assert.equal((await from('2001:db8:1:3::1', one, 'POST')).status, 200);
	});

	test('Redis sees no address', async () => {
		await from('192.0.2.77', one, 'POST');
		const keys = execFileSync('redis-cli', ['-s', socket, '--raw', 'keys', '*']).toString();
		assert.match(keys, /^yg:rate:write\.anonymous:[0-9a-f]{32}$/m);
		assert.ok(!keys.includes('192.0.2'));
	});

	test('a Redis that forgot everything is told anew', async () => {
		for (let i = 0; i < 3; i++) await from('192.0.2.90', one, 'POST');
		execFileSync('redis-cli', ['-s', socket, 'flushall']);
		execFileSync('redis-cli', ['-s', socket, 'script', 'flush']);
		assert.equal((await from('192.0.2.90', one, 'POST')).status, 429);
		assert.equal((await from('192.0.2.91', one, 'POST')).status, 200);
		assert.equal((await from('192.0.2.91', one, 'POST')).status, 200);
	});
});

describe('without Redis', () => {
	test('frozen, then killed, then back: nothing fails, nothing waits, limits hold', { timeout: 120000 }, async (t) => {
		redis.kill('SIGSTOP');
		let seen = await storm([one], '198.51.100.1', 3000);
		assert.deepEqual(Object.keys(seen).sort(), ['200', '429'], JSON.stringify(seen));
		assert.ok(seen[200] <= QUOTA * 1.02 + 5, `${seen[200]} let through`);
		t.diagnostic(`Redis frozen: ${JSON.stringify(seen)}`);
		await alone(one);
		redis.kill('SIGKILL');
		await once(redis, 'exit');
		seen = await storm([one], '198.51.100.2', 3000);
		assert.deepEqual(Object.keys(seen).sort(), ['200', '429'], JSON.stringify(seen));
		assert.ok(seen[200] >= QUOTA * 0.98 && seen[200] <= QUOTA * 1.02 + 5, `${seen[200]} let through`);
		redis = await startRedis();
		await connected(one);
		await connected(two);
		await from('198.51.100.2', one); /* Redis is told */
		seen = await storm([two], '198.51.100.2', 200);
		assert.ok(seen[429] > 150, `what was spent without Redis is spent: ${JSON.stringify(seen)}`);
		assert.equal((await from('198.51.100.3', one)).status, 200);
	});

	test('an error of Redis is no error of ours', async () => {
		execFileSync('redis-cli', ['-s', socket, 'config', 'set', 'maxmemory', '1']);
		execFileSync('redis-cli', ['-s', socket, 'config', 'set', 'maxmemory-policy', 'noeviction']);
		for (let i = 0; i < 3; i++) assert.equal((await from('198.51.100.20', one, 'POST')).status, 200);
		assert.equal((await from('198.51.100.20', one, 'POST')).status, 429);
		execFileSync('redis-cli', ['-s', socket, 'config', 'set', 'maxmemory', '0']);
	});
});

describe('whose request it is', () => {
	const seenBy = async (edge, headers) => (await edge.call('GET', '/v1/echo', { headers })).json.headers['x-forwarded-for'];

	test('a trusted proxy is believed, from the right, as far as trust goes', async () => {
		assert.equal(await seenBy(one, { 'X-Forwarded-For': '6.6.6.6, 203.0.113.7' }), '203.0.113.7');
		assert.equal(await seenBy(one, { 'X-Forwarded-For': '6.6.6.6, 203.0.113.7, 127.0.0.9' }), '203.0.113.7');
		assert.equal(await seenBy(one, { 'X-Forwarded-For': '6.6.6.6, nonsense' }), '127.0.0.1');
		assert.equal(await seenBy(one, { 'X-Forwarded-For': '[2001:db8::1]:443' }), '2001:db8::1');
		assert.equal(await seenBy(one, { Forwarded: 'for=6.6.6.6' }), '127.0.0.1', 'the field the proxy does not write is the client\'s');
	});

	test('without trust nobody is believed; Forwarded when it is the field', async () => {
		const plain = await startEdge(settings({ YG_TRUSTED_PROXIES: '' }));
		assert.equal(await seenBy(plain, { 'X-Forwarded-For': '6.6.6.6' }), '127.0.0.1');
		await plain.stop();
		const forwarded = await startEdge(settings({ YG_TRUSTED_PROXY_FIELD: 'Forwarded' }));
		assert.equal(await seenBy(forwarded, { Forwarded: 'for=6.6.6.6, for="[2001:db8::2]:1";proto=https' }), '2001:db8::2');
		assert.equal(await seenBy(forwarded, { Forwarded: 'for="1.1.1.1,2.2.2.2", For=203.0.113.9' }), '203.0.113.9');
		assert.equal(await seenBy(forwarded, { 'X-Forwarded-For': '6.6.6.6' }), '127.0.0.1');
		await forwarded.stop();
	});
});

describe('PROXY protocol', () => {
	const word = (family, ...addresses) => {
		const body = Buffer.concat(addresses);
		return Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), Buffer.from([0x21, family, body.length >> 8, body.length & 255]), body]);
	};
	const nobody = [['unspecified', word(0)], ['Unix', word(0x31, Buffer.alloc(216, '/a'))], ['a datagram', word(0x12, Buffer.from([127, 0, 0, 1, 127, 0, 0, 1, 0, 1, 0, 1]))]];
	const v4 = (source) => word(0x11, Buffer.from([...source.split('.').map(Number), 127, 0, 0, 1, 0xc3, 0x50, 0, 80]));
	const local = Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), Buffer.from([0x20, 0, 0, 0])]);
	const get = Buffer.from('GET /v1/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
	/** Sends the pieces, one after the other, by TCP or TLS behind the first; what came back. */
	const talk = (port, pieces, { secure, from: own } = {}) => new Promise((done) => {
		let got = '';
		const s = net.connect({ port, host: '127.0.0.1', localAddress: own });
		s.on('error', () => {}).on('close', () => done(got));
		s.once('connect', async () => {
			s.write(pieces[0]);
			const t = secure ? tls.connect({ socket: s, rejectUnauthorized: false }) : s;
			t.on('data', (d) => { got += d; }).on('error', () => {});
			for (const p of pieces.slice(1)) {
				await new Promise((go) => setTimeout(go, 20));
				t.write(p);
			}
		});
	});
	const client = (got) => /"x-forwarded-for":"([^"]*)"/.exec(got)?.[1];
	let edge, pki, tlsPort;

	before(async () => {
		pki = new Authority(dir, 'proxied');
		mkdirSync(join(dir, 'certs'));
		pki.issue(join(dir, 'certs', 'default'), { names: ['localhost'] });
		tlsPort = await freePort();
		edge = await startEdge(settings({
			YG_PROXY_PROTOCOL: 'both', YG_TRUSTED_PROXIES: '127.0.0.1', YG_CONNECTIONS_PER_ADDRESS: '3', YG_REDIS: '',
			YG_TLS_LISTEN: `127.0.0.1:${tlsPort}`, YG_TLS_CERTIFICATES: join(dir, 'certs'),
		}));
	});
	after(() => edge.stop());

	test('the client is who the proxy says, in one piece or in many, by TCP and by TLS', async () => {
		assert.equal(client(await talk(edge.port, [Buffer.concat([v4('203.0.113.1'), get])])), '203.0.113.1');
		assert.equal(client(await talk(edge.port, [...v4('203.0.113.2')].map((b) => Buffer.from([b])).concat(get))), '203.0.113.2');
		const six = word(0x21, Buffer.from('20010db8000000000000000000000007', 'hex'), Buffer.alloc(16), Buffer.from([0xc3, 0x50, 0, 80]));
		assert.equal(client(await talk(edge.port, [six, get])), '2001:db8::7');
		assert.equal(client(await talk(edge.port, [local, get])), '127.0.0.1', 'its own question');
		assert.equal(client(await talk(tlsPort, [v4('203.0.113.4'), get], { secure: true })), '203.0.113.4');
	});

	test('a field of the client behind it is not believed', async () => {
		const forged = Buffer.from(String(get).replace('Host', 'X-Forwarded-For: 6.6.6.6\r\nHost'));
		assert.equal(client(await talk(edge.port, [v4('203.0.113.5'), forged])), '203.0.113.5');
	});

	test('whoever has no address is no proxy of ours: his fields are not believed, and all of his kind have one share of connections', async () => {
		const forged = Buffer.from(String(get).replace('Host', 'X-Forwarded-For: 6.6.6.6\r\nHost'));
		for (const [what, head] of nobody) assert.equal(client(await talk(edge.port, [head, forged])), 'unknown', what);
		assert.equal(client(await talk(tlsPort, [nobody[1][1], forged], { secure: true })), 'unknown');
		assert.equal(client(await talk(edge.port, [local, forged])), '6.6.6.6', 'LOCAL is the proxy itself');
		const kept = Buffer.from(String(get).replace('Connection: close\r\n', ''));
		const held = await Promise.all([0, 1, 2].map((i) => new Promise((done, fail) => {
			const s = net.connect(edge.port, '127.0.0.1', () => s.write(Buffer.concat([nobody[i][1], kept])));
			s.on('error', () => {}).on('close', () => fail(new Error('cut'))).once('data', () => done(s));
		})));
		assert.match(await talk(edge.port, [nobody[0][1], get]), /^HTTP\/1\.1 503 /);
		for (const s of held) s.removeAllListeners('close').destroy();
		await until(async () => client(await talk(edge.port, [nobody[0][1], get])) === 'unknown');
		assert.equal(await talk(edge.port, [word(0x10, Buffer.alloc(12)), get]), '', 'no family that is defined');
	});

	test('who is not trusted, or says nothing of a client, is cut', { timeout: 30000 }, async () => {
		const refused = await metric(edge, 'yg_http_proxies_refused_total');
		assert.equal(await talk(edge.port, [Buffer.concat([v4('203.0.113.6'), get])], { from: '127.0.0.2' }), '');
		assert.equal(await talk(edge.port, [get]), '');
		assert.equal(await talk(edge.port, [Buffer.from('PROXY TCP4 203.0.113.6 127.0.0.1 1 2\r\n'), get]), '');
		assert.equal(await talk(edge.port, [Buffer.concat([v4('203.0.113.6'), v4('203.0.113.7'), get])]).then((s) => s.slice(0, 12)), 'HTTP/1.1 400', 'said twice');
		assert.equal(await talk(edge.port, [v4('203.0.113.6').subarray(0, 20)]), '', 'half a word');
		assert.equal(await metric(edge, 'yg_http_proxies_refused_total'), refused + 4);
	});

	test('each client has its own share of connections', async () => {
		const kept = Buffer.from(String(get).replace('Connection: close\r\n', ''));
		const held = await Promise.all(Array.from({ length: 3 }, () => new Promise((done, fail) => {
			const s = net.connect(edge.port, '127.0.0.1', () => s.write(Buffer.concat([v4('203.0.113.9'), kept])));
			s.on('error', () => {}).on('close', () => fail(new Error('cut'))).once('data', () => done(s));
		})));
		assert.match(await talk(edge.port, [v4('203.0.113.9'), get]), /^HTTP\/1\.1 503 /);
		assert.equal(client(await talk(edge.port, [v4('203.0.113.10'), get])), '203.0.113.10');
		for (const s of held) s.destroy();
	});

	test('without trusted proxies it cannot be', async () => {
		await assert.rejects(startEdge({ YG_PROXY_PROTOCOL: 'plain' }), /needs YG_TRUSTED_PROXIES/);
		await assert.rejects(startEdge({ YG_PROXY_PROTOCOL: 'yes' }), /off, plain, tls or both/);
	});
});

describe('the limit of an address', () => {
	test('what is refused at its head counts like any other request', async () => {
		const file = join(dir, 'address.yaml');
		writeFileSync(file, policies(windows(1000, 3600)).replace('quota: 5000000, window_s: 60', 'quota: 5, window_s: 3600'));
		const edge = await startEdge(settings({ YG_RATE_POLICIES: file, YG_TRUSTED_PROXIES: '', YG_REDIS: '' }));
		const seen = [];
		for (const bad of ['GET /v1/echo HTTP/1.1\r\n\r\n', 'nonsense\r\n\r\n', `GET /v1/echo HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20000)}\r\n\r\n`,
			'POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n', 'GET /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
			'GET /v1/echo HTTP/1.1\r\n\r\n']) seen.push(Number((await edge.raw(bad)).slice(9, 12)));
		assert.deepEqual(seen, [400, 400, 431, 413, 400, 429]);
		assert.equal((await edge.call('GET', '/v1/echo')).status, 429, 'and a good one is refused too');
		assert.equal(await metric(edge, 'yg_limit_requests_total{limit="address",class="any",outcome="refused"}'), 2);
		await edge.stop();
	});
});

describe('connections', () => {
	const open = (port) => new Promise((done) => {
		const s = net.connect(port, '127.0.0.1');
		s.got = '';
		s.over = once(s, 'close').then(() => { s.gone = true; });
		s.on('data', (d) => { s.got += d; }).on('error', () => {}).once('connect', () => done(s));
	});

	test('an address has its share, and it comes back', async () => {
		const edge = await startEdge(settings({ YG_CONNECTIONS_PER_ADDRESS: '5', YG_TRUSTED_PROXIES: '' }));
		const five = await Promise.all(Array.from({ length: 5 }, () => open(edge.port)));
		for (const s of five) s.write('GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n');
		await until(() => five.every((s) => s.got.startsWith('HTTP/1.1 200')));
		const sixth = await open(edge.port);
		await sixth.over;
		assert.match(sixth.got, /^HTTP\/1\.1 503 [^]*Retry-After: 1/);
		assert.equal(await metric(edge, 'yg_limit_connections_refused_total'), 1);
		five[0].destroy();
		await until(async () => (await edge.call('GET', '/v1/echo')).status === 200);
		for (const s of five) s.destroy();
		await edge.stop();
	});

	test('behind a proxy of ours there is no such share', async () => {
		const edge = await startEdge(settings({ YG_CONNECTIONS_PER_ADDRESS: '5' }));
		const ten = await Promise.all(Array.from({ length: 10 }, () => open(edge.port)));
		for (const s of ten) s.write('GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n');
		await until(() => ten.every((s) => s.got.startsWith('HTTP/1.1 200')));
		for (const s of ten) s.destroy();
		await edge.stop();
	});

	test('who feeds a byte at a time, or nothing, is cut by the settings', { timeout: 60000 }, async () => {
		const edge = await startEdge(settings({ YG_HEAD_TIMEOUT_MS: '600', YG_BODY_TIMEOUT_MS: '600', YG_IDLE_TIMEOUT_MS: '600' }));
		const head = await open(edge.port), body = await open(edge.port), idle = await open(edge.port);
		head.write('GET /v1/echo HTTP/1.1\r\n');
		body.write('POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n');
		const feed = setInterval(() => { for (const s of [head, body]) if (!s.gone) s.write('a'); }, 50);
		await Promise.all([head.over, body.over, idle.over]);
		clearInterval(feed);
		assert.match(head.got, /^HTTP\/1\.1 408 /);
		assert.match(body.got, /^HTTP\/1\.1 408 /);
		assert.equal(idle.got, '');
		assert.deepEqual(await edge.stop(), { code: 0, signal: null });
	});
});

describe('the file of policies', () => {
	test('what is wrong in it stops the start, and a reload changes nothing', async () => {
		await assert.rejects(startEdge({ YG_RATE_POLICIES: join(dir, 'none.yaml') }), /none\.yaml:1: cannot be read/);
		const file = join(dir, 'bad.yaml');
		writeFileSync(file, policies('unlimited').replace('quota: 7', 'quota: 0').replace('GET: read', 'GET: nothing'));
		await assert.rejects(startEdge({ YG_RATE_POLICIES: file }), (e) => /bad\.yaml:\d+: quota must be/.test(e.message) && /a default is METHOD/.test(e.message));
	});

	test('a reload brings new quotas at once', async () => {
		const file = join(dir, 'changing.yaml');
		writeFileSync(file, policies(windows(2, 3600)));
		const edge = await startEdge(settings({ YG_RATE_POLICIES: file }));
		await connected(edge);
		assert.match((await from('203.0.113.50', edge)).headers['ratelimit-policy'], /q=2;/);
		writeFileSync(file, policies(windows(4, 3600)));
		edge.process.kill('SIGHUP');
		await until(() => edge.log.includes('reloaded'));
		assert.match((await from('203.0.113.50', edge)).headers['ratelimit-policy'], /q=4;/);
		assert.deepEqual(await edge.stop(), { code: 0, signal: null });
	});
});
