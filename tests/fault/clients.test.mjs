// Clients that are slow, half-open or gone: the gateway's memory stays bounded, they are cut by their deadline, others notice nothing.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { complaints, giftSender, load, pidOf, report, rssKiB, signal, sleep, startFaulty } from './support.mjs';

const SLOW = 500;
const HEAD_MS = 10000; /* the gateway's deadlines */
const BODY_MS = 20000;
const SLACK_MS = 4000;
/* A sanitizer keeps freed memory for a while and surrounds every block. */
const GROWTH_MAX_KIB = (/asan/.test(process.env.YG_BIN ?? process.env.YG_TEST_VARIANT ?? '') ? 240 : 80) * 1024;
const MEDIAN_MAX_MS = 100;
const WORST_MAX_MS = 2000;
const PIPELINED = 1000;

let platform;
let campaign;
let people;
let rested;
before(async () => {
	({ platform, campaign, people } = await startFaulty());
	for (let i = 0; i < 200; i += 1) await platform.client.get('/v1/campaigns?limit=100');
	rested = rssKiB(pidOf(platform, 'gateway'));
});
after(() => platform?.stop());

/** A socket that remembers what came and when it ended. */
function connect({ read = true } = {}) {
	const socket = net.connect(platform.port, '127.0.0.1');
	const seen = { socket, bytes: 0, text: '', openedAt: Date.now(), closedAt: null };
	socket.on('error', () => {});
	socket.on('close', () => { seen.closedAt = Date.now(); });
	if (read) socket.on('data', (part) => { seen.bytes += part.length; if (seen.text.length < 4096) seen.text += part.toString('latin1'); });
	else socket.pause();
	return seen;
}

/** Writes a text byte by byte, one a second, for as long as it is listened to. */
function drip(seen, text) {
	let at = 0;
	const timer = setInterval(() => {
		if (seen.socket.destroyed || at >= text.length) { clearInterval(timer); return; }
		seen.socket.write(text[at]);
		at += 1;
	}, 1000);
	timer.unref();
}

/** While `crowd` lasts, another client asks on and on: quick answers, and the gateway's growth is bounded. */
async function unhurt(name, crowd, { growthMax = GROWTH_MAX_KIB } = {}) {
	const times = [];
	let most = 0;
	const pid = pidOf(platform, 'gateway');
	const others = load(async () => {
		const start = process.hrtime.bigint();
		const answer = await platform.client.get('/v1/public/summary');
		times.push(Number(process.hrtime.bigint() - start) / 1e6);
		most = Math.max(most, rssKiB(pid));
		return answer;
	}, { workers: 1, pauseMs: 20 });
	await crowd();
	const result = await others.stop();
	times.sort((a, b) => a - b);
	const median = times[times.length >> 1];
	const worst = times.at(-1);
	report(`${name}: others ${JSON.stringify(result.statuses)}, median ${median.toFixed(1)} ms, worst ${worst.toFixed(0)} ms; gateway ${rested} KiB at rest, ${most} KiB at most`);
	assert.deepEqual(Object.keys(result.statuses), ['200']);
	assert.ok(median < MEDIAN_MAX_MS && worst < WORST_MAX_MS, `median ${median} ms, worst ${worst} ms`);
	assert.ok(most - rested < growthMax, `the gateway grew by ${most - rested} KiB`);
}

/** All of the crowd are cut within `limitMs`; says what they heard. */
async function allCut(crowd, limitMs) {
	await eventually(() => crowd.every((one) => one.closedAt), limitMs, 100).catch(() => {
		throw new Error(`${crowd.filter((one) => !one.closedAt).length} of ${crowd.length} are still connected after ${limitMs} ms`);
	});
	return crowd.map((one) => /^HTTP\/1.1 (\d+)/.exec(one.text)?.[1] ?? 'closed').reduce((sum, what) => ({ ...sum, [what]: (sum[what] ?? 0) + 1 }), {});
}

test(`${SLOW} clients with slow heads, slow bodies, and none at all`, { timeout: 60000 }, () => unhurt('slow senders', async () => {
	const heads = Array.from({ length: SLOW }, () => connect());
	for (const one of heads) drip(one, 'GET /v1/public/summary HTTP/1.1\r\nHost: x\r\n\r\n');
	const bodies = Array.from({ length: SLOW }, () => connect());
	for (const one of bodies) {
		one.socket.write(`POST /v1/auth/wechat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n`);
		drip(one, ' '.repeat(60));
	}
	const silent = Array.from({ length: SLOW }, () => connect());
	const cut = await allCut(heads, HEAD_MS + SLACK_MS);
	report(`slow heads: ${JSON.stringify(cut)}`);
	assert.equal((cut[408] ?? 0) + (cut.closed ?? 0), SLOW);
	const cutBodies = await allCut(bodies, BODY_MS - HEAD_MS + SLACK_MS);
	report(`slow bodies: ${JSON.stringify(cutBodies)}`);
	assert.equal((cutBodies[408] ?? 0) + (cutBodies.closed ?? 0), SLOW);
	assert.ok(silent.every((one) => !one.closedAt), 'idle connections are kept for their time');
	for (const one of silent) one.socket.destroy();
}));

