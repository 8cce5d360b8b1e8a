// What the boot linker refuses. A copy of the contracts and of donations' SQL gets one drift each, and `check` must name it; several at
// once must stand in one list. Then the same copy is changed under a running service: a broken one is refused as a whole, and the
// operation of the README ("Adding a plain operation, without C") is served without a restart.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import YAML from 'yaml';
import { eventually } from '../support/eventually.mjs';
import { Platform, ROOT } from '../support/platform.mjs';

const run = promisify(execFile);
const REFUSED = 78;

let platform;
before(async () => { platform = await Platform.start({ demo: 'small' }); });
after(() => platform?.stop());

/** A copy of what a link reads, and the settings that point at it. */
class Copy {
	constructor() {
		this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-drift-'));
		this.env = { ...platform.env, YG_PROTO: path.join(this.dir, 'proto'), YG_SERVICE_DIR: path.join(this.dir, 'donations') };
		this.reset();
	}

	reset() {
		for (const [from, to] of [['proto', 'proto'], ['services/donations/sql', 'donations/sql'], ['services/donations/migrations', 'donations/migrations']]) {
			fs.rmSync(path.join(this.dir, to), { recursive: true, force: true });
			fs.cpSync(path.join(ROOT, from), path.join(this.dir, to), { recursive: true });
		}
	}

	sql(name) { return path.join(this.dir, 'donations/sql', `${name}.sql`); }

	/** Replaces in a statement; a drift that changes nothing would prove nothing. */
	edit(name, from, to) {
		const text = fs.readFileSync(this.sql(name), 'utf8');
		assert.ok(text.includes(from), `${name}.sql has "${from}"`);
		fs.writeFileSync(this.sql(name), text.replace(from, to));
	}

	contract(change) {
		const file = path.join(this.dir, 'proto/donations.yaml');
		const root = YAML.parse(fs.readFileSync(file, 'utf8'));
		change(root);
		fs.writeFileSync(file, YAML.stringify(root, { aliasDuplicateObjects: false, lineWidth: 0 }));
	}

	operation(id, change) {
		this.contract((root) => {
			const found = Object.values(root.paths).flatMap((item) => Object.values(item)).find((o) => o.operationId === id);
			assert.ok(found, id);
			change(found, root);
		});
	}

	async check() {
		try {
			const { stdout } = await run(path.join(ROOT, 'deploy/local/run'), ['check', 'donations'], { cwd: ROOT, env: this.env });
			return { code: 0, text: stdout };
		} catch (error) {
			if (typeof error.code !== 'number') throw error;
			return { code: error.code, text: error.stderr };
		}
	}

	remove() { fs.rmSync(this.dir, { recursive: true, force: true }); }
}

const follow = (root, schema) => (schema.$ref ? root.components.schemas[schema.$ref.split('/').pop()] : schema);
const answerSchema = (operation, root) => follow(root, operation.responses['200'].content['application/json'].schema);

