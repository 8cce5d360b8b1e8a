// Our side: the platform as `make run` starts it (deploy/local/run), pinned to the servers' core; its processes, a citizen's token, data.
import fs from 'node:fs';
import { cpuMicroseconds, residentKiB } from './proc.mjs';
import { background, run, until } from './process.mjs';
import { LOAD_CORE, SERVER_CORE, here, root, settings } from './settings.mjs';

export const PROGRAMS = ['gateway', 'identity', 'donations', 'transparency', 'relay_identity', 'relay_donations'];
const environment = { YG_VAR: `${settings.folder}/var`, YG_PORT: String(settings.port), YG_BIN: settings.bin, YG_DEMO: 'none',
	YG_RATE_POLICIES: `${root}/tests/support/policies.yaml`, // everything is counted, nothing comes near its limit
	YG_CACHE_BYTES: '0', YG_CACHE_SHARED: 'off' }; // the rows of the services are answered by them; those of the cache have gateways of their own
export const baseUrl = `http://127.0.0.1:${settings.port}`;
export const folder = environment.YG_VAR;
export const socketOf = (name) => `${settings.folder}/${name}.sock`;

const control = (args, options) => run(`${root}/deploy/local/run`, args, { env: environment, ...options });

// Making the people of the demo city comes last in `run start`, and the benchmark needs none of them: processes that are ready are enough.
async function startAll(options) {
	try {
		return await control(['start'], options);
	} catch (error) {
		await control(['status']).catch(() => { throw error; });
		return error.out;
	}
}

let postgresSocket;

export async function start() {
	await startAll({ core: SERVER_CORE });
	postgresSocket = await place('PGSOCKET');
}

const place = async (name) => (await run('bash', ['-c', `. deploy/local/lib.sh; printf %s "$${name}"`], { cwd: root, env: environment })).trim();

export async function stop() {
	await control(['stop']);
	if (settings.keep) return;
	for (const folder of [await place('PGDATA'), await place('RUN'), settings.folder]) fs.rmSync(folder, { recursive: true, force: true });
}

export const pidOf = (name) => Number(fs.readFileSync(`${environment.YG_VAR}/pid/${name}`, 'utf8').trim());
export const pids = (...names) => Object.fromEntries(names.map((name) => [name, [pidOf(name)]]));
export const memoryKiB = () => Object.fromEntries(PROGRAMS.map((name) => [name, residentKiB([pidOf(name)])]));
export const signal = (name, what) => process.kill(pidOf(name), what);

// A gateway of the benchmark's own: the settings of the platform's, but for those given; null takes one away.
export async function startGateway(name, port, changes) {
	const own = fs.readFileSync(`/proc/${pidOf('gateway')}/environ`, 'latin1').split('\0').filter(Boolean).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
	const env = { ...Object.fromEntries(own), YG_LISTEN: `127.0.0.1:${port}`, YG_METRICS_LISTEN: null, YG_TLS_LISTEN: null, YG_PID_FILE: null, ...changes };
	for (const key of Object.keys(env)) if (env[key] === null) delete env[key];
	const pid = background(`${settings.bin}/gateway`, [], { core: SERVER_CORE, env, bare: true, cwd: root, log: `${settings.folder}/${name}.log` });
	const url = `http://127.0.0.1:${port}`;
	await until(url, 20, async () => (await fetch(`${url}/v1/public/summary`)).ok);
	return { url, pid };
}

export const redisSocket = async () => `${await place('RUN')}/redis.sock`;
export const redis = async (...args) => run('redis-cli', ['-s', await redisSocket(), ...args]);

export async function login() {
	const response = await fetch(`${baseUrl}/v1/auth/wechat`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ code: 'demo-bench' }) });
	if (!response.ok) throw new Error(`login: ${response.status} ${await response.text()}`);
	return (await response.json()).access_token;
}

// ── the database ──

export const postgresHost = () => postgresSocket;

export function psql(statement, { user = 'postgres', variables = {} } = {}) {
	const sets = Object.entries(variables).flatMap(([name, value]) => ['-v', `${name}=${value}`]);
	return run('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', ...sets, '-h', postgresHost(), '-U', user, '-d', 'yangguang', '-f', '-'],
		{ core: LOAD_CORE, input: statement, cwd: '/' }).then((out) => out.trim());
}

export async function load() {
	const owner = { user: 'yg_donations_owner', variables: { gifts: settings.gifts } };
	const there = await psql("select count(*) from gift_public where public_code ~ '^5'", owner);
	if (Number(there) !== settings.gifts) {
		if (there !== '0') throw new Error(`${settings.folder} holds ${there} gifts, not ${settings.gifts}: remove it`);
		await psql(fs.readFileSync(`${here}/data.sql`, 'utf8'), owner);
		for (let i = 0; i < 3; i += 1) await psql('select totals_fold()', owner);
		const wrong = await psql('select count(*) from money_disagreement', owner);
		if (wrong !== '0') throw new Error(`the loaded gifts disagree in ${wrong} places (money_disagreement)`);
	}
	await psql('vacuum (analyze)');
	await psql('checkpoint');
}

export async function refuseUnsafeDatabase() {
	const found = await psql("select string_agg(setting, ' ' order by name) from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes')");
	if (found !== 'on on on') throw new Error(`fsync, full_page_writes and synchronous_commit must be on, they are: ${found}`);
}

// Events of the gifts just written are published before the next contestant begins.
export function drained() {
	return until('the relay publishes what was written', 300, async () =>
		(await psql('select (select count(*) from donations.outbox where position is null) = 0 and (select position = published from donations.relay_state)')) === 't');
}

// ── start to ready ──

// Ends all our processes but PostgreSQL, Redis and the stand-ins, and starts them again, on all cores: milliseconds until all are ready.
export async function restartMilliseconds() {
	for (const name of ['gateway', 'relay_donations', 'relay_identity', 'donations', 'identity']) await control(['stop', name]);
	const said = /all processes ready in (\d+) ms/.exec(await startAll());
	if (!said) throw new Error('deploy/local/run start did not say how long it took');
	return Number(said[1]);
}

export const cpuOf = (groups) => Object.fromEntries(Object.entries(groups).map(([name, list]) => [name, cpuMicroseconds(list)]));
