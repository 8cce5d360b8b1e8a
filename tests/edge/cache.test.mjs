// The cache of contract routes: what is kept, for whom, for how long, and what comes of it when things go wrong.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openIdentity } from './fakes.mjs';
import { sleep, startEdge, until } from './support.mjs';
import { withShelf } from './shelf.mjs';

let edge;
let next = 0;
const fresh = (kind = 'things') => `/v1/${kind}/x${next++}`;
const get = (path, headers = {}, method = 'GET') => edge.call(method, path, { headers });
const status = (r) => r.headers['cache-status'] ?? '';
const isHit = (r) => /^yangguang; hit/.test(status(r));
const bearer = (token) => ({ Authorization: `Bearer ${token}` });
const put = (path) => edge.call('PUT', path, { body: '{}', headers: { 'Content-Type': 'application/json', 'Content-Length': 2 } });
const planFor = (path, plan) => { edge.shelf.plan = (key) => (key === path ? plan() : {}); };

before(async () => { edge = await startEdge({}, { prepare: withShelf() }); });
after(async () => { assert.deepEqual(await edge.stop(), { code: 0, signal: null }); });

describe('hits', () => {
	test('the second request is answered from here, with its age', async () => {
		const path = fresh();
		const first = await get(path);
		assert.equal(first.status, 200);
		assert.match(status(first), /^yangguang; fwd=miss; stored; ttl=(60|59)$/);
		await sleep(1100);
		const second = await get(path);
		assert.match(status(second), /^yangguang; hit; ttl=5[0-9]$/);
		assert.ok(Number(second.headers.age) >= 1 && Number(second.headers.age) < 30);
		assert.equal(second.text, first.text);
		assert.equal(second.headers.etag, first.headers.etag);
		assert.equal(second.headers['content-type'], 'application/json');
		assert.equal(second.headers['cache-control'], 'public, max-age=60');
		assert.equal(second.headers['x-content-type-options'], 'nosniff');
		assert.notEqual(second.headers['request-id'], first.headers['request-id']);
		assert.equal(edge.shelf.count(path), 1);
	});

	test('query and path are the key, as received', async () => {
		const path = fresh();
		for (const url of [path, `${path}?q=1`, `${path}?q=2`, `${path}?`]) {
			assert.match(status(await get(url)), /fwd=miss; stored/, url);
			assert.ok(isHit(await get(url)), url);
		}
		assert.equal((await get(`${path}?q=2`)).json.q, 'q=2');
		assert.ok(isHit(await get(`/v1/./things/../things/${path.split('/').at(-1)}`)), 'one normal form');
	});

	test('If-None-Match is answered from here', async () => {
		const path = fresh();
		const { headers: { etag } } = await get(path, { 'If-None-Match': '"something"' });
		const r = await get(path, { 'If-None-Match': `"x", W/${etag}` });
		assert.equal(r.status, 304);
		assert.equal(r.text, '');
		assert.equal(r.headers.etag, etag);
		assert.deepEqual(Object.keys(r.headers).filter((name) => name.startsWith('content-')), [], 'RFC 9110 15.4.5');
		assert.equal((await get(path, { 'If-None-Match': '"other"' })).status, 200);
		assert.equal((await get(path, { 'If-None-Match': '*' })).status, 304);
		assert.equal(edge.shelf.count(path), 1);
		assert.equal(edge.shelf.seen.find((s) => s.url === path).headers['if-none-match'], undefined, 'asked for the whole');
	});

	test('a condition about an old version brings the new one', async () => {
		const path = fresh();
		const { headers: { etag } } = await get(path);
		await put(path);
		assert.equal((await get(path, { 'If-None-Match': etag })).status, 200, 'the new version');
	});

	test('HEAD and ranges come from the whole', async () => {
		const path = fresh();
		planFor(path, () => ({ body: '0123456789' }));
		const head = await get(path, {}, 'HEAD');
		assert.equal(head.status, 200);
		assert.equal(head.headers['content-length'], '10');
		assert.ok(isHit(await get(path)));
		const again = await get(path, {}, 'HEAD');
		assert.ok(isHit(again));
		assert.equal(again.headers['content-length'], '10');
		for (const [range, part, say] of [['bytes=2-4', '234', 'bytes 2-4/10'], ['bytes=-3', '789', 'bytes 7-9/10'], ['bytes=8-99', '89', 'bytes 8-9/10']]) {
			const r = await get(path, { Range: range });
			assert.equal(r.status, 206);
			assert.equal(r.text, part);
			assert.equal(r.headers['content-range'], say);
			assert.equal(r.headers['content-length'], String(part.length));
		}
		for (const range of ['bytes=20-', 'bytes=1-2,4-5', 'lines=1-2'])
			assert.equal((await get(path, { Range: range })).text, '0123456789');
		assert.equal((await get(path, { Range: 'bytes=0-1', 'If-Range': '"old"' })).status, 200);
		assert.equal(edge.shelf.count(path), 1);
	});

	test('big answers arrive whole', async () => {
		const path = fresh();
		const body = JSON.stringify({ text: 'y'.repeat(900_000) });
		planFor(path, () => ({ body }));
		assert.equal((await get(path)).text, body);
		const r = await get(path);
		assert.ok(isHit(r));
		assert.equal(r.text, body);
	});

	test('a language has its own answer when the service says so', async () => {
		const path = fresh();
		planFor(path, () => ({ headers: { Vary: 'Accept-Language' } }));
		assert.equal((await get(path, { 'Accept-Language': 'en-GB, fr;q=0.3' })).json.language, 'en');
		assert.equal((await get(path)).json.language, 'zh-CN');
		assert.ok(isHit(await get(path, { 'Accept-Language': 'en' })));
		assert.ok(isHit(await get(path, { 'Accept-Language': 'zh-TW, en;q=0.2' })));
		assert.equal(edge.shelf.count(path), 2);
	});
});

