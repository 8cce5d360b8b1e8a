// JSAPI orders: make, query, close, and what the payer does at the phone.
import { beijing } from '../shared.mjs';
import { sha256 } from './crypto.mjs';
import { ApiError, integer, notifyUrl, object, paramError, string, time } from './errors.mjs';

const OUT_TRADE_NO = /^[0-9A-Za-z_\-|*]+$/;
const PREPAY_TTL_MS = 2 * 3600e3;
const KNOWN = ['appid', 'mchid', 'description', 'out_trade_no', 'notify_url', 'amount', 'payer', 'time_expire', 'attach', 'goods_tag', 'detail', 'scene_info', 'settle_info', 'support_fapiao'];
const DESCRIPTIONS = { SUCCESS: '支付成功', REFUND: '转入退款', NOTPAY: '订单未支付', CLOSED: '订单已关闭' };

const notExist = () => new ApiError(404, 'ORDER_NOT_EXIST', '订单不存在');

function readOrder(pay, body) {
	const order = {
		appid: string(body, 'appid', { max: 32 }),
		mchid: string(body, 'mchid', { max: 32 }),
		description: string(body, 'description', { max: 127 }),
		out_trade_no: string(body, 'out_trade_no', { min: 6, max: 32, pattern: OUT_TRADE_NO }),
		notify_url: notifyUrl(body, true),
		attach: string(body, 'attach', { min: 0, max: 128, required: false }),
		goods_tag: string(body, 'goods_tag', { min: 0, max: 32, required: false }),
		time_expire: body.time_expire,
	};
	const expires = time(body, 'time_expire', { required: false });
	if (expires !== undefined && expires <= pay.clock.now()) throw paramError('/time_expire', body.time_expire, '应晚于当前时间');
	const amount = object(body, 'amount');
	order.amount = {
		total: integer(amount, 'total', { min: 1, max: 2147483647, at: '/amount' }),
		currency: string(amount, 'currency', { max: 16, required: false, at: '/amount' }) ?? 'CNY',
	};
	if (order.amount.currency !== 'CNY') throw paramError('/amount/currency', order.amount.currency, '仅支持 CNY');
	order.payer = { openid: string(object(body, 'payer'), 'openid', { max: 128, at: '/payer' }) };
	const scene = object(body, 'scene_info', { required: false });
	if (scene) order.payer_client_ip = string(scene, 'payer_client_ip', { max: 45, at: '/scene_info' });
	if (order.mchid !== pay.keys.mchid) throw new ApiError(400, 'MCH_NOT_EXISTS', '商户号不存在');
	if (order.appid !== pay.keys.appid) throw new ApiError(400, 'APPID_MCHID_NOT_MATCH', 'appid和mch_id不匹配');
	return order;
}

/** The same number with the same content gives a prepay_id again; with another content it is taken. */
export function createOrder(pay, body, entry) {
	const order = readOrder(pay, body);
	entry.unknown_members = Object.keys(body).filter((name) => !KNOWN.includes(name));
	const fingerprint = sha256(JSON.stringify(order));
	const known = pay.state.orders.get(order.out_trade_no);
	if (known) {
		if (known.fingerprint !== fingerprint) throw new ApiError(403, 'OUT_TRADE_NO_USED', '商户订单号重复');
		if (known.trade_state === 'CLOSED') throw new ApiError(400, 'ORDER_CLOSED', '订单已关闭'); /* [K] */
		if (known.trade_state !== 'NOTPAY') throw new ApiError(400, 'ORDERPAID', '订单已支付'); /* [K] */
		if (expired(pay, known)) throw new ApiError(400, 'INVALID_REQUEST', '订单已过支付截止时间'); /* [K] */
		if (pay.clock.now() < known.prepay_until) return { prepay_id: known.prepay_id };
	}
	const record = {
		...known, ...order, fingerprint,
		trade_state: 'NOTPAY',
		created: known?.created ?? pay.clock.now(),
		prepay_id: `wx${beijing(pay.clock.now()).replace(/\D/g, '').slice(0, 14)}${sha256(pay.state.digits(20)).slice(0, 20)}`,
		prepay_until: pay.clock.now() + PREPAY_TTL_MS,
	};
	pay.state.put('orders', order.out_trade_no, record);
	return { prepay_id: record.prepay_id };
}

