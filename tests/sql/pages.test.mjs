// What a psql session with the service's own role cannot do to personal pages.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';
import { refusedFor } from '../support/refused.mjs';

const id = (n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const STAFF = "set yg.kind = 'staff'; set yg.organization = '4412'";
const CITIZEN = `set yg.kind = 'citizen'; set yg.subject = '${id(1)}'`;
let platform;
let campaign;
before(async () => {
	platform = await Platform.start({ demo: 'small' });
	[[campaign]] = await platform.sql("select t.id from donations.campaign_taking_gifts t join donations.campaign c using (id) where organization = '4412' and ends_on > current_date + 30 order by id limit 1");
});
after(() => platform?.stop());

const role = (who, text) => platform.session('yg_donations', who, text);
const refused = (who, text, why) => refusedFor(role(who, text), why);
const create = (n) => role(CITIZEN, `select state from page_create('${id(n)}', '${campaign}', 'o', 't', 's', 1000, current_date + 5)`);
const review = (n) => `select state from page_review('${id(n)}', true, null, '${id(9)}')`;
const gift = (n, page) => `insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, page_id) values ('${id(n)}', '0123456789ABCDEF', '${campaign}', '${id(1)}', 600, 'WECHAT_JSAPI', '${id(page)}')`;

test('only where staff of the unit allow it, and only staff open it', async () => {
	await refused(CITIZEN, `select page_create('${id(10)}', '${campaign}', 'o', 't', 's', 1000, current_date + 5)`, /does not allow/);
	await refused(CITIZEN, `select page_permit('${campaign}', true, '${id(1)}')`, /no such campaign of the unit/);
	await refused("set yg.kind = 'staff'; set yg.organization = '4412/441202'", `select page_permit('${campaign}', true, '${id(9)}')`, /no such campaign of the unit/);
	await role(STAFF, `select page_permit('${campaign}', true, '${id(9)}')`);
	assert.equal(await create(10), 'DRAFT');
	await refused(STAFF, review(10), /no such page/);
	assert.equal(await role(CITIZEN, `select state from page_submit('${id(10)}')`), 'SUBMITTED');
	await refused(CITIZEN, review(10), /nobody opens his own page/);
	assert.equal(await role("set yg.kind = ''", `select count(*) from page where id = '${id(10)}'`), '0', 'the public sees nothing of it');
	await refused(CITIZEN, gift(20, 10), /page does not take/);
	assert.equal(await role(STAFF, review(10)), 'OPEN');
	await role(CITIZEN, gift(20, 10));
});

test('the tables are closed, and what was submitted stays', async () => {
	for (const table of ['page', 'page_entry', 'page_total', 'page_permission']) {
		await refused(CITIZEN, `delete from ${table}`, /permission denied/);
		await refused(CITIZEN, `insert into ${table} default values`, /permission denied/);
	}
	await refused(CITIZEN, "update page set state = 'OPEN'", /permission denied/);
	await refused(CITIZEN, 'select pages_close_on(current_date + 900)', /permission denied/);
	await assert.rejects(platform.sql(`set search_path = donations; update page set story = 'x' where id = '${id(10)}'`), /does not change/);
	await assert.rejects(platform.sql(`set search_path = donations; update page set state = 'DRAFT' where id = '${id(10)}'`), /OPEN to DRAFT/);
	await assert.rejects(platform.sql('set search_path = donations; delete from page'), /append-only/);
	await assert.rejects(platform.sql(`set search_path = donations; update gift set page_id = null where id = '${id(20)}'`), /never changes/);
});

test('a page that closes in the instant of a gift does not take its neighbours along; half a minute later it refuses', async () => {
	assert.equal(await create(12), 'DRAFT');
	await role(CITIZEN, `select page_submit('${id(12)}')`);
	await role(STAFF, review(12));
	assert.equal(await role(CITIZEN, `select state from page_close('${id(12)}', 'x')`), 'CLOSED');
	assert.equal(await role(CITIZEN, `select open from page_taking_gifts where id = '${id(12)}'`), 'f', 'gift_create judges by this');
	await role(CITIZEN, gift(21, 12));
	await platform.sql(`set search_path = donations; alter table page disable trigger user; update page set closed_at = now() - interval '31 seconds' where id = '${id(12)}'; alter table page enable trigger user`);
	await refused(CITIZEN, gift(22, 12), /page does not take/);
});

test('when the permission is taken back no page opens any more', async () => {
	assert.equal(await create(11), 'DRAFT');
	await role(CITIZEN, `select page_submit('${id(11)}')`);
	await role(STAFF, `select page_permit('${campaign}', false, '${id(9)}')`);
	assert.deepEqual(await platform.sql(`select state, close_reason from donations.page where id = '${id(10)}'`), [['CLOSED', 'NOT_ALLOWED']], 'and what was open ends');
	assert.equal(await role(CITIZEN, `select count(*) from page_taking_gifts where open and campaign_id = '${campaign}'`), '0');
	await refused(STAFF, review(11), /does not allow/);
	assert.equal(await role(STAFF, `select state from page_review('${id(11)}', false, 'not any more', '${id(9)}')`), 'REFUSED');
});
