// A partner signs its requests: from the registration of its key to the revocation, with Redis there, gone and back. The signer is an
// independent one (npm http-message-signatures).
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createSigner, httpbis } from 'http-message-signatures';
import { eventually } from '../support/eventually.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

let platform;
let admin;
let partner;
const keys = {};
const PATH = '/oauth/introspect';
const BODY = 'token=abc';

async function register(name) {
	const { publicKey, privateKey } = generateKeyPairSync('ed25519');
	const made = await platform.client.post(`/v1/partners/${partner.id}/signing-keys`, { public_key: publicKey.export({ type: 'spki', format: 'pem' }), label: name }, admin);
	assert.equal(made.status, 201, made.text);
	keys[name] = { ...made.json, privateKey };
}

/** A signed question whether a token is good. */
async function sign(name) {
	const key = keys[name];
	const { headers } = await httpbis.signMessage({
		key: createSigner(key.privateKey, 'ed25519', key.keyid), name: 'sig1', fields: ['@method', '@target-uri', 'content-digest', 'content-type'],
		params: ['created', 'keyid', 'alg', 'nonce'], paramValues: { created: new Date(), nonce: randomBytes(16).toString('hex') },
	}, {
		method: 'POST', url: platform.demo.base_url + PATH,
		headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Digest': `sha-256=:${createHash('sha256').update(BODY).digest('base64')}:` },
	});
	return headers;
}
const send = (headers, body = BODY) => platform.client.request('POST', PATH, { headers, body });
const code = (answer) => (answer.status === 200 ? 200 : answer.json.code);

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	admin = await new Principals(platform.client, platform.demo).headers('staff:admin');
	const made = await platform.client.post('/v1/partners', { name: '中心医院', scopes: ['token:introspect'] }, admin);
	assert.equal(made.status, 201, made.text);
	partner = made.json;
	await register('first');
});
after(() => platform?.stop());

test('a signed request is the partner\'s; changed or repeated it is nobody\'s', async () => {
	const headers = await sign('first');
	assert.equal(code(await send(headers, 'token=abd')), 'digest-mismatch');
	const answer = await send(headers);
	assert.equal(answer.status, 200, answer.text);
	assert.equal(answer.json.active, false);
	assert.equal(code(await send(headers)), 'signature-replayed');
	assert.equal(code(await send({ ...await sign('first'), signature: 'sig1=:AAAA:' })), 'signature-invalid');
});

test('what was used once stays used, with Redis there, gone, and back empty', async () => {
	const used = [await sign('first')];
	assert.equal(code(await send(used[0])), 200);
	await platform.command('stop', 'redis');
	used.push(await sign('first'));
	assert.equal(code(await send(used[1])), 200);
	for (const headers of used) assert.equal(code(await send(headers)), 'signature-replayed');
	await platform.command('start', 'redis');
	for (let i = 0; i < 5; i++) for (const headers of used) assert.equal(code(await send(headers)), 'signature-replayed');
	assert.equal(code(await send(await sign('first'))), 200);
});

test('of many at once one gets in', async () => {
	const headers = await sign('first');
	const answers = await Promise.all(Array.from({ length: 20 }, () => send(headers)));
	assert.equal(answers.filter((a) => a.status === 200).length, 1);
	assert.equal(answers.filter((a) => code(a) === 'signature-replayed').length, 19);
});

test('a second key is good beside the first; the first is revoked and stops', async () => {
	await register('second');
	for (const name of ['first', 'second']) assert.equal(code(await send(await sign(name))), 200);
	const gone = await platform.client.request('DELETE', `/v1/partners/${partner.id}/signing-keys/${keys.first.id}`, { headers: admin });
	assert.equal(gone.status, 204, gone.text);
	await eventually(async () => code(await send(await sign('first'))) === 'signature-invalid');
	assert.equal(code(await send(await sign('second'))), 200);
	const log = await platform.sql(`select event from identity.auth_event where subject = '${partner.id}' order by seq`);
	assert.deepEqual(log.map(([event]) => event), ['PARTNER_KEY_ADDED', 'PARTNER_KEY_ADDED', 'PARTNER_KEY_REVOKED']);
});