describe('clients', () => {
	test('cannot walk through the cache, but may ask for nothing else', async () => {
		const path = fresh();
		assert.equal((await get(path, { 'Cache-Control': 'only-if-cached' })).status, 504);
		await get(path);
		for (const h of [{ 'Cache-Control': 'no-cache' }, { 'Cache-Control': 'max-age=0' }, { Pragma: 'no-cache' }, { 'Cache-Control': 'no-store' }])
			assert.ok(isHit(await get(path, h)), JSON.stringify(h));
		assert.ok(isHit(await get(path, { 'Cache-Control': 'only-if-cached' })));
		assert.equal(edge.shelf.count(path), 1);
	});

	test('put nothing into a question whose answer others get', async () => {
		const path = fresh();
		await get(path, {
			'X-Custom': 'poison', 'User-Agent': 'poison', Cookie: 'poison=1', Accept: 'poison/x', 'X-Original-URL': '/poison', Origin: 'https://poison.example',
			Range: 'bytes=0-0', 'If-Modified-Since': 'Sun, 06 Nov 1994 08:49:37 GMT', ...bearer(edge.identity.signers[0].token()),
		});
		const { headers } = edge.shelf.seen.find((s) => s.url === path);
		assert.ok(!JSON.stringify(headers).includes('poison'), JSON.stringify(headers));
		assert.equal(headers['x-forwarded-for'], undefined);
		assert.equal(headers.range, undefined);
		assert.equal(openIdentity(headers['x-yangguang-identity']).kind, 'anonymous', 'asked as nobody');
	});

	test('get their own CORS answer, which is not kept', async () => {
		const path = fresh();
		assert.equal((await get(path, { Origin: 'https://a.example' })).headers['access-control-allow-origin'], '*');
		const mine = await get(path, { Origin: 'https://app.example' });
		assert.ok(isHit(mine));
		assert.equal(mine.headers['access-control-allow-origin'], 'https://app.example');
		assert.match(mine.headers.vary, /Origin/);
		assert.equal((await get(path)).headers['access-control-allow-origin'], undefined);
	});

	test('who shows a bad credential is refused before a hit', async () => {
		const path = fresh();
		await get(path);
		assert.equal((await get(path, bearer('rubbish'))).status, 401);
		assert.ok(isHit(await get(path, bearer(edge.identity.signers[0].token()))), 'public answers are for everybody');
	});
});

