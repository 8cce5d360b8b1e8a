// kill -9 of any process, at random points, under load: no acknowledged gift is lost, none is doubled, the sums agree.
// CRASH_SECONDS bounds the time (default 40), CRASH_SEED repeats a run.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';
import { eventually } from '../support/eventually.mjs';

const SECONDS = Number(process.env.CRASH_SECONDS ?? 40);
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1e6);
const VICTIMS = ['gateway', 'donations', 'identity', 'relay_donations', 'redis', 'postgres'];
const WRITERS = 8;

/** Repeatable random numbers (mulberry32). */
function random(seed) {
	let a = seed >>> 0;
	return () => {
		a = (a + 0x6d2b79f5) >>> 0;
		let t = Math.imul(a ^ (a >>> 15), 1 | a);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

let platform;
let people;
before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
});
after(() => platform?.stop());

const pidOf = (name) => Number(fs.readFileSync(path.join(platform.dir, 'pid', name), 'utf8'));

test(`random kills for ${SECONDS} s (seed ${SEED})`, { timeout: (SECONDS + 180) * 1000 }, async () => {
	const [campaign] = (await platform.client.get('/v1/campaigns?state=OPEN&limit=1')).json.items;
	const headers = await people.headers('citizen:steady');
	const end = Date.now() + SECONDS * 1000;
	const acknowledged = new Map(); /* key → gift */
	const outcomes = {};
	let retries = 0;

	/* As a careful client: one key and one body per gift, repeated until an answer comes. */
	const writer = async (n) => {
		for (let i = 0; Date.now() < end; i += 1) {
			const key = randomUUID();
			const body = { campaign_id: campaign.id, amount_fen: 100 + (n * 131 + i * 17) % 900, channel: 'BANK_TRANSFER', message: key };
			let done = false;
			for (let tries = 0; !done && tries < 600; tries += 1) {
				let answer;
				try {
					answer = await platform.client.request('POST', '/v1/gifts', { headers: { ...headers, 'idempotency-key': key }, timeoutMs: 15000, body });
				} catch (error) { answer = { status: error.code ?? 'lost' }; }
				outcomes[answer.status] = (outcomes[answer.status] ?? 0) + 1;
				if (answer.status === 201) {
					acknowledged.set(key, { ...answer.json, sent: body.amount_fen });
					done = true;
				} else {
					assert.ok(typeof answer.status === 'string' || [502, 503, 504].includes(answer.status), `${answer.status} ${answer.text}`);
					retries += 1;
					await new Promise((next) => { setTimeout(next, 50); });
				}
			}
			assert.ok(done, `no answer for ${key}`);
		}
	};

	const kills = {};
	const killer = async () => {
		const next = random(SEED);
		while (Date.now() < end - 3000) {
			await new Promise((done) => { setTimeout(done, 300 + next() * 2200); });
			const victim = VICTIMS[Math.floor(next() * VICTIMS.length)];
			process.kill(pidOf(victim), 'SIGKILL');
			kills[victim] = (kills[victim] ?? 0) + 1;
			await new Promise((done) => { setTimeout(done, next() * 400); });
			await platform.command('start', victim);
		}
	};
	await Promise.all([killer(), ...Array.from({ length: WRITERS }, (_, n) => writer(n))]);

	const rows = await eventually(() => platform.sql(`select message, public_code, amount_fen from donations.gift where donor = (select donor from donations.gift where public_code = '${[...acknowledged.values()][0].public_code}')`).catch(() => null), 30000);
	const byKey = new Map();
	for (const [message, code, amount] of rows) byKey.set(message, [...(byKey.get(message) ?? []), { code, amount: Number(amount) }]);
	let missing = 0;
	let doubled = 0;
	for (const [key, gift] of acknowledged) {
		const found = byKey.get(key) ?? [];
		if (found.length === 0) missing += 1;
		else if (found[0].code !== gift.public_code || found[0].amount !== gift.sent) missing += 1;
	}
	for (const found of byKey.values()) if (found.length > 1) doubled += 1;
	console.log(`# seed ${SEED}: kills ${JSON.stringify(kills)}; answers ${JSON.stringify(outcomes)}; retries ${retries}; acknowledged ${acknowledged.size}, stored ${rows.length}, missing ${missing}, doubled ${doubled}`);
	assert.equal(missing, 0, 'every acknowledged gift is there');
	assert.equal(doubled, 0, 'no gift is there twice');
	assert.ok(acknowledged.size > 20, 'there was load');
	assert.ok(Object.keys(kills).length >= 2, 'there were kills');

	/* Sums and the events: one gift.created each, positions without gaps or repeats, all published. */
	const [[unequal]] = await platform.sql(`select count(*) from donations.gift g where not exists (select from donations.pay_order o where o.gift_id = g.id and o.amount_fen = g.amount_fen)`);
	assert.equal(unequal, '0');
	await eventually(async () => (await platform.sql('select count(*) from donations.outbox where position is null'))[0][0] === '0', 30000);
	const [[events, positions, highest]] = await platform.sql('select count(*), count(distinct position), max(position) from donations.outbox');
	assert.equal(events, positions);
	assert.equal(positions, highest);
	const [[disagree]] = await platform.sql('select count(*) from donations.money_disagreement');
	assert.equal(disagree, '0', 'the checker of sums finds nothing');
});
