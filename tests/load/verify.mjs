// Offline verification: one receipt, and a whole log of a million leaves as it would be downloaded, made on node:crypto alone.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import * as log from '../oracle/log.mjs';
import { median } from './measure.mjs';
import { run } from './process.mjs';
import { settings } from './settings.mjs';

const LEAVES = 1000000;
const RECEIPTS = 20;

/** What `--time` prints: the verifier's own time, without the start of a process. */
async function milliseconds(args) {
	const out = await run(`${settings.bin}/yangguang-verify`, [...args, '--time'], {});
	const [, n, unit] = /([\d.]+) (ms|s)\b/.exec(out) ?? assert.fail(out);
	return Number(n) * (unit === 's' ? 1000 : 1);
}

export async function verifyTargets(say) {
	const dir = `${settings.folder}/log`;
	const key = log.makeKey('bench.example/log');
	say(`making a log of ${LEAVES} leaves`);
	const entries = log.entriesOf(LEAVES);
	log.putLog(dir, entries, [key]);
	const few = entries.slice(0, 10000);
	fs.writeFileSync(`${dir}/receipt.json`, JSON.stringify(log.receiptOf(few, 4242, [key])));
	const receipts = [];
	for (let i = 0; i < RECEIPTS; i += 1) receipts.push(await milliseconds(['receipt', `${dir}/receipt.json`, '--key', key.text]));
	const whole = [];
	for (let i = 0; i < 3; i += 1) whole.push(await milliseconds(['all', dir, '--key', key.text]));
	fs.rmSync(dir, { recursive: true });
	return [
		{ met: median(receipts) <= 5, text: `one receipt verified offline: ${median(receipts).toFixed(2)} ms (at most: 5)` },
		{ met: median(whole) <= 5000, text: `${LEAVES} leaves folded again and compared: ${Math.round(median(whole))} ms (at most: 5000)` },
	];
}
