// Checks a request that the WeChat Pay stand-in logged with the signing code of an independent client, so that our own two sides
// cannot agree on a mistake: the plugin formats and verifies what our C client signed.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { Formatter, Rsa } = require('wechatpay-axios-plugin');

/** Parameters of an Authorization header, or an Error that says what is wrong with its form. */
export function readAuthorization(header) {
	const [, rest] = /^WECHATPAY2-SHA256-RSA2048 (.+)$/.exec(header ?? '') ?? [];
	if (!rest) throw new Error(`not a WECHATPAY2-SHA256-RSA2048 header: ${header}`);
	const found = Object.fromEntries([...rest.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
	for (const name of ['mchid', 'nonce_str', 'timestamp', 'serial_no', 'signature']) if (!found[name]) throw new Error(`${name} is missing`);
	return found;
}

/**
 * `entry`: one of GET /control/log ({method, url, headers, body}). `merchantKey`: PEM of the merchant's public key or certificate.
 * Throws unless the header is well-formed, the names match and the signature holds over exactly these bytes.
 */
export function verifyLoggedRequest(entry, { merchantKey, mchid, serial }) {
	const given = readAuthorization(entry.headers.authorization);
	if (given.mchid !== mchid) throw new Error(`mchid ${given.mchid} is not ${mchid}`);
	if (given.serial_no !== serial) throw new Error(`serial_no ${given.serial_no} is not ${serial}`);
	if (!/^\d{10}$/.test(given.timestamp)) throw new Error(`timestamp ${given.timestamp} is not in seconds`);
	if (!/^[0-9A-Za-z]{16,32}$/.test(given.nonce_str)) throw new Error(`nonce_str ${given.nonce_str} is not 16 to 32 letters and digits`);
	const message = Formatter.request(entry.method, entry.url, given.timestamp, given.nonce_str, entry.body);
	if (!Rsa.verify(message, given.signature, Rsa.from(merchantKey, Rsa.KEY_TYPE_PUBLIC))) throw new Error('the signature does not hold over these bytes');
	return given;
}
