// Several processes per service behind one socket: all of them answer, one that dies is replaced, jobs and events stay right.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { Client } from '../support/client.mjs';
import { eventually } from '../support/eventually.mjs';
import { complaints, giftSender, load, pidOf, report, sleep, startFaulty, streamAgrees } from './support.mjs';

const WORKERS = 2;
const SERVICES = ['identity', 'donations'];

let platform;
let campaign;
let headers;
let many;
before(async () => {
	let people;
	({ platform, campaign, people } = await startFaulty({ env: { YG_WORKERS: String(WORKERS) } }));
	headers = await people.headers('citizen:workers');
	many = new Client(platform.demo.base_url, { connections: 32 });
});
after(async () => {
	many?.close();
	await platform?.stop();
});

const children = (name) => {
	const pid = pidOf(platform, name);
	return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
};
const isGood = (answer) => answer.status === 200 || answer.status === 201;
const read = () => many.get('/v1/me/gifts?limit=2', headers);
/** Requests that each worker of a service has answered. */
async function answered(name) {
	const { port } = new URL(platform.demo.metrics_urls[name]);
	return Promise.all(Array.from({ length: WORKERS }, async (_, i) => {
		const text = await (await fetch(`http://127.0.0.1:${Number(port) + i}/metrics`)).text();
		return [...text.matchAll(/^yg_http_requests_total\{[^}]*\} (\d+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
	}));
}

test('each worker has its own metrics, and they share the work', { timeout: 60000 }, async () => {
	for (const name of SERVICES) assert.equal(children(name).length, WORKERS, name);
	const give = giftSender({ client: many }, campaign, headers);
	const calls = load((n) => (n % 2 ? give() : read()), { workers: 32, keep: (answer) => !isGood(answer) });
	await sleep(2000);
	const result = await calls.stop();
	assert.deepEqual(result.kept.slice(0, 3).map((answer) => `${answer.status} ${answer.text ?? ''}`), []);
	const shares = await answered('donations');
	report(`${result.total} requests, shares ${shares.join(' ')}`);
	assert.ok(shares.every((n) => n > 0), `shares ${shares}`);
});

test('a worker that dies is replaced, the others go on', { timeout: 60000 }, async () => {
	const [first] = children('donations');
	process.kill(first, 'SIGKILL');
	await eventually(() => children('donations').length === WORKERS && !children('donations').includes(first), 20000);
	await eventually(async () => { for (let i = 0; i < 10; i += 1) if (!isGood(await read())) return false; return true; }, 20000);
});

test('SIGHUP reaches every worker, SIGTERM ends all and frees the socket', { timeout: 90000 }, async () => {
	const before = children('donations');
	process.kill(pidOf(platform, 'donations'), 'SIGHUP');
	await sleep(1500);
	assert.deepEqual(children('donations'), before, 'nobody ended');
	assert.ok(isGood(await read()));
	await platform.command('stop', 'donations');
	for (const pid of before) assert.throws(() => process.kill(pid, 0), /ESRCH/);
	await platform.command('start', 'donations');
	await eventually(async () => isGood(await read().catch(() => ({}))), 20000);
});

test('jobs and events of several processes: payments found once, events in order', { timeout: 90000 }, async () => {
	const give = giftSender(platform, campaign, headers);
	await platform.control('wechat_pay', 'POST', 'behaviour', { mode: 'no_callback', times: -1 });
	const gifts = await Promise.all(Array.from({ length: 40 }, () => give({ channel: 'WECHAT_JSAPI' })));
	for (const { json } of gifts) await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: json.out_trade_no });
	await platform.sql("update donations.pay_order set next_check_at = now() where state = 'ORDERED'");
	await eventually(async () => (await platform.sql("select count(*) from donations.pay_order where state = 'ORDERED'"))[0][0] === '0', 60000, 200);
	const [[entries]] = await platform.sql(`select count(*) from donations.money_entry where gift_id in (${gifts.map(({ json }) => `'${json.id}'`)})`);
	assert.equal(Number(entries), 40);
	assert.deepEqual(await platform.sql('select * from donations.money_disagreement'), []);
	report(`${await streamAgrees(platform)} events in order`);
	assert.deepEqual(complaints(platform), []);
});
