// Traces exported to a collector: what a span says, which traces are sampled, and that no collector can hurt a request.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startCollector } from '../support/collector.mjs';
import { freePort } from '../support/platform.mjs';
import { startEdge, until } from './support.mjs';

const hex = (n) => randomBytes(n).toString('hex');
const parent = (flags = '01') => { const trace = hex(16), span = hex(8); return { trace, span, headers: { traceparent: `00-${trace}-${span}-${flags}` } }; };
const ended = async (edge, outcome) => Number(new RegExp(`^yg_otlp_spans_total\\{outcome="${outcome}"\\} (\\d+)`, 'm').exec((await edge.private('/metrics')).text)[1]);

describe('a collector that works', () => {
	let edge, collector;
	before(async () => {
		collector = await startCollector();
		edge = await startEdge({ YG_OTLP_URL: collector.url });
	});
	after(() => collector.stop());
	const spansOf = (trace, n = 1) => until(() => { const found = collector.spans.filter((s) => s.traceId === trace); return found.length >= n && found; });

	test('one server span for each request of a sampled trace, between the caller and the service', async () => {
		const { trace, span, headers } = parent();
		const r = await edge.call('GET', '/v1/echo?secret=s3cret', { headers: { ...headers, 'User-Agent': 'who-i-am' } });
		assert.equal(r.status, 200);
		const [got] = await spansOf(trace);
		assert.match(got.spanId, /^[0-9a-f]{16}$/);
		assert.equal(got.parentSpanId, span);
		assert.equal(r.json.headers.traceparent, `00-${trace}-${got.spanId}-01`, 'the service gets this span as its parent');
		assert.equal(got.name, 'GET /v1/echo');
		assert.equal(got.kind, 2);
		assert.equal(got.flags, 0x301);
		assert.deepEqual(got.status, {});
		assert.deepEqual(got.attributes, {
			'http.request.method': 'GET', 'http.route': '/v1/echo', 'http.response.status_code': 200, 'url.scheme': 'http',
			'server.address': 'api.example.org', 'server.port': 443, 'yangguang.operation': 'echo_get', 'yangguang.request_id': r.headers['request-id'],
		});
		assert.equal(got.resource['service.name'], 'gateway');
		assert.equal(got.resource['service.namespace'], 'yangguang');
		assert.match(got.resource['service.instance.id'], /^[0-9a-f-]{36}$/);
		const start = BigInt(got.startTimeUnixNano), end = BigInt(got.endTimeUnixNano);
		assert.ok(start <= end && end - start < 60_000_000_000n);
		assert.ok(Math.abs(Number(end / 1000000n) - Date.now()) < 60000);
		assert.ok(!/s3cret|who-i-am|127\.0\.0\.1/.test(JSON.stringify(got)), 'nothing of the client');
		assert.deepEqual(collector.requests[0], { method: 'POST', url: '/v1/traces', type: 'application/json' });
	});

	test('templates, not paths; refusals are not errors, failures are', async () => {
		const person = parent(), missing = parent(), broken = parent();
		assert.equal((await edge.call('GET', '/v1/items/13812345678', { headers: person.headers })).status, 401);
		assert.equal((await edge.call('GET', '/v1/no/13812345678', { headers: missing.headers })).status, 404);
		assert.equal((await edge.call('GET', '/v1/echo?mode=garbage', { headers: broken.headers })).status, 502);
		const [refused] = await spansOf(person.trace), [unmatched] = await spansOf(missing.trace), [failed] = await spansOf(broken.trace);
		assert.equal(refused.attributes['http.route'], '/v1/items/{id}');
		assert.equal(refused.attributes['http.response.status_code'], 401);
		assert.deepEqual(refused.status, {});
		assert.equal(unmatched.name, 'GET');
		assert.equal(unmatched.attributes['http.route'], undefined);
		assert.equal(failed.attributes['http.response.status_code'], 502);
		assert.equal(failed.attributes['error.type'], '502');
		assert.deepEqual(failed.status, { code: 2 });
		assert.ok(!JSON.stringify(collector.spans).includes('13812345678'));
	});

	test('what is not sampled is not sent', async () => {
		const quiet = parent('00'), loud = parent('01');
		assert.equal((await edge.call('GET', '/v1/echo', { headers: quiet.headers })).status, 200);
		assert.match((await edge.call('GET', '/v1/echo')).json.headers.traceparent, /-02$/, 'YG_OTLP_SAMPLE is 0 unless set');
		await edge.call('GET', '/v1/echo', { headers: loud.headers });
		await spansOf(loud.trace);
		assert.ok(!collector.spans.some((s) => s.traceId === quiet.trace || !s.parentSpanId));
	});

	test('a batch that is full does not wait; what the collector refuses is counted', async () => {
		const { trace, headers } = parent();
		const before = await ended(edge, 'exported');
		for (let done = 0; done < 600; done += 50) await Promise.all(Array.from({ length: 50 }, () => edge.call('GET', '/v1/echo', { headers })));
		const spans = await spansOf(trace, 600);
		assert.equal(new Set(spans.map((s) => s.spanId)).size, 600);
		await until(async () => await ended(edge, 'exported') >= before + 600);
		collector.mode = 'partial';
		await edge.call('GET', '/v1/echo', { headers });
		await until(async () => await ended(edge, 'refused') === 1);
		collector.mode = 'refuse';
		await edge.call('GET', '/v1/echo', { headers });
		await until(async () => await ended(edge, 'failed') >= 1);
		collector.mode = 'take';
	});

	test('the last ones leave before the process does', async () => {
		const last = parent();
		assert.equal((await edge.call('GET', '/v1/echo', { headers: last.headers })).status, 200);
		assert.deepEqual(await edge.stop(), { code: 0, signal: null });
		assert.equal(collector.spans.filter((s) => s.traceId === last.trace).length, 1);
	});
});