test(`${SLOW} clients that do not read big answers`, { timeout: 90000 }, () => unhurt('slow readers', async () => {
	/* Each asks for far more than the kernel takes, in one write, and reads nothing. */
	const request = 'GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(60);
	const crowd = Array.from({ length: SLOW }, () => connect({ read: false }));
	for (const one of crowd) one.socket.write(request);
	await sleep(6000);
	for (const one of crowd) one.socket.destroy();
	await sleep(500);
}));

test(`${SLOW} clients that vanish in the middle of a POST`, { timeout: 60000 }, () => unhurt('vanished', async () => {
	const before = await platform.sql('select count(*) from donations.gift');
	const { authorization } = await people.headers('citizen:gone');
	const head = (length) => `POST /v1/gifts HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nIdempotency-Key: ${randomUUID()}\r\nContent-Length: ${length}\r\n\r\n`;
	for (let i = 0; i < SLOW; i += 1) {
		const one = connect();
		one.socket.write(`${head(500)}{"campaign_id":"${campaign.id}","amount_fen":`);
		setTimeout(() => (i % 2 ? one.socket.resetAndDestroy() : one.socket.destroy()), 50 + (i % 100));
	}
	await sleep(1500);
	assert.deepEqual(await platform.sql('select count(*) from donations.gift'), before, 'half a gift is none');
	/* Whole requests whose sender does not wait for the answer: each is either there or not, and nobody is confused. */
	const body = JSON.stringify({ campaign_id: campaign.id, amount_fen: 500, channel: 'BANK_TRANSFER' });
	for (let i = 0; i < 100; i += 1) {
		const one = connect();
		one.socket.write(head(Buffer.byteLength(body)) + body, () => one.socket.resetAndDestroy());
	}
	await sleep(1000);
	const give = giftSender(platform, campaign, { authorization });
	assert.equal((await give()).status, 201);
}));

test(`${PIPELINED} requests in one write are answered in order`, { timeout: 60000 }, async () => {
	const { items } = (await platform.client.get('/v1/campaigns?limit=20')).json;
	const one = connect();
	const parts = [];
	one.socket.on('data', (part) => parts.push(part));
	const asked = Array.from({ length: PIPELINED }, (_, i) => (i % 3 === 2 ? `/v1/nothing/${i}` : `/v1/campaigns/${items[(i * 7) % items.length].id}`));
	one.socket.write(asked.map((target, i) => `GET ${target} HTTP/1.1\r\nHost: x\r\n${i === PIPELINED - 1 ? 'Connection: close\r\n' : ''}\r\n`).join(''));
	await eventually(() => one.closedAt, 30000);
	let rest = Buffer.concat(parts);
	for (const [i, target] of asked.entries()) {
		const end = rest.indexOf('\r\n\r\n');
		assert.ok(end > 0, `answer ${i} is there`);
		const head = rest.toString('latin1', 0, end);
		const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
		const body = JSON.parse(rest.toString('utf8', end + 4, end + 4 + length));
		if (i % 3 === 2) assert.equal(body.status, 404, `${i}: ${target}`);
		else assert.equal(body.id, target.slice(-36), `answer ${i} belongs to request ${i}`);
		rest = rest.subarray(end + 4 + length);
	}
	assert.equal(rest.length, 0, 'and nothing else');
});

test('half-open sockets: what is left when the other side is silent and frozen', { timeout: 60000 }, async () => {
	/* Half-closed after a whole request: still answered. */
	const half = connect();
	half.socket.end('GET /v1/public/summary HTTP/1.1\r\nHost: x\r\n\r\n');
	await eventually(() => half.closedAt, 5000);
	assert.match(half.text, /^HTTP\/1.1 200 /);
	/* Half-closed in the middle of a request: let go at once. */
	const crowd = Array.from({ length: SLOW }, () => connect());
	for (const one of crowd) one.socket.end('POST /v1/gifts HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n{');
	await allCut(crowd, BODY_MS + SLACK_MS);
	/* A gateway that was frozen with a full backlog comes back whole. */
	signal(platform, 'gateway', 'SIGSTOP');
	const waiting = Array.from({ length: 200 }, () => platform.client.get('/v1/public/summary').then((answer) => answer.status));
	await sleep(1000);
	signal(platform, 'gateway', 'SIGCONT');
	assert.deepEqual([...new Set(await Promise.all(waiting))], [200]);
	await sleep(500);
	const grown = rssKiB(pidOf(platform, 'gateway')) - rested;
	report(`after all of it the gateway is ${grown} KiB larger than at rest`);
	assert.ok(grown < GROWTH_MAX_KIB, `the gateway stays ${grown} KiB larger`);
	assert.deepEqual(complaints(platform), []);
});
