// A long mixed run, by hand: node tests/edge/soak.mjs [minutes [pace]]; at a pace of 4 all wait four times as long. Two gateways, one Redis, a service with versions, a plain proxy route.
// Readers, writers, clients that break the rules or leave in the middle; each minute a reload and one fault. Every answer is compared
// with the service's own history; memory and descriptors of the gateways must be flat. It ends with a table and 0 or 1.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOrigin } from './origin.mjs';
import { startRedis } from './redis.mjs';
import { withShelf } from './shelf.mjs';
import { call, sleep, startEdge, until } from './support.mjs';

const minutes = Number(process.argv[2] ?? 15), pace = Number(process.argv[3] ?? 1), warm = Math.min(4, minutes / 3);
const PATHS = 400, LATE_MS = 9000; /* the first level's cap, 3 s of silence, and what a busy machine adds */
const dir = mkdtempSync(join(tmpdir(), 'soak-'));
const origin = await startOrigin(), redis = await startRedis();
for (let i = 0; i < 50; i++) origin.give(`/plain/${i}`, { head: [`Cache-Control: max-age=${i % 5}`, `ETag: "${i}"`], body: `plain ${i}` });
writeFileSync(join(dir, 'routes.yaml'), `routes:\n  - { name: plain, prefix: /plain, origins: ['${origin.address}'], public: true }\n`);
const env = { YG_REDIS: redis.address, YG_CONFIG: join(dir, 'routes.yaml'), YG_CACHE_BYTES: String(1 << 20) };
const a = await startEdge(env, { prepare: withShelf() }), shelf = a.shelf;
const b = await startEdge(env, { prepare: withShelf(`unix:${a.dir}/shelf.sock`) });
const edges = [a, b];
for (const edge of edges) { /* only what is said about failures is kept: the access log is long */
	edge.process.stderr.removeAllListeners('data');
	edge.process.stderr.on('data', (d) => { for (const line of String(d).split('\n')) if (/"level":"(error|fatal)"|Sanitizer/.test(line)) edge.log = (edge.log + line + '\n').slice(-20000); });
}

const agents = new Map(edges.map((e) => [e, new http.Agent({ keepAlive: true, maxSockets: 64 })]));
const written = new Map(); /* path → [[version, when its writer heard]] */
const highest = new Map(edges.map((e) => [e, new Map()])); /* what each gateway has served of a path */
const tally = { asked: 0, reads: 0, hits: 0, writes: 0, odd: 0, failed: {}, excused: 0, wrong: [] };
let excuse = 0, over = false; /* until then failures are the fault's */
const pick = (n) => Math.floor(Math.random() ** 2 * n);
const other = (text, path) => { tally.wrong.push(`${text} ${path}`); };

function failed(status) {
	if (Date.now() < excuse) tally.excused++;
	else tally.failed[status] = (tally.failed[status] ?? 0) + 1;
}

async function read(edge) {
	const path = `/v1/things/s${pick(PATHS)}`, sent = Date.now(), seen = highest.get(edge);
	const least = seen.get(path) ?? 0;
	const late = (written.get(path) ?? []).findLast(([, at]) => at < sent - LATE_MS)?.[0] ?? 0;
	const r = await call(edge.port, 'GET', path, { agent: agents.get(edge) }).catch((e) => ({ status: e.code }));
	tally.reads++;
	if (r.status !== 200) return failed(r.status);
	if (/hit/.test(r.headers['cache-status'] ?? '')) tally.hits++;
	const { key, version } = r.json ?? {};
	if (key !== path) other('another\'s answer', path);
	else if (version > (shelf.versions.get(path) ?? 0)) other(`version ${version} was never`, path);
	else if (version < least) other(`${version} after ${least}`, path);
	else if (version < late) other(`${version}, ${late} was heard ${LATE_MS} ms before`, path);
	if (version > (seen.get(path) ?? 0)) seen.set(path, version);
}

async function write(edge) {
	const path = `/v1/things/s${pick(PATHS)}`;
	const r = await call(edge.port, 'PUT', path, { agent: agents.get(edge), body: '{}', headers: { 'Content-Type': 'application/json', 'Content-Length': 2 } }).catch((e) => ({ status: e.code }));
	tally.writes++;
	if (r.status !== 200) return failed(r.status);
	const list = written.get(path) ?? [];
	list.push([r.json.version, Date.now()]);
	written.set(path, list.slice(-50));
	if (r.json.version > shelf.versions.get(path)) other('a write that was none', path);
}

async function plain(edge) {
	const i = pick(50), r = await call(edge.port, 'GET', `/plain/${i}`, { agent: agents.get(edge) }).catch((e) => ({ status: e.code }));
	if (r.status !== 200) return failed(r.status);
	if (r.text !== `plain ${i}`) other('another\'s answer', `/plain/${i}`);
}

/* Whoever breaks the rules, or leaves in the middle: heard or not, nothing of it may last. */
const odd = [
	'GET / HTTP/1.1\r\n\r\n', 'nonsense\r\n\r\n', 'POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
	'POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"half', 'GET /v1/slow HTTP/1.1\r\nHost: a\r\n\r\n',
	'GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(50), `GET /v1/echo HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17000)}\r\n\r\n`, 'GET /v1/things/s1 HTTP/1.1\r\nHost',
];
const oddly = (edge) => new Promise((done) => {
	tally.odd++;
	const s = net.connect(edge.port, '127.0.0.1', () => s.write(odd[pick(odd.length)]));
	s.on('data', () => {}).on('error', () => {}).on('close', done);
	setTimeout(() => s.destroy(), Math.random() * 300);
});

