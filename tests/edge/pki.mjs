// Authorities, certificates and stapled answers for tests, made by the openssl program: an implementation that is not ours.
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const openssl = (args, options = {}) => execFileSync('openssl', args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
const stamp = (t) => `${new Date(t).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
const DAY = 86400e3;

export class Authority {
	constructor(dir, name) {
		this.dir = join(dir, name);
		this.cert = join(this.dir, 'ca.crt');
		this.key = join(this.dir, 'ca.key');
		mkdirSync(join(this.dir, 'issued'), { recursive: true });
		openssl(['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', `/CN=${name}`,
			'-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature', '-keyout', this.key, '-out', this.cert]);
		writeFileSync(join(this.dir, 'index.txt'), '');
		writeFileSync(join(this.dir, 'index.txt.attr'), 'unique_subject = no\n');
	}

	/** A key and a chain (certificate, then the authority) as <base>.key and <base>.crt. */
	issue(base, { names = [], client = false, from = Date.now() - DAY, to = Date.now() + 20 * DAY, algorithm = 'ec' } = {}) {
		const subject = names[0] ?? 'somebody';
		const config = join(this.dir, 'ca.cnf');
		const alt = names.map((n) => (/^[\d.]+$/.test(n) ? `IP:${n}` : `DNS:${n}`)).join(',');
		writeFileSync(config, `[ca]\ndefault_ca=d\n[d]\ndatabase=${this.dir}/index.txt\nnew_certs_dir=${this.dir}/issued\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n` +
			`[e]\nbasicConstraints=CA:FALSE\nextendedKeyUsage=${client ? 'clientAuth' : 'serverAuth'}\n${alt ? `subjectAltName=${alt}\n` : ''}`);
		const key = algorithm === 'rsa' ? ['-newkey', 'rsa:2048'] : ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
		openssl(['req', '-new', ...key, '-nodes', '-subj', `/CN=${subject}`, '-keyout', `${base}.key`, '-out', `${base}.csr`]);
		openssl(['ca', '-batch', '-notext', '-config', config, '-extensions', 'e', '-cert', this.cert, '-keyfile', this.key,
			'-startdate', stamp(from), '-enddate', stamp(to), '-in', `${base}.csr`, '-out', `${base}.only`]);
		writeFileSync(`${base}.crt`, readFileSync(`${base}.only`, 'utf8') + readFileSync(this.cert, 'utf8'));
		rmSync(`${base}.csr`);
		return { base, cert: readFileSync(`${base}.crt`), key: readFileSync(`${base}.key`), thumbprint: thumbprint(`${base}.only`), fingerprint: new X509Certificate(readFileSync(`${base}.only`)).fingerprint256 };
	}

	/** <base>.ocsp: what a responder says of the certificate of `about`, for `minutes` (negative: already over). */
	staple(base, { about = base, minutes = 60 } = {}) {
		const request = `${base}.request`;
		openssl(['ocsp', '-issuer', this.cert, '-cert', `${about}.only`, '-no_nonce', '-reqout', request]);
		const life = minutes > 0 ? ['-nmin', String(minutes)] : ['-nmin', '1'];
		openssl(['ocsp', '-index', join(this.dir, 'index.txt'), '-CA', this.cert, '-rsigner', this.cert, '-rkey', this.key, '-reqin', request, '-respout', `${base}.ocsp`, ...life]);
		rmSync(request);
	}
}

/** base64url of SHA-256 over the DER: x5t#S256. */
export const thumbprint = (file) => createHash('sha256').update(new X509Certificate(readFileSync(file)).raw).digest('base64url');
export const remove = (file) => existsSync(file) && rmSync(file);
