// Bad input: malformed, oversized, nested, doubled, mistyped, wrongly signed, replayed, unauthorised. Each gets its own documented
// problem in Chinese and English, and nothing in the database changes.
import assert from 'node:assert/strict';
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { rawExchange } from '../support/client.mjs';
import { eventually } from '../support/eventually.mjs';
import { checkProblem } from '../support/schema.mjs';
import { Keys, nonce, PROBE, seal } from '../standins/wechat_pay/crypto.mjs';
import { complaints, giftSender, rowCounts, startFaulty } from './support.mjs';

const LANGUAGES = { zh: 'zh-CN', en: 'en' };

let platform;
let campaign;
let people;
let citizen;
let keys;
before(async () => {
	({ platform, campaign, people } = await startFaulty());
	citizen = await people.headers('citizen:input');
	await people.headers('staff:auditor');
	keys = new Keys(JSON.parse(fs.readFileSync(path.join(platform.dir, 'standins/standins.json'), 'utf8')));
});
after(() => platform?.stop());

/* Attempts to sign in are counted on purpose, and the relay and the folding of totals work on their own. */
const OWN_ACCORD = ['auth_event', 'throttle', 'known_network', 'revocation'];
async function everything() {
	const counts = { ...await rowCounts(platform, 'donations'), ...await rowCounts(platform, 'identity') };
	for (const name of OWN_ACCORD) delete counts[name];
	return counts;
}

/** Sends in both languages; the answer must be this problem each time, and no row may come or go. `send(headers)`. */
async function refused(send, status, code, { languages = LANGUAGES } = {}) {
	const before = await everything();
	for (const [language, accept] of Object.entries(languages)) {
		const answer = await send({ 'accept-language': accept });
		assert.equal(answer.status, status, `${answer.status} ${answer.text}`);
		assert.deepEqual(checkProblem(answer, code, language), [], answer.text);
		assert.ok(!/[\\/](services|common|build)[\\/]|select |insert |pg_|line \d+/i.test(answer.text), `tells nothing of the inside: ${answer.text}`);
	}
	assert.deepEqual(await everything(), before, 'nothing has changed');
}

const gift = (over = {}) => ({ campaign_id: campaign.id, amount_fen: 500, channel: 'BANK_TRANSFER', ...over });
const post = (body, more = {}, target = '/v1/gifts') => (headers) => platform.client.request('POST', target, {
	body, headers: { ...citizen, 'idempotency-key': randomUUID(), ...headers, ...(typeof more === 'function' ? more() : more) },
});

