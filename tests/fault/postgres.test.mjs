// PostgreSQL stopped, shaken, frozen: requests are refused in time with what to do, nothing is 500, and all is well within seconds.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { checkProblem } from '../support/schema.mjs';
import { complaints, giftSender, load, report, signalPostgres, sleep, startFaulty } from './support.mjs';

const DEADLINE_MS = 10000; /* what the gateway gives an operation */
const SLACK_MS = 3000;
const RECOVERY_MS = 8000; /* the pause between two tries to connect grows to five seconds */
const NOTIFICATION_MS = 5000; /* WeChat Pay waits no longer */

let platform;
let campaign;
let people;
let give;
let headers;
before(async () => {
	({ platform, campaign, people } = await startFaulty());
	headers = await people.headers('citizen:postgres');
	give = giftSender(platform, campaign, headers);
});
after(() => platform?.stop());

const isGood = (answer) => answer.status === 200 || answer.status === 201;

/** What a refusal must be: 503 with Retry-After or 504, as a problem. Gives what is wrong. */
function refusalFaults(answer) {
	if (answer.status !== 503 && answer.status !== 504) return [`${answer.status} ${answer.text ?? ''}`];
	const faults = checkProblem(answer);
	if (answer.status === 503 && !/^\d+$/.test(answer.headers['retry-after'] ?? '')) faults.push(`503 ${answer.json?.code} without Retry-After`);
	return faults;
}

const send = (n) => (n % 2 ? give({ amount_fen: 300 }) : platform.client.get(n % 4 ? '/v1/campaigns?limit=3' : '/v1/me/gifts?limit=3', headers));

/** Load through `fault`; after `healed` everything must be good within RECOVERY_MS. */
async function endured(name, fault, { heal = () => {}, mustRefuse = true } = {}) {
	const calls = load(send, { workers: 6, pauseMs: 20, keep: (answer) => !isGood(answer) });
	await sleep(500);
	await fault();
	await heal();
	const healed = Date.now();
	await eventually(async () => (await Promise.all([0, 1, 2, 3].map((n) => send(n).catch(() => ({}))))).every(isGood), RECOVERY_MS + DEADLINE_MS, 100);
	const recoveredMs = Date.now() - healed;
	const result = await calls.stop();
	report(`${name}: ${JSON.stringify(result.statuses)}, slowest ${result.slowestMs} ms, well after ${recoveredMs} ms`);
	const faults = [...new Set(result.kept.flatMap(refusalFaults))];
	assert.deepEqual(faults.slice(0, 5), [], 'refusals are 503 with Retry-After or 504, as problems');
	if (mustRefuse) assert.ok(result.kept.length, 'the fault was felt');
	assert.ok(result.slowestMs < DEADLINE_MS + SLACK_MS, `the slowest answer took ${result.slowestMs} ms`);
	assert.ok(recoveredMs < RECOVERY_MS, `well only after ${recoveredMs} ms`);
	assert.equal((await platform.sql('select count(*) from donations.gift g where not exists (select from donations.pay_order o where o.gift_id = g.id)'))[0][0], '0');
}

test('stopped and started', { timeout: 120000 }, () => endured('stopped', async () => {
	await platform.command('stop', 'postgres');
	await sleep(3000);
}, { heal: () => platform.command('start', 'postgres') }));

test('connections cut again and again', { timeout: 120000 }, () => endured('cut', async () => {
	for (let i = 0; i < 20; i += 1) {
		await platform.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename like 'yg\\_%' and pid <> pg_backend_pid()");
		await sleep(150);
	}
}, { mustRefuse: false }));

test('frozen: answers within the deadline, and payments count once', { timeout: 180000 }, async () => {
	const gift = await give({ amount_fen: 700, channel: 'WECHAT_JSAPI' });
	assert.equal(gift.status, 201, gift.text);
	let attempt;
	let tookMs;
	try {
		await endured('frozen', async () => {
			await signalPostgres(platform, 'SIGSTOP');
			const start = Date.now();
			await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.json.out_trade_no, wait: true });
			tookMs = Date.now() - start;
			[attempt] = (await platform.control('wechat_pay', 'GET', `callbacks?out_trade_no=${gift.json.out_trade_no}`)).body.items[0].attempts;
			await sleep(Math.max(0, DEADLINE_MS + 1000 - tookMs));
		}, { heal: () => signalPostgres(platform, 'SIGCONT') });
	} finally {
		await signalPostgres(platform, 'SIGCONT');
	}
	report(`the notification was answered ${attempt.status ?? attempt.error} after ${tookMs} ms`);
	assert.ok(attempt.status === 503 || attempt.status === 504, `answered with ${JSON.stringify(attempt)}`);
	assert.ok(tookMs < NOTIFICATION_MS, `answered after ${tookMs} ms`);
	await platform.control('wechat_pay', 'POST', 'clock', { advance_s: 60 });
	const entries = () => platform.sql(`select amount_fen from donations.money_entry where gift_id = '${gift.json.id}'`);
	await eventually(async () => (await entries()).length > 0, 15000, 100);
	await platform.control('wechat_pay', 'POST', 'callbacks', { out_trade_no: gift.json.out_trade_no });
	assert.deepEqual(await entries(), [['700']]);
	assert.deepEqual(complaints(platform), []);
});
