// Content codings at the gateway: which answers are coded and which never, entity tags per coding, bodies decoded under their limit.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import zlib from 'node:zlib';
import { withShelf } from './shelf.mjs';
import { startEdge } from './support.mjs';

let edge;
before(async () => { edge = await startEdge({}, { prepare: withShelf() }); });
after(async () => { assert.deepEqual(await edge.stop(), { code: 0, signal: null }); });

/** As edge.call, with the bytes as they came. */
function ask(method, path, headers = {}, body = undefined) {
	return new Promise((done, fail) => {
		http.request({ host: '127.0.0.1', port: edge.port, method, path, headers }, (res) => {
			const parts = [];
			res.on('data', (d) => parts.push(d)).on('error', fail).on('end', () => done({ status: res.statusCode, headers: res.headers, bytes: Buffer.concat(parts) }));
		}).on('error', fail).end(body);
	});
}
const page = (more = '') => `/v1/echo?mode=page${more}`;
const undo = { gzip: zlib.gunzipSync, br: zlib.brotliDecompressSync };
const vary = (r) => (r.headers.vary ?? '').split(/, */).sort();

describe('answers', () => {
	for (const [accept, coding] of [['gzip', 'gzip'], ['br', 'br'], ['gzip, deflate, br', 'br'], ['br;q=0.1, gzip;q=0.9', 'gzip'], ['*', 'br']]) {
		for (const bytes of [1024, 5000, 30000, 200000, 2000000]) {
			test(`Accept-Encoding: ${accept}, ${bytes} bytes`, async () => {
				const plain = await ask('GET', page(`&bytes=${bytes}`));
				assert.equal(plain.bytes.length, bytes);
				assert.equal(plain.headers['content-encoding'], undefined);
				assert.equal(plain.headers.etag, '"p1"');
				assert.deepEqual(vary(plain), ['Accept-Encoding', 'Origin']);
				const r = await ask('GET', page(`&bytes=${bytes}`), { 'Accept-Encoding': accept });
				assert.equal(r.status, 200);
				assert.equal(r.headers['content-encoding'], coding);
				assert.equal(r.headers.etag, `"p1~${coding}"`);
				assert.deepEqual(vary(r), ['Accept-Encoding', 'Origin']);
				assert.equal(Number(r.headers['content-length']), r.bytes.length);
				assert.ok(r.bytes.length < bytes / 2);
				assert.ok(undo[coding](r.bytes).equals(plain.bytes));
			});
		}
	}

	test('HEAD says what GET would', async () => {
		for (const bytes of [5000, 200000]) {
			const get = await ask('GET', page(`&bytes=${bytes}`), { 'Accept-Encoding': 'br' });
			const head = await ask('HEAD', page(`&bytes=${bytes}`), { 'Accept-Encoding': 'br' });
			for (const name of ['content-encoding', 'content-length', 'etag', 'vary', 'content-type']) assert.equal(head.headers[name], get.headers[name]);
			assert.equal(head.bytes.length, 0);
		}
	});

	test('every coding has its own entity tag, and each of them is confirmed', async () => {
		for (const tag of ['"p1"', '"p1~br"', '"p1~gzip"']) {
			const r = await ask('GET', page(), { 'Accept-Encoding': 'br', 'If-None-Match': tag });
			assert.equal(r.status, 304);
			assert.equal(r.headers.etag, tag);
			assert.equal(edge.echo.seen.at(-1).headers['if-none-match'], '"p1"');
			assert.ok(vary(r).includes('Accept-Encoding'));
		}
		assert.equal((await ask('GET', page(), { 'If-None-Match': '"p2~br"' })).status, 200);
	});

	const plain = (name, path, headers = {}, status = 200) => test(name, async () => {
		const r = await ask('GET', path, { 'Accept-Encoding': 'gzip, br', ...headers });
		assert.equal(r.status, status);
		assert.equal(r.headers['content-encoding'], undefined);
		assert.ok(!(r.headers.etag ?? '').includes('~'));
	});
	plain('nothing small', page('&bytes=1023'));
	plain('nothing that says nothing of caches', '/v1/echo', { 'X-Long': 'a'.repeat(3000) });
	plain('nothing private', page('&control=private,%20max-age=60'));
	plain('nothing that is not to be stored', page('&control=public,%20no-store'));
	plain('nothing that must not be transformed', page('&control=public,%20no-transform'));
	plain('nothing with a cookie', page('&cookie=1'));
	plain('no images', page('&type=image/png'));
	plain('no streams of events', page('&type=text/event-stream'));
	plain('no errors', page('&status=404'), {}, 404);
	plain('not when the client wants it plain', page(), { 'Accept-Encoding': 'identity, br;q=0.5' });
	plain('not when the client takes no coding of ours', page(), { 'Accept-Encoding': 'zstd, deflate, *;q=0' });
	plain('nothing that needs a token, whatever it says of itself', '/v1/pushes?mode=page', {}, 401);

	test('what needs a token is not coded, whatever it says of itself', async () => {
		const token = edge.identity.signers[0].token({ scope: 'push:write' });
		const r = await ask('GET', '/v1/pushes?mode=page', { 'Accept-Encoding': 'br', Authorization: `Bearer ${token}` });
		assert.equal(r.status, 200);
		assert.equal(r.headers['content-encoding'], undefined);
		assert.ok(!vary(r).includes('Accept-Encoding'));
	});

	test('what is coded already stays as it is', async () => {
		const r = await ask('GET', page('&coding=zstd'), { 'Accept-Encoding': 'br' });
		assert.equal(r.headers['content-encoding'], 'zstd');
		assert.equal(r.bytes.length, 2000);
	});

	test('the contract', async () => {
		const whole = await ask('GET', '/openapi.json');
		const r = await ask('GET', '/openapi.json', { 'Accept-Encoding': 'gzip' });
		assert.equal(r.headers['content-encoding'], 'gzip');
		assert.ok(zlib.gunzipSync(r.bytes).equals(whole.bytes));
		const again = await ask('GET', '/openapi.json', { 'Accept-Encoding': 'gzip', 'If-None-Match': r.headers.etag });
		assert.equal(again.status, 304);
		assert.equal(again.headers.etag, r.headers.etag);
	});

	test('a client that leaves while its answer is coded harms nobody', async () => {
		for (let i = 0; i < 20; i++) {
			const req = http.request({ host: '127.0.0.1', port: edge.port, path: page('&bytes=2000000'), headers: { 'Accept-Encoding': 'br' } });
			req.on('error', () => {}).end();
			await new Promise((go) => { setTimeout(go, i); });
			req.destroy();
		}
		assert.equal((await ask('GET', page(), { 'Accept-Encoding': 'br' })).status, 200);
	});
});

