// What is compared with what: five rows, each with its contestants (ours first), targets, and a look at one answer before the rounds.
import assert from 'node:assert/strict';
import * as peers from './peers.mjs';
import * as platform from './platform.mjs';
import { sleep, until } from './process.mjs';
import { settings } from './settings.mjs';
import { seed, wrk } from './wrk.mjs';

const METADATA = '/.well-known/oauth-authorization-server';
const GIFT = '/v1/public/gifts/5000042129999570'; // gift 42 of data.sql
const PAGE = '/v1/campaigns/0197f3a0-0000-7000-8000-100000000007/gifts?limit=20';

async function ask(url, token) {
	const response = await fetch(url, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
	const text = await response.text();
	assert.equal(response.status, 200, `${url}: ${response.status} ${text}`);
	return text;
}

async function give(url, token) {
	const response = await fetch(`${url}/v1/gifts`, { method: 'POST', body: JSON.stringify({ campaign_id: '0197f3a0-0000-7000-8000-100000000000', amount_fen: 8800, channel: 'BANK_TRANSFER' }),
		headers: { 'Content-Type': 'application/json', 'Idempotency-Key': `"look-${seed()}"`, ...(token ? { Authorization: `Bearer ${token}` } : {}) } });
	const text = await response.text();
	assert.equal(response.status, 201, `${url}/v1/gifts: ${response.status} ${text}`);
	return JSON.parse(text);
}

// Two answers are the same when their members are: the times may be written in different zones, the cursor is each one's own.
function comparable(text) {
	return JSON.parse(text, (key, value) => (key === 'next_cursor' ? 'cursor' : /_at$/.test(key) ? Math.floor(Date.parse(value)) : value));
}
function same(ours, theirs) {
	assert.deepEqual(comparable(theirs), comparable(ours), 'the peer answers something else than we do');
}

const load = (url, request) => (seconds, round) => wrk(url, { ...request, seconds, round });

function ours(name, service, url, request) {
	return { name, processes: () => platform.pids('gateway', service, 'postgres', 'redis', ...platform.PROGRAMS.filter((p) => p !== 'gateway' && p !== service)), run: load(url, request) };
}

function fastify(app, kind, many) {
	return { name: 'nginx → Fastify + pg', processes: () => ({ ...app.processes, ...platform.pids('postgres') }), run: load(app.url, { kind, many }) };
}

function pgbench(row, clients) {
	return { name: `pgbench, ${clients} clients`, processes: () => platform.pids('postgres'), run: (seconds, round) => peers.pgbench(row, clients, seconds, round) };
}

async function forward(shared) {
	const token = await platform.login();
	const url = platform.baseUrl + METADATA;
	const body = await ask(url, token);
	const pair = await shared.nginx(Buffer.byteLength(body));
	assert.equal((await ask(pair.url)).length, Buffer.byteLength(body));
	return [
		ours('gateway → identity', 'identity', url, { kind: 'constant', token }),
		{ name: 'nginx → nginx', target: 1.8, processes: () => pair.processes, run: load(pair.url, { kind: 'constant' }) },
	];
}

async function read(shared, row, path, many, targets) {
	const app = await shared.fastify();
	const token = await platform.login();
	same(await ask(platform.baseUrl + path, token), await ask(app.url + path));
	return [
		ours('gateway → donations', 'donations', platform.baseUrl, { kind: row, many, token }),
		{ ...fastify(app, row, many), target: targets[0] },
		{ ...pgbench(row, 8), target: targets[1] },
	];
}

// Every answer must be a row: what the generator counted is compared with what the table gained.
function counted(contestant) {
	const gifts = async () => Number(await platform.psql('select count(*) from donations.gift'));
	return { ...contestant, run: async (seconds, round) => {
		const before = await gifts();
		const result = await contestant.run(seconds, round);
		await sleep(300); // requests under way when the generator stopped
		const gained = (await gifts()) - before;
		if (gained < result.requests) throw new Error(`${contestant.name}: ${result.requests} gifts were confirmed, ${gained} are there`);
		return result;
	} };
}

async function write(shared) {
	const app = await shared.fastify();
	const token = await platform.login();
	assert.deepEqual(Object.keys(await give(app.url)).sort(), Object.keys(await give(platform.baseUrl, token)).sort());
	await platform.psql('checkpoint');
	// The relay works for us only; the peers have the core to themselves.
	const before = async () => {
		await platform.drained();
		platform.signal('relay_donations', 'SIGSTOP');
	};
	const after = async () => platform.signal('relay_donations', 'SIGCONT');
	return [
		{ ...counted(ours('gateway → donations', 'donations', platform.baseUrl, { kind: 'write', token })), before: platform.drained },
		{ ...counted(fastify(app, 'write')), target: 7, before, after },
		{ ...counted(pgbench('write', 16)), target: 2.5, before, after },
	];
}

// Leaves for the first gifts, as their payments would have made them; the log has them all before anybody asks.
async function proof() {
	const many = Math.min(settings.gifts, 20000);
	const token = await platform.login();
	await platform.psql(`set search_path = donations; select count(outbox_leaf('x', code, '{}', 'gift.received', code, now(), json_build_object('amount_fen', 100)))
		from (select (5000000120000000 + i * 1000000000 + (999999 - i) * 10)::text as code from generate_series(0::bigint, ${many - 1}) i) g`);
	await until('the log takes them', 60, async () => (await platform.psql('select size from transparency.log_state')) >= many);
	await platform.psql('vacuum (analyze)'); // as autovacuum does a minute later
	await ask(`${platform.baseUrl}${GIFT}/proof`, token);
	return [
		ours('proof of a gift', 'transparency', platform.baseUrl, { kind: 'proof', many, token }),
		{ ...ours('the gift itself', 'donations', platform.baseUrl, { kind: 'gift', many, token }), target: 0.5 },
	];
}

export const rows = [
	{ name: 'forward', title: 'uncached GET, no database', contestants: forward },
	{ name: 'gift', title: 'one gift by code', contestants: (shared) => read(shared, 'gift', GIFT, settings.gifts, [6, 1]) },
	{ name: 'page', title: 'page of 20 gifts', contestants: (shared) => read(shared, 'page', PAGE, settings.campaigns, [5, 1.3]) },
	{ name: 'write', title: 'durable gift write, one campaign', contestants: write },
	{ name: 'proof', title: 'inclusion proofs of one gift', contestants: proof },
];

// The peers are started once, by the first row that needs them.
export function sharedPeers() {
	let app;
	let pair;
	return {
		nginx: (bytes) => (pair ??= peers.startNginx(bytes)),
		fastify: () => (app ??= peers.installPackages().then(peers.startFastify)),
	};
}
