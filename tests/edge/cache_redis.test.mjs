// Two gateways and one Redis: answers and purges are shared, and whatever happens to Redis, nobody gets an error, and nobody gets an
// older answer after a newer one. Every answer is compared with the service's own history of versions.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startRedis } from './redis.mjs';
import { withShelf } from './shelf.mjs';
import { sleep, startEdge, until } from './support.mjs';

let redis;
let a;
let b;
let shelf;
let next = 0;
const fresh = (kind = 'things') => `/v1/${kind}/r${next++}`;
const status = (r) => r.headers['cache-status'] ?? '';
const put = (edge, path) => edge.call('PUT', path, { body: '{}', headers: { 'Content-Type': 'application/json', 'Content-Length': 2 } });
const planFor = (path, plan) => { shelf.plan = (key, req) => (key === path ? plan(req) : {}); };
const metric = async (edge, name) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec((await edge.private('/metrics')).text)?.[1] ?? NaN);

/** Both hear purges again, and what one keeps the other finds. */
async function inStep() {
	await until(async () => {
		const path = fresh();
		await a.call('GET', path);
		return /detail=shared/.test(status(await b.call('GET', path)));
	}, 15000);
}

before(async () => {
	redis = await startRedis();
	a = await startEdge({ YG_REDIS: redis.address }, { prepare: withShelf() });
	shelf = a.shelf;
	b = await startEdge({ YG_REDIS: redis.address }, { prepare: withShelf(`unix:${a.dir}/shelf.sock`) });
	await inStep();
});
after(async () => {
	assert.deepEqual(await b?.stop(), { code: 0, signal: null });
	assert.deepEqual(await a?.stop(), { code: 0, signal: null });
	await redis?.stop();
});

test('an answer has the same first line and fields, whichever level it comes from', async () => {
	const path = fresh(), lines = (text) => text.split('\r\n\r\n')[0].split('\r\n').filter((l) => !/^(Request-Id|Date|Age|Cache-Status|RateLimit)/.test(l)).sort();
	const ask = (edge) => edge.raw(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, 3000);
	assert.match(await ask(a), /fwd=miss; stored/);
	const [first, shared] = [await ask(a), await ask(b)];
	assert.match(shared, /detail=shared/);
	assert.match(shared, /^HTTP\/1\.1 200 OK\r\n/);
	assert.deepEqual(lines(shared), lines(first));
});

describe('shared', () => {
	test('what one keeps, the other serves, with its age', async () => {
		const path = fresh();
		const first = await a.call('GET', path);
		await sleep(1100);
		const r = await until(async () => {
			const one = await b.call('GET', path, { headers: { 'If-None-Match': '"x"' } });
			return /hit/.test(status(one)) && one;
		});
		assert.equal(r.text, first.text);
		assert.ok(Number(r.headers.age) >= 1);
		assert.equal(shelf.count(path), 1);
		assert.match(status(await b.call('GET', path)), /^yangguang; hit; ttl=/, 'from itself now');
	});
	test('variants', async () => {
		const path = fresh();
		planFor(path, () => ({ headers: { Vary: 'Accept-Language' } }));
		const ask = (edge, language) => edge.call('GET', path, { headers: { 'Accept-Language': language } });
		await ask(a, 'en');
		await ask(a, 'zh');
		await until(async () => {
			const [en, zh] = [await ask(b, 'en;q=1'), await ask(b, 'zh-CN')];
			assert.equal(en.json.language, 'en');
			assert.equal(zh.json.language, 'zh-CN');
			return /hit/.test(status(en)) && /hit/.test(status(zh));
		});
	});
	test('nothing of those who must show who they are is in Redis', async () => {
		const path = fresh('own');
		const headers = { Authorization: `Bearer ${a.identity.signers[0].token()}` };
		assert.equal((await a.call('GET', path, { headers })).status, 200);
		for (const key of (await redis.ask('KEYS', '*')).split('\n'))
			if (key.startsWith('yg:v:')) assert.ok(!(await redis.ask('GET', key)).includes(path), key);
	});
	test('64 ask two gateways for something costly: one asks the service, another only when it takes long', async () => {
		const path = fresh('costly');
		planFor(path, () => ({ delayMs: 60 }));
		const all = await Promise.all(Array.from({ length: 64 }, (_, i) => (i % 2 ? a : b).call('GET', path)));
		for (const r of all) assert.equal(r.status, 200);
		assert.ok(shelf.count(path) <= 2, `${shelf.count(path)} questions`);
	});
});

