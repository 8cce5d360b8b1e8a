// The operations that only the platform's own processes may call: asked on the service's socket, as the gateway does.
import assert from 'node:assert/strict';
import { createHash, createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Contracts } from '../support/contracts.mjs';
import { Coverage } from '../support/coverage.mjs';
import { Platform, ROOT } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';
import { Schemas } from '../support/schema.mjs';

let platform;
let people;
let contracts;
let schemas;
let key;
let socketPath;
const coverage = new Coverage();
const NOBODY = '01890000-0000-7000-8000-000000000000';

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
	contracts = new Contracts(path.join(ROOT, 'proto'));
	schemas = new Schemas(contracts);
	key = Buffer.from(fs.readFileSync(path.join(platform.dir, 'secrets/identity.key'), 'utf8').trim().split('\n')[0], 'hex');
	socketPath = `${execFileSync('bash', ['-c', '. deploy/local/lib.sh && printf %s "$RUN"'], { cwd: ROOT, env: platform.env })}/identity.sock`;
});
after(() => platform?.stop());

/** X-Yangguang-Identity as common/auth/principal.h describes it. */
function seal({ kind = 'system', subject = '-', with: secret = key } = {}) {
	const text = `v1.${kind}.${subject}.-.-.gateway.${Math.floor(Date.now() / 1000) + 60}.-`;
	return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

async function ask(operationId, target, { body, identity = seal() } = {}, status = 200) {
	const operation = contracts.byId.get(operationId);
	const payload = body && JSON.stringify(body);
	const headers = { ...(identity ? { 'x-yangguang-identity': identity } : {}), ...(payload ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) } : {}) };
	const answer = await new Promise((done, fail) => {
		const request = http.request({ socketPath, method: operation.method, path: target, headers }, (response) => {
			const parts = [];
			response.on('data', (part) => parts.push(part));
			response.on('end', () => {
				const raw = Buffer.concat(parts);
				done({ status: response.statusCode, headers: response.headers, raw, text: raw.toString(), json: raw.length ? JSON.parse(raw.toString()) : undefined });
			});
		});
		request.on('error', fail);
		request.end(payload);
	});
	assert.equal(answer.status, status, `${operationId}: ${answer.text}`);
	if (status !== 401) {
		coverage.record(operationId, status);
		assert.deepEqual(schemas.checkAnswer(operation, answer), [], operationId);
	}
	return answer.json;
}

const api = async (as, method, target, body) => {
	const answer = await platform.client.request(method, target, { headers: { ...await people.headers(as), 'content-type': 'application/json' }, body: JSON.stringify(body) });
	assert.ok(answer.status < 300, answer.text);
	return answer.json;
};

test('an API key is known by its digest until it is revoked', async () => {
	const partner = await api('staff:admin', 'POST', '/v1/partners', { name: '内部测试', scopes: ['gift:read_public'] });
	const made = await api('staff:admin', 'POST', `/v1/partners/${partner.id}/keys`, { kind: 'api_key' });
	const digest = createHash('sha256').update(made.api_key).digest('hex');
	const owner = await ask('api_key_resolve', '/internal/api-keys/resolve', { body: { key_sha256: digest } });
	assert.deepEqual([owner.subject, owner.key_id, owner.client_id, owner.scopes, owner.organization], [partner.id, made.id, partner.client_id, 'gift:read_public', '4412']);
	const revoked = await platform.client.request('DELETE', `/v1/partners/${partner.id}/keys/${made.id}`, { headers: await people.headers('staff:admin') });
	assert.equal(revoked.status, 204);
	await ask('api_key_resolve', '/internal/api-keys/resolve', { body: { key_sha256: digest } }, 404);
	await ask('api_key_resolve', '/internal/api-keys/resolve', { body: { key_sha256: 'abc' } }, 422);
});

test('a signing key is known by its name while it is live', async () => {
	const partner = await api('staff:admin', 'POST', '/v1/partners', { name: '内部测试', scopes: ['gift:read_public'] });
	const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' });
	const keyid = `hosp-${partner.client_id}`;
	const made = await api('staff:admin', 'POST', `/v1/partners/${partner.id}/signing-keys`, { public_key: pem, keyid });
	const resolve = (name, status) => ask('partner_signing_key_resolve', '/internal/signing-keys/resolve', { body: { keyid: name } }, status);
	const owner = await resolve(keyid, 200);
	assert.deepEqual([owner.subject, owner.key_id, owner.client_id, owner.scopes, owner.alg, owner.public_key], [partner.id, made.id, partner.client_id, 'gift:read_public', 'ecdsa-p256-sha256', pem]);
	const later = await api('staff:admin', 'POST', `/v1/partners/${partner.id}/signing-keys`, { public_key: pem, not_before: new Date(Date.now() + 86400e3).toISOString() });
	await resolve(later.keyid, 404);
	const revoked = await platform.client.request('DELETE', `/v1/partners/${partner.id}/signing-keys/${made.id}`, { headers: await people.headers('staff:admin') });
	assert.equal(revoked.status, 204);
	await resolve(keyid, 404);
	await resolve('-', 422);
});

