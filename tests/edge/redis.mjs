// A Redis of a test's own, which can be killed, stopped, emptied and started again.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './support.mjs';

const run = promisify(execFile);

export async function startRedis() {
	const dir = mkdtempSync(join(tmpdir(), 'edge-redis-'));
	const path = join(dir, 'redis.sock');
	const r = { address: `unix:${path}` };
	r.ask = async (...words) => (await run('redis-cli', ['-s', path, ...words])).stdout.trim();
	r.start = async () => {
		r.process = spawn('redis-server', ['--port', '0', '--unixsocket', path, '--save', '', '--appendonly', 'no', '--dir', dir], { stdio: 'ignore' });
		await until(async () => (await r.ask('PING')) === 'PONG');
	};
	r.kill = async () => {
		const gone = once(r.process, 'exit');
		r.process.kill('SIGKILL');
		await gone;
	};
	r.freeze = () => r.process.kill('SIGSTOP');
	r.thaw = () => r.process.kill('SIGCONT');
	r.stop = async () => {
		r.thaw();
		await r.kill().catch(() => {});
		rmSync(dir, { recursive: true, force: true });
	};
	await r.start();
	return r;
}
