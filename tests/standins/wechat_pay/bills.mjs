// Trade and fund bills with their short-lived download addresses. The hash is that of the text before compression.
import { gzipSync } from 'node:zlib';
import { beijing } from '../shared.mjs';
import { nonce, sha1 } from './crypto.mjs';
import { ApiError, paramError } from './errors.mjs';

const TOKEN_TTL_MS = 5 * 60e3;
const TOKENS_MAX = 1000;
const FEE_RATE = 0.006;
const DAY_MS = 86400e3;

const PAYMENT = '交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额';
const REFUND = '微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态';
const HEADERS = { /* SUCCESS and REFUND as remembered [K]; ALL as in the reference */
	ALL: `${PAYMENT},${REFUND},商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注`,
	SUCCESS: `${PAYMENT},商品名称,商户数据包,手续费,费率,订单金额,费率备注`,
	REFUND: `${PAYMENT},退款申请时间,退款成功时间,${REFUND},商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注`,
};
const SUMMARY = '总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额';
const FUND_HEADER = '记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,资金变更提交申请人,备注,业务凭证号';
const FUND_SUMMARY = '资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额';

const yuan = (fen) => `${fen < 0 ? '-' : ''}${Math.floor(Math.abs(fen) / 100)}.${String(Math.abs(fen) % 100).padStart(2, '0')}`;
const fee = (fen) => Math.round(fen * FEE_RATE);
const cells = (values) => values.map((value) => `\`${value}`).join(',');
const moment = (rfc) => rfc.slice(0, 19).replace('T', ' ');
const lines = (...rows) => Buffer.from(`\ufeff${rows.join('\r\n')}\r\n`);

/** Checks date and readiness: the bill of a day is there from ten o'clock of the next, Beijing time. */
function readDate(pay, query) {
	const date = query.get('bill_date') ?? '';
	const start = /^\d{4}-\d\d-\d\d$/.test(date) ? Date.parse(`${date}T00:00:00+08:00`) : NaN;
	if (Number.isNaN(start) || beijing(start).slice(0, 10) !== date) throw paramError('/bill_date', date, '日期格式应为 YYYY-MM-DD', 'query');
	const now = pay.clock.now();
	if (start < now - 93 * DAY_MS) throw new ApiError(400, 'INVALID_REQUEST', '账单日期超出三个月'); /* [K] */
	if (now < start + DAY_MS + 10 * 3600e3 || pay.behaviours.take('bill_not_ready')) throw new ApiError(400, 'NO_STATEMENT_EXIST', '账单文件不存在'); /* [K] */
	return date;
}

const oneOf = (query, name, values, fallback) => {
	const value = query.get(name) ?? fallback;
	if (!values.includes(value)) throw paramError(`/${name}`, value, `应为 ${values.join('、')} 之一`, 'query');
	return value;
};

function entries(pay, date) {
	const paid = [...pay.state.orders.values()].filter((o) => o.success_time?.startsWith(date)).map((order) => ({ at: order.success_time, order }));
	const back = [...pay.state.refunds.values()].filter((r) => r.success_time?.startsWith(date))
		.map((refund) => ({ at: refund.success_time, refund, order: pay.state.orders.get(refund.out_trade_no) }));
	return { paid: paid.sort((a, b) => a.at.localeCompare(b.at)), back: back.sort((a, b) => a.at.localeCompare(b.at)) };
}

function tradeRow(kind, { order, refund }) {
	const settled = refund ? 0 : order.amount.total;
	const row = [moment(refund ? refund.success_time : order.success_time), order.appid, order.mchid, '0', '', order.transaction_id, order.out_trade_no,
		order.payer.openid, 'JSAPI', refund ? 'REFUND' : 'SUCCESS', 'OTHERS', 'CNY', yuan(settled), '0.00'];
	if (kind === 'REFUND') row.push(moment(refund.create_time), moment(refund.success_time));
	if (kind !== 'SUCCESS') row.push(...(refund ? [refund.refund_id, refund.out_refund_no, yuan(refund.amount.refund), '0.00', 'ORIGINAL', 'SUCCESS'] : ['0', '0', '0.00', '0.00', '', '']));
	row.push(order.description, order.attach ?? '', `${yuan(refund ? -fee(refund.amount.refund) : fee(order.amount.total))}000`, '0.60%', yuan(settled));
	if (kind !== 'SUCCESS') row.push(yuan(refund ? refund.amount.refund : 0));
	row.push('');
	return cells(row);
}

