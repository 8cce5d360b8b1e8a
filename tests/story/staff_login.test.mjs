// How staff sign in: one-time codes, lock-outs that strangers cannot cause, sessions that end. Calls are counted for coverage.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { call } from '../support/cases.mjs';
import { Contracts } from '../support/contracts.mjs';
import { Coverage } from '../support/coverage.mjs';
import { eventually } from '../support/eventually.mjs';
import { Platform, ROOT } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';
import { Schemas } from '../support/schema.mjs';

const PASSWORD = 'a-long-password-1';
let platform;
let context;

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	const contracts = new Contracts(path.join(ROOT, 'proto'));
	context = { client: platform.client, contracts, schemas: new Schemas(contracts), coverage: new Coverage(), principals: new Principals(platform.client, platform.demo) };
});
after(() => platform?.stop());

async function ask(operation, request, status) {
	const { answer, faults } = await call(context, context.contracts.byId.get(operation), request);
	assert.equal(answer.status, status, `${operation}: ${answer.text}`);
	assert.deepEqual(faults, [], operation);
	return answer.json;
}

const bearer = (pair) => ({ authorization: `Bearer ${pair.access_token}` });

async function newStaff(grants = [{ role: 'auditor', organization: '4412' }]) {
	const username = `s${randomBytes(6).toString('hex')}`;
	const { id } = await ask('staff_create', { as: 'staff:admin', body: { username, password: PASSWORD, display_name: '测试员', grants } }, 201);
	return { id, username };
}

const signIn = (username, status = 200, more = {}) => ask('auth_staff', { body: { username, password: PASSWORD, ...more } }, status);

