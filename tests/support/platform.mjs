// The whole platform for a test: started and stopped by deploy/local/run in a folder of its own, on a port of its own.
import { execFile, spawn } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from './client.mjs';
import { eventually } from './eventually.mjs';

const run = promisify(execFile);
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const SCRIPT = path.join(ROOT, 'deploy/local/run');
const START_MS = 180000;
const OUTPUT_MAX = 16 << 20;

const listens = (port) => new Promise((done) => {
	const probe = net.createServer();
	probe.once('error', () => done(true));
	probe.listen(port, '127.0.0.1', () => probe.close(() => done(false)));
});

const SLOTS = 4, BLOCKS = 248; /* of 20 ports, for each slot */
/* Blocks given out by this process, the last hundred and more: who asks twice before it listens must not get the same one twice. */
const given = new Set();

/** The first of `count` ports that nobody listens on, below those that the kernel gives to outgoing connections. Files that run side by
 *  side (YG_TEST_SLOT) choose from ranges of their own. */
export async function freePort(count = 20) {
	const slot = Number(process.env.YG_TEST_SLOT ?? randomInt(SLOTS)) % SLOTS;
	for (const old of given) if (given.size > BLOCKS / 2) given.delete(old);
	for (;;) {
		const block = BLOCKS * slot + randomInt(BLOCKS - 2);
		const blocks = Array.from({ length: Math.ceil(count / 20) }, (_, i) => block + i);
		if (blocks.some((b) => given.has(b))) continue;
		blocks.forEach((b) => given.add(b));
		const first = 12000 + 20 * block;
		let taken = false;
		for (let i = 0; i < count && !taken; i += 1) taken = await listens(first + i);
		if (!taken) return first;
	}
}

export class Platform {
	/** `demo`: none, small or full. `env` adds settings. Programs are those of YG_BIN. */
	static async start({ demo = 'small', port, dir, env = {} } = {}) {
		const platform = new Platform();
		platform.own = !dir;
		platform.dir = dir ?? fs.mkdtempSync(path.join(os.tmpdir(), 'yg-test-'));
		fs.chmodSync(platform.dir, 0o755); /* PostgreSQL runs as another user */
		platform.port = port ?? await freePort(Number(env.YG_WORKERS ?? 1) > 1 ? 60 : 20); /* with workers, private ports lie further apart */
		platform.env = { YG_RATE_POLICIES: path.join(ROOT, 'tests/support/policies.yaml'), ...process.env, ...env, YG_VAR: platform.dir, YG_PORT: String(platform.port), YG_DEMO: demo };
		try {
			await platform.command('start');
		} catch (error) {
			await platform.command('stop').catch(() => {});
			throw new Error(`the platform did not start: ${error.stderr || error.stdout || error.message}`);
		}
		platform.demo = JSON.parse(fs.readFileSync(path.join(platform.dir, 'demo.json'), 'utf8'));
		platform.client = new Client(platform.demo.base_url);
		return platform;
	}

	/** start, stop, status, or `stop <process>` and `start <process>` as deploy/local/run knows them. */
	command(...words) {
		return run(SCRIPT, words, { cwd: ROOT, env: this.env, timeout: START_MS, maxBuffer: OUTPUT_MAX });
	}

	/** Runs SQL as superuser and returns rows of text cells. For states that the API cannot reach, and for looking behind it. */
	async sql(text) {
		this.superuser ??= (await run('bash', ['-c', '. deploy/local/lib.sh && printf %s "$PGSUPER"'], { cwd: ROOT, env: this.env ?? { ...process.env, YG_VAR: this.dir } })).stdout;
		const child = spawn('psql', ['-X', '-q', '-A', '-t', '-F', '\u001f', '-v', 'ON_ERROR_STOP=1', '-d', this.superuser, '-f', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
		let out = '';
		let err = '';
		child.stdout.setEncoding('utf8').on('data', (part) => { out += part; }); // a character may be cut in two
		child.stderr.on('data', (part) => { err += part; });
		child.stdin.end(text);
		const code = await new Promise((done, fail) => { child.on('error', fail); child.on('close', done); });
		if (code !== 0) throw new Error(`psql: ${err.trim()}`);
		return out.split('\n').filter(Boolean).map((line) => line.split('\u001f'));
	}

	/** What psql printed in a session of `role`, a statement after the other; a refusal rejects with psql's words in `stderr`. */
	async session(role, ...statements) {
		const [host] = (this.demo.postgres ?? '').match(/host=\S+/) ?? [''];
		const { stdout } = await run('psql', ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', `${host} dbname=yangguang user=${role}`, ...statements.flatMap((text) => ['-c', text])]);
		return stdout.trim();
	}

	/** What `statement` locks is held in a transaction of `role` until release(), which undoes it: { held() → true while it is, release() }. */
	async hold(role, statement) {
		const mark = randomUUID();
		const mine = `from pg_stat_activity where query like '%/* ${mark} */%' and wait_event = 'PgSleep'`;
		let failed;
		const held = async () => {
			if (failed) throw failed;
			return (await this.sql(`select count(*) ${mine}`))[0][0] === '1';
		};
		const ended = this.session(role, `begin; ${statement}; select pg_sleep(600) /* ${mark} */`).catch((error) => { failed = error; });
		await eventually(held);
		return { held, release: async () => { await this.sql(`select pg_cancel_backend(pid) ${mine}`); await ended; } };
	}

	/** A control call to a stand-in: pay('POST', 'payments', {…}). */
	async control(name, method, what, body) {
		const base = this.demo.standins[name];
		const response = await fetch(`${base}/control/${what}`, { method, body: body && JSON.stringify(body) });
		return { status: response.status, body: await response.json() };
	}

	async stop() {
		this.client?.close();
		await this.command('stop');
		if (this.own && !process.env.YG_KEEP) fs.rmSync(this.dir, { recursive: true, force: true });
	}
}