const expired = (pay, order) => order.time_expire !== undefined && Date.parse(order.time_expire) <= pay.clock.now();

export function findOrder(pay, { out_trade_no: number, transaction_id: transaction }) {
	const order = transaction !== undefined ? pay.state.byTransaction.get(transaction) : pay.state.orders.get(number);
	if (!order) throw notExist();
	return order;
}

export function queryOrder(pay, selector, query) {
	const mchid = query.get('mchid');
	if (!mchid) throw paramError('/mchid', undefined, '此字段为必填项', 'query');
	if (mchid !== pay.keys.mchid) throw new ApiError(400, 'MCH_NOT_EXISTS', '商户号不存在');
	return transaction(findOrder(pay, selector));
}

/** An order as queries and callbacks show it. Before payment there is no transaction_id, payer or payer_total. */
export function transaction(order) {
	const paid = order.transaction_id !== undefined;
	return {
		amount: { currency: 'CNY', ...(paid ? { payer_currency: 'CNY', payer_total: order.payer_total } : {}), total: order.amount.total },
		appid: order.appid,
		attach: order.attach ?? '',
		...(paid ? { bank_type: 'OTHERS' } : {}),
		mchid: order.mchid,
		out_trade_no: order.out_trade_no,
		payer: paid ? { openid: order.payer.openid } : {},
		promotion_detail: [],
		...(paid ? { success_time: order.success_time } : {}),
		trade_state: order.trade_state,
		trade_state_desc: DESCRIPTIONS[order.trade_state],
		...(paid ? { trade_type: 'JSAPI', transaction_id: order.transaction_id } : {}),
	};
}

/** Closing a closed order is answered 204 again (not checked against the real one). A payment that was faster gives ORDERPAID. */
export function closeOrder(pay, number, body) {
	if (string(body, 'mchid', { max: 32 }) !== pay.keys.mchid) throw new ApiError(400, 'MCH_NOT_EXISTS', '商户号不存在');
	const order = findOrder(pay, { out_trade_no: number });
	if (order.trade_state === 'NOTPAY' && pay.behaviours.take('pay_during_close', { out_trade_no: number })) payOrder(pay, order, {});
	if (order.trade_state === 'SUCCESS' || order.trade_state === 'REFUND') throw new ApiError(400, 'ORDERPAID', '订单已支付');
	if (order.trade_state === 'NOTPAY') pay.state.put('orders', number, Object.assign(order, { trade_state: 'CLOSED' }));
}

/** The payer's side. Returns the callback that was queued, if any. */
export function payOrder(pay, order, { payer_total: payerTotal, success_time: at }) {
	if (order.trade_state === 'SUCCESS' || order.trade_state === 'REFUND') return null;
	if (order.trade_state === 'CLOSED') throw Object.assign(new Error('the order is closed'), { status: 409 });
	if (expired(pay, order)) throw Object.assign(new Error('the order has expired'), { status: 409 });
	if (payerTotal !== undefined && (!Number.isSafeInteger(payerTotal) || payerTotal < 0 || payerTotal > order.amount.total)) {
		throw Object.assign(new Error('payer_total must be an integer from 0 to the total'), { status: 400 });
	}
	Object.assign(order, {
		trade_state: 'SUCCESS',
		transaction_id: `4200${pay.state.digits(24)}`,
		success_time: at ?? beijing(pay.clock.now()),
		payer_total: payerTotal ?? order.amount.total,
	});
	pay.state.put('orders', order.out_trade_no, order);
	return pay.callbacks.queue({
		url: order.notify_url, event: 'TRANSACTION.SUCCESS', summary: '支付成功', type: 'transaction', out_trade_no: order.out_trade_no,
		plain: transaction(order),
	});
}
