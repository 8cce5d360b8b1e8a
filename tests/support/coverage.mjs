// Which documented (operation, status) pairs the tests have really produced. Every test process appends to one folder; the report at
// the end of the run fails for pairs that nobody produced.
import fs from 'node:fs';
import path from 'node:path';

export class Coverage {
	#seen = new Set();

	/** `dir` absent: YG_COVERAGE_DIR; without that nothing is written. */
	constructor(dir = process.env.YG_COVERAGE_DIR) {
		this.file = dir && path.join(dir, `${process.pid}.txt`);
		if (dir) fs.mkdirSync(dir, { recursive: true });
	}

	record(operation, status) {
		const line = `${operation} ${status}`;
		if (this.#seen.has(line)) return;
		this.#seen.add(line);
		if (this.file) fs.appendFileSync(this.file, `${line}\n`);
	}
}

/** All pairs that were recorded in a folder. */
export function readCoverage(dir) {
	const files = fs.existsSync(dir) ? fs.readdirSync(dir).filter((name) => name.endsWith('.txt')) : [];
	return new Set(files.flatMap((name) => fs.readFileSync(path.join(dir, name), 'utf8').split('\n').filter(Boolean)));
}

/**
 * Documented pairs, each with whether it was produced or excused. `excuses` is text of lines "operation status reason"; an operation
 * `*` stands for all. Classes ("4XX") and default count as produced when any status of theirs was.
 */
export function coverageReport(contracts, seen, excuses = '') {
	const excused = new Map(excuses.split('\n').map((line) => line.replace(/#.*/, '').trim()).filter(Boolean).map((line) => {
		const [operation, status, ...reason] = line.split(/\s+/);
		if (!reason.length) throw new Error(`an excuse needs a reason: "${line}"`);
		return [`${operation} ${status}`, reason.join(' ')];
	}));
	const produced = (id, status) => {
		if (/^\d{3}$/.test(status)) return seen.has(`${id} ${status}`);
		const prefix = status === 'default' ? '' : status[0];
		return [...seen].some((pair) => pair.startsWith(`${id} ${prefix}`));
	};
	const used = new Set();
	const rows = contracts.operations.flatMap((operation) => [...operation.responses.keys()].map((status) => {
		const key = [`${operation.id} ${status}`, `* ${status}`].find((k) => excused.has(k));
		const done = produced(operation.id, status);
		if (key && !done) used.add(key);
		return { operation: operation.id, status, produced: done, excuse: key && excused.get(key) };
	}));
	const stale = [...excused.keys()].filter((key) => !key.startsWith('*') && !used.has(key));
	return { rows, missing: rows.filter((row) => !row.produced && !row.excuse), stale };
}
