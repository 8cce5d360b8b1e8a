// What the environment may change, the fixed places, and which core does what.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, '../..');

function number(name, fallback, least, most) {
	const text = process.env[name];
	if (text === undefined || text === '') return fallback;
	const value = Number(text);
	if (!Number.isInteger(value) || value < least || value > most) throw new Error(`${name} must be a whole number from ${least} to ${most}`);
	return value;
}

// On a disk: a folder in memory would make fsync cost nothing.
const folder = path.resolve(process.env.BENCH_DIR || `/var/tmp/yangguang-bench-${os.userInfo().uid}`);
const port = number('BENCH_PORT', 21300, 1024, 65000);

export const settings = {
	seconds: number('BENCH_SECONDS', 5, 1, 600),
	rounds: number('BENCH_ROUNDS', 5, 1, 99),
	surgeSeconds: number('BENCH_SURGE_SECONDS', 60, 1, 600),
	gifts: number('BENCH_GIFTS', 200000, 1000, 1000000),
	keep: process.env.BENCH_KEEP === '1',
	bin: path.resolve(process.env.YG_BIN || `${root}/build/release/bin`),
	folder,
	port,
	nginxPort: port + 20, // nginx → nginx
	fastifyPort: port + 21, // nginx → Fastify
	connections: 64,
	campaigns: 100,
	pgbench: '/usr/lib/postgresql/15/bin/pgbench',
};

export const SERVER_CORE = '0';
export const LOAD_CORE = '1';

export function refuseUnfitMachine() {
	if (os.cpus().length < 2) throw new Error('two cores are needed: one for the servers, one for the load');
	fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
	const TMPFS = 0x01021994;
	if (fs.statfsSync && fs.statfsSync(folder).type === TMPFS) throw new Error(`${folder} is in memory: set BENCH_DIR to a folder on a disk`);
}