describe('what is not kept', () => {
	const twice = async (path, plan, headers = {}) => {
		if (plan) planFor(path, plan);
		const before = edge.shelf.count(path);
		await get(path, headers);
		const second = await get(path, headers);
		assert.ok(!isHit(second), status(second));
		assert.equal(edge.shelf.count(path), before + 2);
		return second;
	};
	test('answers to those who must show who they are', async () => {
		const path = fresh('own');
		const r = await twice(path, null, bearer(edge.identity.signers[0].token()));
		assert.equal(r.headers['cache-status'], undefined);
		assert.equal((await get(path)).status, 401);
	});
	test('operations without a lifetime', () => twice(fresh('never')));
	test('Set-Cookie', () => twice(fresh(), () => ({ headers: { 'Set-Cookie': 'a=b' } })));
	test('no-store and private of a service', async () => {
		await twice(fresh(), () => ({ headers: { 'Cache-Control': 'no-store' } }));
		await twice(fresh(), () => ({ headers: { 'Cache-Control': 'private, max-age=60' } }));
	});
	test('Vary by person, or by everything', async () => {
		for (const vary of ['*', 'Accept, Authorization', 'cookie']) await twice(fresh(), () => ({ headers: { Vary: vary } }));
	});
	test('failures and refusals', async () => {
		for (const code of [401, 403, 404, 429, 500, 503]) await twice(fresh(), () => ({ status: code, body: '{}' }));
	});
	test('a GET with content', async () => {
		const path = fresh();
		const ask = () => edge.call('GET', path, { body: 'x', headers: { 'Content-Length': 1 } });
		await ask();
		await ask();
		assert.equal(edge.shelf.count(path), 2);
		assert.match(status(await get(path)), /fwd=miss/);
	});
});

describe('purges', () => {
	test('a write is seen by the next read, whatever was kept', async () => {
		const path = fresh();
		const other = fresh();
		assert.equal((await get(path)).json.version, 0);
		await get(other);
		assert.equal((await put(path)).status, 200);
		assert.equal((await get(path)).json.version, 1);
		assert.match(status(await get(other)), /fwd=/, 'everything with the tag');
	});
	test('a write that failed purges nothing', async () => {
		const path = fresh();
		await get(path);
		edge.shelf.plan = (key, req) => (req.method === 'PUT' ? { status: 409, body: '{}' } : {});
		assert.equal((await put(path)).status, 409);
		assert.ok(isHit(await get(path)));
	});
	test('an answer asked for before the write is not kept after it', async () => {
		const path = fresh();
		let open;
		const gate = new Promise((go) => { open = go; });
		edge.shelf.plan = (key, req) => (key === path && req.method === 'GET' && edge.shelf.count(path) === 0 ? { gate, body: '{"version":"old"}' } : {});
		const slow = get(path);
		await until(() => edge.shelf.count(path) === 1);
		await put(path);
		open();
		assert.equal((await slow).json.version, 'old', 'it began before');
		assert.equal((await get(path)).json.version, 1);
		assert.equal((await get(path)).json.version, 1);
	});
});

describe('stale answers', () => {
	test('while it is renewed in the background, by one question', async () => {
		const path = fresh('quick');
		await get(path);
		await sleep(1200);
		edge.shelf.versions.set(path, 7);
		planFor(path, () => ({ delayMs: 300 }));
		const r = await Promise.all(Array.from({ length: 8 }, () => get(path)));
		for (const one of r) {
			assert.equal(one.json.version, 0);
			assert.match(status(one), /hit; detail=stale-while-revalidate; ttl=-/);
		}
		await until(async () => (await get(path)).json.version === 7);
		assert.equal(edge.shelf.count(path), 2);
	});
	test('renewed by 304', async () => {
		const path = fresh('sturdy');
		const first = await get(path);
		await sleep(1200);
		const r = await get(path);
		assert.match(status(r), /fwd=stale; fwd-status=304/);
		assert.equal(r.text, first.text);
		assert.equal(edge.shelf.seen.filter((s) => s.url === path)[1].headers['if-none-match'], first.headers.etag);
		assert.ok(isHit(await get(path)));
	});
	test('when the service fails, if the contract says so', async () => {
		const sturdy = fresh('sturdy');
		const strict = fresh('strict');
		await get(sturdy);
		await get(strict);
		await sleep(1200);
		edge.shelf.plan = () => ({ status: 503, body: '{"title":"ill"}' });
		const r = await get(sturdy);
		assert.equal(r.status, 200);
		assert.match(status(r), /fwd=stale; detail=stale-if-error/);
		assert.equal((await get(strict)).status, 503);
		edge.shelf.plan = () => ({ reset: true });
		assert.match(status(await get(sturdy)), /fwd=stale; detail=unreachable/);
		assert.ok((await get(strict)).status >= 500);
		edge.shelf.plan = () => ({});
		await until(async () => isHit(await get(sturdy)));
	});
	test('a service that is gone', async () => {
		const quick = fresh('quick');
		const sturdy = fresh('sturdy');
		await get(quick);
		await get(sturdy);
		await edge.shelf.close();
		await sleep(1300);
		assert.equal((await get(quick)).status, 200);
		const r = await get(sturdy);
		assert.equal(r.status, 200, r.text);
		assert.ok((await get(fresh())).status >= 502);
		await edge.shelf.open();
		await until(async () => (await get(fresh())).status === 200);
	});
});

