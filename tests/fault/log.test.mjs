// The public log under kill -9 of its service, its relay, Redis and PostgreSQL, and with Redis emptied, while events are written: each
// committed leaf is logged exactly once and in order, every checkpoint ever served is a beginning of the log, and whoever downloads it
// finds it right, and wrong after one byte was changed. LOG_SECONDS bounds the time (default 30), LOG_SEED repeats a run.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { downloadLog } from '../support/public_log.mjs';
import { eventually } from '../support/eventually.mjs';
import { ROOT } from '../support/platform.mjs';
import { complaints, pidOf, random, redis, report, sleep, startFaulty } from './support.mjs';

const SECONDS = Number(process.env.LOG_SECONDS ?? 30);
const SEED = Number(process.env.LOG_SEED ?? Date.now() % 1e6);
const VICTIMS = ['transparency', 'transparency', 'relay_donations', 'relay_donations', 'redis', 'flush', 'postgres'];
const STARTED = ['postgres', 'redis', 'donations', 'transparency', 'relay_donations'];
const WRITERS = 3;
const SAMPLES = 12;
const SETTLE_MS = 90000;

let platform;
let code;
let dir;
before(async () => {
	({ platform } = await startFaulty());
	[[code]] = await platform.sql('select public_code from donations.gift_public order by 1 limit 1');
	dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-log-'));
});
after(async () => {
	await platform?.stop();
	if (dir) fs.rmSync(dir, { recursive: true, force: true });
});

const acknowledged = [];
const withdrawn = [];

/** Transactions of a few leaves that take a while, so that they commit in another order than they were written; one in five is undone. */
async function writer(n, end) {
	const next = random(SEED + n);
	for (let i = 0; Date.now() < end; i += 1) {
		const undone = next() < 0.2;
		const fen = 1 + Math.floor(next() * 1000);
		const subject = n === 0 && i < 3 ? code : `W${n}-${i}`;
		const leaf = (k) => `select outbox_leaf('gift.paid', '${subject}', '{}', 'gift.received', '${subject}', now(), '{"nth":${k}}', null,
			'[{"account":"bank:wechat","fen":${fen}},{"account":"fund:000${n}","fen":${-fen}}]');`;
		const rows = await platform.sql(`set search_path = donations; begin; ${leaf(0)} ${leaf(1)} select pg_sleep(${(next() * 0.06).toFixed(3)}); ${undone ? 'rollback' : 'commit'};`).catch(() => null);
		if (!rows) { await sleep(100); continue; } /* whether it was committed is unknown */
		(undone ? withdrawn : acknowledged).push(...rows.map(([id]) => id).filter(Boolean));
	}
}

async function killer(end) {
	const next = random(SEED + 100);
	const kills = {};
	while (Date.now() < end - 3000) {
		await sleep(300 + next() * 1500);
		const victims = new Set([VICTIMS[Math.floor(next() * VICTIMS.length)]]);
		if (next() < 0.3) victims.add(VICTIMS[Math.floor(next() * VICTIMS.length)]);
		for (const victim of victims) {
			kills[victim] = (kills[victim] ?? 0) + 1;
			if (victim === 'flush') await redis(platform, 'FLUSHALL').catch(() => {});
			else process.kill(pidOf(platform, victim), 'SIGKILL');
		}
		await sleep(next() * 400);
		for (const one of STARTED) if (victims.has(one)) await platform.command('start', one);
	}
	return kills;
}

/** Every checkpoint that is served, by its size. Two of one size, or a smaller one later, are told at once. */
async function watcher(stopped) {
	const seen = new Map();
	let last = 0;
	while (!stopped()) {
		const answer = await platform.client.get('/log/checkpoint').catch(() => ({}));
		if (answer.status === 200) {
			const size = Number(answer.text.split('\n')[1]);
			const [text] = answer.text.split('\n\n');
			assert.ok(size >= last, `a checkpoint of ${size} after one of ${last}`);
			assert.equal(seen.get(size)?.split('\n\n')[0] ?? text, text, `two checkpoints of ${size} leaves`);
			seen.set(size, answer.text);
			last = size;
		}
		await sleep(100);
	}
	return seen;
}