describe('kept answers', () => {
	let n = 0;
	const kept = (bytes, headers = {}) => {
		const path = `/v1/things/coded${n++}`;
		const body = JSON.stringify({ text: 'Yangguang and so on '.repeat(bytes / 20) }).slice(0, bytes);
		edge.shelf.plan = (key) => (key === path ? { body, headers } : {});
		return { path, body };
	};

	for (const bytes of [3000, 300000]) {
		test(`${bytes} bytes: each coding from one question, with its own tag and length`, async () => {
			const { path, body } = kept(bytes);
			for (let i = 0; i < 3; i++) {
				for (const [accept, coding] of [['gzip', 'gzip'], ['br', 'br'], ['', undefined]]) {
					const r = await ask('GET', path, { 'Accept-Encoding': accept });
					assert.equal(r.status, 200);
					assert.equal(r.headers['content-encoding'], coding);
					assert.equal(r.headers.etag, coding ? `"${path}-0~${coding}"` : `"${path}-0"`);
					assert.deepEqual(vary(r), ['Accept-Encoding', 'Origin']);
					assert.equal(Number(r.headers['content-length']), r.bytes.length);
					assert.equal((coding ? undo[coding](r.bytes) : r.bytes).toString(), body);
					assert.match(r.headers['cache-status'], i || coding !== 'gzip' ? /^yangguang; hit; ttl=/ : /stored/);
					const again = await ask('GET', path, { 'Accept-Encoding': accept, 'If-None-Match': r.headers.etag });
					assert.equal(again.status, 304);
					assert.equal(again.headers.etag, r.headers.etag);
					const head = await ask('HEAD', path, { 'Accept-Encoding': accept });
					assert.equal(head.headers['content-length'], r.headers['content-length']);
				}
			}
			assert.equal(edge.shelf.count(path), 1);
		});
	}

	test('the tag of another coding confirms nothing', async () => {
		const { path } = kept(3000);
		const r = await ask('GET', path, { 'Accept-Encoding': 'br' });
		assert.equal((await ask('GET', path, { 'Accept-Encoding': 'gzip', 'If-None-Match': r.headers.etag })).status, 200);
		assert.equal((await ask('GET', path, { 'If-None-Match': r.headers.etag })).status, 200);
	});

	test('many at once, while it is being coded, all get it whole', async () => {
		const { path, body } = kept(300000);
		await ask('GET', path);
		const answers = await Promise.all(Array.from({ length: 30 }, () => ask('GET', path, { 'Accept-Encoding': 'br' })));
		for (const r of answers) assert.equal((r.headers['content-encoding'] ? undo.br(r.bytes) : r.bytes).toString(), body);
		assert.equal(edge.shelf.count(path), 1);
	});

	for (const [name, bytes, headers] of [['small', 500, {}], ['not to be transformed', 3000, { 'Cache-Control': 'public, max-age=60, no-transform' }], ['coded by the service', 3000, { 'Content-Encoding': 'zstd' }]]) {
		test(`not what is ${name}`, async () => {
			const { path } = kept(bytes, headers);
			for (let i = 0; i < 2; i++) {
				const r = await ask('GET', path, { 'Accept-Encoding': 'br' });
				assert.notEqual(r.headers['content-encoding'], 'br');
				assert.equal(r.bytes.length, bytes);
				assert.ok(!vary(r).includes('Accept-Encoding'));
			}
		});
	}

	test('a purge takes the codings too', async () => {
		const { path } = kept(3000);
		const first = await ask('GET', path, { 'Accept-Encoding': 'br' });
		await ask('PUT', path, { 'Content-Type': 'application/json', 'Content-Length': 2 }, '{}');
		const second = await ask('GET', path, { 'Accept-Encoding': 'br' });
		assert.notEqual(second.headers.etag, first.headers.etag);
		assert.equal(second.headers['content-encoding'], 'br');
	});
});

