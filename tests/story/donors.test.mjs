// A donor who is registered, linked to his account, found by phone, and erased: he is unfindable afterwards, while amounts, totals and
// the public log stay as they were, and the log still folds.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { checkedAnew } from '../support/checked.mjs';
import { eventually } from '../support/eventually.mjs';
import { must } from '../support/must.mjs';
import { Platform, ROOT } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';
import { downloadLog } from '../support/public_log.mjs';

const BIN = path.resolve(ROOT, process.env.YG_BIN ?? 'build/release/bin');
const PHONE = '13800138123';
let platform;
let people;

const get = async (as, target) => platform.client.get(target, as ? await people.headers(as) : {});
const post = async (as, target, body) => platform.client.post(target, body, { ...await people.headers(as), 'idempotency-key': randomUUID() });
const found = async () => must(await post('staff:campaigns', '/v1/party-searches', { phone: PHONE })).items;

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
});
after(() => platform?.stop());

test('erased, and everything else as it was', async () => {
	const [campaign] = must(await get(null, '/v1/campaigns?state=OPEN&limit=1')).items;
	const gift = must(await post('citizen:lin', '/v1/gifts', { campaign_id: campaign.id, amount_fen: 8800, disclosure: 'NAMED', real_name: '林小满', message: '林小满祝好' }), 201);
	await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.out_trade_no });
	await eventually(async () => (await get(null, `/v1/public/gifts/${gift.public_code}`)).status === 200);
	const mine = must(await get('citizen:lin', `/v1/me/gifts/${gift.id}`));
	assert.ok(mine.openings.donor.salt);

	const [first, second] = [must(await post('staff:campaigns', '/v1/parties', { kind: 'PERSON', name: '林小满', phone: PHONE }), 201), must(await post('staff:campaigns', '/v1/parties', { kind: 'PERSON', name: '林小滿', phone: PHONE, shared_phone: true }), 201)];
	const twice = await post('staff:campaigns', '/v1/parties', { kind: 'PERSON', name: '林小满', phone: PHONE });
	assert.deepEqual([twice.status, twice.json.code, twice.json.detail], [409, 'party-known', `/v1/parties/${first.id}`]);
	const [[subject]] = await platform.sql(`select donor from donations.gift where id = '${gift.id}'`);
	must(await post('staff:campaigns', `/v1/parties/${first.id}/links`, { subject }));
	assert.deepEqual((await found()).map((p) => p.id), [first.id, second.id]);
	must(await post('staff:campaigns', `/v1/parties/${second.id}/merges`, { into: first.id, reason: '同一人' }));
	const year = Number(new Date(Date.now() + 8 * 3600e3).toISOString().slice(0, 4));
	const statement = must(await get('staff:campaigns', `/v1/parties/${second.id}/giving-statements/${year}`));
	const own = must(await get('citizen:lin', `/v1/me/giving-statements/${year}`));
	assert.deepEqual([statement.gift_count, statement.net_fen], [own.gift_count, own.net_fen]);
	assert.ok(own.net_fen >= 8800);
	assert.equal((await platform.sql("select count(*) from donations.party p where p::text like '%138001381%' or p::text like '%林小%' or position(convert_to('林小', 'UTF8') in coalesce(name, '')) > 0 or position('138001381'::bytea in coalesce(phone, '')) > 0"))[0][0], '0', 'nothing in clear');

	const changed = must(await platform.client.request('PATCH', `/v1/parties/${first.id}`, { body: JSON.stringify({ name: '欧阳小满' }), headers: { ...await people.headers('staff:campaigns'), 'if-match': '"1"', 'content-type': 'application/merge-patch+json' } }));
	assert.deepEqual([changed.name, changed.phone], ['欧阳**', '138****8123'], 'sealed anew as a whole');
	assert.deepEqual((await found()).map((p) => p.id), [first.id, second.id]);
	must(await post('staff:campaigns', `/v1/parties/${first.id}/consents`, { purpose: 'NEWS', given: true, note: '林小满本人来电' }));
	const spoken = async () => (await platform.sql("select count(*) from (select i.answer::text from donations.idempotency i union all select c::text from donations.donor_consent c union all select m::text from donations.party_merge m) t (words) where words like '%林小满本人%' or words like '%同一人%'"))[0][0];
	assert.equal(await spoken(), '2', 'in the two rows themselves, in no saved answer');

	const totals = async () => JSON.stringify({ ...await checkedAnew(platform, async () => must(await get(null, '/v1/public/ledger/check'))), as_of: null, log_size: null });
	const page = async () => must(await get(null, `/v1/public/gifts/${gift.public_code}`));
	const listed = async () => (await get(null, `/v1/campaigns/${campaign.id}/gifts`)).text;
	assert.match(await listed(), /林小满祝好/);
	const before = [await page(), (await platform.sql('select sum(amount_fen), count(*) from donations.money_entry'))[0].join()];
	const summed = await totals();
	must(await post('staff:campaigns', `/v1/parties/${second.id}/erasures`)); // both records go
	assert.deepEqual(await found(), []);
	assert.equal(await spoken(), '0', 'what was said of him goes too');
	assert.deepEqual(must(await get('staff:campaigns', `/v1/parties/${first.id}`)).subjects, []);
	const after = must(await get('citizen:lin', `/v1/me/gifts/${gift.id}`));
	assert.deepEqual([after.real_name, after.openings, after.amount_fen], [undefined, undefined, 8800]);
	const { message, ...shown } = before[0];
	assert.deepEqual([shown.donor_name, message], ['林**', '林小满祝好']);
	assert.deepEqual([await page(), (await platform.sql('select sum(amount_fen), count(*) from donations.money_entry'))[0].join()], [{ ...shown, donor_name: '爱心人士' }, before[1]], 'what it was for and how much, not whose');
	assert.doesNotMatch(await listed(), /林/, 'no list that was kept shows him');
	assert.equal(await totals(), summed);

	await eventually(async () => must(await get(null, '/v1/public/log')).waiting === 0, 20000);
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'yg-donors-'));
	await downloadLog({ get: (target) => get(null, target) }, folder);
	const { status, stdout, stderr } = spawnSync(path.join(BIN, 'yangguang-verify'), ['all', folder, '--key', must(await get(null, '/v1/public/log')).verifier_key], { encoding: 'utf8' });
	fs.rmSync(folder, { recursive: true, force: true });
	assert.equal(status, 0, stdout + stderr);
});
