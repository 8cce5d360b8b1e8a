// The signatures and the sealing of WeChat Pay v3. Signing runs in the thread pool, so that it does not hold up other requests.
import { createCipheriv, createHash, createPrivateKey, createPublicKey, randomBytes, sign, verify, X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import { promisify } from 'node:util';

const signAsync = promisify(sign);
const verifyAsync = promisify(verify);
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export const SKEW_MAX_S = 300;
/** What WeChat's own signature probes begin with: a receiver must refuse them like any other bad signature. */
export const PROBE = 'WECHATPAY/SIGNTEST/';

export function nonce(length = 32) {
	let text = '';
	while (text.length < length) for (const byte of randomBytes(length)) if (byte < 248 && text.length < length) text += ALPHABET[byte % 62];
	return text;
}

export const sha1 = (bytes) => createHash('sha1').update(bytes).digest('hex');
export const sha256 = (text) => createHash('sha256').update(text).digest('hex');
export const nowS = () => Math.floor(Date.now() / 1000);

/** AEAD_AES_256_GCM as in callbacks and certificates: base64 of ciphertext and tag. */
export function seal(plain, key, iv, associated) {
	const cipher = createCipheriv('aes-256-gcm', key, iv);
	cipher.setAAD(Buffer.from(associated));
	return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Reads the parameters in whatever order they come. Null when the header is not of this scheme, or a parameter is missing or doubled. */
export function parseAuthorization(header) {
	const match = /^WECHATPAY2-SHA256-RSA2048\s+(.+)$/.exec(header ?? '');
	if (!match) return null;
	const found = {};
	const rest = match[1].replace(/\s*([a-z_]+)="([^"]*)"\s*(?:,|$)/g, (_, name, value) => {
		found[name] = name in found ? undefined : value;
		return '';
	});
	const names = ['mchid', 'nonce_str', 'timestamp', 'serial_no', 'signature'];
	return rest.trim() === '' && names.every((name) => found[name]) && Object.keys(found).length === names.length ? found : null;
}

export class Keys {
	constructor(files) {
		const read = (file) => fs.readFileSync(file, 'utf8');
		this.apiv3 = Buffer.from(read(files.apiv3_key_file).trim());
		if (this.apiv3.length !== 32) throw new Error('the APIv3 key must have 32 bytes');
		this.mchid = files.mchid;
		this.appid = files.appid;
		this.merchant = createPublicKey(new X509Certificate(read(files.merchant_cert_file)).publicKey.export({ type: 'spki', format: 'pem' }));
		this.merchantSerial = files.merchant_serial;
		this.publicKeyId = files.wxpay_public_key_id;
		this.publicKeySigner = createPrivateKey(read(files.wxpay_key_file));
		this.platformSerial = files.platform_serial;
		this.platformSigner = createPrivateKey(read(files.platform_key_file));
		this.platformCertificate = read(files.platform_cert_file);
	}

	verifyMerchant(message, signature) {
		return verifyAsync('sha256', message, this.merchant, Buffer.from(signature, 'base64'));
	}

	/** Headers of a signed message. `faults`: {bad, skewS, serial, certificate}. */
	async signedHeaders(body, faults = {}) {
		const timestamp = String(nowS() + (faults.skewS ?? 0));
		const text = nonce();
		const certificate = faults.certificate === true;
		const message = Buffer.concat([Buffer.from(`${timestamp}\n${text}\n`), body, Buffer.from('\n')]);
		const signature = (await signAsync('sha256', message, certificate ? this.platformSigner : this.publicKeySigner)).toString('base64');
		return {
			'Wechatpay-Nonce': text,
			'Wechatpay-Timestamp': timestamp,
			'Wechatpay-Serial': faults.serial ?? (certificate ? this.platformSerial : this.publicKeyId),
			'Wechatpay-Signature': faults.bad ? PROBE + signature.slice(PROBE.length) : signature,
			'Wechatpay-Signature-Type': 'WECHATPAY2-SHA256-RSA2048',
		};
	}
}
