// The running platform's public log in the eyes of golang.org/x/mod/sumdb, an implementation that is not ours (Debian: golang-go and
// golang-golang-x-mod-dev).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { downloadLog } from '../support/public_log.mjs';
import { eventually } from '../support/eventually.mjs';
import { Platform, ROOT } from '../support/platform.mjs';

const run = promisify(execFile);
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
	const check = () => run('go', ['run', program, dir, key, path.join(dir, 'old'), path.join(dir, 'receipts')], { env: { ...process.env, GO111MODULE: 'off', GOPATH, GOCACHE: path.join(os.tmpdir(), 'yg-go-cache') } }).catch((error) => error);
	assert.match((await check()).stdout, /^yes: /);
	const tile = path.join(dir, 'tile/0/000');
	const bytes = fs.readFileSync(tile);
	bytes[77] ^= 1;
	fs.writeFileSync(tile, bytes);
	assert.match((await check()).stdout, /^no: /);
});
