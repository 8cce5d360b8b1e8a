// At the end of a whole run: fails (TAP) for each documented answer that no test has produced.
//   node tests/support/coverage_report.mjs COVERAGE_DIR      excuses: tests/contract/unproduced.txt
import fs from 'node:fs';
import path from 'node:path';
import { Contracts } from './contracts.mjs';
import { coverageReport, readCoverage } from './coverage.mjs';
import { ROOT } from './platform.mjs';
import { Tap } from './tap.mjs';

const tap = new Tap();
const excuses = path.join(ROOT, 'tests/contract/unproduced.txt');
const { rows, stale } = coverageReport(new Contracts(path.join(ROOT, 'proto')), readCoverage(process.argv[2]), fs.existsSync(excuses) ? fs.readFileSync(excuses, 'utf8') : '');
for (const row of rows) {
	if (row.excuse && !row.produced) console.log(`# ${row.operation} ${row.status} not produced: ${row.excuse}`);
	else tap.result(`${row.operation} ${row.status} was produced`, row.produced ? null : 'documented, but no test produced it');
}
for (const pair of stale) tap.result(`excuse for ${pair} is needed`, 'it was produced, or the contract does not have it; remove the line from unproduced.txt');
process.exitCode = tap.end() ? 0 : 1;
