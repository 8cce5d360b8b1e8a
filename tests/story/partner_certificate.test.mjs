// A partner bound to its client certificate (RFC 8705): from registering it to a token that is worth nothing to whoever steals it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.mjs';
import { Platform, ROOT } from '../support/platform.mjs';

let platform, folder, admin, partner, secret;

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	folder = path.dirname(platform.demo.tls_ca);
	const { username, password } = platform.demo.staff[0];
	admin = (await plain('POST', '/v1/auth/staff', { username, password })).json.access_token;
});
after(() => platform?.stop());

async function plain(method, where, body, token) {
	const response = await fetch(platform.demo.base_url + where, { method, body: body && JSON.stringify(body),
		headers: { 'accept-language': 'en', ...(body ? { 'content-type': 'application/json' } : {}), ...(token ? { authorization: `Bearer ${token}` } : {}) } });
	const text = await response.text();
	return { status: response.status, json: text ? JSON.parse(text) : {} };
}

/** A client's certificate by the development authority; its fingerprint. */
function issue(name) {
	const fingerprint = execFileSync(path.join(ROOT, 'deploy/local/certificate'), [folder, 'client', name], { encoding: 'utf8' }).trim();
	return { fingerprint, cert: fs.readFileSync(path.join(folder, 'clients', `${name}.crt`)), key: fs.readFileSync(path.join(folder, 'clients', `${name}.key`)) };
}

function secure(method, where, { cert, key } = {}, { form, token, apiKey } = {}) {
	const url = new URL(platform.demo.tls_url + where);
	const headers = { 'accept-language': 'en', ...(token ? { authorization: `Bearer ${token}` } : {}), ...(apiKey ? { 'x-api-key': apiKey } : {}),
		...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) };
	return new Promise((done, fail) => {
		https.request(url, { method, ca: fs.readFileSync(platform.demo.tls_ca), cert, key, agent: false, headers }, (response) => {
			let text = '';
			response.setEncoding('utf8').on('data', (part) => { text += part; }).on('error', fail)
				.on('end', () => done({ status: response.statusCode, json: text ? JSON.parse(text) : {} }));
		}).on('error', fail).end(form && new URLSearchParams(form).toString());
	});
}

const tokenBy = (certificate) => secure('POST', '/oauth/token', certificate, { form: { grant_type: 'client_credentials', client_id: partner.client_id, client_secret: secret } });

test('before it has one, a partner gets plain tokens', async () => {
	partner = (await plain('POST', '/v1/partners', { name: '证书医院', scopes: ['gift:read_public', 'token:introspect'] }, admin)).json;
	secret = (await plain('POST', `/v1/partners/${partner.id}/keys`, { kind: 'client_secret' }, admin)).json.client_secret;
	assert.equal((await tokenBy()).status, 200);
});

test('from registering on, tokens are bound, and every other connection is refused in words', async () => {
	const mine = issue('hospital'), other = issue('other');
	const made = await plain('POST', `/v1/partners/${partner.id}/certificates`, { fingerprint_sha256: mine.fingerprint }, admin);
	assert.equal(made.status, 201, JSON.stringify(made.json));

	for (const [certificate, text] of [[undefined, /must connect with its client certificate/], [other, /not registered for this client/]]) {
		const r = await tokenBy(certificate);
		assert.equal(r.status, 401);
		assert.equal(r.json.error, 'invalid_client');
		assert.match(r.json.detail, text);
	}
	const got = await tokenBy(mine);
	assert.equal(got.status, 200, JSON.stringify(got.json));
	const token = got.json.access_token;
	const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
	assert.deepEqual(claims.cnf, { 'x5t#S256': made.json.thumbprint });

	const looked = await secure('POST', '/oauth/introspect', mine, { form: { token }, token });
	assert.equal(looked.status, 200, JSON.stringify(looked.json));
	assert.deepEqual(looked.json.cnf, claims.cnf);
	for (const [answer, text] of [
		[await secure('POST', '/oauth/introspect', undefined, { form: { token }, token }), /connect by TLS with it/],
		[await secure('POST', '/oauth/introspect', other, { form: { token }, token }), /another client certificate/],
		[await plain('GET', '/v1/me', undefined, token), /connect by TLS with it/],
	]) {
		assert.equal(answer.status, 401);
		assert.equal(answer.json.code, 'client-certificate-invalid');
		assert.match(answer.json.detail, text);
	}
});

test('API keys are bound as well, and a revoked certificate opens nothing', async () => {
	const mine = issue('hospital');
	const key = (await plain('POST', `/v1/partners/${partner.id}/keys`, { kind: 'api_key' }, admin)).json.api_key;
	const ask = (certificate) => secure('POST', '/oauth/introspect', certificate, { form: { token: 'x' }, apiKey: key });
	assert.equal((await ask(mine)).status, 200);
	assert.equal((await ask()).json.code, 'client-certificate-invalid');
	const { certificates } = (await plain('GET', `/v1/partners/${partner.id}`, undefined, admin)).json;
	assert.equal((await plain('DELETE', `/v1/partners/${partner.id}/certificates/${certificates[0].id}`, undefined, admin)).status, 204);
	assert.equal((await tokenBy(mine)).status, 401);
	await eventually(async () => (await ask(mine)).status === 401, 60000, 500); // the gateway remembers keys for half a minute
});
