// Refunds: accepted at once as PROCESSING, settled a moment later; ABNORMAL is not final.
import { beijing } from '../shared.mjs';
import { sha256 } from './crypto.mjs';
import { ApiError, integer, notifyUrl, object, paramError, string } from './errors.mjs';

const OUT_REFUND_NO = /^[0-9A-Za-z_\-|*@]+$/;
const EVENTS = {
	SUCCESS: { event: 'REFUND.SUCCESS', summary: '退款成功' },
	ABNORMAL: { event: 'REFUND.ABNORMAL', summary: '退款异常' },
	CLOSED: { event: 'REFUND.CLOSED', summary: '退款关闭' },
};

function readRefund(body) {
	const wish = {
		transaction_id: string(body, 'transaction_id', { max: 32, required: false }),
		out_trade_no: string(body, 'out_trade_no', { min: 6, max: 32, required: false }),
		out_refund_no: string(body, 'out_refund_no', { max: 64, pattern: OUT_REFUND_NO }),
		reason: string(body, 'reason', { max: 80, required: false }),
		notify_url: notifyUrl(body, false),
	};
	if (wish.transaction_id === undefined && wish.out_trade_no === undefined) throw paramError('/transaction_id', undefined, '与 out_trade_no 二选一');
	const amount = object(body, 'amount');
	wish.amount = {
		refund: integer(amount, 'refund', { min: 1, at: '/amount' }),
		total: integer(amount, 'total', { min: 1, at: '/amount' }),
		currency: string(amount, 'currency', { max: 16, at: '/amount' }),
	};
	if (wish.amount.currency !== 'CNY') throw paramError('/amount/currency', wish.amount.currency, '仅支持 CNY');
	return wish;
}

function orderOf(pay, wish) {
	const order = wish.transaction_id !== undefined ? pay.state.byTransaction.get(wish.transaction_id) : pay.state.orders.get(wish.out_trade_no);
	if (!order || order.transaction_id === undefined || (wish.out_trade_no !== undefined && order.out_trade_no !== wish.out_trade_no)) {
		throw new ApiError(404, 'RESOURCE_NOT_EXISTS', '订单不存在或未支付'); /* [K] */
	}
	return order;
}

/** The same out_refund_no with the same content is the same refund; the sum never passes what was paid. */
export function createRefund(pay, body) {
	const wish = readRefund(body);
	const order = orderOf(pay, wish);
	const fingerprint = sha256(JSON.stringify([order.out_trade_no, wish.amount]));
	const known = pay.state.refunds.get(wish.out_refund_no);
	if (known) {
		if (known.fingerprint !== fingerprint) throw new ApiError(400, 'INVALID_REQUEST', '订单金额或退款金额与之前请求不一致，请核实后再试');
		return show(known);
	}
	if (wish.amount.total !== order.amount.total) throw new ApiError(400, 'INVALID_REQUEST', '订单金额或退款金额与之前请求不一致，请核实后再试');
	const taken = pay.state.refundsOf(order).filter((r) => r.status !== 'CLOSED').reduce((sum, r) => sum + r.amount.refund, 0);
	if (taken + wish.amount.refund > order.amount.total) throw new ApiError(400, 'INVALID_REQUEST', '申请退款金额大于订单可退金额');
	const refused = pay.behaviours.take('refund_refused', { out_refund_no: wish.out_refund_no, out_trade_no: order.out_trade_no });
	if (refused) throw new ApiError(refused.code === 'RESOURCE_NOT_EXISTS' ? 404 : 400, refused.code ?? 'INVALID_REQUEST', '订单已超过可退款的最大期限');
	if (pay.behaviours.take('refund_not_enough', { out_trade_no: order.out_trade_no })) throw new ApiError(403, 'NOT_ENOUGH', '基本账户余额不足，请充值后重新发起'); /* [K] */
	const refund = {
		refund_id: `5030${pay.state.digits(25)}`, out_refund_no: wish.out_refund_no, transaction_id: order.transaction_id, out_trade_no: order.out_trade_no,
		reason: wish.reason, notify_url: wish.notify_url, amount: wish.amount, order_total: order.amount.total, payer_total: order.payer_total,
		status: 'PROCESSING', create_time: beijing(pay.clock.now()), fingerprint,
		abnormal: pay.behaviours.take('refund_abnormal', { out_refund_no: wish.out_refund_no, out_trade_no: order.out_trade_no }) ?? undefined,
	};
	pay.state.put('refunds', refund.out_refund_no, refund);
	if (order.trade_state === 'SUCCESS') pay.state.put('orders', order.out_trade_no, Object.assign(order, { trade_state: 'REFUND' }));
	settleLater(pay, refund);
	return show(refund);
}

