// 注销: a citizen closes his account. Nobody finds him any more, in either service; what he gave stays, and every sum with it.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { checkedAnew } from '../support/checked.mjs';
import { eventually } from '../support/eventually.mjs';
import { must } from '../support/must.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

const PHONE = '13800138777';
let platform;
let people;
before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
});
after(() => platform?.stop());

const login = async (name) => must(await platform.client.post('/v1/auth/wechat', { code: `demo-${name}` }));
const bearer = (tokens) => ({ authorization: `Bearer ${tokens.access_token}` });
const me = async (tokens) => must(await platform.client.get('/v1/me', bearer(tokens)));
const one = async (sql) => (await platform.sql(sql))[0][0];

test('closed: unfindable, every figure as it was, and whoever signs in next is somebody new', async () => {
	const mine = await login('leaving-lin');
	const { id } = await me(mine);
	const as = () => ({ ...bearer(mine), 'idempotency-key': randomUUID() });
	must(await platform.client.post('/v1/me/phone', { code: `phone-${PHONE}` }, bearer(mine)));
	must(await platform.client.request('PATCH', '/v1/me', { body: JSON.stringify({ display_name: '林将去' }), headers: { ...bearer(mine), 'content-type': 'application/merge-patch+json' } }));
	const [campaign] = must(await platform.client.get('/v1/campaigns?state=OPEN&limit=1')).items;
	const gifts = [];
	for (const more of [{ disclosure: 'ALIAS', alias: '将去之人', message: '将去之言' }, { disclosure: 'NAMED', real_name: '林将去', message: '将去之言' }]) {
		const gift = must(await platform.client.post('/v1/gifts', { campaign_id: campaign.id, amount_fen: 8800, ...more }, as()), 201);
		await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: gift.out_trade_no });
		await eventually(async () => (await platform.client.get(`/v1/public/gifts/${gift.public_code}`)).status === 200);
		gifts.push(gift);
	}
	const plan = must(await platform.client.post('/v1/me/plans', { campaign_id: campaign.id, amount_fen: 1000, unit: 'MONTH', cycle_day: 5, alias: '将去之人' }, as()), 201);
	const staff = await people.headers('staff:campaigns');
	const party = must(await platform.client.post('/v1/parties', { kind: 'PERSON', name: '林将去', phone: PHONE }, { ...staff, 'idempotency-key': randomUUID() }), 201);
	must(await platform.client.post(`/v1/parties/${party.id}/links`, { subject: id }, { ...staff, 'idempotency-key': randomUUID() }));

	const totals = async () => JSON.stringify({ ...await checkedAnew(platform, async () => must(await platform.client.get('/v1/public/ledger/check'))), as_of: null, log_size: null });
	const shown = async () => {
		const codes = gifts.map((gift) => `'${gift.public_code}'`).join(',');
		return platform.sql(`select coalesce(shown_name, '-'), coalesce(message, '-'), item::text from donations.gift_public where public_code in (${codes})`);
	};
	const before = await totals();
	assert.match(JSON.stringify(await shown()), /将去之人.*将去之言/);
	const other = await login('leaving-lin'); // a second telephone

	await platform.sql(`update identity.session set created_at = created_at - interval '11 minutes' where subject = '${id}'`);
	const early = await platform.client.request('DELETE', '/v1/me', { headers: bearer(mine) });
	assert.deepEqual([early.status, early.json.code], [403, 'login-not-recent']);
	assert.equal((await me(mine)).id, id, 'nothing happened');
	const fresh = await login('leaving-lin');
	assert.equal((await platform.client.request('DELETE', '/v1/me', { headers: bearer(fresh) })).status, 204);

	for (const tokens of [mine, other, fresh]) {
		await eventually(async () => (await platform.client.get('/v1/me', bearer(tokens))).status === 401, 5000);
		assert.equal((await platform.client.post('/v1/auth/refresh', { refresh_token: tokens.refresh_token })).status, 401);
	}
	assert.equal(await one(`select count(*) from identity.citizen_account where citizen_id = '${id}'`), '0');
	assert.equal(await one(`select concat(display_name_sealed, wrapped_key, phone_sealed, phone_index, phone_masked) || state from identity.citizen where id = '${id}'`), 'CLOSED');
	await assert.rejects(platform.sql(`update identity.citizen set state = 'ACTIVE', closed_at = null where id = '${id}'`), /the account is closed/);
	await assert.rejects(platform.sql(`insert into identity.citizen_account (provider, appid, openid_index, citizen_id, wrapped_key, openid_sealed, session_key_sealed)
		values ('wechat', 'another', 'x', '${id}', 'x', 'x', 'x')`), /closed meanwhile/, 'by no other app either');

	await eventually(async () => !/将去/.test(JSON.stringify(await shown())));
	assert.equal(await one("select (select count(*) from donations.gift g where g::text like '%将去%') + (select count(*) from donations.plan p where p::text like '%将去%')"), '0');
	assert.equal(await one(`select count(*) from donations.person_key k join donations.gift g using (key_id) where g.donor = '${id}'`), '0', 'the names are sealed for ever');
	assert.equal(await one(`select state || reason from donations.plan where id = '${plan.id}'`), 'ENDEDDONOR');
	assert.deepEqual(must(await platform.client.get(`/v1/parties/${party.id}`, staff)).subjects, [], 'the unit’s own record is the unit’s, and leads to no account');
	assert.equal(await totals(), before, 'what was given stays');
	for (const gift of gifts) {
		assert.equal((await platform.client.get(`/v1/public/gifts/${gift.public_code}`)).status, 200);
		await eventually(async () => (await platform.client.get(`/v1/public/gifts/${gift.public_code}/proof`)).status === 200, 20000, 250);
	}

	const next = await login('leaving-lin');
	assert.notEqual((await me(next)).id, id);
	assert.deepEqual(must(await platform.client.get('/v1/me/gifts', bearer(next))).items, []);
	assert.equal((await me(next)).phone, undefined);
});

