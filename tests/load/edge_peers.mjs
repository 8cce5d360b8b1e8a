// The peers of the gateway's own rows: nginx and Varnish as caches before one nginx origin, HAProxy as a proxy, Redis by its own benchmark.
import fs from 'node:fs';
import { background, run, until } from './process.mjs';
import { fill, nginx } from './peers.mjs';
import { socketOf } from './platform.mjs';
import { LOAD_CORE, SERVER_CORE, settings } from './settings.mjs';

const port = (n) => settings.port + 30 + n;
const answers = (url) => until(url, 20, async () => (await fetch(url)).status > 0);

// One nginx with a file as long as our answer; what nginx and Varnish keep comes from it.
export async function startOrigin(body) {
	const files = `${settings.folder}/nginx_origin.files`;
	fs.rmSync(socketOf('origin'), { force: true });
	fs.mkdirSync(files, { recursive: true, mode: 0o755 });
	fs.writeFileSync(`${files}/gift`, body);
	const pid = nginx('nginx_origin', 'nginx_origin.conf', { listen: socketOf('origin'), port: port(0) });
	await answers(`http://127.0.0.1:${port(0)}/gift`);
	return pid;
}

export async function startNginxCache(certificate) {
	fs.rmSync(`${settings.folder}/nginx_cache.cache`, { recursive: true, force: true });
	const pid = nginx('nginx_cache', 'nginx_cache.conf', { upstream: socketOf('origin'), port: port(1), tls_port: port(2), certificate: certificate.crt, key: certificate.key });
	await answers(`http://127.0.0.1:${port(1)}/gift`);
	return { url: `http://127.0.0.1:${port(1)}/gift`, tlsUrl: `https://127.0.0.1:${port(2)}/gift`, processes: { nginx: [pid] } };
}

export async function startVarnish() {
	const folder = `${settings.folder}/varnish`;
	const vcl = `${settings.folder}/varnish.vcl`;
	fs.rmSync(folder, { recursive: true, force: true });
	fs.writeFileSync(vcl, fill('varnish.vcl', { origin_port: String(port(0)) }));
	const pid = background('varnishd', ['-F', '-n', folder, '-a', `127.0.0.1:${port(3)}`, '-f', vcl, '-s', 'malloc,64m', '-j', 'none', '-p', 'thread_pools=1', '-T', 'none'],
		{ core: SERVER_CORE, log: `${settings.folder}/varnish.log` });
	await answers(`http://127.0.0.1:${port(3)}/gift`);
	return { url: `http://127.0.0.1:${port(3)}/gift`, processes: { varnish: [pid] } };
}

export async function startHaproxy() {
	const config = `${settings.folder}/haproxy.cfg`;
	fs.writeFileSync(config, fill('haproxy.cfg', { port: String(port(4)), upstream: socketOf('nginx') }));
	const pid = background('haproxy', ['-db', '-f', config], { core: SERVER_CORE, log: `${settings.folder}/haproxy.log` });
	await answers(`http://127.0.0.1:${port(4)}/`);
	return { url: `http://127.0.0.1:${port(4)}`, processes: { haproxy: [pid] } };
}

/** An empty loop that gives the answer which `url` gives now (bare_loop.c): what the kernel leaves, no peer. */
export async function startBareLoop(n, url, token, field) {
	const program = `${settings.folder}/bare_loop`, answer = `${program}.${n}`;
	await run('gcc', ['-O2', '-o', program, `${import.meta.dirname ?? new URL('.', import.meta.url).pathname}/bare_loop.c`]);
	fs.writeFileSync(answer, await run('curl', ['-si', '-H', `Authorization: Bearer ${token}`, ...(field ? ['-H', field] : []), url]));
	const pid = background(program, [String(port(n)), answer], { core: SERVER_CORE, log: `${answer}.log` });
	await answers(`http://127.0.0.1:${port(n)}/`);
	return { name: 'an empty loop', processes: () => ({ loop: [pid] }), url: `http://127.0.0.1:${port(n)}/` };
}

// GET of one key by redis-benchmark, 50 clients, no pipelining.
export async function redisBenchmark(socket, key, seconds, rate) {
	const count = Math.max(20000, Math.round(rate * seconds));
	const out = await run('redis-benchmark', ['-s', socket, '-c', '50', '-P', '1', '-n', String(count), '--precision', '3', 'GET', key], { core: LOAD_CORE });
	const found = /throughput summary: ([\d.]+) requests per second/.exec(out);
	const p99 = /avg\s+min\s+p50\s+p95\s+p99\s+max\s+[\d.]+\s+[\d.]+\s+[\d.]+\s+[\d.]+\s+([\d.]+)/.exec(out);
	if (!found) throw new Error(`redis-benchmark: ${out.slice(-300)}`);
	return { requests: count, rate: Number(found[1]), bad: 0, p99: p99 ? Number(p99[1]) : NaN };
}

// 64 connections at a constant rate; p99 of every single request, from h2load's log.
export async function constantRate(url, rate, seconds, fields) {
	const log = `${settings.folder}/h2load.log`;
	fs.rmSync(log, { force: true });
	const headers = Object.entries(fields).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
	await run('h2load', ['--h1', '-t1', `-c${settings.connections}`, `--rps=${Math.max(1, Math.round(rate / settings.connections))}`, `-D${seconds}`, `--log-file=${log}`, ...headers, url], { core: LOAD_CORE });
	const times = [];
	for (const line of fs.readFileSync(log, 'latin1').split('\n')) {
		const [, status, us] = line.split('\t');
		if (!us) continue;
		if (status !== '200') throw new Error(`${url}: ${status} at a constant rate`);
		times.push(Number(us));
	}
	times.sort((a, b) => a - b);
	return { requests: times.length, rate: times.length / seconds, bad: 0, p99: times[Math.floor(times.length * 0.99)] / 1000 };
}
