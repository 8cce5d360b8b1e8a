// Partner signatures at the gateway, signed by an independent client (npm http-message-signatures), so that our two sides cannot
// agree on a mistake: what is signed rightly gets in once, and whatever is changed, missing, old or repeated does not.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createSigner, httpbis } from 'http-message-signatures';
import { openIdentity, PUBLIC_URL } from './fakes.mjs';
import { startEdge, until } from './support.mjs';

let edge;
const KINDS = {
	ed25519: ['ed25519'],
	'ecdsa-p256-sha256': ['ec', { namedCurve: 'P-256' }],
	'rsa-pss-sha512': ['rsa', { modulusLength: 2048 }],
};
const BODY = '{"donor":"d1","status":"COLLECTED"}';
const COMPONENTS = ['@method', '@target-uri', 'content-digest', 'content-type'];
const PARAMS = ['created', 'keyid', 'alg', 'nonce'];
const nonce = () => randomBytes(16).toString('base64url');
const digest = (body, algorithm = 'sha-256') => `${algorithm}=:${createHash(algorithm.replace('-', '')).update(body).digest('base64')}:`;

/** A partner with a key of that kind, known to the identity service unless `hidden`. */
function partner(alg, { hidden, ...owner } = {}) {
	const { publicKey, privateKey } = generateKeyPairSync(...KINDS[alg]);
	const keyid = `hosp-${randomUUID()}`;
	const known = {
		subject: randomUUID(), organization: '4412', scopes: 'push:write', client_id: 'hospital-one', key_id: randomUUID(), alg,
		public_key: publicKey.export({ type: 'spki', format: 'pem' }), expires_at: new Date(Date.now() + 3600e3).toISOString(), ...owner,
	};
	if (!hidden) edge.identity.signingKeys.set(keyid, known);
	return { keyid, alg, privateKey, known };
}

/** A signed request, ready to be spoilt. */
async function sign(who, { method = 'POST', path = '/v1/pushes', body = BODY, headers = {}, fields, params = PARAMS, values = {}, alg } = {}) {
	const message = { method, url: PUBLIC_URL + path, headers: { ...(body ? { 'Content-Type': 'application/json', 'Content-Digest': digest(body) } : {}), ...headers } };
	const signed = await httpbis.signMessage({
		key: createSigner(who.privateKey, who.alg, who.keyid), name: 'sig1', fields: fields ?? (body ? COMPONENTS : ['@method', '@target-uri']),
		params, paramValues: { created: new Date(), nonce: nonce(), ...(alg ? { alg } : {}), ...values },
	}, message);
	return { method, path, body, headers: signed.headers };
}
const send = (r) => edge.call(r.method, r.path, { headers: r.headers, body: r.body ?? undefined });

function assertProblem(r, status, code) {
	assert.equal(r.status, status, r.text);
	assert.equal(r.headers['content-type'], 'application/problem+json');
	assert.equal(r.json.code, code, r.text);
}
const refused = (r) => {
	assertProblem(r, 401, 'signature-invalid');
	assert.match(r.headers['accept-signature'], /@target-uri/);
	assert.ok(r.headers['www-authenticate']);
};

before(async () => { edge = await startEdge(); });
after(async () => { assert.deepEqual(await edge.stop(), { code: 0, signal: null }); });