/* Each in a file of its own, so that they can stand together. */
const DRIFTS = [
	{ name: 'a renamed column', make: (c) => c.edit('campaign_get', 'c.filed_on', 'c.filed_at'), says: /campaign_get\.sql: .*filed_at does not exist/ },
	{ name: 'a table that is not there', make: (c) => c.edit('campaign_list', 'from campaign c', 'from campaigns c'), says: /campaign_list\.sql: .*"campaigns" does not exist/ },
	{ name: 'an unknown bind', make: (c) => c.edit('gift_list', ':query.late', ':query.tardy'), says: /gift_list\.sql: :query\.tardy is not in the contract of gift_list/ },
	{ name: 'a bind of a flow that no operation has', make: (c) => c.edit('gift_payment_order', ':path.id', ':path.ident'), says: /gift_payment_order\.sql: :path\.ident is not in the contract/ },
	{ name: 'a missing SQL file', make: (c) => fs.rmSync(c.sql('summary_get')), says: /summary_get: no sql\/summary_get\.sql and no flow/ },
	{ name: 'a wrong type', make: (c) => c.edit('refund_get', 'amount_fen,', 'amount_fen::text as amount_fen,'), says: /refund_get\.sql: column "amount_fen" has SQL type text/ },
	{ name: 'a column nobody documented', make: (c) => c.edit('campaign_managed_list', 'page.id"', 'page.id", 1 as surprise'), says: /campaign_managed_list\.sql: column "surprise" is not in the answer/ },
	{ name: 'a required member without a column', make: (c) => c.operation('gift_public_get', (o, root) => { const s = answerSchema(o, root); s.properties.weight = { type: 'integer' }; s.required.push('weight'); }), says: /gift_public_get\.sql: required member "weight" of the answer of gift_public_get has no column/ },
	{ name: 'a required member deep inside without a column', make: (c) => c.operation('my_gift_list', (o, root) => { const item = follow(root, answerSchema(o, root).properties.items.items); const inner = follow(root, item.properties.campaign); inner.properties.colour = { type: 'string' }; inner.required = [...inner.required ?? [], 'colour']; }), says: /my_gift_list\.sql: required member "campaign\.colour"/ },
	{ name: 'a GET that writes', make: (c) => c.edit('campaign_managed_get', 'tx: read', 'tx: write'), says: /campaign_managed_get\.sql: writes, but campaign_managed_get is a GET/ },
	{ name: 'a page that is a list', make: (c) => c.edit('campaign_gift_list', 'shape: page', 'shape: list'), says: /campaign_gift_list\.sql: shape not page, but x-page/ },
	{ name: 'a constraint without a problem', make: (c) => c.contract((root) => { delete root['x-problems']['refund-exceeds-payment']; }), says: /constraint refund_exceeds_payment has no entry refund-exceeds-payment in x-problems/ },
	{ name: 'If-Match that nobody compares', make: (c) => c.edit('campaign_update', ':header.if_match', ':request.id'), says: /campaign_update\.sql: campaign_update has x-if-match, but :header\.if_match is not compared/ },
	{ name: '201 without Location', make: (c) => c.edit('campaign_create', '"!location"', '"!detail"'), says: /campaign_create\.sql: campaign_create answers 201, but there is no column "!location"/ },
	{ name: 'a batch with row security', make: (c) => c.edit('campaign_open', '-- tx: write', '-- tx: write\n-- batch: 8'), says: /campaign_open\.sql: / },
	{ name: 'personal data stored as it came', make: (c) => c.operation('refund_create', (o, root) => { follow(root, o.requestBody.content['application/json'].schema).properties.reason['x-pii'] = 'name'; }), says: /refund_create\.sql: :body\.reason is personal/ },
];

describe('one drift, one line', () => {
	let copy;
	before(() => { copy = new Copy(); });
	after(() => copy.remove());

	test('the copy itself has none', async () => {
		const { code, text } = await copy.check();
		assert.equal(code, 0, text);
		assert.match(text, /no drift/);
	});

	for (const drift of DRIFTS) {
		test(drift.name, async () => {
			copy.reset();
			drift.make(copy);
			const { code, text } = await copy.check();
			assert.equal(code, REFUSED, text);
			assert.match(text, drift.says);
		});
	}

	test('a keyword that is not supported', async () => {
		copy.reset();
		copy.operation('summary_get', (o, root) => { answerSchema(o, root).unevaluatedProperties = false; });
		const { code, text } = await copy.check();
		assert.equal(code, REFUSED);
		assert.match(text, /donations\.yaml:\d+: .*unevaluatedProperties/);
	});

	test('all of them stand in one list', async () => {
		copy.reset();
		for (const drift of DRIFTS) drift.make(copy);
		const { code, text } = await copy.check();
		assert.equal(code, REFUSED);
		for (const drift of DRIFTS) assert.match(text, drift.says, drift.name);
		const lines = text.trim().split('\n');
		assert.equal(new Set(lines).size, lines.length, 'none of them twice');
	});

	test('a contract that does not load does not hide what PostgreSQL refuses', async () => {
		copy.reset();
		copy.operation('summary_get', (o, root) => { answerSchema(o, root).unevaluatedProperties = false; });
		DRIFTS[0].make(copy);
		const { text } = await copy.check();
		assert.match(text, /unevaluatedProperties/);
		assert.match(text, DRIFTS[0].says);
	});
});

/** The fenced blocks of a section of the README, without the indentation of the list they stand in. */
function readmeBlocks(title) {
	const text = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
	const section = text.slice(text.indexOf(`## ${title}`)).split('\n## ')[0];
	return [...section.matchAll(/^( *)```(\w+)\n([\s\S]*?)^ *```/gm)].map(([, indent, language, body]) => ({ language, text: body.split('\n').map((line) => line.slice(line.startsWith(indent) ? indent.length : 0)).join('\n') }));
}

