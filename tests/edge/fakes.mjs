// Fake services behind the gateway, speaking the real wire format: an identity service (key set, closed sessions, API keys) and
// an echo service that tells what reached it. Everything that arrives is kept, so that tests can look.
import { createHash, createHmac, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';
import http from 'node:http';

export const SEAL_KEY = Buffer.from('00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', 'hex');
export const PUBLIC_URL = 'https://api.example.org';

const b64 = (v) => Buffer.from(typeof v === 'string' || Buffer.isBuffer(v) ? v : JSON.stringify(v)).toString('base64url');

export class Signer {
	constructor(kid) {
		this.kid = kid;
		Object.assign(this, generateKeyPairSync('ec', { namedCurve: 'P-256' }));
	}
	jwk() {
		return { ...this.publicKey.export({ format: 'jwk' }), kid: this.kid, alg: 'ES256', use: 'sig' };
	}
	token(claims = {}, header = {}) {
		const now = Math.floor(Date.now() / 1000);
		const body = {
			iss: PUBLIC_URL, aud: PUBLIC_URL, sub: randomUUID(), iat: now, exp: now + 900, jti: randomUUID(), client_id: 'mini-program',
			scope: 'item:read', sid: randomUUID(), kind: 'citizen', ...claims,
		};
		const text = `${b64({ typ: 'at+jwt', alg: 'ES256', kid: this.kid, ...header })}.${b64(body)}`;
		return `${text}.${sign('sha256', Buffer.from(text), { key: this.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
	}
}

/** Opens a sealed identity as a service does. */
export function openIdentity(text) {
	const at = text.lastIndexOf('.');
	const mac = createHmac('sha256', SEAL_KEY).update(text.slice(0, at)).digest('base64url');
	if (mac !== text.slice(at + 1)) throw new Error('the identity is not sealed with our key');
	const [version, kind, subject, organization, session, client, expires, scopes] = text.slice(0, at).split('.');
	return { version, kind, subject, organization, session, client, expires: Number(expires), scopes: scopes === '-' ? '' : Buffer.from(scopes, 'base64url').toString() };
}

const listen = (server, path) => new Promise((done) => server.listen(path, () => done(server)));
const answer = (res, status, body, headers = {}) => {
	const text = typeof body === 'string' ? body : JSON.stringify(body);
	res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers });
	res.end(text);
};
const readBody = async (req) => {
	const parts = [];
	for await (const p of req) parts.push(p);
	return Buffer.concat(parts).toString();
};

export async function startIdentity(path) {
	const state = {
		signers: [new Signer('k1')], revocations: [], apiKeys: new Map(), asked: [], keyDelayMs: 0, forgetful: false,
		signingKeys: new Map(), nonces: new Set(), noncesAway: false,
	};
	state.addApiKey = (owner) => {
		const key = randomBytes(24).toString('base64url');
		state.apiKeys.set(createHash('sha256').update(key).digest('hex'), owner);
		return key;
	};
	state.server = await listen(http.createServer(async (req, res) => {
		const url = new URL(req.url, 'http://x');
		if (url.pathname === '/livez') return answer(res, 200, { status: 'pass' });
		const body = await readBody(req);
		state.asked.push({ method: req.method, url: req.url, headers: req.headers, body });
		if (url.pathname === '/.well-known/jwks.json') return answer(res, 200, { keys: state.signers.map((s) => s.jwk()) });
		if (url.pathname.startsWith('/internal/') && openIdentity(req.headers['x-yangguang-identity']).kind !== 'system')
			return answer(res, 404, {});
		if (url.pathname === '/internal/revocations') {
			if (state.forgetful) return answer(res, 503, {});
			const after = Number(url.searchParams.get('after'));
			const items = state.revocations.filter((r) => r.seq > after);
			return answer(res, 200, { items, next_after: items.length ? items.at(-1).seq : after });
		}
		if (url.pathname === '/internal/api-keys/resolve') {
			const owner = state.apiKeys.get(JSON.parse(body).key_sha256);
			setTimeout(() => (owner ? answer(res, 200, owner) : answer(res, 404, {})), state.keyDelayMs);
			return undefined;
		}
		if (url.pathname === '/internal/signing-keys/resolve') {
			const owner = state.signingKeys.get(JSON.parse(body).keyid);
			return owner ? answer(res, 200, owner) : answer(res, 404, {});
		}
		if (url.pathname === '/internal/signature-nonces/claim') {
			const { digest } = JSON.parse(body);
			if (state.noncesAway) return answer(res, 503, {});
			if (state.nonces.has(digest)) return answer(res, 409, { code: 'signature-replayed' });
			state.nonces.add(digest);
			res.writeHead(204);
			return res.end();
		}
		if (url.pathname === '/oauth/token') return answer(res, 200, { authorization: req.headers.authorization ?? null, body });
		return answer(res, 404, {});
	}), path);
	return state;
}

/** Answers of any kind and size, as ?mode=page&bytes=…&type=…&control=…&coding=… says. */
function page(res, ask, asked) {
	const text = JSON.stringify({ text: 'Yangguang and so on '.repeat(Math.ceil((ask.get('bytes') ?? 2000) / 20)) }).slice(0, Number(ask.get('bytes') ?? 2000));
	const headers = { 'Content-Type': ask.get('type') ?? 'application/json', 'Cache-Control': ask.get('control') ?? 'public, max-age=60', ETag: '"p1"' };
	if (ask.get('coding')) headers['Content-Encoding'] = ask.get('coding');
	if (ask.get('cookie')) headers['Set-Cookie'] = 'a=b';
	if (asked['if-none-match'] === '"p1"') {
		res.writeHead(304, headers);
		return res.end();
	}
	res.writeHead(Number(ask.get('status') ?? 200), headers);
	return res.end(text);
}

export async function startEcho(path) {
	const state = { seen: [], release: () => {}, resets: 0 };
	state.server = await listen(http.createServer(async (req, res) => {
		const url = new URL(req.url, 'http://x');
		if (url.pathname === '/livez') return answer(res, 200, { status: 'pass' });
		const body = await readBody(req);
		state.seen.push({ method: req.method, url: req.url, headers: req.headers, raw: req.rawHeaders, body });
		const mode = url.searchParams.get('mode');
		if (mode === 'mute') return undefined;
		if (mode === 'reset' && state.resets > 0) {
			state.resets--;
			return req.socket.destroy();
		}
		if (mode === 'garbage') return req.socket.write('HTTP/9.9 OK\r\n\r\n');
		if (mode === 'wait') {
			await new Promise((go) => { state.release = go; });
			return answer(res, 200, { waited: true });
		}
		if (mode === 'slow') await new Promise((go) => setTimeout(go, 800));
		const headers = { ETag: '"v1"', 'X-Yangguang-Secret': '1', 'Access-Control-Allow-Origin': 'https://evil.example' };
		if (mode === 'page') return page(res, url.searchParams, req.headers);
		if (mode === 'cached') headers['Cache-Control'] = 'public, max-age=60';
		if (req.headers['if-none-match'] === '"v1"') {
			res.writeHead(304, headers);
			return res.end();
		}
		const got = { method: req.method, url: req.url, headers: req.headers, body };
		return answer(res, 200, got, headers);
	}), path);
	return state;
}
