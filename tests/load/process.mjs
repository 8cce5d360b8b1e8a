// Programs: run to the end, or start in the background pinned to a core, and end them again.
import { spawn } from 'node:child_process';
import fs from 'node:fs';

const started = new Set();

export const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

// Runs to the end; resolves to what it printed. Throws with its last words when it fails.
export function run(program, args, { core, env, cwd, input } = {}) {
	const [file, list] = core ? ['taskset', ['-c', core, program, ...args]] : [program, args];
	return new Promise((resolve, reject) => {
		const child = spawn(file, list, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
		let out = '';
		let err = '';
		child.stdout.on('data', (piece) => { out += piece; });
		child.stderr.on('data', (piece) => { err += piece; });
		child.on('error', reject);
		// 'exit', not 'close': what `run start` leaves in the background may hold our pipes.
		child.on('exit', (code, signal) => setTimeout(() => {
			if (code === 0) resolve(out);
			else reject(Object.assign(new Error(`${program} ${args[0] ?? ''} ended with ${signal ?? code}\n${(err + out).slice(-2000)}`), { out }));
		}, 20));
		child.stdin.on('error', () => {});
		child.stdin.end(input ?? '');
	});
}

// A server of the benchmark itself, pinned, its output in a file.
export function background(program, args, { core, env, cwd, log, bare = false }) {
	const out = fs.openSync(log, 'a');
	const child = spawn('taskset', ['-c', core, program, ...args], { cwd, env: bare ? { PATH: process.env.PATH, ...env } : { ...process.env, ...env }, stdio: ['ignore', out, out] });
	fs.closeSync(out);
	child.on('exit', () => started.delete(child));
	started.add(child);
	return child.pid; // taskset replaces itself by the program
}

export async function endBackground() {
	for (const child of started) child.kill('SIGTERM');
	for (let i = 0; i < 100 && started.size > 0; i += 1) await sleep(50);
	for (const child of started) child.kill('SIGKILL');
}

export async function until(what, seconds, ask) {
	for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
		try {
			if (await ask()) return;
		} catch { /* not yet */ }
	}
	throw new Error(`${what}: not within ${seconds} s`);
}
