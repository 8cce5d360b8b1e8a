// What is ended stays ended: logins that are under way when a password or a role goes, administrators who end each other, revocations that
// somebody would take back, citizens and partners that are blocked.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Coverage } from '../support/coverage.mjs';
import { eventually } from '../support/eventually.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

const PASSWORD = 'a-long-password-1';
let platform;
let admin;
const coverage = new Coverage();

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	admin = await new Principals(platform.client, platform.demo).headers('staff:admin');
});
after(() => platform?.stop());

async function ask(method, target, headers, body, status) {
	const answer = await platform.client.request(method, target, { headers, body });
	assert.equal(answer.status, status, `${method} ${target}: ${answer.text}`);
	return answer.json;
}
const bearer = (pair) => ({ authorization: `Bearer ${pair.access_token}` });
const sql = (text) => platform.sql(`set search_path = identity; ${text}`);

async function newStaff(roles, organization = '4412', headers = admin) {
	const username = `s${randomBytes(6).toString('hex')}`;
	const body = { username, password: PASSWORD, display_name: '测试员', organization, grants: roles.map((role) => ({ role, organization })) };
	const { id } = await ask('POST', '/v1/staff', headers, body, 201);
	const signIn = async (more = {}) => (await platform.client.post('/v1/auth/staff', { username, password: PASSWORD, ...more }));
	return { id, username, signIn };
}
const grantsOf = async (id) => (await ask('GET', `/v1/staff/${id}`, admin, undefined, 200)).grants;

/** Signs in over and over from two places while `change` happens; gives the tokens of all logins that succeeded. */
async function signingInWhile(person, change) {
	const { device_token: device } = (await person.signIn()).json;
	const got = [];
	let over = false;
	const keepOn = async () => {
		while (!over) {
			const answer = await person.signIn({ device_token: device });
			if (answer.status === 200) got.push(answer.json);
			else if (answer.status < 500) return;
		}
	};
	const both = [keepOn(), keepOn()];
	await eventually(() => got.length > 3, 30000);
	await change();
	over = true;
	await Promise.all(both);
	return got;
}

test('a login that is under way when the password is reset opens nothing', async () => {
	for (let i = 0; i < 3; i++) {
		const person = await newStaff(['finance']);
		await signingInWhile(person, () => ask('POST', `/v1/staff/${person.id}/password`, admin, { password: 'another-password-2' }, 204));
		assert.deepEqual(await sql(`select count(*) from session where subject = '${person.id}' and revoked_at is null`), [['0']]);
	}
});

test('a login that is under way when a role is taken away does not carry it', async () => {
	for (let i = 0; i < 3; i++) {
		const person = await newStaff(['finance', 'auditor']);
		const { id } = (await grantsOf(person.id)).find((g) => g.role === 'finance');
		const pairs = await signingInWhile(person, () => ask('DELETE', `/v1/staff/${person.id}/grants/${id}`, admin, undefined, 204));
		const finance = pairs.filter((p) => JSON.parse(Buffer.from(p.access_token.split('.')[1], 'base64url')).scope.includes('gift:refund'));
		for (const pair of finance) await eventually(async () => (await platform.client.get('/v1/me', bearer(pair))).status === 401);
	}
});

test('a password changed and a session ended at the same moment do not wait for each other in a circle', async () => {
	const { id, signIn } = await newStaff(['auditor']);
	await signIn();
	await signIn();
	const [[, second]] = await sql(`select min(id::text), max(id::text) from session where subject = '${id}'`);
	const asleep = (text) => sql(`select pg_sleep(${text}`);
	const outcomes = await Promise.allSettled([
		sql("begin; select pg_advisory_xact_lock(hashtextextended('identity.revocation', 0)); select pg_sleep(1.5); commit"),
		asleep(`0.4); update staff set password_sealed = 'changed' where id = '${id}'`),
		asleep(`0.8); select session_revoke('${second}', '${id}', 'LOGOUT', null)`),
	]);
	assert.deepEqual(outcomes.map((o) => o.status), ['fulfilled', 'fulfilled', 'fulfilled'], outcomes.map((o) => o.reason?.message).join('\n'));
	assert.deepEqual(await sql(`select count(*) from session where subject = '${id}' and revoked_at is null`), [['0']]);
});