describe('a signed request', () => {
	for (const alg of Object.keys(KINDS)) {
		test(`${alg}: arrives as the partner, with its scopes, and without the signature`, async () => {
			const who = partner(alg);
			for (let i = 0; i < 3; i++) { /* the key is asked for once, then remembered */
				const r = await send(await sign(who));
				assert.equal(r.status, 200, r.text);
				const identity = openIdentity(r.json.headers['x-yangguang-identity']);
				assert.equal(identity.kind, 'partner');
				assert.equal(identity.subject, who.known.subject);
				assert.equal(identity.client, 'hospital-one');
				assert.equal(identity.session, who.known.key_id);
				assert.equal(identity.scopes, 'push:write');
				assert.equal(r.json.body, BODY);
				assert.equal(r.json.headers.signature, undefined);
				assert.equal(r.json.headers['signature-input'], undefined);
			}
			assert.equal(edge.identity.asked.filter((a) => a.url.endsWith('/signing-keys/resolve') && a.body.includes(who.keyid)).length, 1);
		});
	}

	test('GET with a query, and without a body', async () => {
		const r = await send(await sign(partner('ed25519'), { method: 'GET', path: '/v1/pushes?q=%E9%98%B3+1', body: null }));
		assert.equal(r.status, 200, r.text);
		assert.equal(r.json.url, '/v1/pushes?q=%E9%98%B3+1');
	});

	test('an Idempotency-Key stands for the nonce; the same signature again is a replay, a new one is a retry', async () => {
		const who = partner('ed25519');
		const as = { fields: [...COMPONENTS, 'idempotency-key'], params: ['created', 'keyid', 'alg'], headers: { 'Idempotency-Key': `"${randomUUID()}"` } };
		const first = await sign(who, { ...as, values: { created: new Date(Date.now() - 2000) } });
		const answer = await send(first);
		assert.equal(answer.status, 200, answer.text);
		assertProblem(await send(first), 409, 'signature-replayed');
		assert.equal((await send(await sign(who, as))).status, 200);
	});

	test('both digests, and one that nobody knows', async () => {
		const headers = { 'Content-Digest': `${digest(BODY)}, ${digest(BODY, 'sha-512')}, md5=:AAAA:` };
		assert.equal((await send(await sign(partner('ed25519'), { headers }))).status, 200);
	});

	test('scopes count as with a token', async () => {
		assertProblem(await send(await sign(partner('ed25519', { scopes: 'other:read' }))), 403, 'insufficient-scope');
	});

	test('where the contract asks for signatures only, and where it asks for none', async () => {
		const token = edge.identity.signers[0].token({ scope: 'push:write item:read' });
		const who = partner('ed25519', { scopes: 'push:write item:read' });
		assert.equal((await send(await sign(who, { method: 'GET', path: '/v1/signed', body: null }))).status, 200);
		refused(await edge.call('GET', '/v1/signed', { headers: { Authorization: `Bearer ${token}` } }));
		refused(await edge.call('GET', '/v1/signed'));
		const item = `/v1/items/${randomUUID()}`;
		refused(await send(await sign(who, { method: 'GET', path: item, body: null })));
		assert.equal((await edge.call('GET', item, { headers: { Authorization: `Bearer ${token}` } })).status, 200);
	});

	test('a signature is checked on public operations too', async () => {
		const who = partner('ed25519', { hidden: true });
		refused(await send(await sign(who, { method: 'GET', path: '/v1/echo', body: null })));
	});

	test('with a token beside it nothing is chosen', async () => {
		const r = await sign(partner('ed25519'));
		r.headers.Authorization = `Bearer ${edge.identity.signers[0].token()}`;
		assertProblem(await send(r), 400, 'malformed-request');
	});
});