test('traces that begin here are sampled by the share', async (t) => {
	const collector = await startCollector();
	t.after(() => collector.stop());
	const edge = await startEdge({ YG_OTLP_URL: collector.url, YG_OTLP_SAMPLE: '0.5' });
	let sampled = 0;
	for (let i = 0; i < 100; i += 1) sampled += (await edge.call('GET', '/v1/echo')).json.headers.traceparent.endsWith('-03');
	assert.ok(sampled > 15 && sampled < 85, `${sampled} of 100`); /* five deviations of 100 tossed coins are 25 */
	const spans = await until(() => collector.spans.length >= sampled && collector.spans);
	assert.equal(spans.length, sampled);
	assert.ok(spans.every((s) => s.parentSpanId === undefined && s.flags === 0x103));
	assert.equal((await edge.call('GET', '/v1/echo', { headers: parent('00').headers })).json.headers.traceparent.slice(-2), '00', 'a caller who does not sample is followed');
	assert.deepEqual(await edge.stop(), { code: 0, signal: null });
});

for (const kind of ['dead', 'mute']) test(`a ${kind} collector costs spans, never a request`, async (t) => {
	const collector = await startCollector();
	t.after(() => collector.stop());
	collector.mode = 'mute';
	const url = kind === 'dead' ? `http://127.0.0.1:${await freePort()}/v1/traces` : collector.url;
	const edge = await startEdge({ YG_OTLP_URL: url, YG_LOG: 'error' });
	const { headers } = parent();
	let asked = 0;
	await until(async () => {
		const answers = await Promise.all(Array.from({ length: 100 }, () => edge.call('GET', '/problems/not-found', { headers })));
		asked += answers.length;
		assert.ok(answers.every((r) => r.status === 200));
		return await ended(edge, 'dropped') > 0;
	}, 60000);
	assert.equal((await edge.call('GET', '/v1/echo', { headers })).status, 200);
	asked += 1;
	const waiting = Number(/^yg_otlp_spans_waiting (\d+)/m.exec((await edge.private('/metrics')).text)[1]);
	assert.ok(waiting <= 2048 + 512, `${waiting} spans are held`);
	assert.ok(asked > 2048, 'the ring was full');
	assert.deepEqual(await edge.stop(), { code: 0, signal: null });
});

for (const [name, value] of [['YG_OTLP_URL', 'collector:4318'], ['YG_OTLP_SAMPLE', '1.5']]) test(`${name}=${value} is refused at the start`, async () => {
	await assert.rejects(startEdge({ YG_OTLP_URL: 'http://127.0.0.1:1/v1/traces', [name]: value }), (e) => e.message.includes('code 78') && e.message.includes(`${name} is not valid`));
});
