// The running platform's public log in the eyes of golang.org/x/mod/sumdb, an implementation that is not ours (Debian: golang-go and
// golang-golang-x-mod-dev).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { verifyAll } from '../../deploy/verify/verify.mjs';
import { downloadLog } from '../support/public_log.mjs';
import { eventually } from '../support/eventually.mjs';
import { Platform, ROOT } from '../support/platform.mjs';

const run = promisify(execFile);
const BIN = path.resolve(ROOT, process.env.YG_BIN ?? 'build/release/bin');
const GOPATH = '/usr/share/gocode';
const program = path.join(ROOT, 'tests/oracle/tlog/main.go');
const LEAVES = [300, 611];

let platform;
let dir;
before(async () => {
	dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-tlog-'));
	platform = await Platform.start({ demo: 'small' });
});
after(async () => {
	await platform?.stop();
	if (dir) fs.rmSync(dir, { recursive: true, force: true });
});

test('notes, tiles, entries, consistency and receipts', async () => {
	const [[code]] = await platform.sql('select public_code from donations.gift_public order by 1 limit 1');
	let size = Number((await platform.sql('select count(*) from donations.outbox where leaf is not null'))[0][0]);
	await eventually(async () => Number((await platform.sql('select size from transparency.log_state'))[0][0]) === size, 20000); /* the demo's own */
	for (const count of LEAVES) {
		await platform.sql(`set search_path = donations; select count(outbox_leaf('x', '${code}', '{}', 'gift.received', case when i % 100 = 0 then '${code}' else 'x' end, now(), json_build_object('amount_fen', i, '名', '爱'))) from generate_series(1, ${count}) i`);
		size += count;
		await eventually(async () => (await platform.client.get('/v1/public/log')).json?.size === size, 20000);
		if (count === LEAVES[0]) fs.writeFileSync(path.join(dir, 'old'), (await eventually(async () => { const answer = await platform.client.get('/log/checkpoint'); return answer.text.split('\n')[1] === String(size) && answer; }, 5000)).text);
	}
	await eventually(async () => await downloadLog(platform.client, dir) === size, 10000);
	const { json } = await platform.client.get(`/v1/public/gifts/${code}/proof`);
	assert.ok(json.items.length >= 9);
	fs.writeFileSync(path.join(dir, 'receipts'), JSON.stringify(json.items));
	const { verifier_key: key } = (await platform.client.get('/v1/public/log')).json;
	const then = Number(fs.readFileSync(path.join(dir, 'old'), 'utf8').split('\n')[1]);
	for (const partial of [`tile/0/${String(Math.floor(then / 256)).padStart(3, '0')}.p/${then % 256}`, `tile/1/000.p/${Math.floor(then / 256)}`]) {
		const answer = await platform.client.get(`/log/${partial}`);
		assert.equal(answer.status, 200, partial);
		fs.mkdirSync(path.dirname(path.join(dir, partial)), { recursive: true });
		fs.writeFileSync(path.join(dir, partial), answer.raw);
	}
	const go = (...words) => run('go', ['run', program, ...words], { env: { ...process.env, GO111MODULE: 'off', GOPATH, GOCACHE: path.join(os.tmpdir(), 'yg-go-cache') } }).catch((error) => error);
	const check = () => go(dir, key, path.join(dir, 'old'), path.join(dir, 'receipts'));
	const checked = await check();
	assert.match(checked.stdout, /^yes: /, checked.stderr);
	const witness = (await go('cosign', dir, key)).stdout.trim();
	assert.match(witness, /^go\.example\/witness\+[0-9a-f]{8}\+/);
	assert.match((await check()).stdout, /^yes: /, 'with a line of a witness whose key is not known');
	const other = witness.replace(/\+[^+]*$/, `+${Buffer.concat([Buffer.from([4]), Buffer.alloc(32, 9)]).toString('base64')}`);
	const verify = (given) => run(path.join(BIN, 'yangguang-verify'), ['all', dir, '--key', key, '--witness', given]).catch((error) => error);
	assert.match((await verify(witness)).stdout, /^yes/, 'our verifier takes its line');
	assert.doesNotMatch((await verify(other)).stdout, /^yes/);
	const read = async (name) => (fs.existsSync(path.join(dir, name)) ? new Uint8Array(fs.readFileSync(path.join(dir, name))) : null);
	const module = async (given) => (await verifyAll(read, { key, witnesses: [given] })).answer;
	assert.equal(await module(witness), 'yes', 'the module too');
	assert.notEqual(await module(other), 'yes');
	const tile = path.join(dir, 'tile/0/000');
	const bytes = fs.readFileSync(tile);
	bytes[77] ^= 1;
	fs.writeFileSync(tile, bytes);
	assert.match((await check()).stdout, /^no: /);
});
