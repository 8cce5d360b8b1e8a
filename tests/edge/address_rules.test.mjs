// YG_ADDRESS_RULES: networks that are not served, and what only some are served; contracts, pages and plain proxy routes alike.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startOrigin } from './origin.mjs';
import { startEdge, until } from './support.mjs';

const dir = mkdtempSync(join(tmpdir(), 'addresses-')), file = join(dir, 'addresses.yaml');
let edge, origin;

before(async () => {
	origin = await startOrigin();
	origin.give('/news/1', { head: ['Cache-Control: max-age=1000'], body: 'news' });
	writeFileSync(join(dir, 'routes.yaml'), `routes:\n  - { name: news, prefix: /news, origins: ['${origin.address}'], public: true }\n`);
	writeFileSync(file, "deny: [203.0.113.0/24, '2001:db8:bad::/48']\nonly:\n  item_get: [10.0.0.0/8]\n  news: [10.0.0.0/8, 192.0.2.7]\n");
	edge = await startEdge({ YG_ADDRESS_RULES: file, YG_TRUSTED_PROXIES: '127.0.0.1', YG_CONFIG: join(dir, 'routes.yaml') });
});
after(async () => {
	await origin.close();
	rmSync(dir, { recursive: true });
	assert.deepEqual(await edge?.stop(), { code: 0, signal: null });
});

const ask = (path, address, headers = {}) => edge.call('GET', path, { headers: address ? { 'X-Forwarded-For': address, ...headers } : headers });
async function assertDenied(path, address) {
	const r = await ask(path, address);
	assert.equal(r.status, 403, `${path} from ${address}`);
	assert.equal(r.json.code, 'address-forbidden');
	assert.equal(r.headers['cache-control'], 'no-store');
}
const item = '/v1/items/018f0000-0000-7000-8000-000000000001';

test('a network that is denied is served nothing at all', async () => {
	const seen = edge.echo.seen.length;
	for (const address of ['203.0.113.1', '203.0.113.255', '2001:db8:bad::1', '::ffff:203.0.113.9'])
		for (const path of ['/v1/echo', item, '/docs/operations', '/nowhere', '/news/1']) await assertDenied(path, address);
	assert.equal(edge.echo.seen.length, seen);
	assert.equal(origin.asked('/news/1').length, 0);
	for (const address of ['203.0.112.255', '203.0.114.0', '2001:db8:bae::1', undefined]) assert.equal((await ask('/v1/echo', address)).status, 200, address);
});

test('an operation and a plain proxy route for some alone; what is kept makes no difference', async () => {
	assert.equal((await ask(item, '10.1.2.3')).status, 401, 'from there he is asked who he is');
	await assertDenied(item, '192.0.2.7');
	await assertDenied('/news/1', '192.0.2.8');
	for (const address of ['192.0.2.7', '10.0.0.1']) assert.equal((await ask('/news/1', address)).text, 'news');
	await assertDenied('/news/1', '192.0.2.8');
	await assertDenied('/news/1', undefined);
	assert.equal(origin.asked('/news/1').length, 1);
	await assertDenied(item, 'unknown, 11.0.0.1');
});

test('a path that an origin could read as that of another route is refused, however it is written', async () => {
	const before = origin.seen.length;
	for (const path of ['/x/../news/1', '/%6eews/1', '/n%65ws', '//news/1', '/%2fnews/1', '/x/%2e%2e/news/1', '/x%2f..%2fnews/1', '/x%5c..%5cnews/1', '/x//../news/1', '/./news/1',
		'/news/../v1/echo', '/news/%2e%2e/v1/echo', '/news/%00/..%2f../v1']) {
		for (const address of ['192.0.2.8', '10.0.0.1']) {
			const r = await ask(path, address);
			assert.equal(r.status, 400, `${path} ${r.text}`);
			assert.equal(r.json.code, 'malformed-request');
		}
	}
	assert.equal(origin.seen.length, before);
	origin.give('/news/%ff%E4%BD%A0/..%2fx', { body: 'as it came' });
	assert.equal((await ask('/news/%ff%E4%BD%A0/..%2fx', '10.0.0.1')).text, 'as it came', 'what stays within its route is not looked at');
	assert.equal((await ask('/v1/%65cho', '10.0.0.1')).status, 200);
});

test('a client says what he likes: only our proxies\' word counts', async () => {
	await assertDenied('/v1/echo', '8.8.8.8, 203.0.113.1');
	assert.equal((await ask('/v1/echo', '203.0.113.1, 8.8.8.8')).status, 200);
});

test('it is counted, and explained', async () => {
	const denied = async () => Number(/^yg_limit_addresses_denied_total (\d+)/m.exec((await edge.private('/metrics')).text)[1]);
	const before = await denied();
	await assertDenied('/v1/echo', '203.0.113.1');
	assert.equal(await denied(), before + 1);
	const page = await edge.call('GET', '/problems/address-forbidden', { headers: { Accept: 'application/json' } });
	assert.equal(page.json.retry, 'never');
});

test('SIGHUP reads it anew: all or nothing', async () => {
	const reload = async (text, expected) => {
		writeFileSync(file, text);
		edge.log = '';
		edge.process.kill('SIGHUP');
		await until(() => edge.log.includes(expected));
	};
	await reload('deny: [198.51.100.0/24]\n', '"reloaded"');
	assert.equal((await ask('/v1/echo', '203.0.113.1')).status, 200);
	await assertDenied('/v1/echo', '198.51.100.1');
	assert.equal((await ask('/news/1', '192.0.2.8')).status, 200);
	for (const wrong of ['deny: [198.51.100.1/24]\n', 'only: { nothing: [10.0.0.0/8] }\n', 'deny: [\n', 'block: []\n']) {
		await reload(wrong, 'reload refused, nothing changed');
		assert.match(edge.log, /addresses.yaml:\d+: /);
		await assertDenied('/v1/echo', '198.51.100.1');
	}
	await assert.rejects(startEdge({ YG_ADDRESS_RULES: file }), /key block is not known/);
});