test('closing while signing in elsewhere ends in one closed account and one new one, or in a login of the new one', async () => {
	for (let round = 0; round < 12; round++) {
		const first = await login(`both-${round}`);
		const { id } = await me(first);
		const [closed, again] = await Promise.all([platform.client.request('DELETE', '/v1/me', { headers: bearer(first) }), login(`both-${round}`)]);
		assert.equal(closed.status, 204, closed.text);
		const after = await login(`both-${round}`);
		assert.notEqual((await me(after)).id, id);
		const end = await platform.client.get('/v1/me', bearer(again));
		if (end.status === 200 && end.json.id === id) await eventually(async () => (await platform.client.get('/v1/me', bearer(again))).status === 401, 5000);
	}
});

test('what he does before the gateways have heard of the end goes too, and his account is nobody\'s', async () => {
	const [campaign] = must(await platform.client.get('/v1/campaigns?state=OPEN&limit=1')).items;
	const kept = { gifts: [], pages: [] };
	for (let round = 0; round < 8 && !(kept.gifts.length && kept.pages.length); round++) {
		const mine = await login(`hasty-${round}`);
		const { id } = await me(mine);
		const as = () => ({ ...bearer(mine), 'idempotency-key': randomUUID() });
		const gift = () => platform.client.post('/v1/gifts', { campaign_id: campaign.id, amount_fen: 8800, channel: 'BANK_TRANSFER', disclosure: 'NAMED', real_name: '林将去', message: '将去之言' }, as());
		const page = () => platform.client.post('/v1/me/pages', { campaign_id: campaign.id, organizer: '将去之人', title: '将去之人的生日', story: '将去之人的故事', goal_fen: 100000, ends_on: campaign.ends_on }, as());
		must(await platform.client.request('DELETE', '/v1/me', { headers: bearer(mine) }), 204);
		const unheard = await platform.hold('yg_identity_owner', 'lock table identity.revocation in access exclusive mode'); // gateways ask for it every second
		await eventually(async () => (await one(`select count(*) from donations.account_closed where subject = '${id}' and next_at > now()`)) === '1', 5000, 1);
		const [given, opened, renamed, again] = await Promise.all([gift(), page(),
			platform.client.request('PATCH', '/v1/me', { body: JSON.stringify({ language: 'en' }), headers: { ...bearer(mine), 'content-type': 'application/merge-patch+json' } }),
			platform.client.request('DELETE', '/v1/me', { headers: bearer(mine) })]);
		await unheard.release();
		assert.deepEqual([renamed.status, again.status], [401, 401], renamed.text + again.text);
		if (given.status === 201) kept.gifts.push(id);
		if (opened.status === 201) kept.pages.push(id);
	}
	assert.ok(kept.gifts.length && kept.pages.length, 'some were in time, or this shows nothing');
	await eventually(async () => await one(`select (select count(*) from donations.gift g where g::text like '%将去%' or exists (select from donations.person_key k where k.key_id = g.key_id and g.donor in ('${kept.gifts.join("','")}')))
		+ (select count(*) from donations.page p where p::text like '%将去%')`) === '0', 20000);

	await eventually(async () => await one("select count(*) from donations.idempotency where answer::text like '%将去之人%'") === '0', 20000);

	const staff = await people.headers('staff:campaigns');
	const party = must(await platform.client.post('/v1/parties', { kind: 'PERSON', name: '王不相干', phone: '13800138778' }, { ...staff, 'idempotency-key': randomUUID() }), 201);
	const [gone] = (await platform.sql("select g.donor from donations.gift g join donations.account_closed a on a.subject = g.donor where g.paid_at is not null limit 1"))[0];
	assert.equal((await platform.client.post(`/v1/parties/${party.id}/links`, { subject: gone }, { ...staff, 'idempotency-key': randomUUID() })).status, 404);
});

test('somebody who gave tens of thousands of times holds nobody up, and is forgotten all the same', async () => {
	const id = '00000000-0000-7000-8000-00000000c105';
	await platform.sql(`set search_path = donations; insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, disclosure, shown_name, message)
		select uuid7_new(), public_code_new(), (select id from campaign where fund_code is null limit 1), '${id}', 700, 'WECHAT_JSAPI', 'ALIAS', '将去之人', '将去之言' from generate_series(1, 30000)`);
	await platform.sql(`set plan_cache_mode = force_generic_plan; set statement_timeout = '5s'; -- as the consumer has it
		insert into donations.inbox (stream, position, id, type, subject, payload, occurred_at) values ('identity', 9000000000, gen_random_uuid(), 'citizen.closed', '${id}', '{}', now())`);
	await eventually(async () => (await one(`select count(*) from donations.gift g where g.donor = '${id}' and g::text like '%将去%'`)) === '0', 60000, 250);
});

test('nobody is forgotten by what the login role says', async () => {
	await assert.rejects(platform.session('yg_identity', `insert into outbox (type, subject, payload) values ('citizen.closed', '${randomUUID()}', '{}')`), (error) => /permission denied/.test(error.stderr));
});
