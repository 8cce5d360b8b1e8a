// Another implementation of JWS for test_jwks.c: node's own crypto, no packages.
//   sign:                       prints a JWK Set, then lines "ok <token>" or "bad <token>"
//   verify <set> <token>...:    prints "ok" or "bad" for each
import { createPublicKey, createHmac, generateKeyPairSync, sign, verify } from 'node:crypto';

const b64 = (v) => Buffer.from(typeof v === 'string' ? v : JSON.stringify(v)).toString('base64url');
const claims = { iss: 'https://id.example.org', sub: 's1', aud: ['https://api.example.org'], exp: 1764000600, iat: 1764000000,
	jti: 'j1', client_id: 'app', kind: 'citizen', scope: 'a b' };

function makeKey(alg, kid) {
	const pair = alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
	return { alg, kid, ...pair, jwk: { ...pair.publicKey.export({ format: 'jwk' }), kid, use: 'sig' } };
}

const signature = (key, data, encoding = 'ieee-p1363') => key.alg === 'ES256'
	? sign('sha256', Buffer.from(data), { key: key.privateKey, dsaEncoding: encoding }) : sign(null, Buffer.from(data), key.privateKey);

function token(key, header = {}, body = claims, encoding) {
	const data = `${b64({ alg: key.alg, typ: 'at+jwt', kid: key.kid, ...header })}.${b64(body)}`;
	return `${data}.${signature(key, data, encoding).toString('base64url')}`;
}

function signAll() {
	const keys = [makeKey('ES256', 'e'), makeKey('EdDSA', 'd')];
	const stranger = { ES256: makeKey('ES256', 'e'), EdDSA: makeKey('EdDSA', 'd') };
	const lines = [JSON.stringify({ keys: keys.map((k) => k.jwk) })];
	for (const key of keys) {
		for (let i = 0; i < 20; i++) lines.push(`ok ${token(key, {}, { ...claims, jti: `j${i}` })}`);
		const data = token(key).split('.').slice(0, 2).join('.');
		const pem = key.publicKey.export({ type: 'spki', format: 'pem' });
		lines.push(`bad ${token(stranger[key.alg])}`, `bad ${token(key, { alg: 'none' })}`, `bad ${token(key, { crit: ['x'] })}`,
			`bad ${token(key, { jwk: stranger[key.alg].jwk })}`, `bad ${token(key, {}, { ...claims, iss: 'x' })}`,
			`bad ${data}.`, `bad ${data}.${createHmac('sha256', pem).update(data).digest('base64url')}`);
	}
	lines.push(`bad ${token(keys[0], {}, claims, 'der')}`); // DER instead of r||s
	console.log(lines.join('\n'));
}

function verifyAll(set, tokens) {
	const verdicts = tokens.map((text) => {
		const [head, body, mark] = text.split('.');
		const header = JSON.parse(Buffer.from(head, 'base64url'));
		const jwk = JSON.parse(set).keys.find((k) => k.kid === header.kid);
		const key = createPublicKey({ key: jwk, format: 'jwk' });
		const claim = JSON.parse(Buffer.from(body, 'base64url'));
		const right = verify(header.alg === 'EdDSA' ? null : 'sha256', Buffer.from(`${head}.${body}`),
			{ key, dsaEncoding: 'ieee-p1363' }, Buffer.from(mark, 'base64url'));
		const fits = header.typ === 'at+jwt' && header.alg === jwk.alg && claim.iss === claims.iss && claim.aud === claims.aud[0] &&
			claim.sub === 's1' && claim.client_id === 'app' && claim.exp === claims.iat + 60 && claim.jti === 'j1';
		return right && fits ? 'ok' : 'bad';
	});
	console.log(verdicts.join(' '));
}

if (process.argv[2] === 'sign') signAll();
else verifyAll(process.argv[3], process.argv.slice(4));
