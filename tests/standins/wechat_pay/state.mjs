// Orders, refunds and callbacks in memory. With a file, every change is appended as one JSON line before it is answered, so that a
// killed process finds all that it acknowledged; at start the lines are read back and rewritten without their history.
import fs from 'node:fs';

const KINDS = ['orders', 'refunds', 'callbacks'];

export class State {
	#fd = null;

	constructor(file) {
		for (const kind of KINDS) this[kind] = new Map();
		this.byTransaction = new Map();
		this.sequence = 0;
		if (file) this.#open(file);
	}

	/** Stores a record (again) under its key. */
	put(kind, key, record) {
		this[kind].set(key, record);
		if (kind === 'orders' && record.transaction_id) this.byTransaction.set(record.transaction_id, record);
		if (this.#fd !== null) fs.writeSync(this.#fd, `${JSON.stringify([kind, key, record])}\n`);
		return record;
	}

	/** Digits for ids that WeChat makes: unique across restarts because they begin with the time. */
	digits(length) {
		this.sequence = (this.sequence + 1) % 1e6;
		return `${Date.now()}${String(this.sequence).padStart(6, '0')}`.padEnd(length, '0').slice(0, length);
	}

	refundsOf(order) {
		return [...this.refunds.values()].filter((refund) => refund.out_trade_no === order.out_trade_no);
	}

	reset() {
		for (const kind of KINDS) this[kind].clear();
		this.byTransaction.clear();
		if (this.#fd !== null) fs.ftruncateSync(this.#fd, 0);
	}

	close() {
		if (this.#fd !== null) fs.closeSync(this.#fd);
		this.#fd = null;
	}

	#open(file) {
		if (fs.existsSync(file)) {
			for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
				if (!line) continue;
				let entry;
				try { entry = JSON.parse(line); } catch { continue; } /* the last line of a killed process */
				this.put(...entry);
			}
		}
		const kept = KINDS.flatMap((kind) => [...this[kind]].map(([key, record]) => JSON.stringify([kind, key, record])));
		fs.writeFileSync(`${file}.new`, kept.map((line) => `${line}\n`).join(''), { mode: 0o600 });
		fs.renameSync(`${file}.new`, file);
		this.#fd = fs.openSync(file, 'a', 0o600);
	}
}
