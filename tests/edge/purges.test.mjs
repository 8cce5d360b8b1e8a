// Purges asked for by people: POST /v1/cache/purges, answered by the gateway itself, heard by all.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startRedis } from './redis.mjs';
import { withShelf } from './shelf.mjs';
import { startEdge, until } from './support.mjs';

const contract = new URL('../../proto/gateway.yaml', import.meta.url).pathname;
let redis;
let a;
let b;
let next = 0;

const prepare = (address) => async (edge) => {
	/* the tests' own common.yaml knows one refusal only */
	writeFileSync(join(edge.dir, 'proto', 'gateway.yaml'), readFileSync(contract, 'utf8').replaceAll(/common\.yaml#\/components\/responses\/\w+/g, 'common.yaml#/components/responses/Problem'));
	return withShelf(address)(edge);
};
const token = (scope, kind = 'staff') => a.identity.signers[0].token({ scope, kind, organization: '4412' });
const purge = (body, { scope = 'cache:purge', headers = {}, edge = a } = {}) => {
	const text = typeof body === 'string' ? body : JSON.stringify(body);
	const auth = scope ? { Authorization: `Bearer ${token(scope)}` } : {};
	return edge.call('POST', '/v1/cache/purges', { body: text, headers: { ...auth, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers } });
};
const isHit = (r) => /^yangguang; hit/.test(r.headers['cache-status'] ?? '');
/** A path that both keep. */
async function kept() {
	const path = `/v1/things/p${next++}`;
	await until(async () => isHit(await a.call('GET', path)) && isHit(await b.call('GET', path)));
	return path;
}

before(async () => {
	redis = await startRedis();
	a = await startEdge({ YG_REDIS: redis.address }, { prepare: prepare() });
	b = await startEdge({ YG_REDIS: redis.address }, { prepare: prepare(`unix:${a.dir}/shelf.sock`) });
});
after(async () => {
	assert.deepEqual(await b?.stop(), { code: 0, signal: null });
	assert.deepEqual(await a?.stop(), { code: 0, signal: null });
	await redis?.stop();
});

for (const tags of [['things'], ['other', 'things'], ['*']]) {
	test(`purges ${tags} in both`, async (t) => {
		const path = await kept();
		a.shelf.versions.set(path, 7); /* behind everybody's back */
		assert.equal((await b.call('GET', path)).json.version, 0);
		const r = await until(async () => {
			const one = await purge({ tags });
			assert.equal(one.status, 200, one.text);
			return one.json.confirmed && one;
		});
		const start = process.hrtime.bigint();
		assert.equal(r.json.tags, tags.length);
		assert.equal(r.headers['cache-control'], 'no-store');
		assert.equal((await a.call('GET', path)).json.version, 7, 'here at once');
		const end = Date.now() + 5000;
		while ((await b.call('GET', path)).json.version !== 7) assert.ok(Date.now() < end, 'never there');
		t.diagnostic(`seen through the other gateway ${(Number(process.hrtime.bigint() - start) / 1e6).toFixed(1)} ms after the answer`);
	});
}

test('other tags stay', async () => {
	const path = await kept();
	assert.equal((await purge({ tags: ['things2', 'thing'] })).status, 200);
	assert.ok(isHit(await a.call('GET', path)));
});

test('who may', async () => {
	assert.equal((await purge({ tags: ['things'] }, { scope: null })).status, 401);
	const r = await purge({ tags: ['things'] }, { scope: 'item:read' });
	assert.equal(r.status, 403);
	assert.match(r.headers['www-authenticate'], /scope="cache:purge"/);
	assert.equal((await a.call('PURGE', '/v1/things/p0')).status, 501, 'no method of that name');
	assert.equal((await a.call('GET', '/v1/cache/purges')).status, 405);
});

test('bad input', async () => {
	const cases = [
		['', 400, 'malformed-json'], ['{', 400, 'malformed-json'], ['{"tags":["a"],"tags":["b"]}', 400, 'duplicate-key'],
		[{}, 422, 'validation-failed'], [{ tags: [] }, 422, 'validation-failed'], [{ tags: 'a' }, 422, 'validation-failed'],
		[{ tags: ['a b'] }, 422, 'validation-failed'], [{ tags: ['a,b'] }, 422, 'validation-failed'], [{ tags: ['x'.repeat(97)] }, 422, 'validation-failed'],
		[{ tags: ['标签'] }, 422, 'validation-failed'], [{ tags: ['a"b'] }, 422, 'validation-failed'], [{ tags: ['a\\b'] }, 422, 'validation-failed'],
		[{ tags: Array(101).fill('a') }, 422, 'validation-failed'], [{ tags: ['a'], more: 1 }, 422, 'validation-failed'],
	];
	for (const [body, status, slug] of cases) {
		const r = await purge(body);
		assert.equal(r.status, status, `${JSON.stringify(body)}: ${r.text}`);
		assert.ok(r.json.type.endsWith(`/problems/${slug}`), r.text);
	}
	assert.equal((await purge({ tags: ['a'] }, { headers: { 'Content-Type': 'text/plain' } })).status, 415);
});

test('without Redis it holds here, and says that the others do not know yet', async () => {
	const path = await kept();
	await redis.kill();
	const r = await purge({ tags: ['things'] });
	assert.equal(r.status, 200);
	assert.equal(r.json.confirmed, false);
	assert.ok(!isHit(await a.call('GET', path)));
	await redis.start();
	await until(async () => (await purge({ tags: ['things'] })).json.confirmed, 15000);
});

test('who purged what is logged', async () => {
	await until(() => /"msg":"cache purged".*"kind":"staff".*"first":"things"/.test(a.log));
	assert.match(a.log, /"operation":"cache_purge_create"/);
});
