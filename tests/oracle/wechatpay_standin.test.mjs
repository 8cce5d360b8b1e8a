// The stand-in refuses what WeChat Pay refuses, and misbehaves exactly when it is told to.
import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, openCallback, order, outcome, startBoth, temporary } from './setup.mjs';

let s;
before(async () => { s = await startBoth(); });
after(() => s.stop());

const PATH = '/v3/pay/transactions/jsapi';
const jsapi = (body, from = s) => outcome(from.wxpay.v3.pay.transactions.jsapi.post(body));
const misbehave = (wish, from = s) => from.control('POST', 'behaviour', wish);
const pay = (no, from = s) => from.control('POST', 'payments', { out_trade_no: no, wait: true });
const callbacksOf = async (no, from = s) => (await from.control('GET', `callbacks?out_trade_no=${no}`)).body.items;

/** A request signed by hand, so that each part can be wrong on its own. */
async function raw({ method = 'POST', path: target = PATH, body = '', headers = {}, change = {}, orderOf = ['mchid', 'nonce_str', 'signature', 'timestamp', 'serial_no'] } = {}) {
	const parts = { mchid: s.files.mchid, nonce_str: '593BEC0C930BF1AFEB40B4A08C8FB242', timestamp: String(Math.floor(Date.now() / 1000)), serial_no: s.files.merchant_serial, ...change };
	const key = createPrivateKey(fs.readFileSync(s.files.merchant_key_file));
	parts.signature ??= sign('sha256', Buffer.from(`${method}\n${change.path ?? target}\n${parts.timestamp}\n${parts.nonce_str}\n${change.body ?? body}\n`), key).toString('base64');
	const authorization = `WECHATPAY2-SHA256-RSA2048 ${orderOf.map((name) => `${name}="${parts[name]}"`).join(',')}`;
	return new Promise((done, fail) => {
		const request = https.request(s.standin.url + target, {
			method, ca: fs.readFileSync(s.files.ca_file), agent: false,
			headers: { authorization, accept: 'application/json', 'user-agent': 'test', 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
		}, async (response) => {
			let text = '';
			for await (const part of response) text += part;
			done({ status: response.statusCode, headers: response.headers, data: text ? JSON.parse(text) : undefined });
		});
		request.on('error', fail);
		request.end(body);
	});
}

test('the signature covers method, path, time, nonce and body', async () => {
	const body = JSON.stringify(order(s));
	assert.equal((await raw({ body })).status, 200);
	assert.equal((await raw({ body, orderOf: ['signature', 'serial_no', 'timestamp', 'nonce_str', 'mchid'] })).status, 200);
	const now = Math.floor(Date.now() / 1000);
	const wrong = [{ body: `${body} ` }, { path: '/v3/pay/transactions/native' }, { mchid: '1900000001' }, { serial_no: 'AB' }, { nonce_str: 'a b' }, { signature: 'AAAA' },
		{ timestamp: String(now - 302) }, { timestamp: String(now + 302) }, { timestamp: `${now}000` }];
	for (const change of wrong) {
		const refused = await raw({ body, change });
		assert.equal(refused.status, 401, JSON.stringify(change));
		assert.equal(refused.data.code, 'SIGN_ERROR');
	}
	assert.equal((await raw({ body, change: { timestamp: String(now - 290) } })).status, 200);
	assert.equal((await raw({ body, headers: { authorization: 'Bearer x' } })).status, 401);
	assert.equal((await raw({ body, orderOf: ['mchid', 'nonce_str', 'signature', 'timestamp'] })).status, 401);
	assert.equal((await raw({ body, orderOf: ['mchid', 'nonce_str', 'signature', 'timestamp', 'serial_no', 'mchid'] })).status, 401);
	assert.equal((await raw({ body: '{', method: 'POST' })).data.code, 'PARAM_ERROR');
	assert.equal((await raw({ body, headers: { 'content-type': 'text/plain' } })).status, 400);
});

test('every member of an order is checked', async () => {
	const cases = [
		[{ out_trade_no: 'short' }, '/out_trade_no'], [{ out_trade_no: 'x'.repeat(33) }, '/out_trade_no'], [{ out_trade_no: 'a b c d e' }, '/out_trade_no'],
		[{ amount: { total: 0, currency: 'CNY' } }, '/amount/total'], [{ amount: { total: 1.5 } }, '/amount/total'], [{ amount: { total: '600' } }, '/amount/total'],
		[{ amount: { total: 1, currency: 'USD' } }, '/amount/currency'], [{ amount: undefined }, '/amount'], [{ payer: {} }, '/payer/openid'],
		[{ notify_url: 'http://pay.example.org/n' }, '/notify_url'], [{ notify_url: 'https://pay.example.org/n?a=1' }, '/notify_url'],
		[{ notify_url: 'https://pay.example.org:8443/n' }, '/notify_url'], [{ notify_url: 'https://u@pay.example.org/n' }, '/notify_url'],
		[{ description: '字'.repeat(128) }, '/description'], [{ attach: 'x'.repeat(129) }, '/attach'],
		[{ time_expire: '2020-01-01T00:00:00+08:00' }, '/time_expire'], [{ time_expire: 'tomorrow' }, '/time_expire'],
	];
	for (const [change, field] of cases) {
		const refused = await jsapi(order(s, change));
		assert.equal(refused.status, 400, JSON.stringify(change));
		assert.equal(refused.data.code, 'PARAM_ERROR');
		assert.equal(refused.data.detail.field, field);
	}
	assert.equal((await jsapi(order(s, { appid: 'wx0' }))).data.code, 'APPID_MCHID_NOT_MATCH');
	assert.equal((await jsapi(order(s, { mchid: '1' }))).data.code, 'MCH_NOT_EXISTS');
});

test('an order past time_expire cannot be paid', async () => {
	const body = order(s, { time_expire: new Date(Date.now() + 60e3).toISOString() });
	assert.equal((await jsapi(body)).status, 200);
	const t = await startBoth();
	try {
		const late = order(t, { time_expire: new Date(Date.now() + 60e3).toISOString() });
		await jsapi(late, t);
		await t.control('POST', 'clock', { advance_s: 61 });
		assert.equal((await pay(late.out_trade_no, t)).status, 409);
	} finally { await t.stop(); }
});

test('an unanswered callback is sent again on the schedule, with the same id, until 200 or 204', async () => {
	const t = await startBoth();
	try {
		const body = order(t);
		await jsapi(body, t);
		t.receiver.answers.push({ status: 500, body: '{"code":"FAIL","message":"失败"}' }, { status: 401 }, { status: 200, body: '{"code":"FAIL"}' });
		await pay(body.out_trade_no, t);
		assert.equal(t.receiver.received.length, 1);
		await t.control('POST', 'clock', { advance_s: 14 });
		assert.equal(t.receiver.received.length, 1);
		await t.control('POST', 'clock', { advance_s: 1 });
		assert.equal(t.receiver.received.length, 2);
		await t.control('POST', 'clock', { advance_s: 86400 });
		assert.equal(t.receiver.received.length, 3); /* the 200 ended it, whatever its body says */
		const ids = new Set(t.receiver.received.map((c) => openCallback(t, c).id));
		assert.equal(ids.size, 1);
		assert.equal(new Set(t.receiver.received.map((c) => c.headers['wechatpay-nonce'])).size, 3);
	} finally { await t.stop(); }
});

test('a callback nobody takes is tried 16 times and then given up', async () => {
	const t = await startBoth();
	try {
		const body = order(t);
		await jsapi(body, t);
		t.receiver.answers.push(...Array.from({ length: 20 }, () => ({ status: 503 })));
		await pay(body.out_trade_no, t);
		await t.control('POST', 'clock', { advance_s: 24 * 3600 + 5 * 60 });
		await t.control('POST', 'clock', { advance_s: 7 * 86400 });
		assert.equal(t.receiver.received.length, 16);
		assert.equal((await callbacksOf(body.out_trade_no, t))[0].exhausted, true);
	} finally { await t.stop(); }
});

/** Pays an order under one misbehaviour and returns the first callback as the merchant got it. */
async function misbehaved(wish) {
	const body = order(s);
	await jsapi(body);
	await misbehave({ ...wish, out_trade_no: body.out_trade_no });
	const seen = s.receiver.received.length;
	await pay(body.out_trade_no);
	return { body, got: s.receiver.received.slice(seen) };
}

test('callbacks can lie in each of the ways that matter', async () => {
	const bad = (await misbehaved({ mode: 'bad_signature', target: 'callback' })).got[0];
	assert.ok(bad.headers['wechatpay-signature'].startsWith('WECHATPAY/SIGNTEST/'));
	assert.throws(() => openCallback(s, bad), /bad signature/);
	assert.throws(() => openCallback(s, { ...bad, headers: { ...bad.headers, 'wechatpay-signature': 'AAAA' } }), /bad signature/);

	const amount = await misbehaved({ mode: 'amount_mismatch', by: 100 });
	assert.equal(openCallback(s, amount.got[0]).plain.amount.total, 700);
	const other = await misbehaved({ mode: 'other_mchid' });
	assert.notEqual(openCallback(s, other.got[0]).plain.mchid, s.files.mchid);
	const tampered = await misbehaved({ mode: 'tampered_tag' });
	assert.throws(() => openCallback(s, tampered.got[0]), (error) => error.message !== 'bad signature');
	const empty = openCallback(s, (await misbehaved({ mode: 'empty_aad' })).got[0]);
	assert.equal(empty.resource.associated_data, '');
	assert.equal(empty.plain.trade_state, 'SUCCESS');
	const spaced = (await misbehaved({ mode: 'whitespace' })).got[0];
	assert.match(spaced.body, /\r\n {2}"/);
	assert.equal(openCallback(s, spaced).plain.trade_state, 'SUCCESS');
	const skewed = (await misbehaved({ mode: 'clock_skew', target: 'callback', s: -301 })).got[0];
	assert.ok(Math.abs(Number(skewed.headers['wechatpay-timestamp']) - (Date.now() / 1000 - 301)) < 3);
	openCallback(s, skewed);
	const unknown = (await misbehaved({ mode: 'unknown_serial', target: 'callback' })).got[0];
	assert.match(unknown.headers['wechatpay-serial'], /^PUB_KEY_ID_0+$/);
	const legacy = (await misbehaved({ mode: 'certificate_serial', target: 'callback' })).got[0];
	assert.equal(legacy.headers['wechatpay-serial'], s.files.platform_serial);
	assert.equal((await misbehaved({ mode: 'duplicate_callback', n: 3 })).got.length, 4);
});

test('no callback at all, and one resent by hand', async () => {
	const { body, got } = await misbehaved({ mode: 'no_callback' });
	assert.equal(got.length, 0);
	const again = await s.control('POST', 'callbacks', { out_trade_no: body.out_trade_no });
	assert.equal(again.body.attempt.status, 204);
	assert.equal((await s.control('POST', 'callbacks', { id: 'EV-0' })).status, 404);
});

test('the callback may come before the order is answered', async () => {
	const body = order(s);
	await misbehave({ mode: 'callback_before_reply', out_trade_no: body.out_trade_no });
	const seen = s.receiver.received.length;
	assert.equal((await jsapi(body)).status, 200);
	assert.equal(s.receiver.received.length, seen + 1);
});

test('a payment may win against a close', async () => {
	const body = order(s);
	await jsapi(body);
	await misbehave({ mode: 'pay_during_close' });
	const refused = await outcome(s.wxpay.v3.pay.transactions.outTradeNo._no_.close.post({ mchid: s.files.mchid }, { no: body.out_trade_no }));
	assert.equal(refused.data.code, 'ORDERPAID');
});

test('replies can fail: before or after the effect', async () => {
	for (const after_effect of [false, true]) {
		const body = order(s);
		await misbehave({ mode: 'system_error_once', endpoint: 'jsapi', after_effect });
		const failed = await jsapi(body);
		assert.equal(failed.status, 500);
		assert.equal(failed.data.code, 'SYSTEM_ERROR');
		const known = (await s.control('GET', `orders?out_trade_no=${body.out_trade_no}`)).body.items.length;
		assert.equal(known, after_effect ? 1 : 0);
		assert.equal((await jsapi(body)).status, 200);
	}
	await misbehave({ mode: 'frequency_limited' });
	assert.equal((await jsapi(order(s))).status, 429);
	await misbehave({ mode: 'html' });
	assert.equal((await jsapi(order(s))).status, 502);
	await misbehave({ mode: 'reset' });
	assert.ok((await jsapi(order(s))).thrown);
	await misbehave({ mode: 'slow', ms: 120 });
	const start = Date.now();
	assert.equal((await jsapi(order(s))).status, 200);
	assert.ok(Date.now() - start >= 115);
});

test('replies can be signed wrongly, and the independent client notices each time', async () => {
	for (const [wish, code] of [[{ mode: 'bad_signature', target: 'reply' }, 'EV3_RES_HEADER_SIGNATURE_DIGEST'], [{ mode: 'unknown_serial', target: 'reply' }, 'EV3_RES_HEADER_PLATFORM_SERIAL'],
		[{ mode: 'clock_skew', target: 'reply', s: 305 }, 'EV3_RES_HEADER_TIMESTAMP_OFFSET'], [{ mode: 'unsigned' }, 'EV3_RES_HEADERS_INCOMPLATE']]) {
		await misbehave(wish);
		const seen = await jsapi(order(s));
		assert.equal(seen.code ?? seen.thrown?.code, code);
	}
	await misbehave({ mode: 'clock_skew', target: 'reply', s: 295 });
	assert.equal((await jsapi(order(s))).status, 200);
	assert.equal((await misbehave({ mode: 'no-such-mode' })).status, 400);
});

test('a refund may be abnormal first and succeed later', async () => {
	const body = order(s);
	await jsapi(body);
	await pay(body.out_trade_no);
	await misbehave({ mode: 'refund_abnormal' });
	const no = `A${body.out_trade_no}`;
	await outcome(s.wxpay.v3.refund.domestic.refunds.post({ out_trade_no: body.out_trade_no, out_refund_no: no, notify_url: body.notify_url, amount: { refund: 600, total: 600, currency: 'CNY' } }));
	const state = async () => (await outcome(s.wxpay.v3.refund.domestic.refunds._no_.get({ no }))).data.status;
	assert.ok(await eventually(async () => await state() === 'ABNORMAL'));
	assert.equal((await s.control('POST', 'refunds', { out_refund_no: no, wait: true })).body.status, 'SUCCESS');
	assert.equal(await state(), 'SUCCESS');
	assert.equal((await s.control('POST', 'refunds', { out_refund_no: no, status: 'CLOSED' })).status, 409);
	const events = s.receiver.received.map((c) => { try { return openCallback(s, c); } catch { return {}; } }).filter((c) => c.plain?.out_refund_no === no).map((c) => c.event_type);
	assert.deepEqual(events, ['REFUND.ABNORMAL', 'REFUND.SUCCESS']);
});

test('orders, refunds and unfinished callbacks survive a restart', async () => {
	const state = path.join(temporary(), 'state.json');
	let t = await startBoth({ state });
	const body = order(t);
	try {
		await jsapi(body, t);
		t.receiver.answers.push({ status: 500 });
		await pay(body.out_trade_no, t);
	} finally { await t.stop(); }
	fs.appendFileSync(state, '["orders","torn'); /* a kill in the middle of a write */
	t = await startBoth({ state });
	try {
		const found = await outcome(t.wxpay.v3.pay.transactions.outTradeNo._no_.get({ params: { mchid: t.files.mchid }, no: body.out_trade_no }));
		assert.equal(found.data.trade_state, 'SUCCESS');
		await t.control('POST', 'clock', { advance_s: 15 });
		assert.equal(t.receiver.received.length, 1);
		assert.equal((await t.control('POST', 'reset', {})).status, 200);
		assert.equal((await t.control('GET', 'orders')).body.items.length, 0);
	} finally { await t.stop(); }
});