describe('bodies', () => {
	const text = (change) => () => change(JSON.stringify(gift()));
	const cases = [
		['cut off', text((t) => t.slice(0, -5)), 400, 'malformed-json'],
		['not JSON at all', () => '<gift/>', 400, 'malformed-json'],
		['two values', text((t) => `${t}{}`), 400, 'malformed-json'],
		['a comma too many', text((t) => t.replace(/}$/, ',}')), 400, 'malformed-json'],
		['a comment', text((t) => `/* */${t}`), 400, 'malformed-json'],
		['a doubled key', text((t) => t.replace('"amount_fen":500', '"amount_fen":500,"amount_fen":1')), 400, 'duplicate-key'],
		['a key doubled through an escape', text((t) => t.replace('"amount_fen":500', '"amount_fen":500,"amount\\u005ffen":1')), 400, 'duplicate-key'],
		['nested a thousand deep', () => `{"message":${'['.repeat(1000)}${']'.repeat(1000)}}`, 400, 'nesting-too-deep'],
		['bytes that are not UTF-8', () => Buffer.concat([Buffer.from('{"message":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]), 400, 'malformed-json'],
		['half a surrogate pair', text((t) => t.replace(/}$/, ',"message":"\\ud800"}')), 400, 'malformed-json'],
		['a NUL in a text', text((t) => t.replace(/}$/, ',"message":"a\\u0000b"}')), [400, 422], null],
		['a number that no integer holds', text((t) => t.replace('500', '9223372036854775808')), 422, 'validation-failed'],
		['a number with an exponent like a bomb', text((t) => t.replace('500', '1e400')), [400, 422], null],
		['a text where a number belongs', text((t) => t.replace('500', '"500"')), 422, 'validation-failed'],
		['half a fen', text((t) => t.replace('500', '500.5')), 422, 'validation-failed'],
		['a negative amount', text((t) => t.replace('500', '-500')), 422, 'validation-failed'],
		['a member that is not known', text((t) => t.replace(/}$/, ',"paid_at":"2020-01-01T00:00:00Z"}')), 422, 'validation-failed'],
		['an array for an object', () => '[]', 422, 'validation-failed'],
		['nothing', () => '', 400, 'malformed-json'],
		['an unknown campaign', () => gift({ campaign_id: randomUUID() }), 404, 'campaign-not-found'],
		['less than the campaign takes', () => gift({ amount_fen: 1 }), 422, 'amount-below-minimum'],
		['more than the body limit', () => JSON.stringify(gift({ message: 'x'.repeat(100000) })), 413, 'payload-too-large'],
	];
	for (const [name, body, status, code] of cases) {
		test(name, async () => {
			if (!Array.isArray(status)) return refused(post(body()), status, code);
			const answer = await post(body())({});
			assert.ok(status.includes(answer.status), `${answer.status} ${answer.text}`);
			return refused(post(body()), answer.status, answer.json.code);
		});
	}
	test('another media type', () => refused(post(JSON.stringify(gift()), { 'content-type': 'text/plain' }), 415, 'unsupported-media-type'));
	test('another charset', () => refused(post(JSON.stringify(gift()), { 'content-type': 'application/json; charset=GB18030' }), 415, 'unsupported-media-type'));
	test('an encoding that nobody has', () => refused(post(JSON.stringify(gift()), { 'content-encoding': 'yg' }), 415, 'unsupported-media-type'));
	test('UTF-8 by its name', async () => {
		const answer = await post(JSON.stringify(gift()), { 'content-type': 'application/json;charset="UTF-8"', 'content-encoding': 'identity' })({});
		assert.equal(answer.status, 201, answer.text);
	});
	test('without a key', () => refused(post(gift(), { 'idempotency-key': null }), 400, 'idempotency-key-missing'));
	test('with a bad key', () => refused(post(gift(), { 'idempotency-key': 'x'.repeat(300) }), 400, 'idempotency-key-invalid'));
	test('a parameter that is not known', () => refused((headers) => platform.client.get('/v1/campaigns?limit=1&or=1=1', headers), 400, 'unknown-parameter'));
	test('a cursor of our own making', () => refused((headers) => platform.client.get('/v1/campaigns?cursor=AAAAAAAAAAAAAAAAAAAAAAAA', headers), 400, 'cursor-mismatch'));
});

/* The gateway adds fields of its own: what it lets through must still fit the service, or a stranger could break the connection that
 * everybody's requests share. */
test('the largest heads that the gateway takes reach the service', async () => {
	const heads = { fields: Array.from({ length: 94 }, (_, n) => `X-Field-${n}: x`).join('\r\n'), bytes: `X-Long: ${'x'.repeat(16100)}` };
	for (const [what, fields] of Object.entries(heads)) {
		const body = '{"refresh_token":"no such token"}';
		const answer = await rawExchange(platform.port, `POST /v1/auth/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${body.length}\r\n${fields}\r\n\r\n${body}`, { quietMs: 5000 });
		const status = Number(/^HTTP\/1.1 (\d+)/.exec(answer.text)?.[1]);
		assert.ok([401, 422, 431].includes(status), `${what}: ${status}`);
	}
	assert.doesNotMatch(fs.readFileSync(path.join(platform.dir, 'log/gateway.log'), 'utf8'), /broke the protocol/);
});

test('a key used again for another gift', async () => {
	const key = randomUUID();
	const give = giftSender(platform, campaign, citizen);
	assert.equal((await give({ message: 'a' }, { key })).status, 201);
	await refused(post(gift({ message: 'b' }), { 'idempotency-key': key }), 422, 'idempotency-key-reused');
});

