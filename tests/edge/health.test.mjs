// What operators and machines read of a gateway: health in application/health+json, and an access log of a stable form.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import Ajv from 'ajv/dist/2020.js';
import { startEdge, until } from './support.mjs';

const root = new URL('../..', import.meta.url).pathname;
const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true });

// The schema of a line; gateway/README.md has the same members in words.
const uuid7 = '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$';
const LINE = {
	type: 'object',
	additionalProperties: false,
	required: ['time', 'level', 'process', 'msg', 'method', 'operation', 'path', 'status', 'duration_us', 'bytes', 'request_id', 'trace_id', 'kind', 'address'],
	properties: {
		time: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}\\+08:00$' },
		level: { const: 'info' },
		process: { const: 'gateway' },
		msg: { const: 'request' },
		method: { enum: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', '-'] },
		operation: { type: 'string', pattern: '^[a-z][a-z0-9_]*$' },
		path: { type: 'string', pattern: '^(-|/[A-Za-z0-9/{}._-]*)$' },
		status: { type: 'integer', anyOf: [{ const: 0 }, { minimum: 200, maximum: 599 }] },
		duration_us: { type: 'integer', minimum: 0 },
		bytes: { type: 'integer', minimum: 0 },
		request_id: { type: 'string', pattern: uuid7 },
		trace_id: { type: 'string', pattern: '^[0-9a-f]{32}$' },
		kind: { enum: ['anonymous', 'citizen', 'staff', 'partner', 'system', 'unknown'] },
		address: { type: 'string', maxLength: 45 },
		cache: { enum: ['hit', 'hit_shared', 'stale', 'renewed', 'collapsed', 'miss', 'bypass'] },
		problem: { type: 'string', pattern: '^[a-z0-9-]+$' },
	},
};

const CHECK = {
	type: 'array', minItems: 1, maxItems: 1,
	items: {
		type: 'object', additionalProperties: false, required: ['componentType', 'status', 'time'], dependentRequired: { observedValue: ['observedUnit'] },
		properties: {
			componentType: { enum: ['component', 'datastore', 'system'] }, status: { enum: ['pass', 'warn', 'fail'] }, output: { type: 'string', minLength: 1 },
			time: LINE.properties.time, observedValue: { type: 'integer' }, observedUnit: { type: 'string' },
		},
	},
};
const HEALTH = {
	type: 'object', additionalProperties: false, required: ['status'],
	properties: { status: { enum: ['pass', 'warn', 'fail'] }, serviceId: { type: 'string' }, output: { type: 'string' }, checks: { type: 'object', additionalProperties: CHECK } },
};

const valid = (schema, value) => { const check = ajv.compile(schema); assert.ok(check(value), `${JSON.stringify(value)}: ${ajv.errorsText(check.errors)}`); };
const lines = (edge) => edge.log.split('\n').filter(Boolean).map((text) => JSON.parse(text)).filter((line) => line.msg === 'request');

let edge;
before(async () => { edge = await startEdge({ YG_REDIS: 'unix:/nonexistent/redis.sock' }); });
after(async () => { assert.deepEqual(await edge.stop(), { code: 0, signal: null }); });

describe('health', () => {
	test('each page is application/health+json and is not kept', async () => {
		for (const path of ['/livez', '/startupz', '/readyz']) {
			const r = await edge.private(path);
			assert.equal(r.status, 200, path);
			assert.equal(r.headers['content-type'], 'application/health+json');
			assert.equal(r.headers['cache-control'], 'no-store');
			valid(HEALTH, r.json);
		}
		assert.equal((await edge.private('/nothing')).status, 404);
	});

	test('readiness says what was looked at: what is only slower without is a warning', async () => {
		const { json } = await edge.private('/readyz');
		assert.equal(json.serviceId, 'gateway');
		assert.equal(json.status, 'warn');
		assert.deepEqual(Object.keys(json.checks).sort(), ['identity:keys', 'identity:revocations', 'redis:reachable', 'upstreams:reachable']);
		assert.deepEqual([json.checks['redis:reachable'][0].status, json.checks['redis:reachable'][0].componentType], ['warn', 'datastore']);
		assert.match(json.checks['redis:reachable'][0].output, /rate limits/);
		assert.deepEqual([json.checks['upstreams:reachable'][0].observedValue, json.checks['upstreams:reachable'][0].observedUnit], [2, 'services']);
		for (const name of ['identity:keys', 'identity:revocations', 'upstreams:reachable']) assert.equal(json.checks[name][0].status, 'pass', name);
	});
});

