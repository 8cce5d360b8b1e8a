// TAP 13, flat: one line per test, as tests/run counts them. Used by programs that make their tests as they go.

export class Tap {
	constructor(write = (text) => process.stdout.write(text)) {
		this.write = write;
		this.count = 0;
		this.failed = 0;
		this.skipped = 0;
	}

	/** A test that says itself that it cannot run here: told, and counted as neither. */
	skip(name, why) {
		this.skipped += 1;
		this.write(`# skipped: ${name.replace(/[\r\n]/g, ' ')} (${why || 'it does not say why'})\n`);
	}

	/** `why`: text of the failure, or nothing when it passed. */
	result(name, why) {
		this.count += 1;
		if (why) this.failed += 1;
		this.write(`${why ? 'not ok' : 'ok'} ${this.count} - ${name.replace(/[#\r\n]/g, ' ')}\n`);
		if (why) this.write(`${String(why).split('\n').slice(0, 30).map((line) => `# ${line}`).join('\n')}\n`);
	}

	/** Runs one test; what it throws is its failure. True when it passed. */
	async test(name, run) {
		try {
			await run();
			this.result(name);
			return true;
		} catch (error) {
			this.result(name, error?.stack && !error.expected ? error.stack : error?.message ?? String(error));
			return false;
		}
	}

	/** Writes the plan; true when nothing failed. A file without tests is a failure of its own. */
	end() {
		if (this.count + this.skipped === 0) this.result('there are tests', 'none was found');
		this.write(`1..${this.count}\n`);
		return this.failed === 0;
	}
}
