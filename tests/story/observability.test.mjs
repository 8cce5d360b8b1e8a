// What operators are given: alerts, scraping and dashboard, held by promtool and against what the running platform really exposes; and
// one trace through the gateway and a service.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { startCollector } from '../support/collector.mjs';
import { hurryCheck } from '../support/checked.mjs';
import { eventually } from '../support/eventually.mjs';
import { Platform, ROOT } from '../support/platform.mjs';

const FOLDER = path.join(ROOT, 'deploy/observability');
const read = (name) => readFileSync(path.join(FOLDER, name), 'utf8');
const alerts = parse(read('alerts.yml')).groups.flatMap((group) => group.rules);
const scenarios = parse(read('alerts_test.yml')).tests;
const dashboard = JSON.parse(read('dashboard.json'));
const PROMTOOL_MS = 300000;

/** promtool with the words, `input` on its standard input: what it printed, or an error with that. */
function promtool(words, input) {
	return new Promise((done, fail) => {
		const child = spawn('promtool', words, { timeout: PROMTOOL_MS });
		let out = '';
		for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => { out += part; });
		child.on('error', fail).on('close', (code) => (code === 0 ? done(out) : fail(new Error(`promtool ${words.join(' ')}: ${out}`))));
		child.stdin.on('error', () => {}).end(input ?? '');
	});
}

const expressions = () => [
	...alerts.map((rule) => rule.expr),
	...dashboard.panels.flatMap((panel) => panel.targets ?? []).map((target) => target.expr),
	...dashboard.annotations.list.map((annotation) => annotation.expr),
	...dashboard.templating.list.filter((variable) => variable.type === 'query').map((variable) => variable.query),
];
/** Each selector of an expression: a metric's name with the labels that it is asked by. */
function selectors(expr) {
	const found = [];
	for (const [, name, , labels = ''] of expr.matchAll(/\b((?:yg|process)_[a-z0-9_]+|up)\b(\{([^}]*)\})?/g))
		found.push({ name, labels: [...labels.matchAll(/([a-z_]+)\s*(=~|!=|!~|=)\s*"([^"]*)"/g)].map((m) => m.slice(1)) });
	return found;
}

describe('promtool', () => {
	test('takes the rules and the configuration', async () => {
		assert.match(await promtool(['check', 'rules', path.join(FOLDER, 'alerts.yml')]), new RegExp(`SUCCESS: ${alerts.length} rules found`));
		assert.match(await promtool(['check', 'config', path.join(FOLDER, 'prometheus.yml')]), /SUCCESS: .*valid prometheus config/);
	});

	test('every scenario fires what it says and nothing else', async () => {
		assert.match(await promtool(['test', 'rules', path.join(FOLDER, 'alerts_test.yml')]), /SUCCESS/);
	});

	test('a rule that is broken would be noticed', async () => {
		const dir = mkdtempSync(path.join(tmpdir(), 'alerts-'));
		cpSync(FOLDER, dir, { recursive: true });
		const broken = read('alerts.yml').replace('yg_upstream_usable == 0', 'yg_upstream_usable == 2');
		assert.notEqual(broken, read('alerts.yml'));
		writeFileSync(path.join(dir, 'alerts.yml'), broken);
		await assert.rejects(promtool(['test', 'rules', path.join(dir, 'alerts_test.yml')]), /UpstreamDown/);
		rmSync(dir, { recursive: true });
	});

	test('each alert says what is wrong and what to do, and has a scenario', () => {
		const fired = scenarios.flatMap((s) => s.promql_expr_test).flatMap((t) => t.exp_samples).map((sample) => /alertname="([^"]+)"/.exec(sample.labels)[1]);
		for (const rule of alerts.filter((r) => r.alert)) {
			assert.ok(['page', 'ticket'].includes(rule.labels.severity), rule.alert);
			for (const what of ['summary', 'summary_zh', 'action']) assert.ok(rule.annotations[what]?.length > 5, `${rule.alert}: ${what}`);
			assert.ok(fired.includes(rule.alert), `${rule.alert} fires in no scenario`);
		}
		assert.equal(new Set(alerts.map((r) => r.alert ?? r.record)).size, alerts.length);
	});
});

