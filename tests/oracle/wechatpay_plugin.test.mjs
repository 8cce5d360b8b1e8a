// The independent npm client against the stand-in: everything it signs is accepted, everything it is sent verifies and opens.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { verifyLoggedRequest } from '../support/wechatpay_verify.mjs';
import { eventually, Formatter, openCallback, order, outcome, startBoth } from './setup.mjs';

let s;
before(async () => { s = await startBoth(); });
after(() => s.stop());

const jsapi = (body) => outcome(s.wxpay.v3.pay.transactions.jsapi.post(body));
const query = (no) => outcome(s.wxpay.v3.pay.transactions.outTradeNo._out_trade_no_.get({ params: { mchid: s.files.mchid }, out_trade_no: no }));
const lastCallback = (no) => eventually(() => s.receiver.received.findLast((c) => c.body.includes('EV-') && openCallback(s, c).plain.out_trade_no === no));

async function paidOrder(changes) {
	const body = order(s, changes);
	assert.equal((await jsapi(body)).status, 200);
	const paid = await s.control('POST', 'payments', { out_trade_no: body.out_trade_no, wait: true });
	assert.equal(paid.status, 200);
	return { ...body, transaction_id: paid.body.transaction_id };
}

test('an order is made, found unpaid, paid and found paid', async () => {
	const body = order(s, { attach: 'gift' });
	const made = await jsapi(body);
	assert.equal(made.status, 200);
	assert.match(made.data.prepay_id, /^wx[0-9a-z]{34}$/);
	const before = await query(body.out_trade_no);
	assert.equal(before.data.trade_state, 'NOTPAY');
	assert.equal(before.data.transaction_id, undefined);
	const paid = await s.control('POST', 'payments', { out_trade_no: body.out_trade_no, wait: true });
	assert.equal(paid.body.trade_state, 'SUCCESS');
	const after = await query(body.out_trade_no);
	assert.equal(after.data.trade_state, 'SUCCESS');
	assert.equal(after.data.amount.payer_total, 600);
	assert.equal(after.data.attach, 'gift');
	const byId = await outcome(s.wxpay.v3.pay.transactions.id[after.data.transaction_id].get({ params: { mchid: s.files.mchid } }));
	assert.deepEqual(byId.data, after.data);
});

test('the callback verifies, opens with the plugin and says what the query says', async () => {
	const body = await paidOrder();
	const callback = openCallback(s, await lastCallback(body.out_trade_no));
	assert.equal(callback.event_type, 'TRANSACTION.SUCCESS');
	assert.equal(callback.resource.associated_data, 'transaction');
	assert.deepEqual(callback.plain, (await query(body.out_trade_no)).data);
});

test('the same order again gives the same prepay_id; another amount under its number is refused', async () => {
	const body = order(s);
	const first = await jsapi(body);
	assert.deepEqual((await jsapi(body)).data, first.data);
	const other = await jsapi({ ...body, amount: { total: 601, currency: 'CNY' } });
	assert.equal(other.status, 403);
	assert.equal(other.data.code, 'OUT_TRADE_NO_USED');
});

test('close answers 204 and ends the order; a paid order cannot be closed', async () => {
	const body = order(s);
	await jsapi(body);
	const close = (no) => outcome(s.wxpay.v3.pay.transactions.outTradeNo._no_.close.post({ mchid: s.files.mchid }, { no }));
	assert.equal((await close(body.out_trade_no)).status, 204);
	assert.equal((await query(body.out_trade_no)).data.trade_state, 'CLOSED');
	assert.equal((await s.control('POST', 'payments', { out_trade_no: body.out_trade_no })).status, 409);
	const paid = await paidOrder();
	const refused = await close(paid.out_trade_no);
	assert.equal(refused.status, 400);
	assert.equal(refused.data.code, 'ORDERPAID');
});

test('unknown things are 404', async () => {
	assert.equal((await query('NOBODY12345')).data.code, 'ORDER_NOT_EXIST');
	const refund = await outcome(s.wxpay.v3.refund.domestic.refunds._no_.get({ no: 'R-none' }));
	assert.equal(refund.status, 404);
	assert.equal((await s.control('POST', 'payments', { out_trade_no: 'NOBODY12345' })).status, 404);
});

test('refunds: partial, repeated, limited by what was paid, with their own callback', async () => {
	const paid = await paidOrder();
	const notify = order(s).notify_url;
	const refund = (no, fen, changes) => outcome(s.wxpay.v3.refund.domestic.refunds.post({
		out_trade_no: paid.out_trade_no, out_refund_no: no, notify_url: notify, amount: { refund: fen, total: 600, currency: 'CNY' }, ...changes,
	}));
	const no = `R@${paid.out_trade_no}`;
	const first = await refund(no, 400);
	assert.equal(first.status, 200);
	assert.equal(first.data.status, 'PROCESSING');
	const again = await refund(no, 400);
	assert.equal(again.data.refund_id, first.data.refund_id);
	assert.equal((await refund(no, 300)).data.code, 'INVALID_REQUEST');
	assert.equal((await refund(`${no}2`, 201)).data.code, 'INVALID_REQUEST');
	assert.equal((await refund(`${no}3`, 200, { amount: { refund: 200, total: 599, currency: 'CNY' } })).data.code, 'INVALID_REQUEST');
	assert.equal((await refund(`${no}4`, 200)).status, 200);
	const state = await eventually(async () => {
		const found = await outcome(s.wxpay.v3.refund.domestic.refunds._no_.get({ no: encodeURIComponent(no) }));
		return found.data.status === 'SUCCESS' && found.data;
	});
	assert.equal(state.amount.refund, 400);
	assert.ok(state.success_time);
	assert.equal((await query(paid.out_trade_no)).data.trade_state, 'REFUND');
	const told = await eventually(() => s.receiver.received.map((c) => openCallback(s, c)).find((c) => c.plain.out_refund_no === no));
	assert.equal(told.event_type, 'REFUND.SUCCESS');
	assert.equal(told.resource.original_type, 'refund');
	assert.equal(told.plain.refund_status, 'SUCCESS');
});

