// The peers: nginx before nginx, nginx before Fastify + pg, and pgbench's scripts.
import fs from 'node:fs';
import path from 'node:path';
import { background, run, until } from './process.mjs';
import { postgresHost, socketOf } from './platform.mjs';
import { LOAD_CORE, SERVER_CORE, here, settings } from './settings.mjs';
import { gift, page, write } from './statements.mjs';

const NGINX = '/usr/sbin/nginx';

export function fill(file, values) {
	return fs.readFileSync(`${here}/${file}`, 'utf8').replace(/\$\{(\w+)\}/g, (whole, name) => {
		if (!(name in values)) throw new Error(`${file}: no value for ${whole}`);
		return values[name];
	});
}

export function nginx(name, template, values) {
	const config = `${settings.folder}/${name}.conf`;
	const user = process.getuid() === 0 ? 'user root;' : '';
	fs.writeFileSync(config, fill(template, { folder: settings.folder, name, user, ...values }));
	return background(NGINX, ['-p', settings.folder, '-c', config, '-e', `${settings.folder}/${name}.log`], { core: SERVER_CORE, log: `${settings.folder}/${name}.log` });
}

export async function installPackages() {
	const done = `${here}/node_modules/.package-lock.json`;
	if (fs.existsSync(done) && fs.statSync(done).mtimeMs >= fs.statSync(`${here}/package-lock.json`).mtimeMs) return;
	await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: here });
	fs.utimesSync(done, new Date(), new Date());
}

const answers = (url) => until(url, 20, async () => (await fetch(url)).status > 0);

// The second nginx answers `bytes` bytes, as many as ours does.
export async function startNginx(bytes) {
	fs.rmSync(socketOf('nginx'), { force: true });
	const back = nginx('nginx_back', 'nginx_back.conf', { listen: socketOf('nginx'), body: 'x'.repeat(bytes) });
	const front = nginx('nginx_front', 'nginx_front.conf', { upstream: socketOf('nginx'), port: settings.nginxPort });
	await answers(`http://127.0.0.1:${settings.nginxPort}/`);
	return { url: `http://127.0.0.1:${settings.nginxPort}`, processes: { 'nginx front': [front], 'nginx back': [back] } };
}

export async function startFastify() {
	fs.rmSync(socketOf('fastify'), { force: true });
	const app = background(process.execPath, [`${here}/fastify.mjs`, socketOf('fastify'), postgresHost()], { core: SERVER_CORE, env: { NODE_ENV: 'production' }, log: `${settings.folder}/fastify.log` });
	await until('Fastify listens', 20, () => fs.existsSync(socketOf('fastify')));
	const front = nginx('nginx_fastify', 'nginx_front.conf', { upstream: socketOf('fastify'), port: settings.fastifyPort });
	await answers(`http://127.0.0.1:${settings.fastifyPort}/`);
	return { url: `http://127.0.0.1:${settings.fastifyPort}`, processes: { nginx: [front], fastify: [app] } };
}

// ── pgbench ──

function script(row) {
	if (row === 'gift') return { statement: gift(':code::text') };
	if (row === 'page') return { statement: page("('0197f3a0-0000-7000-8000-' || :j)::uuid", 'null::timestamptz', 'null::text', '21') };
	const id = `('${Date.now().toString(16).padStart(12, '0')}70008' || :n)`;
	const campaign = "'0197f3a0-0000-7000-8000-100000000000'";
	const text = JSON.stringify({ gift_id: '0197f3a0-0000-7000-8000-100000000000', campaign_id: campaign.slice(1, -1), amount_fen: 8800, channel: 'BANK_TRANSFER' });
	const answer = JSON.stringify({ ...JSON.parse(text), public_code: '5000000129999990', out_trade_no: '5000000129999990', state: 'PENDING', created_at: '2026-01-01T00:00:00.000000+08:00',
		expires_at: '2026-01-31T00:00:00.000000+08:00', transfer: { holder: '阳光市红十字会', bank: '阳光银行', account: '6222000000000000', remark: '5000000129999990' } });
	return write({ campaign, claim: "(:r || '0' || :n)::uuid", fingerprint: "('00000000000000007' || :n)::uuid", code: ':code', answer: `'${answer}'`.replace(/":/g, '": '), id: `${id}::uuid`,
		donor: "'0197f3a0-0000-7000-8000-200000000000'", amount: '8800' });
}

// One run of pgbench: how many transactions, in which time, p99 of one in twenty.
export async function pgbench(row, clients, seconds, round) {
	const file = `${settings.folder}/${row}.pgbench.sql`;
	fs.writeFileSync(file, fill(`${row}.pgbench.sql`, script(row)).replace(/\n(?= )/g, ' '));
	const prefix = `${settings.folder}/pgbench_log`;
	const out = await run(settings.pgbench, ['-h', postgresHost(), '-U', 'yg_donations', '-n', '-M', 'prepared', '-c', String(clients), '-j', '1', '-T', String(seconds),
		'-D', `gifts=${settings.gifts}`, '-D', `k=${1000000000000 + round * 1000000000}`, '--log', `--log-prefix=${prefix}`, '--sampling-rate=0.05', '-f', file, 'yangguang'], { core: LOAD_CORE });
	const count = Number(/actually processed: (\d+)/.exec(out)[1]);
	const rate = Number(/tps = ([\d.]+)/.exec(out)[1]);
	const failed = Number(/failed transactions: (\d+)/.exec(out)?.[1] ?? 0);
	const times = [];
	for (const name of fs.readdirSync(settings.folder)) {
		if (!name.startsWith(path.basename(prefix))) continue;
		for (const line of fs.readFileSync(`${settings.folder}/${name}`, 'utf8').split('\n')) if (line) times.push(Number(line.split(' ')[2]));
		fs.rmSync(`${settings.folder}/${name}`);
	}
	times.sort((a, b) => a - b);
	return { requests: count, rate, bad: failed, p99: times.length ? times[Math.floor(times.length * 0.99)] / 1000 : NaN };
}
