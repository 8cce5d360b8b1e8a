// Redis absent, mute, flushed, restarted: the API never notices, and every event arrives in the stream exactly once, in order.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { complaints, giftSender, load, redis, report, signal, sleep, startFaulty, streamAgrees } from './support.mjs';

const FAULT_MS = 3000;
const SLOW_MS = 5000;

let platform;
let campaign;
let people;
let give;
before(async () => {
	({ platform, campaign, people } = await startFaulty());
	give = giftSender(platform, campaign, await people.headers('citizen:redis'));
});
after(() => platform?.stop());

const readers = ['/v1/campaigns?limit=5', '/v1/public/summary', '/v1/me/gifts?limit=5'];

/** Reads, writes and a login go on while `fault` happens: no error at all, and nobody waits for Redis. */
async function undisturbed(name, fault) {
	const headers = await people.headers('citizen:redis');
	const calls = load((n, i) => {
		if (n < 2) return give({ amount_fen: 200 });
		if (i % 10 === 9) return platform.client.post('/v1/auth/wechat', { code: `demo-redis${i}` });
		return platform.client.get(readers[i % readers.length], headers);
	}, { pauseMs: 10, keep: (answer) => answer.status !== 200 && answer.status !== 201 });
	await sleep(300);
	await fault();
	await sleep(300);
	const result = await calls.stop();
	report(`${name}: ${JSON.stringify(result.statuses)}, slowest ${result.slowestMs} ms`);
	assert.deepEqual(result.kept.slice(0, 3).map((answer) => `${answer.status} ${answer.text ?? ''}`), [], 'no answer but 200 and 201');
	assert.ok(result.total > 50, 'there was load');
	assert.ok(result.slowestMs < SLOW_MS, `the slowest answer took ${result.slowestMs} ms`);
}

test('absent, and back', { timeout: 90000 }, async () => {
	await undisturbed('absent', async () => {
		await platform.command('stop', 'redis');
		await sleep(FAULT_MS);
	});
	await platform.command('start', 'redis');
	report(`${await streamAgrees(platform)} events after absence`);
});

test('mute, and awake again', { timeout: 90000 }, async () => {
	await undisturbed('mute', async () => {
		signal(platform, 'redis', 'SIGSTOP');
		await sleep(FAULT_MS);
		signal(platform, 'redis', 'SIGCONT');
	});
	report(`${await streamAgrees(platform)} events after silence`);
});

test('flushed while it is read and written', { timeout: 90000 }, async () => {
	await undisturbed('flushed', async () => {
		for (let i = 0; i < 3; i += 1) {
			await redis(platform, 'FLUSHALL');
			await sleep(FAULT_MS / 6);
		}
	});
	report(`${await streamAgrees(platform)} events after being flushed`);
});

test('restarted again and again', { timeout: 90000 }, async () => {
	await undisturbed('restarted', async () => {
		for (let i = 0; i < 3; i += 1) {
			signal(platform, 'redis', 'SIGKILL');
			await sleep(FAULT_MS / 6);
			await platform.command('start', 'redis');
			await sleep(FAULT_MS / 6);
		}
	});
	report(`${await streamAgrees(platform)} events after restarts`);
	assert.deepEqual(complaints(platform), []);
});
