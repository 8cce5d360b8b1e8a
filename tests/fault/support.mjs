// What the fault tests share: repeatable chance, signals to the platform's processes, looks at what is stored and what was published.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { Principals } from '../support/principals.mjs';
import { Platform, ROOT } from '../support/platform.mjs';
import { eventually } from '../support/eventually.mjs';

const run = promisify(execFile);
const OUTPUT_MAX = 64 << 20;

export const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** Repeatable random numbers (mulberry32). */
export function random(seed) {
	let a = seed >>> 0;
	return () => {
		a = (a + 0x6d2b79f5) >>> 0;
		let t = Math.imul(a ^ (a >>> 15), 1 | a);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

/** One line of a test's report; TAP readers pass it by. */
export const report = (text) => console.log(text);

/** A platform of its own with the small demo city, and who may speak to it. */
export async function startFaulty(options = {}) {
	const platform = await Platform.start({ demo: 'small', port: process.env.YG_TEST_PORT && Number(process.env.YG_TEST_PORT), ...options });
	const [campaign] = (await platform.client.get('/v1/campaigns?state=OPEN&limit=1')).json.items;
	return { platform, campaign, people: new Principals(platform.client, platform.demo) };
}

// ── processes ──

export const pidOf = (platform, name) => Number(fs.readFileSync(path.join(platform.dir, 'pid', name), 'utf8'));
export const signal = (platform, name, signo) => process.kill(pidOf(platform, name), signo);

/** SIGSTOP or SIGCONT for the whole of PostgreSQL: the server and every backend, and runuser, which stops when its child does. */
export async function signalPostgres(platform, signo) {
	const server = pidOf(platform, 'postgres');
	const { stdout } = await run('pgrep', ['-P', String(server)]).catch(() => ({ stdout: '' }));
	const starter = Number(/^PPid:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${server}/status`, 'utf8'))[1]);
	const starters = fs.readFileSync(`/proc/${starter}/comm`, 'utf8').trim() === 'runuser' ? [starter] : [];
	for (const pid of [...starters, server, ...stdout.split('\n').filter(Boolean).map(Number)]) {
		try { process.kill(pid, signo); } catch (error) { if (error.code !== 'ESRCH') throw error; }
	}
}

/** Resident memory of a process, in KiB. */
export function rssKiB(pid) {
	return Number(/VmRSS:\s*(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}

/** What a process has logged as errors, and whether a sanitizer spoke. */
export function complaints(platform) {
	const folder = path.join(platform.dir, 'log');
	const found = [];
	for (const file of fs.readdirSync(folder)) {
		for (const line of fs.readFileSync(path.join(folder, file), 'utf8').split('\n')) {
			if (/ERROR: (Address|Leak|Undefined)|runtime error:|CHECK failed|Assertion/.test(line)) found.push(`${file}: ${line}`);
		}
	}
	return found;
}

// ── what is stored and published ──

async function redisSocket(platform) {
	platform.redisSocket ??= (await run('bash', ['-c', '. deploy/local/lib.sh && printf %s "$RUN/redis.sock"'], { cwd: ROOT, env: platform.env })).stdout;
	return platform.redisSocket;
}

export async function redis(platform, ...words) {
	const { stdout } = await run('redis-cli', ['-s', await redisSocket(platform), '--json', ...words], { maxBuffer: OUTPUT_MAX });
	return JSON.parse(stdout);
}

/** The stream as [position, event id] pairs, in its own order. */
async function readStream(platform, service) {
	const entries = await redis(platform, 'XRANGE', `events:${service}`, '-', '+');
	return entries.map(([id, fields]) => {
		const members = {};
		for (let i = 0; i < fields.length; i += 2) members[fields[i]] = fields[i + 1];
		return `${id} ${members.id} ${members.type}`;
	});
}

/** Waits until the stream holds every event of the outbox, each once and in order; gives how many. */
export async function streamAgrees(platform, limitMs = 30000, service = 'donations') {
	const wanted = async () => (await platform.sql(`select position || '-0 ' || id || ' ' || type from ${service}.outbox where position is not null order by position`)).map(([text]) => text);
	let why = '';
	await eventually(async () => {
		const [[open]] = await platform.sql(`select count(*) from ${service}.outbox where position is null`);
		const [stored, published] = [await wanted(), await readStream(platform, service).catch(() => [])];
		const same = stored.length === published.length && stored.every((one, i) => one === published[i]);
		const at = stored.findIndex((one, i) => one !== published[i]);
		why = `${open} events without a position, ${stored.length} in the outbox, ${published.length} in the stream, first difference at ${at}: ${stored[at]} / ${published[at]}`;
		return open === '0' && same;
	}, limitMs, 200).catch((error) => { throw new Error(`${error.message}\n${why}`); });
	return (await wanted()).length;
}

/** Rows of every table of a schema, to show that something changed nothing. Who signed in is not part of it. */
export async function rowCounts(platform, schema = 'donations') {
	const tables = await platform.sql(`select table_name from information_schema.tables where table_schema = '${schema}' and table_type = 'BASE TABLE' order by 1`);
	const [row] = await platform.sql(`select ${tables.map(([name]) => `(select count(*) from ${schema}.${name})`).join(', ')}`);
	return Object.fromEntries(tables.map(([name], i) => [name, Number(row[i])]));
}

// ── load ──

/** One gift as a careful client sends it. */
export function giftSender(platform, campaign, headers) {
	return (body = {}, { key = randomUUID(), timeoutMs = 20000 } = {}) => platform.client.request('POST', '/v1/gifts', {
		headers: { ...headers, 'idempotency-key': key }, timeoutMs,
		body: { campaign_id: campaign.id, amount_fen: 500, channel: 'BANK_TRANSFER', message: key, ...body },
	});
}

/** Calls `send` from `workers` loops until stop() is called; stop gives what came back: counts by status, the slowest, the answers kept. */
export function load(send, { workers = 4, pauseMs = 0, keep = () => false } = {}) {
	let running = true;
	const result = { total: 0, statuses: {}, slowestMs: 0, kept: [] };
	const loop = async (n) => {
		for (let i = 0; running; i += 1) {
			const start = Date.now();
			let answer;
			try { answer = await send(n, i); } catch (error) { answer = { status: error.code ?? error.message, headers: {} }; }
			const ms = Date.now() - start;
			result.total += 1;
			result.statuses[answer.status] = (result.statuses[answer.status] ?? 0) + 1;
			result.slowestMs = Math.max(result.slowestMs, ms);
			if (keep(answer, ms)) result.kept.push(answer);
			if (pauseMs) await sleep(pauseMs);
		}
	};
	const loops = Promise.all(Array.from({ length: workers }, (_, n) => loop(n)));
	return {
		result,
		stop: async () => { running = false; await loops; return result; },
	};
}
