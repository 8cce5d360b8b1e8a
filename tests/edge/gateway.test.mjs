// The gateway between a client and fake services: what goes through, what does not, and what is said when it does not.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { openIdentity, Signer } from './fakes.mjs';
import { startEdge, until } from './support.mjs';

let edge;
const bearer = (token) => ({ Authorization: `Bearer ${token}` });
const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** `behind`: the word that Proxy-Status (RFC 9209) has for what failed; by default it was none of a service's failures. */
function assertProblem(r, status, code, behind) {
	assert.equal(r.headers['proxy-status'], behind && `yangguang; error=${behind}`);
	assert.equal(r.status, status, r.text);
	assert.equal(r.headers['content-type'], 'application/problem+json');
	assert.equal(r.json.code, code);
	assert.equal(r.json.type, `/problems/${code}`);
	assert.equal(r.json.trace_id, r.headers['request-id']);
}

before(async () => { edge = await startEdge(); });
after(async () => { assert.deepEqual(await edge.stop(), { code: 0, signal: null }); });

describe('forwarding', () => {
	test('a public request arrives with what the gateway says and nothing forged', async () => {
		const r = await edge.call('GET', '/v1/echo?q=%E9%98%B3', {
			headers: {
				'X-Yangguang-Identity': 'v1.system.-.-.-.-.9999999999.-.x', 'X-Forwarded-For': '6.6.6.6', 'X-Request-Id': 'mine',
				Forwarded: 'for=6.6.6.6', 'X-Custom': 'kept', Connection: 'X-Hop', 'X-Hop': 'gone', Cookie: 'a=b',
			},
		});
		assert.equal(r.status, 200);
		const h = r.json.headers;
		const who = openIdentity(h['x-yangguang-identity']);
		assert.equal(who.kind, 'anonymous');
		assert.ok(who.expires > Date.now() / 1000 + 20);
		assert.equal(h['x-forwarded-for'], '127.0.0.1');
		assert.equal(h['x-forwarded-proto'], 'https');
		assert.match(h['x-request-id'], uuid7);
		assert.equal(h['x-request-id'], r.headers['request-id']);
		assert.equal(h['x-custom'], 'kept');
		assert.equal(h['x-hop'], undefined);
		assert.equal(h.forwarded, undefined);
		assert.equal(h.host, 'echo');
		assert.match(h['x-yangguang-deadline-ms'], /^[0-9]+$/);
		assert.ok(Number(h['x-yangguang-deadline-ms']) <= 10000);
		assert.equal(r.json.url, '/v1/echo?q=%E9%98%B3');
	});

	test('answers carry the common fields and lose the internal ones', async () => {
		const r = await edge.call('GET', '/v1/echo', { headers: { Origin: 'https://app.example' } });
		assert.equal(r.headers['cache-control'], 'private, no-store');
		assert.equal(r.headers['x-content-type-options'], 'nosniff');
		assert.equal(r.headers.etag, '"v1"');
		assert.equal(r.headers['x-yangguang-secret'], undefined);
		assert.equal(r.headers['access-control-allow-origin'], 'https://app.example');
		assert.match(r.headers['access-control-expose-headers'], /Idempotency-Replayed/);
		assert.match(r.headers.vary, /Origin/);
		assert.equal((await edge.call('GET', '/v1/echo?mode=cached')).headers['cache-control'], 'public, max-age=60');
	});

	test('304 goes through', async () => {
		const r = await edge.call('GET', '/v1/echo', { headers: { 'If-None-Match': '"v1"' } });
		assert.equal(r.status, 304);
		assert.equal(r.headers.etag, '"v1"');
		assert.equal(r.text, '');
	});

	test('a trace goes on with a new span; a broken one begins anew', async () => {
		const id = '0af7651916cd43dd8448eb211c80319c', span = 'b7ad6b7169203331';
		let h = (await edge.call('GET', '/v1/echo', { headers: { traceparent: `00-${id}-${span}-01`, tracestate: 'a=1, b=2' } })).json.headers;
		assert.match(h.traceparent, new RegExp(`^00-${id}-[0-9a-f]{16}-01$`));
		assert.ok(!h.traceparent.includes(span));
		assert.equal(h.tracestate, 'a=1,b=2');
		h = (await edge.call('GET', '/v1/echo', { headers: { traceparent: `00-${id}-0000000000000000-01`, tracestate: 'a=1' } })).json.headers;
		assert.ok(!h.traceparent.includes(id));
		assert.equal(h.tracestate, undefined);
	});

	test('one path for routing and for the service', async () => {
		assert.equal((await edge.raw('GET /v1/x/../echo HTTP/1.1\r\nHost: a\r\n\r\n')).match(/"url":"([^"]+)"/)[1], '/v1/echo');
		assert.match(await edge.raw('GET /v1/%00 HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 400 /);
		assert.match(await edge.raw('GET /v1%2Fecho HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 404 /);
	});

	test('pipelined requests are answered in order', async () => {
		const one = (n) => `GET /v1/echo?n=${n}${n === 1 ? '&mode=slow' : ''} HTTP/1.1\r\nHost: a\r\n\r\n`;
		const got = await edge.raw([1, 2, 3].map(one).join(''), 1500);
		assert.deepEqual([...got.matchAll(/"url":"\/v1\/echo\?n=(\d)/g)].map((m) => m[1]), ['1', '2', '3']);
	});

	test('a body arrives whole, and Basic only where the service reads it', async () => {
		const body = JSON.stringify({ text: '阳'.repeat(2000) });
		const r = await edge.call('POST', '/v1/echo', { headers: { 'Content-Type': 'application/json', Authorization: 'Basic eDp5' }, body });
		assert.equal(r.json.body, body);
		const t = await edge.call('POST', '/oauth/token', { headers: { 'Content-Type': 'application/x-www-form-urlencoded', Authorization: 'Basic eDp5' }, body: 'grant_type=client_credentials' });
		assert.equal(t.json.authorization, 'Basic eDp5');
		assert.equal(t.json.body, 'grant_type=client_credentials');
	});
});

describe('methods', () => {
	test('HEAD is a GET without its body', async () => {
		const head = await edge.call('HEAD', '/v1/echo?mode=cached');
		assert.equal(head.status, 200);
		assert.equal(head.text, '');
		assert.ok(Number(head.headers['content-length']) > 100);
	});

	test('OPTIONS tells the methods; 405 too; 501 for unknown ones', async () => {
		const o = await edge.call('OPTIONS', '/v1/items/018f0000-0000-7000-8000-000000000001');
		assert.equal(o.status, 204);
		assert.equal(o.headers.allow, 'GET, HEAD, PATCH, OPTIONS');
		assert.equal(o.headers['accept-patch'], 'application/json');
		assert.match(await edge.raw('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 204 /);
		const d = await edge.call('DELETE', '/v1/echo');
		assertProblem(d, 405, 'method-not-allowed');
		assert.equal(d.headers.allow, 'GET, HEAD, POST, OPTIONS');
		assert.match(await edge.raw('PROPFIND /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 501 /);
		assertProblem(await edge.call('OPTIONS', '/v1/nothing'), 404, 'not-found');
	});

	test('POST may say PATCH, and nothing else', async () => {
		const h = { 'X-HTTP-Method-Override': 'PATCH', 'Content-Type': 'application/json', ...bearer(edge.identity.signers[0].token()) };
		const r = await edge.call('POST', '/v1/items/018f0000-0000-7000-8000-000000000001', { headers: h, body: '{}' });
		assert.equal(r.status, 200, r.text);
		assert.equal(r.json.method, 'PATCH');
		assert.equal(r.json.headers['x-http-method-override'], undefined);
		assertProblem(await edge.call('POST', '/v1/echo', { headers: { 'X-HTTP-Method-Override': 'DELETE' } }), 400, 'method-override-invalid');
		assertProblem(await edge.call('GET', '/v1/echo', { headers: { 'X-HTTP-Method-Override': 'PATCH' } }), 400, 'method-override-invalid');
	});

	test('internal operations do not exist outside', async () => {
		assertProblem(await edge.call('GET', '/internal/echo'), 404, 'not-found');
		assertProblem(await edge.call('OPTIONS', '/internal/echo'), 404, 'not-found');
		assertProblem(await edge.call('POST', '/internal/echo'), 404, 'not-found');
	});
});

describe('CORS', () => {
	const ask = (path, origin, method) => edge.call('OPTIONS', path, { headers: { Origin: origin, 'Access-Control-Request-Method': method } });
	test('preflight', async () => {
		const ok = await ask('/v1/items/018f0000-0000-7000-8000-000000000001', 'https://app.example', 'PATCH');
		assert.equal(ok.status, 204);
		assert.equal(ok.headers['access-control-allow-origin'], 'https://app.example');
		assert.match(ok.headers['access-control-allow-methods'], /PATCH/);
		assert.match(ok.headers['access-control-allow-headers'], /Idempotency-Key/);
		assert.ok(Number(ok.headers['access-control-max-age']) > 0);
		assertProblem(await ask('/v1/items/018f0000-0000-7000-8000-000000000001', 'https://evil.example', 'GET'), 403, 'origin-forbidden');
		assert.equal((await ask('/v1/echo', 'https://any.example', 'GET')).headers['access-control-allow-origin'], '*');
	});
	test('a foreign origin is not told that it may read', async () => {
		const r = await edge.call('GET', '/v1/items/018f0000-0000-7000-8000-000000000001', { headers: { Origin: 'https://evil.example', ...bearer(edge.identity.signers[0].token()) } });
		assert.equal(r.status, 200);
		assert.equal(r.headers['access-control-allow-origin'], undefined);
	});
});

describe('authentication', () => {
	const item = '/v1/items/018f0000-0000-7000-8000-000000000001';
	test('a good token becomes a sealed identity', async () => {
		const sub = '018f0000-0000-7000-8000-00000000abcd';
		const token = edge.identity.signers[0].token({ sub, org: '4412/441223', kind: 'staff', scope: 'item:read x:y' });
		for (let i = 0; i < 2; i++) { /* the second from memory */
			const r = await edge.call('GET', item, { headers: bearer(token) });
			assert.equal(r.status, 200, r.text);
			assert.equal(r.json.headers.authorization, undefined);
			const who = openIdentity(r.json.headers['x-yangguang-identity']);
			assert.deepEqual([who.kind, who.subject, who.organization, who.scopes], ['staff', sub, '4412/441223', 'item:read x:y']);
		}
	});

	test('missing, bad, expired, and too weak credentials', async () => {
		const [s] = edge.identity.signers;
		let r = await edge.call('GET', item);
		assertProblem(r, 401, 'unauthenticated');
		assert.equal(r.headers['www-authenticate'], 'Bearer realm="yangguang"');
		for (const path of [item, '/v1/echo']) { /* a bad token is told on public operations too */
			r = await edge.call('GET', path, { headers: bearer('abc.def.ghi') });
			assertProblem(r, 401, 'token-invalid');
			assert.match(r.headers['www-authenticate'], /error="invalid_token"/);
		}
		r = await edge.call('GET', item, { headers: bearer(s.token({ exp: Math.floor(Date.now() / 1000) - 60 })) });
		assertProblem(r, 401, 'token-expired');
		r = await edge.call('GET', item, { headers: bearer(s.token({ scope: 'other' })) });
		assertProblem(r, 403, 'insufficient-scope');
		assert.match(r.headers['www-authenticate'], /error="insufficient_scope", scope="item:read"/);
		assertProblem(await edge.call('GET', item, { headers: bearer(s.token({ aud: 'other' })) }), 401, 'token-invalid');
		const forged = new Signer(s.kid);
		assertProblem(await edge.call('GET', item, { headers: bearer(forged.token()) }), 401, 'token-invalid');
		assertProblem(await edge.call('GET', item, { headers: { ...bearer(s.token()), 'X-API-Key': 'k'.repeat(32) } }), 400, 'malformed-request');
	});

	test('a token that expires while remembered is refused', async () => {
		const token = edge.identity.signers[0].token({ exp: Math.floor(Date.now() / 1000) + 2 });
		assert.equal((await edge.call('GET', item, { headers: bearer(token) })).status, 200);
		const r = await until(async () => { const a = await edge.call('GET', item, { headers: bearer(token) }); return a.status === 401 && a; });
		assertProblem(r, 401, 'token-expired');
	});

	test('what was refused once is not verified again: expired, of a closed session; a forged one says no more than before', async () => {
		const [s] = edge.identity.signers;
		const verified = async () => Number(/^yg_auth_cache_total{outcome="miss"} (\d+)/m.exec((await edge.private('/metrics')).text)[1]);
		const sid = '018f0000-0000-7000-8000-0000000000fe', past = Math.floor(Date.now() / 1000) - 60;
		edge.identity.revocations.push({ seq: 6, session: sid, revoked_at: new Date().toISOString(), expires_at: new Date(Date.now() + 9e5).toISOString() });
		await until(async () => (await edge.call('GET', item, { headers: bearer(s.token({ sid })) })).status === 401);
		for (const [token, code] of [[s.token({ exp: past }), 'token-expired'], [s.token({ sid }), 'token-invalid'], [s.token({ sid, exp: past }), 'token-expired']]) {
			const before = await verified();
			for (let i = 0; i < 5; i++) assertProblem(await edge.call('GET', item, { headers: bearer(token) }), 401, code);
			assert.equal(await verified() - before, 1, code);
		}
		assertProblem(await edge.call('GET', item, { headers: bearer(new Signer(s.kid).token({ exp: past })) }), 401, 'token-invalid');
	});

	test('a closed session is refused within seconds', async () => {
		const sid = '018f0000-0000-7000-8000-0000000000ff';
		const token = edge.identity.signers[0].token({ sid });
		assert.equal((await edge.call('GET', item, { headers: bearer(token) })).status, 200);
		edge.identity.revocations.push({ seq: 7, session: sid, revoked_at: new Date().toISOString(), expires_at: new Date(Date.now() + 9e5).toISOString() });
		const r = await until(async () => { const a = await edge.call('GET', item, { headers: bearer(token) }); return a.status === 401 && a; }, 3000);
		assertProblem(r, 401, 'token-invalid');
	});

	test('API keys: either header, asked once, unknown ones remembered as such', async () => {
		const owner = { subject: '018f0000-0000-7000-8000-0000000000aa', scopes: 'item:read', client_id: 'hospital-1', key_id: '018f0000-0000-7000-8000-0000000000bb' };
		const key = edge.identity.addApiKey(owner);
		const resolved = () => edge.identity.asked.filter((a) => a.url.endsWith('/resolve')).length;
		const before = resolved();
		edge.identity.keyDelayMs = 100;
		const all = await Promise.all([1, 2, 3, 4].map((i) => edge.call('GET', item, { headers: i % 2 ? { 'X-API-Key': key } : { Authorization: `ApiKey ${key}` } })));
		edge.identity.keyDelayMs = 0;
		for (const r of all) {
			assert.equal(r.status, 200, r.text);
			assert.equal(r.json.headers['x-api-key'], undefined);
			const who = openIdentity(r.json.headers['x-yangguang-identity']);
			assert.deepEqual([who.kind, who.subject, who.client, who.session], ['partner', owner.subject, 'hospital-1', owner.key_id]);
		}
		assert.equal(resolved(), before + 1);
		for (let i = 0; i < 2; i++) assertProblem(await edge.call('GET', item, { headers: { 'X-API-Key': 'n'.repeat(32) } }), 401, 'token-invalid');
		assert.equal(resolved(), before + 2);
		assertProblem(await edge.call('GET', item, { headers: { 'X-API-Key': 'short' } }), 401, 'token-invalid');
		assert.ok(!edge.identity.asked.some((a) => a.body.includes(key)));
	});

	test('whoever guesses API keys drives nobody\'s out of memory', async () => {
		const key = edge.identity.addApiKey({ subject: '018f0000-0000-7000-8000-0000000000ac', scopes: 'item:read', client_id: 'hospital-2', key_id: '018f0000-0000-7000-8000-0000000000bc' });
		const digest = createHash('sha256').update(key).digest('hex');
		const ask = (k) => edge.call('GET', item, { headers: { 'X-API-Key': k } });
		assert.equal((await ask(key)).status, 200);
		for (let i = 0; i < 11; i++)
			for (const r of await Promise.all(Array.from({ length: 100 }, (_, n) => ask(`guess-${String(i * 100 + n).padStart(32, '0')}`)))) assertProblem(r, 401, 'token-invalid');
		assert.equal((await ask(key)).status, 200);
		assert.equal(edge.identity.asked.filter((a) => a.body.includes(digest)).length, 1);
	});

	test('a new signing key is fetched when a token names it', async () => {
		const next = new Signer('k2');
		edge.identity.signers.push(next);
		const token = next.token();
		await until(async () => (await edge.call('GET', item, { headers: bearer(token) })).status === 200);
		const fetches = () => edge.identity.asked.filter((a) => a.url.endsWith('/jwks.json')).length;
		const before = fetches();
		await Promise.all(Array.from({ length: 20 }, (_, i) => edge.call('GET', item, { headers: bearer(new Signer(`no-${i}`).token()) })));
		assert.ok(fetches() - before <= 1);
	});
});

describe('limits and faults', () => {
	test('413 before 100-continue, by the operation\'s own limit', async () => {
		const got = await edge.raw('POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 20000\r\nExpect: 100-continue\r\n\r\n');
		assert.match(got, /^HTTP\/1\.1 413 /);
		assert.doesNotMatch(got, /100 Continue/);
		assert.match(got, /payload-too-large/);
		assert.match(got, /[Rr]equest-[Ii]d: /);
	});

	test('broken requests get a problem and the connection ends', async () => {
		for (const bytes of ['GET / HTTP/1.1\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n', 'POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n']) {
			const got = await edge.raw(bytes);
			assert.match(got, /^HTTP\/1\.1 400 /);
			assert.match(got, /application\/problem\+json/);
			assert.match(got, /[Cc]onnection: close/);
		}
	});

	test('a lost answer is asked again when that is safe, and only then', async () => {
		edge.echo.resets = 1;
		assert.equal((await edge.call('GET', '/v1/echo?mode=reset')).status, 200);
		edge.echo.resets = 1;
		assert.equal((await edge.call('POST', '/v1/echo?mode=reset', { headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'k1' }, body: '{}' })).status, 200);
		edge.echo.resets = 1;
		const count = () => edge.echo.seen.filter((s) => s.method === 'POST' && s.url.includes('reset')).length;
		const before = count();
		assertProblem(await edge.call('POST', '/v1/echo?mode=reset', { headers: { 'Content-Type': 'application/json' }, body: '{}' }), 502, 'bad-upstream', 'connection_terminated');
		assert.equal(count(), before + 1);
	});

	test('garbage from a service is 502', async () => {
		assertProblem(await edge.call('POST', '/v1/echo?mode=garbage', { headers: { 'Content-Type': 'application/json' }, body: '{}' }), 502, 'bad-upstream', 'http_protocol_error');
	});

	test('a slow operation does not delay the quick ones', async () => {
		const slow = edge.call('GET', '/v1/slow?mode=slow');
		const start = Date.now();
		for (let i = 0; i < 10; i++) assert.equal((await edge.call('GET', '/v1/echo')).status, 200);
		assert.ok(Date.now() - start < 600);
		assert.equal((await slow).status, 200);
	});

	test('a mute service is 504 at the deadline', async () => {
		const start = Date.now();
		assertProblem(await edge.call('GET', '/v1/echo?mode=mute'), 504, 'upstream-timeout', 'http_response_timeout');
		assert.ok(Date.now() - start >= 9900 && Date.now() - start < 12000);
	});

	test('a service that is gone is 503, and comes back', async () => {
		const quiet = edge.echo.server;
		quiet.closeAllConnections();
		await new Promise((done) => { quiet.close(done); });
		const r = await edge.call('GET', '/v1/echo');
		assertProblem(r, 503, 'upstream-unavailable', 'destination_unavailable');
		assert.equal(r.headers['retry-after'], '1');
		const ready = await edge.private('/readyz');
		assert.equal(ready.status, 200);
		assert.equal(ready.json.status, 'warn');
		await new Promise((done) => { quiet.listen(`${edge.dir}/echo.sock`, done); });
		await until(async () => (await edge.call('GET', '/v1/echo')).status === 200);
	});
});

describe('pages, languages, measures', () => {
	test('index, problem pages and the contract', async () => {
		assert.match((await edge.call('GET', '/')).headers['content-type'], /^text\/html/);
		const page = await edge.call('GET', '/problems/not-found');
		assert.match(page.text, /404/);
		assert.match(page.headers['content-security-policy'], /default-src 'none'/);
		const own = await edge.call('GET', '/problems/echo-refused', { headers: { Accept: 'application/json' } });
		assert.deepEqual([own.json.status, own.json.titles.en], [409, 'The echo refuses']);
		assertProblem(await edge.call('GET', '/problems/no-such'), 404, 'not-found');
		assertProblem(await edge.call('POST', '/'), 405, 'method-not-allowed');
		const doc = await edge.call('GET', '/openapi.json');
		assert.equal(doc.json.openapi, '3.1.0');
		assert.ok(doc.json.paths['/v1/items/{id}'].patch);
		assert.ok(!doc.text.includes('/internal/') && !doc.text.includes('x-access') && !doc.text.includes('.yaml#'));
		assert.equal((await edge.call('GET', '/openapi.json', { headers: { 'If-None-Match': doc.headers.etag } })).status, 304);
	});

	test('problems speak Chinese, or English when asked', async () => {
		const zh = await edge.call('GET', '/v1/nothing');
		assert.deepEqual([zh.headers['content-language'], zh.json.title], ['zh-CN', '找不到该资源']);
		const en = await edge.call('GET', '/v1/nothing', { headers: { 'Accept-Language': 'en-GB, zh;q=0.5' } });
		assert.deepEqual([en.headers['content-language'], en.json.title], ['en', 'No such resource']);
	});

	test('metrics are per operation, and unknown paths share one series', async () => {
		for (let i = 0; i < 20; i++) await edge.call('GET', `/no/such/${i}`);
		const { text, headers } = await edge.private('/metrics');
		assert.match(headers['content-type'], /^text\/plain; version=0\.0\.4/);
		assert.match(text, /yg_http_requests_total\{operation="echo_get",method="GET",status="2xx"\} \d+/);
		assert.match(text, /yg_http_requests_total\{operation="unmatched",method="-",status="4xx"\} \d+/);
		assert.match(text, /yg_http_request_duration_seconds_bucket\{operation="echo_get",le="\+Inf"\} \d+/);
		assert.match(text, /yg_auth_cache_total\{outcome="hit"\} [1-9]/);
		assert.match(text, /yg_upstream_connections\{upstream="echo",lane="shared"\} \d/);
		assert.match(text, /yg_http_requests_in_flight 0/);
		assert.doesNotMatch(text, /no\/such/);
	});

	test('the access log has templates, never what the client wrote', async () => {
		await edge.call('GET', '/v1/items/018f0000-0000-7000-8000-00000000cafe?secret=hush', { headers: bearer(edge.identity.signers[0].token()) });
		const lines = await until(() => edge.log.includes('"path":"/v1/items/{id}"') && edge.log.trim().split('\n').map((l) => JSON.parse(l)));
		const line = lines.findLast((l) => l.operation === 'item_get');
		assert.equal(line.msg, 'request');
		assert.match(line.request_id, uuid7);
		assert.match(line.trace_id, /^[0-9a-f]{32}$/);
		assert.ok(line.duration_us > 0 && line.bytes > 0 && line.address === '127.0.0.1' && line.kind);
		assert.doesNotMatch(edge.log, /hush|00000000cafe|no\/such/);
	});
});