describe('who asks', () => {
	const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
	const pieces = () => citizen.authorization.slice('Bearer '.length).split('.');
	const claims = (over = {}) => ({ ...JSON.parse(Buffer.from(pieces()[1], 'base64url')), ...over });
	const header = (over = {}) => ({ ...JSON.parse(Buffer.from(pieces()[0], 'base64url')), ...over });
	const cases = [
		['no token', () => null, 401, 'unauthenticated'],
		['rubbish', () => 'Bearer x.y.z', 401, 'token-invalid'],
		['alg none', () => `Bearer ${part(header({ alg: 'none' }))}.${part(claims())}.`, 401, 'token-invalid'],
		['alg none with a signature', () => `Bearer ${part(header({ alg: 'none' }))}.${part(claims())}.${pieces()[2]}`, 401, 'token-invalid'],
		['signed with our public key as if it were a secret', () => {
			const text = `${part(header({ alg: 'HS256' }))}.${part(claims({ scope: 'campaign:manage refund:manage' }))}`;
			return `Bearer ${text}.${createHmac('sha256', 'public').update(text).digest('base64url')}`;
		}, 401, 'token-invalid'],
		['other claims under the old signature', () => `Bearer ${pieces()[0]}.${part(claims({ sub: randomUUID() }))}.${pieces()[2]}`, 401, 'token-invalid'],
		['a changed signature', () => `Bearer ${pieces()[0]}.${pieces()[1]}.${randomBytes(Buffer.from(pieces()[2], 'base64url').length).toString('base64url')}`, 401, 'token-invalid'],
		['an unknown key', () => `Bearer ${part(header({ kid: 'somebody' }))}.${pieces()[1]}.${pieces()[2]}`, 401, 'token-invalid'],
		['expired, under the old signature', () => `Bearer ${pieces()[0]}.${part(claims({ exp: 1 }))}.${pieces()[2]}`, 401, null],
		['an API key nobody has', () => 'ApiKey yg_nobody_0123456789abcdef', 401, null],
		['another scheme', () => 'Basic YTpi', 401, null],
	];
	for (const [name, authorization, status, code] of cases) {
		test(name, () => refused(post(gift(), () => ({ authorization: authorization() })), status, code));
	}
	test('a citizen at the desk of the staff', () => refused(post({ reason: 'x' }, {}, `/v1/gifts/${randomUUID()}/refunds`), 403, 'insufficient-scope'));
	test('an auditor who would pay out', async () => refused(post({ reason: 'x' }, await people.headers('staff:auditor'), `/v1/gifts/${randomUUID()}/refunds`), 403, 'insufficient-scope'));
	test('a sealed identity of our own making', async () => {
		const forged = 'v1.system.11111111-1111-1111-1111-111111111111.4412.refund:manage';
		const sealed = { authorization: null, 'x-yangguang-identity': `${forged}.${createHmac('sha256', 'key').update(forged).digest('hex')}` };
		await refused(post(gift(), sealed), 401, 'unauthenticated');
		await refused((headers) => platform.client.get(`/internal/citizens/${randomUUID()}/openid?appid=x`, { ...headers, ...sealed }), 404, 'not-found');
		const mine = await platform.client.get('/v1/me', { ...citizen, 'x-yangguang-identity': sealed['x-yangguang-identity'] });
		assert.equal(mine.status, 200, 'and beside a good token it is not looked at');
	});
	test('a password that is wrong', () => refused((headers) => platform.client.request('POST', '/v1/auth/staff', { headers, body: { username: 'finance', password: 'wrong-wrong-wrong' } }), 401, 'invalid-credentials'));
	test('a login code that WeChat does not know', () => refused((headers) => platform.client.request('POST', '/v1/auth/wechat', { headers, body: { code: 'nobody' } }), 401, 'login-code-invalid'));
	test('a refresh token of our own making', () => refused((headers) => platform.client.request('POST', '/v1/auth/refresh', { headers, body: { refresh_token: randomBytes(32).toString('base64url') } }), 401, 'refresh-token-invalid'));
});

