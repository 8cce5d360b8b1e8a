// Two witnesses of the public log: one is away, slow, wrong and forgetful, and the log goes on; what they cosign is right.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Witness } from '../standins/witness.mjs';
import { downloadLog } from '../support/public_log.mjs';
import { eventually } from '../support/eventually.mjs';
import { freePort, Platform, ROOT } from '../support/platform.mjs';

const BIN = path.resolve(ROOT, process.env.YG_BIN ?? 'build/release/bin');
const verify = (...words) => new Promise((done) => { execFile(path.join(BIN, 'yangguang-verify'), words, (error, stdout) => done(`${error?.code ?? 0} ${stdout.trim()}`)); });

let dir;
let platform;
let keys;
let first;
let second;
let ports;
const size = async () => (await platform.client.get('/v1/public/log')).json?.size;
const witnesses = async () => (await platform.client.get('/v1/public/log')).json?.witnesses?.join();
const write = (count) => platform.sql(`set search_path = donations; select count(outbox_leaf('x', 'x', '{}', 'gift.received', 'x', now(), '{}')) from generate_series(1, ${count})`);
async function grow(count) {
	await write(count); /* behind what the demo city has given: all of it has to come */
	const wanted = Number((await platform.sql('select count(*) from donations.outbox where leaf is not null'))[0][0]);
	await eventually(async () => await size() === wanted, 15000);
}

before(async () => {
	dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-witness-'));
	[first, second] = ['one.example/witness', 'two.example/witness'].map((name, i) => new Witness(name, path.join(dir, `state${i}`)));
	const port = await freePort(2);
	ports = [port, port + 1];
	fs.writeFileSync(path.join(dir, 'witnesses'), `# key and address\n${first.key} https://127.0.0.1:${ports[0]}\n${second.key} https://127.0.0.1:${ports[1]}/\n`);
	platform = await Platform.start({ demo: 'small', env: { YG_LOG_WITNESSES_FILE: path.join(dir, 'witnesses') } });
	keys = JSON.parse(fs.readFileSync(path.join(platform.dir, 'standins/standins.json'), 'utf8'));
	const { verifier_key: key } = (await eventually(async () => { const answer = await platform.client.get('/v1/public/log'); return answer.status === 200 && answer; }, 15000)).json;
	for (const w of [first, second]) w.knows(key);
});
after(async () => {
	await platform?.stop();
	await Promise.all([first, second].map((w) => w?.server && w.stop()));
	if (dir) fs.rmSync(dir, { recursive: true, force: true });
});

test('with no witness there the log grows', async () => {
	await grow(3);
	assert.equal(await witnesses(), '');
});

test('one comes and cosigns, again and again', async () => {
	await first.start(keys, ports[0]);
	for (const count of [1, 300, 7]) {
		await grow(count);
		await eventually(async () => await witnesses() === first.name, 20000);
	}
	assert.equal(first.state.size, await size());
});

test('both: the checkpoint carries both lines, and verifiers ask for them', async () => {
	await second.start(keys, ports[1]);
	await grow(700);
	await eventually(async () => await witnesses() === `${first.name},${second.name}`, 20000);
	await eventually(async () => (await platform.client.get('/log/checkpoint')).text.split('\n').filter((line) => line.startsWith('— ')).length === 3, 5000);
	const { verifier_key: key } = (await platform.client.get('/v1/public/log')).json;
	const log = path.join(dir, 'log');
	await downloadLog(platform.client, log);
	assert.match(await verify('all', log, '--key', key, '--witness', first.key, '--witness', second.key), /^0 yes/);
	assert.match(await verify('all', log, '--key', key, '--witness', new Witness('three.example/witness', '').key), /^1 no: witness/);
});

test('a witness that fails, forges or talks nonsense costs its own line only', async () => {
	for (const misbehave of ['error', 'garbage']) {
		second.misbehave = misbehave;
		await grow(2);
		await eventually(async () => await witnesses() === first.name, 20000);
	}
	second.misbehave = 'forge'; /* it has seen the checkpoint, and its line is wrong: the next one tells its size */
	await grow(2);
	await eventually(async () => await witnesses() === first.name, 20000);
	second.misbehave = '';
	await grow(5);
	await eventually(async () => await witnesses() === `${first.name},${second.name}`, 30000);
});

test('a witness that has lost its memory is led on from the beginning', async () => {
	fs.rmSync(second.stateFile);
	await grow(4);
	await eventually(async () => await witnesses() === `${first.name},${second.name}`, 30000);
	assert.ok(second.refusals.includes(409));
});