test('the dashboard is one that Grafana takes: panels with places, queries and units', () => {
	assert.equal(dashboard.uid, 'yangguang');
	assert.ok(dashboard.schemaVersion >= 36 && dashboard.title && Array.isArray(dashboard.panels));
	assert.equal(new Set(dashboard.panels.map((p) => p.id)).size, dashboard.panels.length, 'ids are different');
	const names = dashboard.templating.list.map((v) => v.name);
	const cells = new Set();
	for (const panel of dashboard.panels) {
		assert.ok(panel.title && ['row', 'stat', 'timeseries'].includes(panel.type), panel.title);
		const { x, y, w, h } = panel.gridPos;
		assert.ok(x >= 0 && w > 0 && h > 0 && x + w <= 24, panel.title);
		for (let i = x; i < x + w; i += 1) for (let j = y; j < y + h; j += 1) { assert.ok(!cells.has(`${i} ${j}`), `${panel.title} lies on another`); cells.add(`${i} ${j}`); }
		if (panel.type === 'row') continue;
		assert.deepEqual(panel.datasource, { type: 'prometheus', uid: '${datasource}' });
		assert.ok(panel.fieldConfig.defaults.unit && panel.targets.length > 0, panel.title);
		assert.equal(new Set(panel.targets.map((t) => t.refId)).size, panel.targets.length, panel.title);
		for (const target of panel.targets) for (const [, name] of target.expr.matchAll(/\$\{?(\w+)\}?/g)) assert.ok(name === '__rate_interval' || names.includes(name), `${panel.title}: $${name}`);
	}
	const rows = dashboard.panels.filter((p) => p.type === 'row').map((p) => p.title).join();
	for (const part of ['Gateway', 'Services', 'PostgreSQL', 'Cache', 'Limits', 'Money']) assert.ok(rows.includes(part), part);
});

test('every query of the dashboard is PromQL', async () => {
	const dir = mkdtempSync(path.join(tmpdir(), 'queries-'));
	const rules = expressions().filter((expr) => !expr.startsWith('label_values')).map((expr, i) => ({ record: `q:${i}`, expr: expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(gateway|service)/g, '.*') }));
	writeFileSync(path.join(dir, 'queries.yml'), JSON.stringify({ groups: [{ name: 'queries', rules }] }));
	await promtool(['check', 'rules', '--lint=none', path.join(dir, 'queries.yml')]);
	rmSync(dir, { recursive: true });
});