export function tradeBill(pay, query, host) {
	const kind = oneOf(query, 'bill_type', ['ALL', 'SUCCESS', 'REFUND'], 'ALL');
	const gzip = query.has('tar_type') && oneOf(query, 'tar_type', ['GZIP']) === 'GZIP';
	const { paid, back } = entries(pay, readDate(pay, query));
	const rows = [...(kind === 'REFUND' ? [] : paid), ...(kind === 'SUCCESS' ? [] : back)];
	const sum = (list, value) => list.reduce((total, entry) => total + value(entry), 0);
	const total = sum(rows.filter((r) => !r.refund), (r) => r.order.amount.total);
	const returned = sum(rows.filter((r) => r.refund), (r) => r.refund.amount.refund);
	const fees = sum(rows, (r) => (r.refund ? -fee(r.refund.amount.refund) : fee(r.order.amount.total)));
	const text = lines(HEADERS[kind], ...rows.map((entry) => tradeRow(kind, entry)), SUMMARY,
		cells([rows.length, yuan(total), yuan(returned), '0.00', `${yuan(fees)}000`, yuan(total), yuan(returned)]));
	return offer(pay, text, gzip, host);
}

export function fundBill(pay, query, host) {
	oneOf(query, 'account_type', ['BASIC', 'OPERATION', 'FEES'], 'BASIC');
	const gzip = query.has('tar_type') && oneOf(query, 'tar_type', ['GZIP']) === 'GZIP';
	const { paid, back } = entries(pay, readDate(pay, query));
	const moves = [
		...paid.map(({ at, order }) => ({ at, id: order.transaction_id, name: '交易', income: order.amount.total, voucher: order.out_trade_no })),
		...paid.map(({ at, order }) => ({ at, id: order.transaction_id, name: '扣除交易手续费', income: -fee(order.amount.total), voucher: order.out_trade_no })),
		...back.map(({ at, refund }) => ({ at, id: refund.refund_id, name: '退款', income: -refund.amount.refund, voucher: refund.out_refund_no })),
	].filter((move) => move.income !== 0).sort((a, b) => a.at.localeCompare(b.at));
	let balance = 0;
	const rows = moves.map((move) => cells([moment(move.at), move.id, `${move.id}1`, move.name, move.name, move.income > 0 ? '收入' : '支出',
		yuan(Math.abs(move.income)), yuan(balance += move.income), 'system', '', move.voucher]));
	const part = (sign) => moves.filter((move) => move.income * sign > 0);
	const amount = (list) => yuan(list.reduce((total, move) => total + Math.abs(move.income), 0));
	const text = lines(FUND_HEADER, ...rows, FUND_SUMMARY, cells([moves.length, part(1).length, amount(part(1)), part(-1).length, amount(part(-1))]));
	return offer(pay, text, gzip, host);
}

/* `bill_garbage`: rightly hashed, and no bill. `bill_short`: rightly hashed, and a row is missing. */
function spoilt(pay, text) {
	if (pay.behaviours.take('bill_garbage')) return Buffer.from('\ufeff账单\r\n`1,`2\r\n');
	if (!pay.behaviours.take('bill_short')) return text;
	const rows = text.toString().split('\r\n');
	return Buffer.from([rows[0], ...rows.slice(2)].join('\r\n'));
}

function offer(pay, right, gzip, host) {
	const text = spoilt(pay, right);
	if (pay.downloads.size >= TOKENS_MAX) pay.downloads.delete(pay.downloads.keys().next().value);
	const token = nonce(64);
	const whole = gzip ? gzipSync(text) : text;
	const body = pay.behaviours.take('bill_truncated') ? whole.subarray(0, whole.length - 20) : whole;
	pay.downloads.set(token, { body, gzip, until: pay.clock.now() + TOKEN_TTL_MS });
	const hash = sha1(pay.behaviours.take('bill_wrong_hash') ? Buffer.concat([text, Buffer.from(' ')]) : text);
	return { download_url: `${pay.scheme}://${host}/v3/billdownload/file?token=${token}`, hash_type: 'SHA1', hash_value: hash };
}

/** The file behind a token, or the error of a token that is unknown or too old. */
export function download(pay, query) {
	const file = pay.downloads.get(query.get('token') ?? '');
	if (!file || pay.clock.now() >= file.until) throw new ApiError(400, 'PARAM_ERROR', 'token 无效或已过期');
	return file;
}