test('the login role takes no revocation back and acts in nobody else\'s name', async () => {
	const person = await newStaff(['finance']);
	const [grant] = await grantsOf(person.id);
	await ask('DELETE', `/v1/staff/${person.id}/grants/${grant.id}`, admin, undefined, 204);
	const partner = await ask('POST', '/v1/partners', admin, { name: '测试伙伴', scopes: ['gift:read_public'] }, 201);
	const key = await ask('POST', `/v1/partners/${partner.id}/keys`, admin, { kind: 'api_key' }, 201);
	await ask('DELETE', `/v1/partners/${partner.id}/keys/${key.id}`, admin, undefined, 204);
	const [[me]] = await sql("select id from staff where username = 'admin'");
	const tries = [
		[`update staff_grant set revoked_at = null, revoked_by = null where id = '${grant.id}'`, /not given back|row-level security/],
		[`update staff_grant set revoked_at = now() + interval '1 day', revoked_by = '${me}' where id = '${grant.id}'`, /not given back/],
		[`update partner_key set revoked_at = null where id = '${key.id}'`, /not given back|row-level security/],
		[`insert into staff_grant (id, staff_id, role, organization, granted_by) values (gen_random_uuid(), '${me}', 'finance', '4412', null)`, /row-level security/],
		[`insert into staff_grant (id, staff_id, role, organization, granted_by) values (gen_random_uuid(), '${me}', 'finance', '4412', '${person.id}')`, /row-level security/],
		[`insert into staff_grant (id, staff_id, role, organization, granted_by) values (gen_random_uuid(), '${me}', 'finance', '4412', '${me}')`, /staff_grant_self/],
		[`update staff set state = 'DISABLED', updated_by = '${person.id}' where id = '${me}'`, /row-level security/],
	];
	for (const [text, refusal] of tries) {
		await assert.rejects(sql(`set role yg_identity; select set_config('yg.kind', 'staff', false), set_config('yg.subject', '${me}', false),
			set_config('yg.organization', '4412', false); ${text}`), refusal, text);
	}
	await assert.rejects(sql(`update staff_grant set revoked_at = null where id = '${grant.id}'`), /not given back/, 'not even the owner');
});

test('blocking a citizen ends what is open; disabling a partner stops tokens and keys', async () => {
	const citizen = await ask('POST', '/v1/auth/wechat', {}, { code: 'demo-toblock' }, 200);
	const { id } = await ask('GET', '/v1/me', bearer(citizen), undefined, 200);
	const partner = await ask('POST', '/v1/partners', admin, { name: '停用伙伴', scopes: ['gift:read_public'] }, 201);
	const { api_key: key } = await ask('POST', `/v1/partners/${partner.id}/keys`, admin, { kind: 'api_key' }, 201);
	const { client_secret: secret } = await ask('POST', `/v1/partners/${partner.id}/keys`, admin, { kind: 'client_secret' }, 201);
	const token = await ask('POST', '/oauth/token', { 'content-type': 'application/x-www-form-urlencoded' },
		`grant_type=client_credentials&client_id=${partner.client_id}&client_secret=${secret}`, 200);
	await ask('GET', '/v1/me', { 'x-api-key': key }, undefined, 200);
	await sql(`update citizen set state = 'BLOCKED' where id = '${id}'; update partner set state = 'DISABLED' where id = '${partner.id}'`);
	for (const headers of [bearer(citizen), bearer(token), { 'x-api-key': key }]) {
		await eventually(async () => (await platform.client.get('/v1/me', headers)).status === 401);
	}
});

test('an account learns its unionid when WeChat first says it', async () => {
	const control = async (path, body) => (await fetch(platform.demo.standins.wechat + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json();
	const name = randomBytes(6).toString('hex');
	let pair;
	for (const more of [{}, { unionid: `u${name}` }]) {
		const { code } = await control('/control/codes', { kind: 'login', name, ...more });
		pair = await ask('POST', '/v1/auth/wechat', {}, { code }, 200);
	}
	const { id } = await ask('GET', '/v1/me', bearer(pair), undefined, 200);
	assert.deepEqual(await sql(`select count(unionid_index), count(unionid_sealed) from citizen_account where citizen_id = '${id}'`), [['1', '1']]);
});

test('somebody who may give roles is always left', async () => {
	const second = await newStaff(['admin']);
	const headers = bearer((await second.signIn()).json);
	const [[first]] = await sql("select id from staff where username = 'admin'");
	const answers = await Promise.all([
		platform.client.request('POST', `/v1/staff/${second.id}/disable`, { headers: admin }),
		platform.client.request('POST', `/v1/staff/${first}/disable`, { headers }),
	]);
	assert.ok(answers.some((a) => a.status === 200) && answers.some((a) => a.status !== 200), answers.map((a) => a.text).join('\n'));
	const refused = answers.find((a) => a.status !== 200);
	assert.ok(refused.status === 401 || refused.json.code === 'staff-last-administrator', refused.text);
	const [[active]] = await sql(`select count(*) from staff where id in ('${first}', '${second.id}') and state = 'ACTIVE'`);
	assert.equal(active, '1');
	const [[left, name]] = await sql(`select id, username from staff where id in ('${first}', '${second.id}') and state = 'ACTIVE'`);
	const mine = name === 'admin' ? admin : headers;
	const { grants } = await ask('GET', `/v1/staff/${left}`, mine, undefined, 200);
	assert.equal((await ask('DELETE', `/v1/staff/${left}/grants/${grants[0].id}`, mine, undefined, 409)).code, 'staff-last-administrator');
	coverage.record('staff_grant_revoke', 409);
});