describe('what is changed on the way', () => {
	const spoil = (name, change, check = refused) => test(name, async () => {
		const r = await sign(partner('ed25519'), { path: '/v1/pushes?q=1' });
		const seen = edge.echo.seen.length;
		await change(r);
		check(await send(r));
		assert.equal(edge.echo.seen.length, seen, 'the service saw it');
	});
	const swap = (r, name, from, to) => { r.headers[name] = r.headers[name].replace(from, to); };
	spoil('the body', (r) => { r.body = BODY.replace('d1', 'd2'); }, (r) => assertProblem(r, 400, 'digest-mismatch'));
	spoil('the body, and its digest with it', (r) => { r.body = BODY.replace('d1', 'd2'); r.headers['Content-Digest'] = digest(r.body); });
	spoil('the query', (r) => { r.path = '/v1/pushes?q=2'; });
	spoil('no query', (r) => { r.path = '/v1/pushes'; });
	spoil('the path', (r) => { r.path = '/v1/echo?q=1'; });
	spoil('the same path, spelt otherwise', (r) => { r.path = '/v1/./pushes?q=1'; });
	test('the method', async () => {
		const r = await sign(partner('ed25519'), { method: 'GET', body: null });
		assert.equal((await send({ ...r, method: 'HEAD' })).status, 401);
		assert.equal((await send(r)).status, 200);
	});
	spoil('the method, by its override', (r) => { r.headers['X-HTTP-Method-Override'] = 'PATCH'; r.path = `/v1/items/${randomUUID()}`; });
	spoil('the media type', (r) => { r.headers['Content-Type'] = 'application/merge-patch+json'; });
	spoil('a coding that was not there', (r) => { r.headers['Content-Encoding'] = 'gzip'; });
	spoil('an Idempotency-Key that was not there', (r) => { r.headers['Idempotency-Key'] = '"x"'; });
	spoil('an If-Match that was not there', (r) => { r.headers['If-Match'] = '"1"'; });
	spoil('the time', (r) => swap(r, 'Signature-Input', /created=(\d+)/, (_, n) => `created=${Number(n) + 1}`));
	spoil('the nonce', (r) => swap(r, 'Signature-Input', /nonce="[^"]*"/, `nonce="${nonce()}"`));
	spoil('the key named', (r) => swap(r, 'Signature-Input', /keyid="[^"]*"/, `keyid="${partner('ed25519').keyid}"`));
	spoil('the algorithm named', (r) => swap(r, 'Signature-Input', 'ed25519', 'rsa-pss-sha512'));
	spoil('a component dropped', (r) => swap(r, 'Signature-Input', ' "content-type"', ''));
	spoil('the order of components', (r) => swap(r, 'Signature-Input', '"content-digest" "content-type"', '"content-type" "content-digest"'));
	spoil('a bit of the signature', (r) => swap(r, 'Signature', /:(.)/, (_, c) => `:${c === 'A' ? 'B' : 'A'}`));
	spoil('the signature cut short', (r) => swap(r, 'Signature', /:.*:/, ':AAAA:'));
	spoil('no Signature', (r) => { delete r.headers.Signature; });
	spoil('no Signature-Input', (r) => { delete r.headers['Signature-Input']; });
	spoil('no Content-Digest', (r) => { delete r.headers['Content-Digest']; });
	spoil('a digest of no known kind', (r) => { r.headers['Content-Digest'] = 'md5=:AAAA:'; });
	spoil('two signatures', (r) => { for (const n of ['Signature', 'Signature-Input']) r.headers[n] = `${r.headers[n]}, ${r.headers[n].replace('sig1', 'sig2')}`; });
	spoil('one signature twice', (r) => { for (const n of ['Signature', 'Signature-Input']) r.headers[n] = [r.headers[n], r.headers[n]]; });
	spoil('another label', (r) => swap(r, 'Signature', 'sig1', 'sig2'));
	spoil('a huge field', (r) => swap(r, 'Signature-Input', ';created', `;x="${'a'.repeat(5000)}";created`));
	spoil('very many components', (r) => swap(r, 'Signature-Input', '("@method"', `(${Array.from({ length: 60 }, (_, i) => `"x-${i}"`).join(' ')} "@method"`));
	spoil('no structured field', (r) => { r.headers.Signature = 'keyId="a",algorithm="ed25519",signature="AAAA"'; });
});

describe('what is signed, but not as it must be', () => {
	const not = (name, how, check = refused, alg = 'ed25519') => test(name, async () => check(await send(await sign(partner(alg), how))));
	not('six minutes old', { values: { created: new Date(Date.now() - 360e3) } });
	not('six minutes ahead', { values: { created: new Date(Date.now() + 360e3) } });
	not('expired', { params: [...PARAMS, 'expires'], values: { expires: new Date(Date.now() - 2000) } });
	not('without created', { params: ['keyid', 'alg', 'nonce'], values: { created: null } });
	not('without keyid', { params: ['created', 'alg', 'nonce'] });
	not('without alg', { params: ['created', 'keyid', 'nonce'] });
	not('without nonce', { params: ['created', 'keyid', 'alg'] });
	not('with a short nonce', { values: { nonce: 'abc' } });
	not('without @method', { fields: ['@target-uri', 'content-digest', 'content-type'] });
	not('without @target-uri', { fields: ['@method', '@path', 'content-digest', 'content-type'] });
	not('without content-digest', { fields: ['@method', '@target-uri', 'content-type'] });
	not('without content-type', { fields: ['@method', '@target-uri', 'content-digest'] });
	not('without the Idempotency-Key that is there', { headers: { 'Idempotency-Key': '"k"' } });
	not('under the name of another algorithm', { alg: 'ecdsa-p256-sha256' });
	not('a P-256 key under the name of Ed25519', { alg: 'ed25519' }, refused, 'ecdsa-p256-sha256');
	not('an RSA key under the name of PKCS#1', { alg: 'rsa-v1_5-sha256' }, refused, 'rsa-pss-sha512');
	not('as an HMAC', { alg: 'hmac-sha256' });

	test('by a key that nobody knows; the answer is remembered', async () => {
		const who = partner('ed25519', { hidden: true });
		for (let i = 0; i < 3; i++) refused(await send(await sign(who)));
		assert.equal(edge.identity.asked.filter((a) => a.body.includes(who.keyid)).length, 1);
	});

	test('by another partner\'s key', async () => {
		const [one, two] = [partner('ed25519'), partner('ed25519')];
		refused(await send(await sign({ ...one, privateKey: two.privateKey })));
	});

	test('by a key that has expired', async () => {
		refused(await send(await sign(partner('ed25519', { expires_at: new Date(Date.now() - 1000).toISOString() }))));
	});

	test('by a key that is revoked while it is remembered', async () => {
		const who = partner('ed25519');
		assert.equal((await send(await sign(who))).status, 200);
		edge.identity.revocations.push({ seq: edge.identity.revocations.length + 1, session: who.known.key_id, expires_at: new Date(Date.now() + 960e3).toISOString() });
		refused(await until(async () => { const r = await send(await sign(who)); return r.status === 401 && r; }));
	});

	test('both halves of a key change are good', async () => {
		const one = partner('ed25519');
		const two = partner('ecdsa-p256-sha256', { subject: one.known.subject });
		for (const who of [one, two, one]) assert.equal((await send(await sign(who))).status, 200);
	});
});

describe('replays', () => {
	test('a request is good once, however many come at the same time', async () => {
		const r = await sign(partner('ed25519'));
		const answers = await Promise.all(Array.from({ length: 8 }, () => send(r)));
		assert.deepEqual(answers.map((a) => a.status).sort(), [200, 409, 409, 409, 409, 409, 409, 409]);
		assertProblem(await send(r), 409, 'signature-replayed');
	});

	test('another partner may use the same nonce', async () => {
		const values = { nonce: nonce() };
		for (let i = 0; i < 2; i++) assert.equal((await send(await sign(partner('ed25519'), { values }))).status, 200);
	});

	test('when nobody can claim it, nobody gets in; afterwards the same request does', async () => {
		const r = await sign(partner('ed25519'));
		edge.identity.noncesAway = true;
		const away = await send(r);
		edge.identity.noncesAway = false;
		assertProblem(away, 503, 'temporarily-unavailable');
		assert.equal(away.headers['retry-after'], '1');
		assert.equal((await send(r)).status, 200);
		assertProblem(await send(r), 409, 'signature-replayed');
	});
});

describe('with Redis before PostgreSQL', () => {
	const address = join(mkdtempSync(join(tmpdir(), 'edge-redis-')), 'redis.sock');
	let own, redis;
	const startRedis = async () => {
		redis = spawn('redis-server', ['--port', '0', '--unixsocket', address, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
		redis.gone = new Promise((done) => { redis.on('exit', done); });
		await until(async () => (await cli('PING')) === 'PONG');
	};
	const cli = (...args) => new Promise((done) => {
		let out = '';
		const p = spawn('redis-cli', ['-s', address, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
		p.stdout.on('data', (d) => { out += d; });
		p.on('close', () => done(out.trim()));
		p.on('error', () => done(''));
	});
	const stopRedis = async () => { redis.kill('SIGKILL'); await redis.gone; };
	const keys = async () => Number(await cli('DBSIZE'));
	/** Signed requests until Redis has seen one: the gateway has connected. */
	const connected = (who) => until(async () => { const at = await keys(); await send(await sign(who)); return (await keys()) > at; });

	after(() => { edge = own; rmSync(dirname(address), { recursive: true }); });

	test('a nonce is used once, whatever becomes of Redis', async () => {
		own = edge;
		edge = await startEdge({ YG_REDIS: `unix:${address}` });
		try {
			const who = partner('ed25519');
			const before = await sign(who);
			assert.equal((await send(before)).status, 200); /* no Redis yet */
			await startRedis();
			await connected(who);
			assertProblem(await send(before), 409, 'signature-replayed'); /* Redis is young; PostgreSQL remembers */
			const during = await sign(who);
			assert.equal((await send(during)).status, 200);
			const claims = edge.identity.asked.filter((a) => a.url.endsWith('/claim')).length;
			for (let i = 0; i < 5; i++) assertProblem(await send(during), 409, 'signature-replayed');
			assert.equal(edge.identity.asked.filter((a) => a.url.endsWith('/claim')).length, claims, 'Redis spares PostgreSQL');
			await cli('FLUSHALL');
			assertProblem(await send(during), 409, 'signature-replayed');
			const failed = await sign(who);
			edge.identity.noncesAway = true;
			assertProblem(await send(failed), 503, 'temporarily-unavailable');
			edge.identity.noncesAway = false;
			assert.equal(await until(async () => { const r = await send(failed); return r.status !== 409 && r.status; }), 200);
			assertProblem(await send(failed), 409, 'signature-replayed');
			await stopRedis();
			assertProblem(await send(during), 409, 'signature-replayed');
			const without = await sign(who);
			assert.equal((await send(without)).status, 200);
			await startRedis();
			await connected(who);
			for (const r of [before, during, failed, without]) assertProblem(await send(r), 409, 'signature-replayed');
		} finally {
			await stopRedis();
			assert.deepEqual(await edge.stop(), { code: 0, signal: null });
		}
	});
});
