// TLS as its clients see it: Node's and openssl's, neither of which is ours.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { PUBLIC_URL } from './fakes.mjs';
import { Authority, remove } from './pki.mjs';
import { freePort } from '../support/platform.mjs';
import { startEdge, until } from './support.mjs';

let dir, servers, clients, strangers, edge, port, ca;
const MINE = '/v1/items/01890000-0000-7000-8000-000000000001';
const at = (...parts) => join(dir, ...parts);

before(async () => {
	dir = mkdtempSync(join(tmpdir(), 'yg-tls-'));
	servers = new Authority(dir, 'servers');
	clients = new Authority(dir, 'partners');
	strangers = new Authority(dir, 'strangers');
	mkdirSync(at('certs'));
	servers.issue(at('certs', 'default'), { names: ['localhost', '127.0.0.1'] });
	servers.issue(at('certs', 'other'), { names: ['other.example', '*.wild.example'] });
	writeFileSync(at('tickets.key'), `${'ab'.repeat(32)}\n`);
	ca = readFileSync(servers.cert);
	({ edge, port } = await start());
});
after(async () => {
	assert.deepEqual(await edge.stop(), { code: 0, signal: null });
	rmSync(dir, { recursive: true });
});

async function start(env = {}) {
	const p = await freePort();
	const made = await startEdge({
		YG_TLS_LISTEN: `127.0.0.1:${p}`, YG_TLS_CERTIFICATES: at('certs'), YG_TLS_TICKET_KEY_FILE: at('tickets.key'),
		YG_TLS_CLIENT_CA: clients.cert, ...env,
	});
	return { edge: made, port: p };
}

/** One request over TLS; the answer, and the socket it came by. */
function ask(options = {}, { path = '/v1/echo', method = 'GET', body, headers } = {}) {
	return new Promise((done, fail) => {
		const req = https.request({ host: '127.0.0.1', port, ca, agent: false, servername: 'localhost', ...options, path, method, headers }, (res) => {
			const parts = [];
			res.on('data', (d) => parts.push(d)).on('error', fail).on('end', () => {
				const text = Buffer.concat(parts).toString();
				let json;
				try { json = JSON.parse(text); } catch { /* not JSON */ }
				done({ status: res.statusCode, headers: res.headers, text, json });
			});
		});
		req.on('error', fail).end(body);
	});
}

const connect = (options = {}) => new Promise((done, fail) => {
	const s = tls.connect({ host: '127.0.0.1', port, ca, servername: 'localhost', ...options }, () => done(s));
	s.on('error', fail);
});

/** openssl s_client; what it printed. */
function client(args, input = '') {
	const r = spawnSync('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', servers.cert, ...args], { input, encoding: 'utf8', timeout: 20000 });
	return `${r.stdout}\n${r.stderr}`;
}

async function counters() {
	const text = (await edge.private('/metrics')).text;
	const value = (name) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, 'm').exec(text)[1]);
	return { ok: value('yg_tls_handshakes_total'), resumed: value('yg_tls_resumed_total'), failed: value('yg_tls_failed_total') };
}