test('an unpaid order cannot be refunded', async () => {
	const body = order(s);
	await jsapi(body);
	const refused = await outcome(s.wxpay.v3.refund.domestic.refunds.post({ out_trade_no: body.out_trade_no, out_refund_no: `R${body.out_trade_no}`, amount: { refund: 1, total: 600, currency: 'CNY' } }));
	assert.equal(refused.status, 404);
});

test('bills: plain and compressed, with the hash of the text', async () => {
	const t = await startBoth();
	try {
		const body = order(t, { description: '月捐,安心`款' });
		await t.wxpay.v3.pay.transactions.jsapi.post(body);
		await t.control('POST', 'payments', { out_trade_no: body.out_trade_no, wait: true });
		const date = new Date(Date.now() + 8 * 3600e3).toISOString().slice(0, 10);
		const bill = (params) => outcome(t.wxpay.v3.bill.tradebill.get({ params: { bill_date: date, ...params } }));
		assert.equal((await bill({})).data.code, 'NO_STATEMENT_EXIST');
		await t.control('POST', 'clock', { advance_s: 2 * 86400 });
		for (const params of [{ bill_type: 'ALL' }, { bill_type: 'ALL', tar_type: 'GZIP' }]) {
			const { data } = await bill(params);
			assert.equal(data.hash_type, 'SHA1');
			const file = await t.wxpay.v3.billdownload.file.get({ params: { token: new URL(data.download_url).searchParams.get('token') }, responseType: 'arraybuffer', transformResponse: [(d) => d] });
			const text = params.tar_type ? gunzipSync(Buffer.from(file.data)) : Buffer.from(file.data);
			assert.equal(createHash('sha1').update(text).digest('hex'), data.hash_value);
			assert.equal(file.headers['wechatpay-signature'], undefined);
			const { rows, summary } = Formatter.castCsvBill(text);
			const row = rows.find((r) => r['商户订单号'] === body.out_trade_no);
			assert.equal(row['订单金额'], '6.00');
			assert.equal(row['手续费'], '0.04000');
			assert.equal(row['交易类型'], 'JSAPI');
			assert.equal(summary['总交易单数'], String(rows.length));
		}
		const fund = await outcome(t.wxpay.v3.bill.fundflowbill.get({ params: { bill_date: date } }));
		assert.equal(fund.status, 200);
		assert.equal((await bill({ bill_type: 'NONE' })).status, 400);
		assert.equal((await bill({ bill_date: '2026-13-01' })).data.code, 'PARAM_ERROR');
	} finally { await t.stop(); }
});

test('legacy certificate mode: the certificate opens, and replies verify with it', async () => {
	const t = await startBoth({ signing: 'certificate' });
	try {
		const certs = { [t.files.platform_serial]: fs.readFileSync(t.files.platform_cert_file, 'utf8') };
		const legacy = t.plugin({ certs, headers: {} });
		const { data } = await legacy.v3.certificates.get();
		assert.equal(data.data[0].serial_no, t.files.platform_serial);
		const { Aes } = await import('./setup.mjs');
		const sealed = data.data[0].encrypt_certificate;
		assert.equal(Aes.AesGcm.decrypt(sealed.ciphertext, t.apiv3, sealed.nonce, sealed.associated_data), certs[t.files.platform_serial]);
		const asked = await t.wxpay.v3.certificates.get(); /* asks for the public key and gets it */
		assert.equal(asked.headers['wechatpay-serial'], t.files.wxpay_public_key_id);
	} finally { await t.stop(); }
});

test('what the stand-in logs can be verified from outside, and a changed byte is noticed', async () => {
	const body = order(s);
	await jsapi(body);
	const { entries } = (await s.control('GET', 'log')).body;
	const entry = entries.findLast((e) => e.endpoint === 'jsapi' && e.body.includes(body.out_trade_no));
	const known = { merchantKey: fs.readFileSync(s.files.merchant_cert_file, 'utf8'), mchid: s.files.mchid, serial: s.files.merchant_serial };
	verifyLoggedRequest(entry, known);
	assert.throws(() => verifyLoggedRequest({ ...entry, body: `${entry.body} ` }, known), /does not hold/);
	assert.throws(() => verifyLoggedRequest({ ...entry, url: `${entry.url}?` }, known), /does not hold/);
	assert.throws(() => verifyLoggedRequest({ ...entry, headers: {} }, known), /not a WECHATPAY2/);
	assert.throws(() => verifyLoggedRequest(entry, { ...known, mchid: '1' }), /mchid/);
});