const BIN = path.resolve(ROOT, process.env.YG_BIN ?? 'build/release/bin');
const verify = (...words) => new Promise((done) => { execFile(path.join(BIN, 'yangguang-verify'), words, (error, stdout) => done(`${error?.code ?? 0} ${stdout.trim()}`)); });

test('nothing is lost, doubled, reordered or taken back', { timeout: (SECONDS + 180) * 1000 }, async () => {
	report(`seed ${SEED}`);
	const end = Date.now() + SECONDS * 1000;
	let over = false;
	const watching = watcher(() => over);
	const [kills] = await Promise.all([killer(end), ...Array.from({ length: WRITERS }, (_, n) => writer(n, end))]);
	const logged = () => platform.sql('select event from transparency.log_leaf order by index');
	const written = () => platform.sql('select id from donations.outbox where leaf is not null order by position');
	let why = '';
	await eventually(async () => {
		const [[open]] = await platform.sql('select count(*) from donations.outbox where position is null');
		const [a, b] = [(await written()).flat(), (await logged()).flat()];
		why = `${open} without a position, ${a.length} written, ${b.length} logged`;
		return open === '0' && a.length === b.length;
	}, SETTLE_MS, 300).catch((error) => { throw new Error(`${error.message}: ${why}`); });
	over = true;
	const seen = await watching;
	const events = (await logged()).flat();
	assert.deepEqual(events, (await written()).flat(), 'in the order of their positions');
	const set = new Set(events);
	assert.equal(set.size, events.length, 'each once');
	assert.deepEqual(acknowledged.filter((id) => !set.has(id)), [], 'what was committed is logged');
	assert.deepEqual(withdrawn.filter((id) => set.has(id)), [], 'what was undone is not');
	assert.ok(acknowledged.length > 50 && seen.size > 5, `${acknowledged.length} leaves, ${seen.size} checkpoints`);
	report(`${events.length} leaves in ${seen.size} checkpoints; kills ${JSON.stringify(kills)}`);

	const key = (await platform.client.get('/v1/public/log')).json.verifier_key;
	const size = await eventually(async () => await downloadLog(platform.client, dir) === events.length, 20000) && events.length;
	assert.match(await verify('all', dir, '--key', key), /^0 yes/);
	const sizes = [...seen.keys()].filter((n) => n > 0);
	for (let i = 0; i < Math.min(SAMPLES, sizes.length); i += 1) {
		const n = sizes[Math.floor(i * sizes.length / Math.min(SAMPLES, sizes.length))];
		fs.writeFileSync(path.join(dir, 'seen'), seen.get(n));
		assert.match(await verify('all', dir, '--key', key, '--seen', path.join(dir, 'seen')), /^0 yes/, `the checkpoint of ${n} leaves is a beginning of ${size}`);
		assert.match(await verify('consistency', path.join(dir, 'seen'), path.join(dir, 'checkpoint'), dir, '--key', key), /^0 yes/);
	}

	const receipts = (await platform.client.get(`/v1/public/gifts/${code}/proof`)).json.items;
	assert.ok(receipts.length >= 2);
	for (const one of receipts) {
		fs.writeFileSync(path.join(dir, 'receipt'), JSON.stringify(one));
		assert.match(await verify('receipt', path.join(dir, 'receipt'), '--key', key), /^0 yes/);
	}
	fs.writeFileSync(path.join(dir, 'receipt'), JSON.stringify({ ...receipts[0], leaf: receipts[0].leaf.replace('gift.received', 'gift.refunded') }));
	assert.match(await verify('receipt', path.join(dir, 'receipt'), '--key', key), /^1 no: inclusion/);

	const bundle = path.join(dir, 'tile/entries/000' + (events.length < 256 ? `.p/${events.length}` : ''));
	const bytes = fs.readFileSync(bundle);
	bytes[40] ^= 1;
	fs.writeFileSync(bundle, bytes);
	assert.match(await verify('all', dir, '--key', key), /^1 no: root/);
	assert.deepEqual(complaints(platform), []);
});