describe('purges', () => {
	test('a write through one is seen through the other', async () => {
		const path = fresh();
		await a.call('GET', path);
		await b.call('GET', path);
		for (let version = 1; version <= 20; version++) {
			await put(a, path);
			assert.equal((await a.call('GET', path)).json.version, version, 'read your writes');
			await until(async () => (await b.call('GET', path)).json.version === version);
		}
	});
	test('an answer that was on its way during the purge is kept by nobody', async () => {
		const path = fresh();
		let open;
		const gate = new Promise((go) => { open = go; });
		shelf.plan = (key, req) => (key === path && req.method === 'GET' && shelf.count(path) === 0 ? { gate, body: '{"version":"old"}' } : {});
		const slow = a.call('GET', path);
		await until(() => shelf.count(path) === 1);
		await put(b, path);
		await until(async () => (await b.call('GET', path)).json.version === 1);
		open();
		await slow;
		for (let i = 0; i < 5; i++)
			for (const edge of [a, b]) assert.equal((await edge.call('GET', path)).json.version, 1);
	});
});

describe('a Redis that fails', () => {
	/**
	 * Readers on both gateways and a writer, while `fault` happens. Of one reader's answers, one after the other, none may be older than
	 * the one before; none may be from the future; and none older than what was true `boundMs` before it was asked for.
	 */
	async function checked(fault, boundMs = 9000) {
		const path = fresh();
		const history = [[0, Date.now()]]; /* version, when the service had it at the latest */
		const faults = [];
		let going = true;
		let answers = 0;
		shelf.plan = () => ({});
		const writer = async () => {
			while (going) {
				const r = await put(a, path);
				if (r.status === 200) history.push([r.json.version, Date.now()]);
				else faults.push(`write: ${r.status}`);
				const mine = await a.call('GET', path);
				if (mine.json?.version < history.at(-1)[0]) faults.push(`read ${mine.json.version} after writing ${history.at(-1)[0]}`);
				await sleep(40);
			}
		};
		const reader = async (edge, name) => {
			let newest = -1;
			while (going) {
				const began = Date.now();
				const r = await edge.call('GET', path).catch((e) => ({ status: String(e) }));
				answers++;
				const version = r.json?.version;
				if (r.status !== 200) faults.push(`${name}: ${r.status}`);
				else if (version < newest) faults.push(`${name}: ${version} after ${newest}, ${status(r)}`);
				else if (version < Math.max(...history.filter(([, at]) => at < began - boundMs).map(([v]) => v), 0)) faults.push(`${name}: ${version} is too old`);
				else newest = version;
				if (version > (shelf.versions.get(path) ?? 0)) faults.push(`${name}: ${version} does not exist yet`);
				await sleep(2);
			}
		};
		const all = [writer(), reader(a, 'a1'), reader(a, 'a2'), reader(b, 'b1'), reader(b, 'b2')];
		await sleep(400);
		await fault();
		await sleep(400);
		going = false;
		await Promise.all(all);
		assert.deepEqual(faults.slice(0, 5), []);
		assert.ok(answers > 100 && history.length > 5, `${answers} answers, ${history.length} versions`);
		await inStep();
		await until(async () => (await b.call('GET', path)).json.version === shelf.versions.get(path), 15000);
	}

	test('healthy', () => checked(() => sleep(1500), 2000));
	test('emptied', () => checked(async () => {
		await redis.ask('FLUSHALL');
		await sleep(1500);
	}));
	test('mute', () => checked(async () => {
		redis.freeze();
		await sleep(5500);
		redis.thaw();
		await sleep(1000);
	}));
	test('killed and started again', () => checked(async () => {
		await redis.kill();
		await sleep(2500);
		await redis.start();
		await sleep(1500);
	}));
	test('away when a purge happens', async () => {
		const path = fresh();
		await a.call('GET', path);
		await b.call('GET', path);
		await redis.kill();
		assert.equal((await put(a, path)).status, 200);
		assert.equal((await a.call('GET', path)).json.version, 1, 'read your writes');
		await until(async () => (await b.call('GET', path)).json.version === 1, 12000);
		await redis.start();
		await inStep();
		assert.equal((await b.call('GET', path)).json.version, 1);
		assert.equal((await a.call('GET', path)).json.version, 1);
	});
	test('full', async () => {
		await redis.ask('CONFIG', 'SET', 'maxmemory', '1');
		const path = fresh();
		for (let i = 0; i < 5; i++) {
			assert.equal((await a.call('GET', path)).status, 200);
			assert.equal((await put(a, path)).status, 200);
			assert.equal((await a.call('GET', path)).json.version, i + 1);
		}
		await redis.ask('CONFIG', 'SET', 'maxmemory', '0');
		await inStep();
	});
});

test('everything is counted', async () => {
	assert.ok(await metric(b, 'yg_cache_requests_total{outcome="hit_shared"}'.replace(/[{}]/g, '\\$&')) > 0);
});