function base32(text) {
	const bits = [...text].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
	return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

/** RFC 6238, written from the RFC and not from our C. */
function totp(secret, step) {
	const counter = Buffer.alloc(8);
	counter.writeBigUInt64BE(BigInt(step));
	const mac = createHmac('sha1', base32(secret)).update(counter).digest();
	return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0');
}
const stepNow = () => Math.floor(Date.now() / 30000);

test('one-time codes: enrolled, needed, each used once, reset by another', async () => {
	const { id, username } = await newStaff();
	const headers = bearer(await signIn(username));
	const { secret, otpauth_uri: uri } = await ask('staff_totp_enrol', { path: { id }, headers }, 200);
	assert.match(uri, new RegExp(`secret=${secret}&`));
	await signIn(username); // unconfirmed: not needed yet
	const step = stepNow();
	const taken = await ask('staff_totp_confirm', { path: { id }, headers, body: { code: totp(secret, step - 1), current_password: 'of-somebody-else' } }, 422);
	assert.equal(taken.code, 'current-password-wrong', "whoever has but the token keeps nobody out");
	await signIn(username);
	await ask('staff_totp_confirm', { path: { id }, headers, body: { code: totp(secret, step - 1), current_password: PASSWORD } }, 200);
	assert.equal((await signIn(username, 401)).code, 'totp-required');
	assert.equal((await signIn(username, 401, { totp: totp(secret, step - 1) })).code, 'invalid-credentials', 'the code that confirmed is used up');
	await signIn(username, 200, { totp: totp(secret, step) });
	assert.equal((await signIn(username, 401, { totp: totp(secret, step) })).code, 'invalid-credentials', 'a code counts once');
	await ask('staff_totp_confirm', { path: { id }, headers, body: { code: '000000', current_password: PASSWORD } }, 409);
	await ask('staff_totp_confirm', { path: { id }, headers, raw: JSON.stringify({ code: '0'.repeat(70000) }) }, 413);
	await ask('staff_totp_reset', { as: 'staff:admin', path: { id } }, 204);
	await signIn(username);
	const [[sealed]] = await platform.sql(`select count(*) from identity.staff where totp_sealed is not null and id = '${id}'`);
	assert.equal(sealed, '0');
});

test('parallel codes: one of twenty equal logins gets in', async () => {
	const { id, username } = await newStaff();
	const headers = bearer(await signIn(username));
	const { secret } = await ask('staff_totp_enrol', { path: { id }, headers }, 200);
	const step = stepNow();
	await ask('staff_totp_confirm', { path: { id }, headers, body: { code: totp(secret, step - 1), current_password: PASSWORD } }, 200);
	const answers = await Promise.all(Array.from({ length: 20 }, () => platform.client.post('/v1/auth/staff', { username, password: PASSWORD, totp: totp(secret, step) })));
	assert.equal(answers.filter((a) => a.status === 200).length, 1);
	assert.deepEqual(await platform.sql(`select detail from identity.auth_event where subject = '${id}' and event = 'LOGIN_REFUSED' and detail = 'changed meanwhile'`), [], 'the log says what it was');
});

test('parallel guesses: five reach the password, the rest have to wait', async () => {
	const { username } = await newStaff();
	const answers = await Promise.all(Array.from({ length: 25 }, (_, i) => platform.client.post('/v1/auth/staff', { username, password: `wrong-password-${i}` })));
	const count = (status) => answers.filter((a) => a.status === status).length;
	assert.equal(count(401), 5);
	assert.equal(count(429), 20);
});

test('a login carries one unit, and never scopes of a unit below it', async () => {
	const { username } = await newStaff([{ role: 'auditor', organization: '4412' }, { role: 'finance', organization: '4412/441202' }]);
	const scopesOf = async (role) => (await platform.sql(`select string_agg(scope, ' ' order by scope collate "C") from identity.role_scope where role = '${role}'`))[0][0];
	const claims = (pair) => JSON.parse(Buffer.from(pair.access_token.split('.')[1], 'base64url').toString());
	const top = claims(await signIn(username));
	assert.equal(top.org, '4412');
	assert.equal(top.scope, await scopesOf('auditor'));
	const county = claims(await signIn(username, 200, { organization: '4412/441202' }));
	assert.equal(county.org, '4412/441202');
	assert.equal(county.scope, [...new Set(`${await scopesOf('auditor')} ${await scopesOf('finance')}`.split(' '))].sort().join(' '));
	assert.ok(!top.scope.includes('refund') && county.scope.includes('gift:refund'));
});

test('a county sees and manages its own staff only', async () => {
	const { username } = await newStaff([{ role: 'admin', organization: '4412/441202' }]);
	const other = await newStaff([{ role: 'auditor', organization: '4412/441203' }]);
	const headers = bearer(await signIn(username));
	const list = await ask('staff_list', { headers, query: { limit: 100 } }, 200);
	assert.ok(list.items.every((one) => one.organization.startsWith('4412/441202')));
	await ask('staff_get', { path: { id: other.id }, headers }, 404);
	await ask('staff_disable', { path: { id: other.id }, headers }, 404);
	await ask('staff_grant_create', { path: { id: other.id }, headers, body: { role: 'admin', organization: '4412/441202' } }, 404);
});

test("a county's administrator cannot become somebody who holds a role at the city", async () => {
	const { username } = await newStaff([{ role: 'admin', organization: '4412/441202' }]);
	const headers = bearer(await signIn(username));
	const person = async (grants) => {
		const name = `s${randomBytes(6).toString('hex')}`;
		const body = { username: name, password: PASSWORD, display_name: '测试员', organization: '4412/441202', grants };
		return { name, id: (await ask('staff_create', { as: 'staff:admin', body }, 201)).id };
	};
	const above = await person([{ role: 'finance', organization: '4412' }, { role: 'auditor', organization: '4412/441202' }]);
	const equal = await person([{ role: 'finance', organization: '4412/441202' }]);
	const body = { password: 'another-password-2' };
	await ask('staff_get', { path: { id: above.id }, headers }, 200);
	for (const [operation, request] of [['staff_password_reset', { body }], ['staff_totp_reset', {}], ['staff_disable', {}],
		['staff_update', { body: { display_name: '改名' }, headers: { ...headers, 'if-match': '*' } }]]) {
		assert.equal((await ask(operation, { path: { id: above.id }, headers, ...request }, 403)).code, 'insufficient-scope', operation);
	}
	await signIn(above.name);
	await ask('staff_password_reset', { path: { id: equal.id }, headers, body }, 204);
	await ask('staff_password_reset', { as: 'staff:admin', path: { id: above.id }, body }, 204);
});

test('ten refreshes at once are one; reuse after that ends the session everywhere', async () => {
	const { username } = await newStaff();
	const first = await signIn(username);
	const answers = await Promise.all(Array.from({ length: 10 }, () => platform.client.post('/v1/auth/refresh', { refresh_token: first.refresh_token })));
	assert.ok(answers.every((a) => a.status === 200));
	assert.equal(new Set(answers.map((a) => a.json.refresh_token)).size, 1);
	const third = await ask('auth_refresh', { body: { refresh_token: answers[0].json.refresh_token } }, 200);
	assert.equal((await ask('auth_refresh', { body: { refresh_token: first.refresh_token } }, 401)).code, 'refresh-token-reused');
	await ask('auth_refresh', { body: { refresh_token: third.refresh_token } }, 401);
	await eventually(async () => (await platform.client.get('/v1/me', bearer(third))).status === 401);
});

test('nothing secret stands in the tables in clear', async () => {
	await ask('auth_wechat', { body: { code: 'demo-secretive' } }, 200);
	const { username } = await newStaff();
	const pair = await signIn(username);
	const [[tables]] = await platform.sql(`select count(*) from (
		select t::text from identity.citizen_account t union all select t::text from identity.staff t union all select t::text from identity.refresh_token t
		union all select t::text from identity.signing_key t union all select t::text from identity.session t) x (row)
		where row like '%argon2%' or row like '%PRIVATE KEY%' or row like '%${pair.refresh_token}%'`);
	assert.equal(tables, '0');
});