describe('re-link on SIGHUP', () => {
	let copy;
	let campaign;
	const pid = (name) => Number(fs.readFileSync(path.join(platform.dir, 'pid', name), 'utf8'));
	const log = (name) => fs.readFileSync(path.join(platform.dir, 'log', `${name}.log`), 'utf8');
	const count = (name, what) => log(name).split(what).length - 1;
	const command = (...words) => run(path.join(ROOT, 'deploy/local/run'), words, { cwd: ROOT, env: copy.env });

	before(async () => {
		copy = new Copy();
		/* stopped and started: a restart of the gateway hands its sockets and its settings on */
		for (const name of ['donations', 'gateway']) for (const verb of ['stop', 'start']) await command(verb, name);
		await eventually(async () => (await platform.client.get('/v1/campaigns?limit=1')).status === 200);
		campaign = (await platform.client.get('/v1/campaigns?limit=1')).json.items[0].id;
	});
	after(async () => { copy.remove(); });

	async function hangUp(name, expect) {
		const seen = count(name, expect);
		process.kill(pid(name), 'SIGHUP');
		await eventually(() => count(name, expect) > seen);
	}

	test('a broken set is refused as a whole: what was good in it is not taken either', async () => {
		copy.edit('campaign_list', 'c.title, c.summary', "'changed' as title, c.summary");
		copy.edit('campaign_get', 'c.filed_on', 'c.filed_at');
		await hangUp('donations', 're-link refused');
		assert.match(log('donations'), /campaign_get\.sql: .*filed_at does not exist/);
		const { status, json } = await platform.client.get('/v1/campaigns?limit=1');
		assert.equal(status, 200);
		assert.notEqual(json.items[0].title, 'changed');
		assert.equal((await platform.client.get(`/v1/campaigns/${campaign}`)).status, 200);
		copy.reset();
	});

	test('a statement that only a flow uses may vanish without taking the process along', async () => {
		fs.rmSync(copy.sql('totals_fold'));
		const before = pid('donations');
		await hangUp('donations', '"re-linked"');
		await eventually(() => log('donations').includes('statement totals_fold'));
		assert.equal((await platform.client.get('/v1/public/summary')).status, 200);
		assert.equal(pid('donations'), before);
		copy.reset();
		await hangUp('donations', '"re-linked"');
	});

	test('no request is lost while links change', async () => {
		let going = true;
		const statuses = new Map();
		const caller = async () => {
			while (going) {
				const { status } = await platform.client.get('/v1/campaigns?limit=2');
				statuses.set(status, (statuses.get(status) ?? 0) + 1);
			}
		};
		const callers = Array.from({ length: 8 }, caller);
		for (let i = 0; i < 5; i += 1) await hangUp('donations', '"re-linked"');
		await new Promise((done) => { setTimeout(done, 2500); }); /* the old connections retire */
		going = false;
		await Promise.all(callers);
		assert.deepEqual([...statuses.keys()], [200]);
		assert.ok(statuses.get(200) > 100);
	});

	test('the plain operation of the README is served, without C and without a restart', async () => {
		const [contract, sql] = readmeBlocks('Adding a plain operation, without C');
		assert.deepEqual([contract.language, sql.language], ['yaml', 'sql']);
		const target = `/v1/campaigns/${campaign}/days`;
		assert.equal((await platform.client.get(target)).status, 404);
		copy.contract((root) => Object.assign(root.paths, YAML.parse(contract.text)));
		fs.writeFileSync(copy.sql('campaign_day_list'), sql.text);
		const { code, text } = await copy.check();
		assert.equal(code, 0, text);
		await hangUp('donations', '"re-linked"');
		await hangUp('gateway', '"reloaded"');
		const answer = await eventually(async () => { const a = await platform.client.get(target); return a.status !== 404 && a; });
		assert.equal(answer.status, 200, answer.text);
		assert.ok(Array.isArray(answer.json.items));
		assert.equal(answer.headers['cache-control'], 'public, max-age=60');
		assert.equal((await platform.client.get('/v1/campaigns/nothing/days')).status, 422);
	});
});