describe('flights', () => {
	test('64 ask for what is not there: the service is asked once', async () => {
		const path = fresh('costly');
		planFor(path, () => ({ delayMs: 300 }));
		const all = await Promise.all(Array.from({ length: 64 }, () => get(path)));
		for (const r of all) assert.equal(r.status, 200);
		assert.equal(edge.shelf.count(path), 1);
		assert.equal(all.filter((r) => /fwd=miss; collapsed/.test(status(r))).length, 63);
	});
	test('an answer that is not kept is nobody else\'s', async () => {
		const path = fresh();
		let n = 0;
		planFor(path, () => ({ delayMs: 200, headers: { 'Set-Cookie': `n=${++n}` } }));
		const all = await Promise.all(Array.from({ length: 10 }, () => get(path)));
		assert.equal(new Set(all.map((r) => String(r.headers['set-cookie']))).size, 10);
		assert.equal(edge.shelf.count(path), 10);
	});
	test('a client that leaves does not take the others\' answer with him', async () => {
		const path = fresh();
		planFor(path, () => ({ delayMs: 500 }));
		const leader = edge.raw(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`, 150);
		await until(() => edge.shelf.count(path) === 1);
		const others = await Promise.all(Array.from({ length: 5 }, () => get(path)));
		await leader;
		for (const r of others) assert.equal(r.status, 200);
		assert.equal(edge.shelf.count(path), 1);
	});
	test('the first one fails: one of the others tries for all', async () => {
		const path = fresh();
		planFor(path, () => (edge.shelf.count(path) === 0 ? { delayMs: 300, status: 500, body: '{}' } : { delayMs: 100 }));
		const all = await Promise.all(Array.from({ length: 12 }, () => get(path)));
		assert.deepEqual(all.map((r) => r.status).sort(), [...Array(11).fill(200), 500]);
		assert.equal(edge.shelf.count(path), 2);
	});
	test('it fails twice: everybody hears it', async () => {
		const path = fresh();
		planFor(path, () => ({ delayMs: 200, status: 500, body: '{}' }));
		const all = await Promise.all(Array.from({ length: 12 }, () => get(path)));
		for (const r of all) assert.ok(r.status >= 500);
		assert.equal(edge.shelf.count(path), 2);
	});
});

test('everything is counted', async () => {
	const { text } = await edge.private('/metrics');
	const value = (line) => Number(new RegExp(`^${line.replace(/[{}]/g, '\\$&')} (\\d+)`, 'm').exec(text)?.[1] ?? NaN);
	for (const outcome of ['hit', 'stale', 'renewed', 'collapsed', 'miss', 'bypass'])
		assert.ok(value(`yg_cache_requests_total{outcome="${outcome}"}`) > 0, outcome);
	for (const name of ['yg_cache_bytes', 'yg_cache_entries', 'yg_cache_stored_total', 'yg_cache_hit_bytes_total', 'yg_cache_flights_total', 'yg_cache_joined_total'])
		assert.ok(value(name) > 0, name);
	assert.equal(value('yg_cache_waiting'), 0);
});
