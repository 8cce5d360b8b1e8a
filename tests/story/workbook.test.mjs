// Workbooks beside CSV, read by an independent reader: the same cells, texts as texts, money as numbers, and a record with the file's digest.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Platform, ROOT } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

let platform;
let people;
let campaign;
before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	campaign = (await platform.client.get('/v1/campaigns?state=OPEN&limit=20')).json.items.find((c) => c.organization === '4412');
});
after(() => platform?.stop());

const post = async (as, target, body) => platform.client.post(target, body, { ...await people.headers(as), 'idempotency-key': randomUUID() });
const take = async (target, body) => {
	const answer = await post('staff:finance', target, body);
	assert.equal(answer.status, 200, answer.text);
	return answer;
};
const read = (raw) => JSON.parse(execFileSync('/usr/bin/python3', [path.join(ROOT, 'tests/support/workbook.py')], { input: raw, maxBuffer: 64 << 20 }));
/* RFC 4180, all cells quoted. */
const csv = (text) => text.replace(/^\uFEFF/, '').split(/\r\n(?=")/).map((line) => [...line.trimEnd().matchAll(/"((?:[^"]|"")*)"(?:,|$)/g)].map((m) => m[1].replaceAll('""', '"')));
const isMoney = (title) => title.endsWith('（元）');

function same(book, text) {
	const lines = csv(text);
	assert.equal(book.rows.length, lines.length);
	const [titles] = lines;
	lines.forEach((cells, y) => cells.forEach((wanted, x) => {
		const [type, format, value] = book.rows[y][x];
		if (y > 0 && isMoney(titles[x])) {
			assert.deepEqual([type, format], ['n', '#,##0.00'], wanted);
			assert.equal(value.toFixed(2), wanted);
			assert.equal(Math.round(value * 100), Number(wanted.replace('.', '')));
		} else {
			assert.ok(type === 's' || (value === null && wanted === ''), `${type} ${wanted}`);
			assert.equal(value ?? '', wanted.replace(/^'/, ''));
		}
	}));
	return titles;
}

test('gifts: cell by cell as the CSV, whatever the cells hold', async () => {
	const names = ['=HYPERLINK("x","y")', '＝1+1', '+86 758', '-1', '@SUM(A1)', '林"小"满, 和家人', '<b>&amp;</b>', '𠮷野家😀', '1234567890123456789', '007', '1e5', 'http://x.example/'];
	for (const [i, alias] of names.entries()) {
		const given = await post('citizen:lin', '/v1/gifts', { campaign_id: campaign.id, amount_fen: 600 + i * 7, disclosure: 'ALIAS', alias });
		assert.equal(given.status, 201, given.text);
	}
	const filter = { campaign_id: campaign.id };
	const file = await take('/v1/managed/gifts/workbooks', filter);
	const text = (await take('/v1/managed/gifts/exports', filter)).text;
	const book = read(file.raw);
	const titles = same(book, text);
	assert.deepEqual([book.sheets, book.frozen], [['捐赠'], 'A2']);
	assert.ok(book.bold.every(Boolean));
	assert.ok(book.widths.every((w) => w >= 14), JSON.stringify(book.widths));
	const shown = book.rows.map((row) => row[titles.indexOf('署名')][2]);
	for (const name of names) assert.ok(shown.includes(name), name);
	assert.equal(file.headers['export-sha256'], createHash('sha256').update(file.raw).digest('hex'));
	const records = (await platform.client.get('/v1/exports?limit=5', await people.headers('staff:finance'))).json.items;
	const record = records.find((r) => r.id === file.headers['export-id']);
	assert.deepEqual([record.format, record.rows, record.sha256, record.filter], ['XLSX', book.rows.length - 1, file.headers['export-sha256'], filter]);
});

test('disbursements too; an empty one has its header', async () => {
	const file = await take('/v1/disbursements/workbooks', {});
	same(read(file.raw), (await take('/v1/disbursements/exports', {})).text);
	const none = read((await take('/v1/disbursements/workbooks', { from_date: '2015-01-01', to_date: '2015-01-02' })).raw);
	assert.equal(none.rows.length, 1);
});

test('amounts are exact: fen by fen, small and large', async () => {
	await platform.sql(`alter table donations.gift disable trigger user; insert into donations.gift (id, public_code, campaign_id, donor, amount_fen, channel)
		select donations.uuid7_floor('2016-03-01'::timestamptz + n * interval '1 second'), upper(lpad(to_hex(n), 16, '0')), '${campaign.id}', gen_random_uuid(),
			case when n <= 2500 then n + 600 else 9999999999 - n * 7 end, 'BANK_TRANSFER' from generate_series(1, 5000) n; alter table donations.gift enable trigger user`);
	const filter = { from_date: '2016-03-01', to_date: '2016-03-02' };
	const resident = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${fs.readFileSync(path.join(platform.dir, 'pid/donations'), 'utf8').trim()}/status`, 'utf8'))[1]);
	const before = resident();
	const begun = performance.now();
	const file = await take('/v1/managed/gifts/workbooks', filter);
	console.log(`# 5,000 rows: ${Math.round(performance.now() - begun)} ms, ${file.raw.length} bytes, resident ${before} → ${resident()} KiB`);
	const book = read(file.raw);
	assert.equal(book.rows.length, 5001);
	same(book, (await take('/v1/managed/gifts/exports', filter)).text);
});