describe('request bodies', () => {
	const json = JSON.stringify({ a: 'Yangguang '.repeat(500) });
	const post = (coding, body) => ask('POST', '/v1/echo', { 'Content-Type': 'application/json', 'Content-Encoding': coding, 'Content-Length': body.length }, body);
	const problem = (r) => JSON.parse(r.bytes).code;
	for (const [coding, bytes] of [['gzip', zlib.gzipSync(json)], ['x-gzip', zlib.gzipSync(json)], ['GZip', zlib.gzipSync(json)], ['br', zlib.brotliCompressSync(json)], ['identity', Buffer.from(json)]]) {
		test(`${coding} reaches the service plain`, async () => {
			const r = await post(coding, bytes);
			assert.equal(r.status, 200, r.bytes.toString());
			const seen = JSON.parse(r.bytes);
			assert.equal(seen.body, json);
			assert.equal(seen.headers['content-encoding'], undefined);
			assert.equal(Number(seen.headers['content-length']), json.length);
		});
	}
	const refused = (name, coding, bytes, status, code) => test(name, async () => {
		const seen = edge.echo.seen.length;
		const r = await post(coding, bytes);
		assert.equal(r.status, status, r.bytes.toString());
		assert.equal(problem(r), code);
		if (status === 415) assert.equal(r.headers['accept-encoding'], 'gzip, br');
		assert.equal(edge.echo.seen.length, seen);
	});
	refused('an unknown coding', 'zstd', Buffer.from(json), 415, 'unsupported-media-type');
	refused('deflate, which nobody means the same by', 'deflate', zlib.deflateSync(json), 415, 'unsupported-media-type');
	refused('two codings', 'gzip, br', zlib.gzipSync(json), 415, 'unsupported-media-type');
	refused('what is not in its coding', 'gzip', Buffer.from(json), 400, 'malformed-request');
	refused('a body cut short', 'br', zlib.brotliCompressSync(json).subarray(0, -3), 400, 'malformed-request');
	refused('a body with something behind it', 'gzip', Buffer.concat([zlib.gzipSync(json), Buffer.from('x')]), 400, 'malformed-request');
	refused('a gzip bomb', 'gzip', zlib.gzipSync(Buffer.alloc(10e6)), 413, 'payload-too-large');
	refused('a brotli bomb', 'br', zlib.brotliCompressSync(Buffer.alloc(50e6), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 2 } }), 413, 'payload-too-large');
	refused('one byte over the operation\'s limit', 'gzip', zlib.gzipSync('x'.repeat(16385)), 413, 'payload-too-large');
});