describe('RFC 9325, by openssl s_client', () => {
	const good = [
		['TLS 1.3, AES-128', ['-tls1_3', '-ciphersuites', 'TLS_AES_128_GCM_SHA256'], 'TLS_AES_128_GCM_SHA256'],
		['TLS 1.3, AES-256', ['-tls1_3', '-ciphersuites', 'TLS_AES_256_GCM_SHA384'], 'TLS_AES_256_GCM_SHA384'],
		['TLS 1.3, ChaCha20', ['-tls1_3', '-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256'], 'TLS_CHACHA20_POLY1305_SHA256'],
		['TLS 1.2, AES-128', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'], 'ECDHE-ECDSA-AES128-GCM-SHA256'],
		['TLS 1.2, ChaCha20', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-CHACHA20-POLY1305'], 'ECDHE-ECDSA-CHACHA20-POLY1305'],
		['X25519', ['-groups', 'X25519'], 'X25519'],
		['P-256', ['-groups', 'P-256'], 'prime256v1|P-256'],
	];
	for (const [name, args, expected] of good) {
		test(`${name}: taken`, () => {
			const out = client(args);
			assert.match(out, /Verify return code: 0 \(ok\)/);
			assert.match(out, new RegExp(expected));
			assert.match(out, /Compression: NONE/);
		});
	}
	const bad = [
		['TLS 1.0', ['-tls1', '-cipher', 'ALL:@SECLEVEL=0']],
		['TLS 1.1', ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']],
		['CBC', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA256']],
		['no forward secrecy', ['-tls1_2', '-cipher', 'AES128-GCM-SHA256:AES256-GCM-SHA384']],
		['finite-field Diffie-Hellman', ['-tls1_2', '-cipher', 'DHE-RSA-AES128-GCM-SHA256']],
		['P-384 alone', ['-tls1_3', '-groups', 'P-384']],
		['NULL', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0']],
	];
	for (const [name, args] of bad) {
		test(`${name}: refused`, () => {
			const out = client(args);
			assert.match(out, /Cipher is \(NONE\)|no cipher match|error/);
			assert.doesNotMatch(out, /Verify return code: 0 \(ok\)\s[^]*Session-ID: [0-9A-F]{64}/);
		});
	}
	test('renegotiation: refused, and nobody else is troubled', async () => {
		const out = client(['-tls1_2'], 'R\n');
		assert.match(out, /RENEGOTIATING/);
		assert.match(out, /no renegotiation|no_renegotiation|alert|unexpected eof|closed/i);
		assert.equal((await ask()).status, 200);
	});
	test('early data: never offered', () => {
		assert.match(client(['-tls1_3', '-ign_eof', '-quiet'], 'GET /problems/not-found HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /HTTP\/1\.1 200/);
		assert.doesNotMatch(client(['-tls1_3']), /Max Early Data: [1-9]/);
	});
});

describe('ALPN', () => {
	test('http/1.1 is chosen, and no choice is needed', async () => {
		const a = await connect({ ALPNProtocols: ['h2', 'http/1.1'] });
		assert.equal(a.alpnProtocol, 'http/1.1');
		a.destroy();
		const b = await connect();
		assert.equal(b.alpnProtocol, false);
		b.destroy();
	});
	test('who speaks only other protocols is told so', async () => {
		await assert.rejects(connect({ ALPNProtocols: ['h2'] }), /no application protocol/);
	});
});

describe('names', () => {
	const subject = async (servername) => {
		const s = await connect({ servername, checkServerIdentity: () => undefined });
		const name = s.getPeerCertificate().subject.CN;
		s.destroy();
		return name;
	};
	test('exact, in any case; wildcard for one label; default otherwise', async () => {
		assert.equal(await subject('localhost'), 'localhost');
		assert.equal(await subject('other.example'), 'other.example');
		assert.equal(await subject('OTHER.example'), 'other.example');
		assert.equal(await subject('a.wild.example'), 'other.example');
		assert.equal(await subject('a.b.wild.example'), 'localhost');
		assert.equal(await subject('wild.example'), 'localhost');
		assert.equal(await subject('nobody.example'), 'localhost');
	});
	test('unknown ones are refused when asked for; no name is the default', async () => {
		const strict = await start({ YG_TLS_UNKNOWN_NAME: 'refuse' });
		const to = (servername) => connect({ port: strict.port, servername, checkServerIdentity: () => undefined });
		await assert.rejects(to('nobody.example'), /unrecognized name/);
		(await to('other.example')).destroy();
		(await to('')).destroy();
		assert.deepEqual(await strict.edge.stop(), { code: 0, signal: null });
	});
	test('a list of pairs does as well', async () => {
		const listed = await start({ YG_TLS_CERTIFICATES: `${at('certs', 'other.crt')}|${at('certs', 'other.key')},${at('certs', 'default.crt')}|${at('certs', 'default.key')}` });
		const s = await connect({ port: listed.port, servername: 'nobody.example', checkServerIdentity: () => undefined });
		assert.equal(s.getPeerCertificate().subject.CN, 'other.example');
		s.destroy();
		assert.deepEqual(await listed.edge.stop(), { code: 0, signal: null });
	});
});

describe('requests', () => {
	test('the service hears https, the client is told to stay with it', async () => {
		const r = await ask({}, { headers: { 'Client-Cert': ':AAAA:', 'Client-Cert-Chain': ':AAAA:', 'X-Yangguang-Certificate': 'x'.repeat(43) } });
		assert.equal(r.status, 200);
		assert.equal(r.headers['strict-transport-security'], 'max-age=31536000');
		assert.equal(r.json.headers['x-forwarded-proto'], 'https');
		for (const name of ['client-cert', 'client-cert-chain', 'x-yangguang-certificate']) assert.equal(r.json.headers[name], undefined, name);
		assert.equal((await edge.call('GET', '/v1/echo')).headers['strict-transport-security'], undefined);
	});
	test('large bodies both ways, through many records', async () => {
		const body = JSON.stringify({ text: 'x'.repeat(15000) });
		for (let i = 0; i < 5; i++) {
			const r = await ask({}, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
			assert.equal(r.status, 200, r.text.slice(0, 300));
			assert.equal(r.json.body, body);
		}
	});
	test('many requests in one record, and one request in many, are answered in order', async () => {
		const s = await connect();
		let got = '';
		s.on('data', (d) => { got += d; });
		s.write(Array.from({ length: 200 }, (_, i) => `GET /v1/echo?q=${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
		for (const c of 'GET /v1/echo?q=last HTTP/1.1\r\nHost: a\r\n\r\n') s.write(c);
		await until(() => got.includes('q=last'));
		const order = [...got.matchAll(/"url":"\/v1\/echo\?q=(\w+)"/g)].map((m) => m[1]);
		assert.deepEqual(order, [...Array.from({ length: 200 }, (_, i) => String(i)), 'last']);
		s.destroy();
	});
	test('a client that has finished sending is still answered', async () => {
		const s = await connect({ allowHalfOpen: true });
		let got = '';
		s.on('data', (d) => { got += d; });
		s.end('GET /v1/echo?mode=slow HTTP/1.1\r\nHost: a\r\n\r\n');
		await until(() => got.includes('HTTP/1.1 200'));
		s.destroy();
	});
	test('a client that does not read delays nobody', async () => {
		const s = await connect();
		s.pause();
		s.write('GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(500));
		for (let i = 0; i < 20; i++) assert.equal((await ask()).status, 200);
		s.destroy();
	});
	test('plain HTTP on this port hears what is wrong', async () => {
		const got = await new Promise((done, fail) => {
			let text = '';
			const s = net.connect(port, '127.0.0.1', () => s.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
			s.on('data', (d) => { text += d; }).on('error', fail).on('close', () => done(text));
		});
		assert.match(got, /^HTTP\/1\.1 400 Bad Request\r\n/);
		const [head, body] = got.split('\r\n\r\n');
		assert.equal(Number(/Content-Length: (\d+)/.exec(head)[1]), Buffer.byteLength(body));
		assert.equal(JSON.parse(body).code, 'malformed-request');
	});
	test('plain HTTP on its own port is sent here when asked for', async () => {
		const strict = await start({ YG_PLAIN_HTTP: 'redirect' });
		for (const [method, path] of [['GET', '/v1/x/../echo?q=%E9%98%B3'], ['POST', '/v1/echo'], ['GET', '/nothing']]) {
			const r = await strict.edge.call(method, path, { headers: { Host: 'evil.example' } });
			assert.equal(r.status, 308);
			assert.equal(r.headers.location, PUBLIC_URL + path.replace('/x/..', ''));
		}
		assert.equal((await ask({ port: strict.port })).status, 200);
		assert.deepEqual(await strict.edge.stop(), { code: 0, signal: null });
		await assert.rejects(start({ YG_PLAIN_HTTP: 'redirect', YG_PUBLIC_URL: 'http://a.example' }), /code 78[^]*YG_PUBLIC_URL with https/);
	});
});

describe('resumption', () => {
	const session = (options = {}) => new Promise((done, fail) => {
		const s = tls.connect({ host: '127.0.0.1', port, ca, servername: 'localhost', ...options }, () => s.write('GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n'));
		s.on('error', fail).once('session', (ticket) => { done(ticket); s.destroy(); });
	});
	const resumes = async (ticket, options = {}) => {
		const s = await connect({ session: ticket, ...options });
		const reused = s.isSessionReused();
		const closed = new Promise((done) => s.once('close', done));
		s.resume().end('GET /v1/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'); // to the end: a reset would overtake the handshake
		await closed;
		return reused;
	};
	for (const version of ['TLSv1.2', 'TLSv1.3']) {
		test(`${version}: by ticket, in any worker and behind a restart`, async () => {
			const ticket = await session({ minVersion: version, maxVersion: version });
			const before = await counters();
			const versions = { minVersion: version, maxVersion: version };
			assert.equal(await resumes(ticket, versions), true);
			await until(async () => (await counters()).resumed === before.resumed + 1);
			const another = await start({ YG_WORKERS: '2' });
			for (let i = 0; i < 6; i++) assert.equal(await resumes(ticket, { port: another.port, ...versions }), true);
			assert.deepEqual(await another.edge.stop(), { code: 0, signal: null });
			const stranger = await start({ YG_TLS_TICKET_KEY_FILE: '' });
			assert.equal(await resumes(ticket, { port: stranger.port, ...versions }), false);
			assert.deepEqual(await stranger.edge.stop(), { code: 0, signal: null });
		});
	}
	test('under a new secret old tickets are good until the old one is gone', async () => {
		const ticket = await session();
		const file = at('rotating.key');
		writeFileSync(file, `${'cd'.repeat(32)}\n${'ab'.repeat(32)}\n`);
		const a = await start({ YG_TLS_TICKET_KEY_FILE: file });
		assert.equal(await resumes(ticket, { port: a.port }), true);
		const fresh = await session({ port: a.port });
		writeFileSync(file, `${'cd'.repeat(32)}\n`);
		a.edge.process.kill('SIGHUP');
		await until(() => a.edge.log.includes('"reloaded"'));
		assert.equal(await resumes(ticket, { port: a.port }), false);
		assert.equal(await resumes(fresh, { port: a.port }), true);
		assert.deepEqual(await a.edge.stop(), { code: 0, signal: null });
	});
	test('never with a client certificate: each connection proves its own', async () => {
		const c = clients.issue(at('resuming'), { names: ['resuming'], client: true });
		for (const version of ['TLSv1.2', 'TLSv1.3']) {
			const s = await connect({ cert: c.cert, key: c.key, minVersion: version, maxVersion: version });
			let ticket;
			s.on('session', (t) => { ticket = t; });
			s.write('GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n');
			await new Promise((done) => s.once('data', done));
			if (ticket) assert.equal(await resumes(ticket, { cert: c.cert, key: c.key }), false);
			s.destroy();
		}
	});
});

describe('reload', () => {
	let own, ownPort;
	const subject = async () => {
		const s = await connect({ port: ownPort, checkServerIdentity: () => undefined });
		const { fingerprint256 } = s.getPeerCertificate();
		s.destroy();
		return fingerprint256;
	};
	before(async () => {
		cpSync(at('certs'), at('changing'), { recursive: true });
		({ edge: own, port: ownPort } = await start({ YG_TLS_CERTIFICATES: at('changing') }));
	});
	after(async () => { assert.deepEqual(await own.stop(), { code: 0, signal: null }); });

	test('SIGHUP: new connections get the new certificate, old ones live on', async () => {
		const old = await connect({ port: ownPort });
		const next = servers.issue(at('changing', 'default'), { names: ['localhost', '127.0.0.1'] });
		own.process.kill('SIGHUP');
		await until(() => own.log.includes('"reloaded"'));
		assert.equal(await subject(), next.fingerprint);
		old.write('GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n');
		assert.match(String(await new Promise((done) => old.once('data', done))), /^HTTP\/1\.1 200/);
		old.destroy();
	});
	test('a key that does not fit: refused whole, named, and the old goes on', async () => {
		const before = await subject();
		cpSync(at('changing', 'default.key'), at('kept.key'));
		cpSync(at('certs', 'other.key'), at('changing', 'default.key'));
		own.process.kill('SIGHUP');
		await until(() => own.log.includes('reload refused'));
		assert.match(own.log, /TLS file is not usable[^\n]*default\.key[^\n]*reason/);
		assert.equal(await subject(), before);
		cpSync(at('kept.key'), at('changing', 'default.key'));
	});
	test('changed files are found without a signal', async () => {
		const next = servers.issue(at('changing', 'default'), { names: ['localhost', '127.0.0.1'] });
		await until(async () => await subject() === next.fingerprint, 40000);
	});
	test('under load no connection is lost', async () => {
		let stop = false, asked = 0;
		const agent = new https.Agent({ keepAlive: true, maxSockets: 4 });
		const load = Array.from({ length: 8 }, async (_, i) => {
			while (!stop) {
				const r = await ask({ port: ownPort, ...(i % 2 ? { agent } : {}) });
				assert.equal(r.status, 200);
				asked++;
			}
		});
		for (let i = 0; i < 5; i++) {
			const seen = own.log.split('"reloaded"').length, from = asked;
			own.process.kill('SIGHUP');
			await until(() => own.log.split('"reloaded"').length > seen && asked > from + 20);
		}
		stop = true;
		await Promise.all(load);
		agent.destroy();
	});
	test('what is wrong at the start is said, and it does not start', async () => {
		await assert.rejects(start({ YG_TLS_CERTIFICATES: at('nowhere') }), /code 78[^]*nowhere[^]*cannot be read/);
		await assert.rejects(start({ YG_TLS_CLIENT_CA: at('tickets.key') }), /code 78[^]*tickets\.key/);
		writeFileSync(at('short.key'), 'abcd\n');
		await assert.rejects(start({ YG_TLS_TICKET_KEY_FILE: at('short.key') }), /code 78[^]*short\.key[^]*hexadecimal/);
		await assert.rejects(start({ YG_TLS_UNKNOWN_NAME: 'maybe' }), /code 78[^]*YG_TLS_UNKNOWN_NAME/);
	});
});

describe('OCSP', () => {
	const stapled = async (name, prepare) => {
		mkdirSync(at(name));
		const base = at(name, 'default');
		servers.issue(base, { names: ['localhost', '127.0.0.1'] });
		prepare(base);
		const own = await start({ YG_TLS_CERTIFICATES: at(name) });
		const kept = port;
		port = own.port;
		const out = client(['-status']);
		port = kept;
		const log = own.edge.log;
		assert.deepEqual(await own.edge.stop(), { code: 0, signal: null });
		return { out, log };
	};
	test('the answer beside the certificate is stapled', async () => {
		const { out } = await stapled('ocsp-good', (base) => servers.staple(base));
		assert.match(out, /OCSP Response Status: successful[^]*Cert Status: good/);
	});
	test('another certificate\'s is not, with a warning', async () => {
		const { out, log } = await stapled('ocsp-other', (base) => servers.staple(base, { about: at('certs', 'other') }));
		assert.match(out, /OCSP response: no response sent/);
		assert.match(log, /OCSP answer is not stapled[^\n]*another certificate/);
	});
	test('nor one that somebody else has signed, nor garbage', async () => {
		const forged = await stapled('ocsp-forged', (base) => {
			servers.staple(base);
			const bytes = readFileSync(`${base}.ocsp`);
			bytes[bytes.indexOf(Buffer.from('servers')) - 40] ^= 1;
			bytes[bytes.length - 700] ^= 1;
			writeFileSync(`${base}.ocsp`, bytes);
		});
		assert.match(forged.log, /OCSP answer is not stapled/);
		const garbage = await stapled('ocsp-garbage', (base) => writeFileSync(`${base}.ocsp`, 'nothing'));
		assert.match(garbage.out, /OCSP response: no response sent/);
		assert.match(garbage.log, /it is no OCSP answer/);
	});
	test('one that ends while the gateway runs is no longer stapled, and a new one is taken up', async () => {
		mkdirSync(at('ocsp-ends'));
		const base = at('ocsp-ends', 'default');
		servers.issue(base, { names: ['localhost', '127.0.0.1'] });
		const own = await start({ YG_TLS_CERTIFICATES: at('ocsp-ends') });
		const kept = port;
		port = own.port;
		assert.match(client(['-status']), /no response sent/);
		servers.staple(base);
		own.edge.process.kill('SIGHUP');
		await until(() => own.edge.log.includes('"reloaded"'));
		assert.match(client(['-status']), /Cert Status: good/);
		remove(`${base}.ocsp`);
		port = kept;
		assert.deepEqual(await own.edge.stop(), { code: 0, signal: null });
	});
});

describe('client certificates (RFC 8705)', () => {
	let mine, others, expired, foreign, token;
	const by = (c) => ({ cert: c.cert, key: c.key });
	const bearer = (t) => ({ Authorization: `Bearer ${t}`, 'Accept-Language': 'en' });
	before(() => {
		mine = clients.issue(at('mine'), { names: ['mine'], client: true });
		others = clients.issue(at('others'), { names: ['others'], client: true });
		expired = clients.issue(at('expired'), { names: ['expired'], client: true, from: Date.now() - 20 * 86400e3, to: Date.now() - 86400e3 });
		foreign = strangers.issue(at('foreign'), { names: ['mine'], client: true });
		token = (c) => edge.identity.signers[0].token({ kind: 'partner', cnf: { 'x5t#S256': c.thumbprint } });
	});
	const refused = (r, text) => {
		assert.equal(r.status, 401, r.text);
		assert.equal(r.json.code, 'client-certificate-invalid');
		assert.match(r.json.detail, text);
		assert.match(r.headers['www-authenticate'], /error="invalid_token"/);
	};
	test('the right one: taken, and the service is told', async () => {
		const r = await ask(by(mine), { path: MINE, headers: bearer(token(mine)) });
		assert.equal(r.status, 200, r.text);
		assert.equal(r.json.headers['x-yangguang-certificate'], mine.thumbprint);
	});
	test('none', async () => refused(await ask({}, { path: MINE, headers: bearer(token(mine)) }), /connect by TLS with it/));
	test('none, on the plain port', async () => refused(await edge.call('GET', MINE, { headers: bearer(token(mine)) }), /connect by TLS with it/));
	test('another partner\'s', async () => refused(await ask(by(others), { path: MINE, headers: bearer(token(mine)) }), /another client certificate/));
	test('expired', async () => refused(await ask(by(expired), { path: MINE, headers: bearer(token(expired)) }), /has expired/));
	test('of another authority', async () => refused(await ask(by(foreign), { path: MINE, headers: bearer(token(foreign)) }), /not issued by an authority/));
	test('a server\'s is no client\'s', async () => {
		const wrong = clients.issue(at('wrong-use'), { names: ['wrong'] });
		refused(await ask(by(wrong), { path: MINE, headers: bearer(token(wrong)) }), /not issued by an authority/);
	});
	test('a forged field proves nothing', async () => {
		const r = await ask({}, { path: MINE, headers: { ...bearer(token(mine)), 'X-Yangguang-Certificate': mine.thumbprint, 'Client-Cert': `:${mine.thumbprint}:` } });
		refused(r, /connect by TLS with it/);
	});
	test('a bad one does not spoil what needs none; the service hears of it', async () => {
		for (const [c, word] of [[expired, 'expired'], [foreign, 'untrusted']]) {
			const r = await ask(by(c));
			assert.equal(r.status, 200);
			assert.equal(r.json.headers['x-yangguang-certificate'], word);
		}
	});
	test('a token that is bound in a way we do not know is no token', async () => {
		const odd = edge.identity.signers[0].token({ kind: 'partner', cnf: { jkt: 'abc' } });
		const r = await ask(by(mine), { path: MINE, headers: bearer(odd) });
		assert.equal(r.status, 401);
		assert.equal(r.json.code, 'token-invalid');
	});
	test('API keys are bound too', async () => {
		const key = edge.identity.addApiKey({
			subject: '01890000-0000-7000-8000-000000000001', organization: '4412', scopes: 'item:read', client_id: 'p-1', key_id: '01890000-0000-7000-8000-000000000002',
			expires_at: new Date(Date.now() + 3600e3).toISOString(), certificates: `${others.thumbprint} ${mine.thumbprint}`,
		});
		assert.equal((await ask(by(mine), { path: MINE, headers: { 'X-API-Key': key } })).status, 200);
		assert.equal((await ask(by(others), { path: MINE, headers: { 'X-API-Key': key } })).status, 200);
		refused(await ask({}, { path: MINE, headers: { 'X-API-Key': key, 'Accept-Language': 'en' } }), /connect by TLS with it/);
	});
	test('only at the names that ask for one', async () => {
		const own = await start({ YG_TLS_CLIENT_NAMES: 'other.example' });
		const shown = async (servername) => (await ask({ port: own.port, servername, checkServerIdentity: () => undefined, ...by(mine) })).json.headers['x-yangguang-certificate'];
		assert.equal(await shown('other.example'), mine.thumbprint);
		assert.equal(await shown('localhost'), undefined);
		assert.deepEqual(await own.edge.stop(), { code: 0, signal: null });
	});
});

describe('faults', () => {
	const raw = (bytes, ms = 15000) => new Promise((done) => {
		const s = net.connect(port, '127.0.0.1', () => s.write(bytes));
		const got = [];
		s.setTimeout(ms, () => s.destroy());
		s.on('data', (d) => got.push(d)).on('error', () => {}).on('close', () => done(Buffer.concat(got)));
	});
	const hello = () => new Promise((done) => { // a real ClientHello
		const trap = net.createServer((s) => s.once('data', (bytes) => { s.destroy(); trap.close(); done(bytes); }));
		trap.listen(0, '127.0.0.1', () => tls.connect({ port: trap.address().port, host: '127.0.0.1', servername: 'localhost' }).on('error', () => {}));
	});
	test('garbage, a broken record, an overlong one, a huge ClientHello: refused at once, counted', async () => {
		const before = await counters();
		const huge = Buffer.alloc(200000, 0x41);
		for (let i = 0; i < huge.length; i += 16389) Buffer.from([22, 3, 1, 0x40, 0]).copy(huge, i);
		Buffer.from([1, 0x03, 0, 0]).copy(huge, 5);
		const cases = [
			Buffer.from('\0\0\0\0garbage that is no record at all'), Buffer.from([22, 3, 1, 0xff, 0xff, 1, 2, 3]), Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0]),
			Buffer.from([21, 3, 1, 0, 2, 2, 40]), Buffer.from([23, 3, 3, 0, 1, 0]), huge,
		];
		for (const bytes of cases) await raw(bytes);
		assert.ok((await counters()).failed >= before.failed + cases.length - 1);
		assert.equal((await ask()).status, 200);
	});
	test('handshakes that stall, and clients that leave in the middle, delay nobody and are ended', async () => {
		const whole = await hello();
		const before = await counters();
		const stalled = Array.from({ length: 50 }, (_, i) => new Promise((done) => {
			const s = net.connect(port, '127.0.0.1', () => s.write(whole.subarray(0, [0, 1, 5, 60, whole.length][i % 5])));
			s.on('error', () => {}).on('data', () => {}).on('close', done);
		}));
		for (let i = 0; i < 50; i++) {
			const s = net.connect(port, '127.0.0.1', () => { s.write(whole); s.resetAndDestroy ? s.resetAndDestroy() : s.destroy(); });
			s.on('error', () => {});
		}
		for (let i = 0; i < 20; i++) assert.equal((await ask()).status, 200);
		await Promise.all(stalled); // after ten seconds
		await until(async () => (await counters()).failed >= before.failed + 50);
	});
	test('a broken record behind the handshake ends that connection alone', async () => {
		const s = await connect();
		s.on('error', () => {});
		s.write('GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n');
		await new Promise((done) => s.once('data', done));
		s._parent?.write?.(Buffer.from([23, 3, 3, 0, 32, ...Array(32).fill(0)]));
		s.destroy();
		assert.equal((await ask()).status, 200);
	});
	test('a crowd that shakes hands at once', async () => {
		const before = await counters();
		const all = await Promise.all(Array.from({ length: 300 }, () => connect()));
		await until(async () => (await counters()).ok >= before.ok + 300);
		for (const s of all) s.destroy();
	});
});
