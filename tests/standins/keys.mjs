// Makes, once, everything secret that development needs to talk to the stand-ins: a CA with a server certificate, the merchant's key
// and certificate, WeChat Pay's key pair (public-key mode) and platform certificate (legacy mode), the APIv3 key, appid and secret.
// `node keys.mjs DIR` leaves DIR/standins.json with the names of all files. Never use any of it outside development.
import { execFileSync } from 'node:child_process';
import { randomBytes, randomInt, X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const DAYS_LEFT_MIN = 7;

function openssl(...args) {
	execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Writes through a temporary name, so that a killed run never leaves half a file. */
function write(file, content) {
	fs.writeFileSync(`${file}.new`, content, { mode: 0o600 });
	fs.renameSync(`${file}.new`, file);
}

function once(file, make) {
	if (fs.existsSync(file)) return;
	make(`${file}.new`);
	fs.chmodSync(`${file}.new`, 0o600);
	fs.renameSync(`${file}.new`, file);
}

const fresh = (file) => fs.existsSync(file) &&
	Date.parse(new X509Certificate(fs.readFileSync(file)).validTo) > Date.now() + DAYS_LEFT_MIN * 86400e3;

function rsaKey(file) {
	once(file, (out) => openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', out));
}

/** A certificate that is missing or about to end is made anew, with its key kept. */
function selfSigned(key, cert, subject, extra = []) {
	if (fresh(cert)) return;
	const serial = `0x${(randomBytes(1)[0] & 0x3f | 0x40).toString(16)}${randomBytes(19).toString('hex')}`;
	openssl('req', '-x509', '-new', '-key', key, '-sha256', '-days', '1825', '-set_serial', serial, '-subj', subject, ...extra, '-out', `${cert}.new`);
	fs.chmodSync(`${cert}.new`, 0o600);
	fs.renameSync(`${cert}.new`, cert);
}

function serverCertificate(at) {
	if (fresh(at('server.crt')) && new X509Certificate(fs.readFileSync(at('server.crt'))).verify(new X509Certificate(fs.readFileSync(at('ca.crt'))).publicKey)) return;
	rsaKey(at('server.key'));
	write(at('server.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n');
	openssl('req', '-new', '-key', at('server.key'), '-subj', '/CN=localhost', '-out', at('server.csr'));
	openssl('x509', '-req', '-in', at('server.csr'), '-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-set_serial', `0x${randomBytes(16).toString('hex')}`,
		'-sha256', '-days', '825', '-extfile', at('server.ext'), '-out', at('server.crt.new'));
	fs.chmodSync(at('server.crt.new'), 0o600);
	fs.renameSync(at('server.crt.new'), at('server.crt'));
	fs.rmSync(at('server.csr'));
	fs.rmSync(at('server.ext'));
}

function identifiers(file) {
	if (!fs.existsSync(file)) {
		const mchid = `19${String(randomInt(1e8)).padStart(8, '0')}`;
		write(file, JSON.stringify({
			appid: `wx${randomBytes(8).toString('hex')}`,
			mchid,
			public_key_id: `PUB_KEY_ID_01${mchid}${new Date().toISOString().slice(0, 10).replaceAll('-', '')}${String(randomInt(1e10)).padStart(10, '0')}`,
		}));
	}
	return JSON.parse(fs.readFileSync(file, 'utf8'));
}

/** Makes what is missing in `dir` and returns the content of standins.json. */
export function makeKeys(dir) {
	fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
	const at = (name) => path.join(path.resolve(dir), name);
	const ids = identifiers(at('identifiers.json'));

	rsaKey(at('ca.key'));
	selfSigned(at('ca.key'), at('ca.crt'), '/CN=Yangguang development CA', ['-addext', 'keyUsage=critical,keyCertSign,cRLSign']);
	serverCertificate(at);
	rsaKey(at('merchant.key'));
	selfSigned(at('merchant.key'), at('merchant.crt'), `/CN=${ids.mchid}/O=Stand-in merchant`);
	rsaKey(at('wxpay.key'));
	once(at('wxpay.pub'), (out) => openssl('pkey', '-in', at('wxpay.key'), '-pubout', '-out', out));
	rsaKey(at('platform.key'));
	selfSigned(at('platform.key'), at('platform.crt'), '/CN=Stand-in platform certificate');
	once(at('apiv3.key'), (out) => fs.writeFileSync(out, randomBytes(16).toString('hex'), { mode: 0o600 }));
	once(at('wechat.secret'), (out) => fs.writeFileSync(out, randomBytes(16).toString('hex'), { mode: 0o600 }));
	once(at('receipts.key'), (out) => fs.writeFileSync(out, randomBytes(32).toString('hex'), { mode: 0o600 }));
	write(at('wxpay_public_keys.json'), `${JSON.stringify({ [ids.public_key_id]: fs.readFileSync(at('wxpay.pub'), 'utf8') }, null, 1)}\n`);

	const serial = (file) => new X509Certificate(fs.readFileSync(at(file))).serialNumber;
	const summary = {
		appid: ids.appid,
		secret_file: at('wechat.secret'),
		mchid: ids.mchid,
		merchant_serial: serial('merchant.crt'),
		merchant_key_file: at('merchant.key'),
		merchant_cert_file: at('merchant.crt'),
		apiv3_key_file: at('apiv3.key'),
		wxpay_public_keys_file: at('wxpay_public_keys.json'),
		wxpay_public_key_id: ids.public_key_id,
		wxpay_key_file: at('wxpay.key'),
		receipts_app: '4412-yangguang',
		receipts_key_file: at('receipts.key'),
		platform_serial: serial('platform.crt'),
		platform_key_file: at('platform.key'),
		platform_cert_file: at('platform.crt'),
		ca_file: at('ca.crt'),
		server_cert_file: at('server.crt'),
		server_key_file: at('server.key'),
	};
	write(at('standins.json'), `${JSON.stringify(summary, null, 1)}\n`);
	return summary;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	if (process.argv.length !== 3) {
		console.error('usage: node keys.mjs DIR');
		process.exit(2);
	}
	makeKeys(process.argv[2]);
	console.log(path.join(path.resolve(process.argv[2]), 'standins.json'));
}