describe('notifications of payments', () => {
	let order;
	before(async () => {
		const made = await giftSender(platform, campaign, citizen)({ channel: 'WECHAT_JSAPI', amount_fen: 900 });
		assert.equal(made.status, 201, made.text);
		order = made.json;
	});

	const paid = (over = {}) => ({
		appid: keys.appid, mchid: keys.mchid, out_trade_no: order.out_trade_no, transaction_id: `4200${Date.now()}99999999999`, trade_type: 'JSAPI', trade_state: 'SUCCESS',
		trade_state_desc: '支付成功', bank_type: 'OTHERS', attach: '', success_time: '2026-01-02T03:04:05+08:00', payer: { openid: 'o' },
		amount: { total: 900, payer_total: 900, currency: 'CNY', payer_currency: 'CNY' }, ...over,
	});
	const envelope = (plain, { tamper = false, id = `EV-${nonce(20)}`, aad = 'transaction' } = {}) => {
		const iv = nonce(12);
		const sealed = seal(Buffer.from(typeof plain === 'string' ? plain : JSON.stringify(plain)), keys.apiv3, iv, aad);
		if (tamper) sealed[sealed.length - 1] ^= 1;
		return Buffer.from(JSON.stringify({
			id, create_time: '2026-01-02T03:04:06+08:00', resource_type: 'encrypt-resource', event_type: 'TRANSACTION.SUCCESS', summary: '支付成功',
			resource: { original_type: 'transaction', algorithm: 'AEAD_AES_256_GCM', ciphertext: sealed.toString('base64'), associated_data: 'transaction', nonce: iv },
		}));
	};
	const notify = (body, signed, more = {}) => platform.client.request('POST', '/v1/payments/wechat/notifications', { body, headers: { ...signed, ...more } });
	const told = (make, faults, change = (signed) => signed) => async (headers) => {
		const body = make();
		return notify(body, change(await keys.signedHeaders(body, faults)), headers);
	};
	const honest = () => envelope(paid());

	const cases = [
		['a bad signature that WeChat sends to see whether we look', honest, { bad: true }, undefined, 401, 'signature-invalid'],
		['the probe instead of a signature', honest, {}, (s) => ({ ...s, 'Wechatpay-Signature': `${PROBE}${randomBytes(200).toString('base64')}` }), 401, 'signature-invalid'],
		['an unknown serial', honest, { serial: 'PUB_KEY_ID_0000000000000000000000000000' }, undefined, 401, 'signature-invalid'],
		['a stamp of ten minutes ago', honest, { skewS: -600 }, undefined, 401, 'signature-invalid'],
		['a stamp of ten minutes ahead', honest, { skewS: 600 }, undefined, 401, 'signature-invalid'],
		['another nonce than was signed', honest, {}, (s) => ({ ...s, 'Wechatpay-Nonce': 'x' }), 401, 'signature-invalid'],
		['no signature', honest, {}, (s) => ({ ...s, 'Wechatpay-Signature': null }), 401, 'signature-invalid'],
		['nothing signed at all', honest, {}, () => ({}), 401, 'signature-invalid'],
		['a tampered tag', () => envelope(paid(), { tamper: true }), {}, undefined, 400, 'notification-unreadable'],
		['sealed for something else', () => envelope(paid(), { aad: 'refund' }), {}, undefined, 400, 'notification-unreadable'],
		['well signed rubbish', () => Buffer.from('rubbish'), {}, undefined, 400, 'notification-unreadable'],
		['well sealed rubbish', () => envelope('rubbish'), {}, undefined, 400, 'notification-unreadable'],
		['without an amount', () => envelope(paid({ amount: undefined })), {}, undefined, 400, 'notification-unreadable'],
		['another merchant', () => envelope(paid({ mchid: '1900000001' })), {}, undefined, 422, 'notification-foreign'],
		['another app', () => envelope(paid({ appid: 'wxffffffffffffffff' })), {}, undefined, 422, 'notification-foreign'],
		['another currency', () => envelope(paid({ amount: { total: 900, currency: 'USD' } })), {}, undefined, 422, 'notification-foreign'],
		['too long', () => Buffer.alloc(70000, 0x20), {}, undefined, 413, 'payload-too-large'],
	];
	for (const [name, make, faults, change, status, code] of cases) test(name, () => refused(told(make, faults, change), status, code));

	test('another body under a good signature', () => refused(async (headers) => notify(envelope(paid()), await keys.signedHeaders(envelope(paid())), headers), 401, 'signature-invalid'));

	const money = () => platform.sql(`select state, (select count(*) from donations.money_entry e where e.gift_id = g.id) from donations.gift g where id = '${order.id}'`);
	test('another amount is kept for a person to look at, and counts nothing', async () => {
		const before = await rowCounts(platform);
		const answer = await told(() => envelope(paid({ amount: { total: 901, payer_total: 901, currency: 'CNY' } })))({});
		assert.equal(answer.status, 204, answer.text);
		assert.deepEqual(await money(), [['PENDING', '0']]);
		const after = await rowCounts(platform);
		assert.equal(after.payment_exception - before.payment_exception, 1);
		assert.deepEqual([after.money_entry, after.gift_public], [before.money_entry, before.gift_public]);
	});

	test('the same bytes a hundred times count once', async () => {
		const body = envelope(paid());
		const signed = await keys.signedHeaders(body);
		const answers = await Promise.all(Array.from({ length: 100 }, () => notify(body, signed)));
		assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [204]);
		await eventually(async () => (await money())[0][0] === 'PAID');
		const before = await everything();
		assert.equal((await notify(body, signed)).status, 204);
		assert.deepEqual(await money(), [['PAID', '1']]);
		assert.deepEqual(await everything(), before);
	});
});