describe('access log', () => {
	test('every line has the documented form and nothing that the client wrote', async () => {
		const secret = (n) => `hush${n}${'x'.repeat(12)}`;
		const token = edge.identity.signers[0].token();
		const key = edge.identity.addApiKey({ subject: '018f0000-0000-7000-8000-0000000000aa', scopes: 'item:read', client_id: 'hospital-1', key_id: '018f0000-0000-7000-8000-0000000000bb' });
		const already = lines(edge).length;
		const calls = [
			['GET', `/v1/echo?phone=13812345678&q=${secret(1)}`, { Cookie: `sid=${secret(2)}`, 'User-Agent': secret(3), Referer: `https://x/${secret(4)}` }],
			['HEAD', '/v1/echo', { 'X-Custom': secret(5) }],
			['POST', '/v1/echo', { 'Content-Type': 'application/json', 'Idempotency-Key': secret(6) }, JSON.stringify({ name: '林小满', id: '44120219900101123X' })],
			['GET', `/v1/items/${secret(7)}`, { Authorization: `Bearer ${token}` }],
			['GET', `/v1/items/${secret(8)}`, { Authorization: `Bearer ${secret(9)}` }],
			['GET', '/v1/items/1', { 'X-API-Key': key }],
			['GET', '/v1/items/1', { 'X-API-Key': secret(10) }],
			['GET', `/${secret(11)}/林小满`.replace(/[^\x20-\x7e]/g, encodeURIComponent), {}],
			['OPTIONS', '/v1/echo', { Origin: `https://${secret(12)}.example`, 'Access-Control-Request-Method': 'POST' }],
			['GET', `/problems/${secret(13)}`, {}], ['GET', '/problems/not-found', {}], ['GET', '/v1/echo?mode=garbage', {}],
			['GET', '/v1/echo', { traceparent: secret(14), tracestate: `${secret(15)}=1`, 'X-Request-Id': secret(16) }],
			['PATCH', '/v1/echo', {}],
		];
		for (const [method, path, headers, body] of calls) await edge.call(method, path, { headers, body });
		const framing = [`GET /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nX: ${secret(17)}\r\n\r\n`,
			`${'HUSHMETHOD'} /${secret(18)} HTTP/1.1\r\nHost: a\r\n\r\n`, `GET /${secret(19)}\0 HTTP/1.1\r\nHost: a\r\n\r\n`];
		for (const text of framing) await edge.raw(text);
		const seen = await until(() => { const all = lines(edge); return all.length >= already + calls.length + framing.length && all; });
		for (const line of seen) valid(LINE, line);
		assert.ok(new Set(seen.map((line) => line.status)).size >= 5, 'several kinds of answers');
		assert.ok(seen.some((line) => line.kind === 'citizen') && seen.some((line) => line.kind === 'partner'), 'known callers');
		assert.ok(seen.some((line) => line.problem === 'not-found') && seen.some((line) => line.operation === 'page'));
		for (const part of [/hush/i, /13812345678/, /44120219900101123X/, /林小满|%E6%9E%97/i, new RegExp(token.slice(-20)), new RegExp(key)])
			assert.doesNotMatch(edge.log, part);
	});

	test('the documentation has the same members', () => {
		const table = readFileSync(`${root}gateway/README.md`, 'utf8').split('### Access log')[1].split('\n\n')[1];
		const members = table.split('\n').slice(2).flatMap((row) => [...row.split('|')[1].matchAll(/`([a-z_]+)`/g)].map((m) => m[1]));
		assert.deepEqual(members, Object.keys(LINE.properties));
	});
});
