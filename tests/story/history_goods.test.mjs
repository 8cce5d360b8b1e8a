// Goods, from the letter to the warehouse, with what history teaches about them (H2, H11): what a thing is stands fixed from its
// receipt on, and a kit says what is in it and what it costs. Checked from public pages, and from the public log, offline.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { must } from '../support/must.mjs';
import { Platform, ROOT } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';
import { downloadLog } from '../support/public_log.mjs';

const BIN = path.resolve(ROOT, process.env.YG_BIN ?? 'build/release/bin');
const sha = (text) => createHash('sha256').update(text).digest('hex');
let platform;
let people;
let dir;

const get = async (target, as) => platform.client.get(target, as ? await people.headers(as) : {});
const post = async (as, target, body) => platform.client.post(target, body, { ...await people.headers(as), 'idempotency-key': randomUUID() });
const leaves = async (code) => (await platform.sql(`select convert_from(leaf, 'UTF8') from donations.outbox where leaf is not null and convert_from(leaf, 'UTF8')::json ->> 'subject' = '${code}' order by seq`)).map(([text]) => JSON.parse(text));

async function received(lines, counted) {
	const letter = must(await post('citizen:lin', '/v1/inkind-gifts', { organization: '4412', donor_kind: 'ORGANIZATION', donor_name: '肇庆市医疗器械公司', beneficiary: '基层医院', lines }), 201);
	must(await post('staff:campaigns', `/v1/inkind-gifts/${letter.id}/acceptances`));
	must(await post('staff:campaigns', `/v1/inkind-gifts/${letter.id}/counts`, { representative: '何送货', sheet_sha256: sha('signed by both'), lines: counted }));
	return must(await post('staff:finance', `/v1/inkind-gifts/${letter.id}/receipts`));
}

const MASKS = { name: 'N95 口罩', spec: 'GB 19083', unit: '个', quantity: 1000, valuation: 'INVOICE', unit_value_fen: 900, valuation_document_sha256: sha('invoice 17'), quality_document_sha256: sha('certificate 17') };
const KIT = { name: '家庭箱', unit: '箱', quantity: 50, valuation: 'CONTRACT', unit_value_fen: 40000, valuation_document_sha256: sha('contract'), quality_document_sha256: sha('certificate'),
	contents: [{ name: '棉被', spec: '1.5 米', unit: '床', quantity: 1 }, { name: '毛巾', unit: '条', quantity: 4 }, { name: '手电筒', unit: '支', quantity: 1 }] };
const TABLES = { name: '旧课桌', unit: '张', quantity: 12, valuation: 'NONE', quality_document_sha256: sha('photos') };

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	dir = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-goods-'));
});
after(async () => {
	await platform?.stop();
	if (dir) fs.rmSync(dir, { recursive: true, force: true });
});

let gift;

test('from the letter to the receipt: counted by both sides, told to the warehouses, and a leaf', async () => {
	gift = await received([MASKS, KIT, TABLES], [{ line_no: 1, quantity: 990, note: '一盒受潮' }, { line_no: 2, quantity: 50 }, { line_no: 3, quantity: 12 }]);
	assert.equal(gift.value_fen, 990 * 900 + 50 * 40000);
	assert.equal(gift.unpriced_lines, 1, 'what has no price is counted apart, not as 0');
	const [[payload]] = await platform.sql(`select payload from donations.outbox where type = 'inkind.received' and subject = '${gift.id}'`);
	assert.deepEqual(JSON.parse(payload).lines.map((line) => [line.name, line.quantity]), [['N95 口罩', 990], ['家庭箱', 50], ['旧课桌', 12]]);
	const [leaf] = await leaves(gift.public_code);
	assert.equal(leaf.type, 'goods.received');
	assert.equal(leaf.data.value_fen, gift.value_fen);
	assert.deepEqual(leaf.postings, [{ account: 'inkind:goods.4412', fen: gift.value_fen }, { account: 'fund:goods.4412', fen: -gift.value_fen }]);
	const fund = must(await get('/v1/public/funds/goods.4412'));
	assert.equal(fund.received_fen, fund.balance_fen);
	assert.deepEqual(await platform.sql('select * from donations.ledger_disagreement'), []);
	const mine = must(await get(`/v1/me/inkind-gifts/${gift.id}`, 'citizen:lin'));
	assert.equal(mine.state, 'RECEIVED');
});