test('a nonce is claimed once, and old ones leave by themselves', async () => {
	const digest = () => randomBytes(32).toString('hex');
	const claim = (one, status) => ask('signature_nonce_claim', '/internal/signature-nonces/claim', { body: { digest: one } }, status);
	const first = digest();
	await claim(first, 204);
	await claim(first, 409);
	await claim('abc', 422);
	await platform.sql("update identity.signature_nonce set expires_at = now() - interval '1 second'");
	await claim(digest(), 204);
	assert.deepEqual(await platform.sql('select count(*) from identity.signature_nonce'), [['1']]);
});

test('revocations come in order and from where one left off', async () => {
	for (let i = 0; i < 3; i++) {
		const pair = (await platform.client.post('/v1/auth/wechat', { code: 'demo-revoked' })).json;
		await platform.client.request('POST', '/v1/auth/logout', { headers: { authorization: `Bearer ${pair.access_token}` } });
	}
	const all = await ask('revocation_list', '/internal/revocations?after=0');
	assert.ok(all.items.length >= 3);
	assert.deepEqual(all.items.map((item) => item.seq), all.items.map((item) => item.seq).slice().sort((a, b) => a - b));
	assert.equal(all.next_after, all.items.at(-1).seq);
	const rest = await ask('revocation_list', `/internal/revocations?after=${all.next_after}`);
	assert.deepEqual(rest, { items: [], next_after: all.next_after });
	await ask('revocation_list', '/internal/revocations?after=-1', {}, 422);
});

test('the openid of a citizen, for paying', async () => {
	const me = (await platform.client.get('/v1/me', await people.headers('citizen:payer'))).json;
	const appid = JSON.parse(fs.readFileSync(path.join(platform.dir, 'standins/standins.json'), 'utf8')).appid;
	const { openid } = await ask('citizen_openid_get', `/internal/citizens/${me.id}/openid?appid=${appid}`);
	assert.match(openid, /^o[\w-]{27}$/);
	await ask('citizen_openid_get', `/internal/citizens/${NOBODY}/openid?appid=${appid}`, {}, 404);
	await ask('citizen_openid_get', `/internal/citizens/${me.id}/openid?appid=another`, {}, 404);
	await ask('citizen_openid_get', `/internal/citizens/${me.id}/openid`, {}, 422);
});

test('which accounts of staff are active, and of which unit', async () => {
	const made = await api('staff:admin', 'POST', '/v1/staff', { username: `v${randomBytes(6).toString('hex')}`, password: 'a-long-password-1', display_name: '测试员', grants: [{ role: 'auditor' }] });
	const asked = async (...ids) => (await ask('staff_active_list', `/internal/staff/active?ids=${ids.join(',')}`)).items;
	assert.deepEqual(await asked(NOBODY, made.id), [{ id: made.id, organization: '4412' }]);
	assert.deepEqual(await asked(made.id.toUpperCase(), made.id), [{ id: made.id, organization: '4412' }]);
	await platform.sql(`update identity.staff set state = 'DISABLED' where id = '${made.id}'`);
	assert.deepEqual(await asked(made.id), []);
	await ask('staff_active_list', '/internal/staff/active?ids=x', {}, 422);
});

test('nobody but the platform is answered', async () => {
	const me = (await platform.client.get('/v1/me', await people.headers('citizen:payer'))).json;
	const target = '/internal/revocations?after=0';
	await ask('revocation_list', target, { identity: null }, 401);
	await ask('revocation_list', target, { identity: seal({ with: Buffer.alloc(32) }) }, 401);
	const asked = http.request({ socketPath, path: target, headers: { 'x-yangguang-identity': seal({ kind: 'citizen', subject: me.id }) } });
	const status = await new Promise((done, fail) => { asked.on('response', (r) => { r.resume(); done(r.statusCode); }); asked.on('error', fail); asked.end(); });
	assert.equal(status, 404);
});