/** Also called for every refund that a restart finds unsettled. */
export function settleLater(pay, refund) {
	pay.clock.after(pay.options.refundDelayMs, () => {
		if (refund.status !== 'PROCESSING') return;
		settleRefund(pay, refund, refund.abnormal ? 'ABNORMAL' : 'SUCCESS');
		if (refund.abnormal?.then_ms !== undefined) pay.clock.after(refund.abnormal.then_ms, () => settleRefund(pay, refund, 'SUCCESS'));
	});
}

/** Puts a refund into a final or abnormal state and tells the merchant. SUCCESS and CLOSED stay. */
export function settleRefund(pay, refund, status) {
	if (!EVENTS[status]) throw Object.assign(new Error('status must be SUCCESS, ABNORMAL or CLOSED'), { status: 400 });
	if (refund.status === status) return null;
	if (refund.status === 'SUCCESS' || refund.status === 'CLOSED') throw Object.assign(new Error(`the refund is ${refund.status}`), { status: 409 });
	refund.status = status;
	if (status === 'SUCCESS') refund.success_time = beijing(pay.clock.now());
	pay.state.put('refunds', refund.out_refund_no, refund);
	if (!refund.notify_url) return null;
	return pay.callbacks.queue({
		url: refund.notify_url, ...EVENTS[status], type: 'refund', out_trade_no: refund.out_trade_no, out_refund_no: refund.out_refund_no,
		plain: {
			mchid: pay.keys.mchid, transaction_id: refund.transaction_id, out_trade_no: refund.out_trade_no, refund_id: refund.refund_id,
			out_refund_no: refund.out_refund_no, refund_status: status, ...(refund.success_time ? { success_time: refund.success_time } : {}),
			user_received_account: '支付用户零钱',
			amount: { total: refund.order_total, refund: refund.amount.refund, payer_total: refund.payer_total, payer_refund: payerRefund(refund) },
		},
	});
}

/* The payer's own share: coupons come back in proportion. */
const payerRefund = (refund) => Math.floor(refund.amount.refund * refund.payer_total / refund.order_total);

export function show(refund) {
	const payer = payerRefund(refund);
	return {
		amount: {
			currency: 'CNY', discount_refund: refund.amount.refund - payer, from: [], payer_refund: payer, payer_total: refund.payer_total,
			refund: refund.amount.refund, settlement_refund: refund.amount.refund, settlement_total: refund.order_total, total: refund.order_total, refund_fee: 0,
		},
		channel: 'ORIGINAL',
		create_time: refund.create_time,
		funds_account: 'AVAILABLE',
		out_refund_no: refund.out_refund_no,
		out_trade_no: refund.out_trade_no,
		promotion_detail: [],
		refund_id: refund.refund_id,
		status: refund.status,
		...(refund.success_time ? { success_time: refund.success_time } : {}),
		transaction_id: refund.transaction_id,
		user_received_account: '支付用户零钱',
	};
}

export function queryRefund(pay, number) {
	const refund = pay.state.refunds.get(number);
	if (!refund) throw new ApiError(404, 'RESOURCE_NOT_EXISTS', '退款单不存在'); /* [K] */
	return show(refund);
}