async function client(kind, edge, pause) {
	while (!over) {
		tally.asked++;
		await kind(edge);
		await sleep(pace * pause * Math.random() * 2);
	}
}

const faults = {
	'the service is started anew': async () => {
		excuse = Date.now() + 6000;
		await shelf.close();
		await sleep(1500);
		await shelf.open();
	},
	'Redis is killed': async () => {
		await redis.kill();
		await sleep(8000);
		await redis.start();
	},
	'Redis is emptied': () => redis.ask('FLUSHALL'),
	'Redis is frozen': async () => {
		redis.freeze();
		await sleep(5000);
		redis.thaw();
	},
	'the origin hangs up': async () => {
		excuse = Date.now() + 3000;
		for (let i = 0; i < 50; i++) origin.give(`/plain/${i}`, { hangUp: true });
		await sleep(1000);
		for (let i = 0; i < 50; i++) origin.give(`/plain/${i}`, { head: [`Cache-Control: max-age=${i % 5}`, `ETag: "${i}"`], body: `plain ${i}` });
	},
	'the service is slow': async () => {
		excuse = Date.now() + 6000;
		shelf.plan = () => ({ delayMs: 300 });
		await sleep(3000);
		shelf.plan = () => ({});
	},
};

const samples = [];
async function measure() {
	const row = { at: (Date.now() - begun) / 60000 };
	for (const [name, edge] of [['a', a], ['b', b]]) {
		const text = (await edge.private('/metrics')).text;
		const value = (metric) => Number(new RegExp(`^${metric} (\\S+)`, 'm').exec(text)?.[1] ?? NaN);
		row[name] = { rss: value('process_resident_memory_bytes') / (1 << 20), heap: value('yg_heap_used_bytes') / (1 << 20), free: value('yg_heap_free_bytes') / (1 << 20), fds: value('process_open_fds'), held: value('yg_http_connections') };
	}
	samples.push(row);
	shelf.seen.length = origin.seen.length = 0;
}

const begun = Date.now();
const clients = edges.flatMap((e) => [...Array.from({ length: 12 }, () => client(read, e, 8)), client(write, e, 60), client(plain, e, 15), client(plain, e, 15), client(oddly, e, 200), client(oddly, e, 200)]);
for (let minute = 0; minute < minutes; minute++) {
	const [name, fault] = Object.entries(faults)[minute % Object.keys(faults).length];
	for (const edge of edges) edge.process.kill('SIGHUP');
	await sleep(5000);
	await fault();
	console.log(`${minute}: ${name}; RSS ${samples.at(-1)?.a.rss.toFixed(2)} and ${samples.at(-1)?.b.rss.toFixed(2)}, heap ${samples.at(-1)?.a.heap.toFixed(2)} and ${samples.at(-1)?.b.heap.toFixed(2)}, kept ${samples.at(-1)?.a.free.toFixed(2)} and ${samples.at(-1)?.b.free.toFixed(2)} MiB; ${JSON.stringify({ ...tally, wrong: tally.wrong.length })}`);
	for (const end = begun + (minute + 1) * 60000; Date.now() < end;) {
		await measure().catch(() => {});
		await sleep(Math.max(0, Math.min(15000, end - Date.now())));
	}
}
over = true;
await Promise.all(clients);
for (const agent of agents.values()) agent.destroy();
await until(async () => (await a.private('/metrics')).text.includes('yg_http_connections 0'), 20000).catch(() => other('connections left', 'a'));
await measure();

const late = samples.filter((s) => s.at >= warm), half = Math.ceil(late.length / 2);
const mean = (rows, of) => rows.reduce((sum, s) => sum + of(s), 0) / rows.length;
for (const name of ['a', 'b']) {
	const before = mean(late.slice(0, half), (s) => s[name].rss), after = mean(late.slice(half), (s) => s[name].rss), last = samples.at(-1)[name];
	console.log(`gateway ${name}: RSS ${mean(samples.slice(0, 3), (s) => s[name].rss).toFixed(1)} MiB in the first minute, ${before.toFixed(1)} and ${after.toFixed(1)} MiB in the halves after minute ${warm}; descriptors ${Math.min(...late.map((s) => s[name].fds))} to ${Math.max(...late.map((s) => s[name].fds))}, ${last.fds} at the end`);
	const heap = [late.slice(0, half), late.slice(half)].map((rows) => mean(rows, (s) => s[name].heap)), first = samples[0][name].heap;
	console.log(`  of which the heap: ${first.toFixed(2)} MiB at first, ${heap[0].toFixed(2)} and ${heap[1].toFixed(2)} MiB`);
	if (heap[1] > heap[0] * 1.02 + 0.1) other(`the heap grew: ${heap[0]} to ${heap[1]}`, name);
	if (after > before * 1.03 + 0.5) other(`memory grew: ${before} to ${after}`, name);
	if (last.fds > 60) other(`${last.fds} descriptors`, name);
}
console.log(JSON.stringify({ minutes, ...tally }, null, 1));
const exits = [await b.stop(), await a.stop()];
await redis.stop();
await origin.close();
rmSync(dir, { recursive: true });
const bad = tally.wrong.length || Object.keys(tally.failed).length || exits.some((e) => e.code !== 0);
if (a.log.includes('Sanitizer') || b.log.includes('Sanitizer')) console.log(a.log, b.log);
console.log(bad ? 'not well' : 'well');
process.exit(bad ? 1 : 0);