describe('on the running platform', () => {
	let platform, collector;
	const pages = {};
	const series = []; /* of all pages: name, labels */
	before(async () => {
		collector = await startCollector();
		platform = await Platform.start({ demo: 'small', env: { YG_OTLP_URL: collector.url } });
		assert.equal((await platform.client.get('/v1/campaigns?limit=1')).status, 200);
		for (const [process, url] of Object.entries(platform.demo.metrics_urls)) {
			pages[process] = await (await fetch(url)).text();
			const { job, service } = scraped(process);
			for (const line of pages[process].split('\n').filter((l) => l && !l.startsWith('#'))) {
				const [, name, , labels = ''] = /^([a-z0-9_]+)(\{(.*)\})? /.exec(line);
				series.push({ name, labels: { job, service, instance: 'x', ...Object.fromEntries([...labels.matchAll(/([a-z]+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1], m[2]])) } });
			}
			series.push({ name: 'up', labels: { job, service, instance: 'x' } });
		}
	});
	after(async () => { await platform?.stop(); collector?.stop(); });

	/** The job and label that prometheus.yml gives a process, by the port that deploy/local/run gives it. */
	function scraped(process) {
		const port = String(8080 + Number(new URL(platform.demo.metrics_urls[process]).port) - platform.port);
		for (const job of parse(read('prometheus.yml')).scrape_configs)
			for (const { targets, labels = {} } of job.static_configs) if (targets.includes(`127.0.0.1:${port}`)) return { job: job.job_name, service: labels.service };
		throw new Error(`prometheus.yml does not scrape ${process}`);
	}

	test('every process is scraped, and promtool takes its page', async () => {
		assert.deepEqual(Object.keys(pages).sort(), ['donations', 'gateway', 'identity', 'relay_donations', 'relay_identity', 'relay_transparency', 'transparency']);
		assert.deepEqual(scraped('relay_identity'), { job: 'relay', service: 'identity' });
		for (const [process, page] of Object.entries(pages)) await promtool(['check', 'metrics'], page).catch((e) => assert.fail(`${process}: ${e.message}`));
	});

	test('every metric that an alert or the dashboard asks for is there, with those labels', () => {
		const fits = ([label, operator, value], have) => {
			const pattern = value.replaceAll(/\$\w+/g, '.*');
			const is = have !== undefined && (operator.endsWith('~') ? new RegExp(`^(?:${pattern})$`).test(have) : have === pattern);
			return operator.startsWith('!') ? have !== undefined && !is : is;
		};
		let asked = 0;
		for (const expr of expressions())
			for (const { name, labels } of selectors(expr)) {
				asked += 1;
				const found = series.some((s) => s.name === name && labels.every((l) => fits(l, s.labels[l[0]])));
				assert.ok(found, `${name} ${JSON.stringify(labels)} in: ${expr}`);
			}
		assert.ok(asked > 120, `${asked} selectors`);
	});

	test('every gauge of a service is in a panel, or it is said why not', () => {
		const excused = new Set([]); /* a name, with its reason beside it */
		const gauges = new Set(Object.values(pages).join('\n').match(/^# TYPE yg_(?:donations|identity|transparency)_\w+ gauge$/gm).map((line) => line.split(' ')[2]));
		const shown = new Set(dashboard.panels.flatMap((panel) => panel.targets ?? []).flatMap((target) => selectors(target.expr)).map((s) => s.name));
		assert.ok(gauges.size >= 15, [...gauges].join());
		assert.deepEqual([...gauges].filter((name) => !shown.has(name) && !excused.has(name)), []);
		assert.deepEqual([...excused].filter((name) => !gauges.has(name) || shown.has(name)), []);
	});

	test('overdue obligations are counted', async () => {
		const [[unmet]] = await platform.sql("select count(*) from transparency.obligations((now() at time zone 'Asia/Shanghai')::date) where state = 'OVERDUE'");
		assert.ok(Number(unmet) > 0, 'the demo city has not published the report of last year');
		await eventually(async () => new RegExp(`^yg_transparency_obligations_overdue ${unmet}$`, 'm').test(await (await fetch(platform.demo.metrics_urls.transparency)).text()), 75000);
	});

	test('a balance that is not what was posted is told without anybody asking, and the public check says so', async () => {
		const gauge = async () => /^yg_donations_ledger_disagreements (\d+)$/m.exec(await (await fetch(platform.demo.metrics_urls.donations)).text())?.[1];
		const check = async () => (await platform.client.get('/v1/public/ledger/check')).json;
		assert.equal(await gauge(), '0');
		await platform.sql("update donations.account_total set fen = fen + 1 where account = 'bank:wechat'");
		await hurryCheck(platform);
		await eventually(async () => await gauge() === '1', 30000);
		assert.ok(readFileSync(path.join(platform.dir, 'log/donations.log'), 'utf8').includes('disagrees with itself in 1 places'), 'in the log too');
		await eventually(async () => { const c = await check(); return c.ok === false && c.disagreements === 1; }, 30000);
		await platform.sql("update donations.account_total set fen = fen - 1 where account = 'bank:wechat'");
		await hurryCheck(platform);
		await eventually(async () => await gauge() === '0' && (await check()).ok, 30000);
	});

	test('labels that alerts and panels are grouped by exist', () => {
		for (const expr of expressions())
			for (const [, list] of expr.matchAll(/\bby \(([^)]*)\)/g))
				for (const label of list.split(',').map((l) => l.trim())) assert.ok(series.some((s) => s.labels[label] !== undefined), `${label} in: ${expr}`);
	});

	test('readiness of every process says what was looked at', async () => {
		const wanted = { gateway: ['identity:keys', 'identity:revocations', 'redis:reachable', 'tls:certificates', 'upstreams:reachable'], identity: ['postgresql:connections'], donations: ['postgresql:connections'],
			relay_identity: ['postgresql:connections', 'redis:connections'], relay_donations: ['postgresql:connections', 'redis:connections'],
			transparency: ['postgresql:connections'], relay_transparency: ['postgresql:connections', 'redis:connections'] };
		for (const [process, url] of Object.entries(platform.demo.metrics_urls)) {
			const ready = await eventually(async () => { const r = await fetch(url.replace('/metrics', '/readyz')); const json = await r.json(); return json.status === 'pass' && { type: r.headers.get('content-type'), json }; });
			assert.equal(ready.type, 'application/health+json');
			assert.deepEqual(Object.keys(ready.json.checks).sort(), wanted[process], process);
		}
	});

	test('one trace: the caller, the gateway, the service', async () => {
		const trace = randomBytes(16).toString('hex'), caller = randomBytes(8).toString('hex');
		const r = await platform.client.get('/v1/campaigns/01890000-0000-7000-8000-00000000cafe', { traceparent: `00-${trace}-${caller}-01` });
		assert.equal(r.status, 404);
		const spans = await eventually(() => { const found = collector.spans.filter((s) => s.traceId === trace); return found.length >= 2 && found; });
		assert.equal(spans.length, 2);
		const [gateway] = spans.filter((s) => s.resource['service.name'] === 'gateway'), [service] = spans.filter((s) => s.resource['service.name'] === 'donations');
		assert.equal(gateway.parentSpanId, caller);
		assert.equal(service.parentSpanId, gateway.spanId);
		assert.notEqual(service.resource['service.instance.id'], gateway.resource['service.instance.id']);
		for (const span of spans) {
			assert.equal(span.name, 'GET /v1/campaigns/{id}');
			assert.equal(span.attributes['http.response.status_code'], 404);
			assert.equal(span.attributes['yangguang.request_id'], gateway.attributes['yangguang.request_id']);
			assert.deepEqual(span.status, {});
			assert.ok(!JSON.stringify(span).includes('00000000cafe'));
		}
		assert.match(service.attributes['server.address'], /donations\.sock$/);
	});

	test('spans of the last second leave when a service is stopped', async () => {
		const trace = randomBytes(16).toString('hex');
		assert.equal((await platform.client.get('/v1/campaigns?limit=2&state=OPEN', { traceparent: `00-${trace}-${randomBytes(8).toString('hex')}-01` })).status, 200);
		await platform.command('stop', 'gateway');
		assert.ok(collector.spans.some((s) => s.traceId === trace && s.resource['service.name'] === 'gateway'));
	});
});