describe('HTTP itself', () => {
	const raw = async (text) => {
		const { text: answer } = await rawExchange(platform.port, text, { quietMs: 300 });
		const end = answer.indexOf('\r\n\r\n');
		const head = answer.slice(0, end);
		const fields = Object.fromEntries(head.split('\r\n').slice(1).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
		const body = Buffer.from(answer.slice(end + 4), 'latin1').toString('utf8');
		let json;
		try { json = JSON.parse(body); } catch { json = undefined; }
		return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), headers: fields, text: body, json };
	};
	const cases = [
		['a length given twice', (l) => `POST /v1/gifts HTTP/1.1\r\nHost: x\r\n${l}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, 400, 'malformed-request'],
		['length and chunks', (l) => `POST /v1/gifts HTTP/1.1\r\nHost: x\r\n${l}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400, 'malformed-request'],
		['no host', (l) => `GET /v1/campaigns HTTP/1.1\r\n${l}\r\n`, 400, 'malformed-request'],
		['a bare newline in the head', (l) => `GET /v1/campaigns HTTP/1.1\r\nHost: x\r\n${l}A: b\nC: d\r\n\r\n`, 400, 'malformed-request'],
		['a space before the colon', (l) => `GET /v1/campaigns HTTP/1.1\r\nHost: x\r\n${l}A : b\r\n\r\n`, 400, 'malformed-request'],
		['an endless target', (l) => `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: x\r\n${l}\r\n`, 414, 'uri-too-long'],
		['an endless header', (l) => `GET /v1/campaigns HTTP/1.1\r\nHost: x\r\n${l}A: ${'b'.repeat(20000)}\r\n\r\n`, 431, 'headers-too-large'],
		['a thousand headers', (l) => `GET /v1/campaigns HTTP/1.1\r\nHost: x\r\n${l}${'A: b\r\n'.repeat(1000)}\r\n`, 431, 'headers-too-large'],
		['another version', (l) => `GET /v1/campaigns HTTP/3.0\r\nHost: x\r\n${l}\r\n`, 505, 'http-version-not-supported'],
		['a path with a NUL', (l) => `GET /v1/campaigns/%00 HTTP/1.1\r\nHost: x\r\n${l}\r\n`, [400, 404, 422], null],
		['a path that climbs', (l) => `GET /v1/campaigns/..%2f..%2finternal HTTP/1.1\r\nHost: x\r\n${l}\r\n`, [400, 404, 422], null],
	];
	for (const [name, make, status, code] of cases) {
		test(name, async () => {
			const send = (headers) => raw(make(headers['accept-language'] ? `Accept-Language: ${headers['accept-language']}\r\n` : ''));
			/* Of a head that cannot be read nothing is believed, its language neither. */
			const answer = await send({});
			assert.ok([].concat(status).includes(answer.status), `${answer.status} ${answer.text}`);
			return refused(send, answer.status, code ?? answer.json?.code, { languages: { zh: 'zh-CN' } });
		});
	}
	test('no sanitizer spoke', () => assert.deepEqual(complaints(platform), []));
});