test('H11: a kit says what is in it and what it costs, on the public page and in the log', async () => {
	const page = must(await get(`/v1/public/inkind-gifts/${gift.public_code}`));
	const kit = page.lines.find((line) => line.name === '家庭箱');
	assert.deepEqual([kit.unit_value_fen, kit.quantity, kit.value_fen], [40000, 50, 2_000_000]);
	assert.deepEqual(kit.contents, KIT.contents);
	const [leaf] = await leaves(gift.public_code);
	assert.deepEqual(leaf.data.lines[1].contents, KIT.contents);
	assert.equal(page.lines[2].unit_value_fen, undefined);
	const empty = await post('citizen:lin', '/v1/inkind-gifts', { organization: '4412', donor_kind: 'PERSON', lines: [{ ...KIT, contents: [] }] });
	assert.equal(empty.status, 422, 'a kit of unknown contents is not offered');
});

test('H2: N95 that turn out to be KN95 are another row with a document; the line that was received never changes', async () => {
	const target = `/v1/inkind-gifts/${gift.id}/reclassifications`;
	const change = { line_no: 1, quantity: 300, name: 'KN95 口罩', spec: 'GB 2626', reason: '抽检：该批执行 GB 2626 标准', document_sha256: sha('inspection 5') };
	assert.equal((await post('staff:finance', target, { ...change, document_sha256: undefined })).status, 422, 'not without a document');
	assert.equal((await post('staff:finance', target, { ...change, name: MASKS.name, spec: MASKS.spec })).json.code, 'inkind-reclassification-same');
	must(await post('staff:finance', target, change));
	assert.equal((await post('staff:finance', target, { ...change, quantity: 691 })).json.code, 'inkind-reclassification-quantity');
	let line;
	await eventually(async () => {
		[line] = must(await get(`/v1/public/inkind-gifts/${gift.public_code}`)).lines;
		return line.reclassified?.length === 1;
	});
	assert.deepEqual([line.name, line.spec, line.quantity], ['N95 口罩', 'GB 19083', 990]);
	assert.deepEqual([line.reclassified[0].name, line.reclassified[0].quantity, line.reclassified[0].document_sha256], ['KN95 口罩', 300, sha('inspection 5')]);
	const [first, second] = await leaves(gift.public_code);
	assert.equal(second.type, 'goods.reclassified');
	assert.deepEqual(second.links, [first.id], 'its leaf leads to that of the receipt');
	for (const column of ["name = 'KN95 口罩'", "spec = 'GB 2626'", 'quantity = 1']) await assert.rejects(platform.sql(`update donations.inkind_line set ${column} where gift_id = '${gift.id}'`), /append-only/);
});

test('the log proves it and folds to the ledger', async () => {
	const waiting = Number((await platform.sql('select count(*) from donations.outbox where leaf is not null'))[0][0]);
	await eventually(async () => must(await get('/v1/public/log')).size === waiting, 30000);
	const { verifier_key: key } = must(await get('/v1/public/log'));
	const { items } = must(await get(`/v1/public/gifts/${gift.public_code}/proof`));
	assert.deepEqual(items.map(({ leaf }) => JSON.parse(leaf).type), ['goods.received', 'goods.reclassified']);
	const verify = (...words) => new Promise((done) => { execFile(path.join(BIN, 'yangguang-verify'), [...words, '--key', key], (error, out) => done(`${error?.code ?? 0} ${out.trim()}`)); });
	for (const item of items) {
		fs.writeFileSync(path.join(dir, 'receipt.json'), JSON.stringify(item));
		assert.match(await verify('receipt', path.join(dir, 'receipt.json')), /^0 yes/);
	}
	await downloadLog(platform.client, dir);
	assert.match(await verify('all', dir), /^0 yes/);
});
