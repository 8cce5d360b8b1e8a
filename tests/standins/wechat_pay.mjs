// Stand-in for WeChat Pay v3: JSAPI orders, refunds, bills and callbacks, checked and signed as the real one does.
//   node wechat_pay.mjs --keys DIR/standins.json --listen 127.0.0.1:9444 --control 127.0.0.1:9081 --state FILE
//        --resolve '{"https://api.example.org":"http://127.0.0.1:8080"}' [--plain 1] [--signing public_key|certificate] [--clock-speed N]
// The control port plays the payer and orders misbehaviour; README.md lists both.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { apiServer, beijing, Behaviours, Clock, controlServer, listen, Log, parseArguments, readBody, shut, sleep, stopOnSignals } from './shared.mjs';
import { download, fundBill, tradeBill } from './wechat_pay/bills.mjs';
import { Callbacks } from './wechat_pay/callbacks.mjs';
import { Keys, nonce, nowS, parseAuthorization, seal, SKEW_MAX_S } from './wechat_pay/crypto.mjs';
import { ApiError, paramError } from './wechat_pay/errors.mjs';
import { closeOrder, createOrder, payOrder, queryOrder, transaction } from './wechat_pay/orders.mjs';
import { createRefund, queryRefund, settleLater, settleRefund, show } from './wechat_pay/refunds.mjs';
import { State } from './wechat_pay/state.mjs';

const MODES = ['no_callback', 'callback_before_reply', 'callback_delay', 'duplicate_callback', 'bad_signature', 'unsigned', 'amount_mismatch', 'other_mchid',
	'tampered_tag', 'empty_aad', 'clock_skew', 'system_error_once', 'frequency_limited', 'slow', 'reset', 'html', 'unknown_serial', 'certificate_serial',
	'refund_abnormal', 'refund_not_enough', 'refund_refused', 'whitespace', 'pay_during_close', 'bill_not_ready', 'bill_wrong_hash', 'bill_truncated', 'bill_garbage', 'bill_short'];
const TRUNCATED_MAX = 256;
const LOGGED_BODY_MAX = 65536;

const ROUTES = [
	['jsapi', 'POST', /^\/v3\/pay\/transactions\/jsapi$/, (pay, c) => createOrder(pay, c.body, c.entry)],
	['query', 'GET', /^\/v3\/pay\/transactions\/out-trade-no\/([^/]+)$/, (pay, c) => queryOrder(pay, { out_trade_no: c.name }, c.query)],
	['query', 'GET', /^\/v3\/pay\/transactions\/id\/([^/]+)$/, (pay, c) => queryOrder(pay, { transaction_id: c.name }, c.query)],
	['close', 'POST', /^\/v3\/pay\/transactions\/out-trade-no\/([^/]+)\/close$/, (pay, c) => closeOrder(pay, c.name, c.body)],
	['refund', 'POST', /^\/v3\/refund\/domestic\/refunds$/, (pay, c) => createRefund(pay, c.body)],
	['refund_query', 'GET', /^\/v3\/refund\/domestic\/refunds\/([^/]+)$/, (pay, c) => queryRefund(pay, c.name)],
	['bill', 'GET', /^\/v3\/bill\/tradebill$/, (pay, c) => tradeBill(pay, c.query, c.host)],
	['bill', 'GET', /^\/v3\/bill\/fundflowbill$/, (pay, c) => fundBill(pay, c.query, c.host)],
	['download', 'GET', /^\/v3\/billdownload\/file$/, (pay, c) => ({ file: download(pay, c.query) })],
	['certificates', 'GET', /^\/v3\/certificates$/, (pay) => pay.certificates()],
];

export class WechatPay {
	constructor(keys, options) {
		this.keys = keys;
		this.options = { refundDelayMs: 200, clockSpeed: 1, signing: 'public_key', resolve: {}, state: '', ...options };
		this.scheme = 'https';
		this.clock = new Clock();
		this.log = new Log();
		this.behaviours = new Behaviours(MODES);
		this.state = new State(this.options.state);
		this.downloads = new Map();
		this.callbacks = new Callbacks(this);
		this.nonces = new Map();
		this.callbacks.resume();
		for (const refund of this.state.refunds.values()) if (refund.status === 'PROCESSING') settleLater(this, refund);
	}

	certificates() {
		const iv = nonce(12);
		const sealed = seal(Buffer.from(this.keys.platformCertificate), this.keys.apiv3, iv, 'certificate');
		return {
			data: [{
				serial_no: this.keys.platformSerial, effective_time: beijing(Date.now() - 86400e3), expire_time: beijing(Date.now() + 5 * 365 * 86400e3),
				encrypt_certificate: { algorithm: 'AEAD_AES_256_GCM', nonce: iv, associated_data: 'certificate', ciphertext: sealed.toString('base64') },
			}],
		};
	}

	async handle(request, response) {
		const raw = await readBody(request);
		const entry = this.log.add({ method: request.method, url: request.url, headers: { ...request.headers }, body: raw.toString('utf8', 0, LOGGED_BODY_MAX) });
		const url = new URL(request.url, 'https://api.mch.weixin.qq.com');
		const [endpoint, , pattern, run] = ROUTES.find(([, method, path]) => method === request.method && path.test(url.pathname)) ?? [];
		entry.endpoint = endpoint ?? 'unknown';
		const context = { endpoint: entry.endpoint, target: 'reply', out_trade_no: orderNamed(url.pathname, raw) };
		let result;
		let status = 200;
		try {
			const slow = this.behaviours.take('slow', context);
			if (slow && !slow.after_effect) await sleep(slow.ms ?? 5000);
			if (await this.#cut(context, request, response, entry, false)) return;
			await this.#authenticate(request, raw, entry);
			if (!endpoint) throw new ApiError(404, 'RESOURCE_NOT_EXISTS', '接口不存在');
			this.#refuseOnOrder(context, false);
			const name = readSegment(pattern.exec(url.pathname)[1]);
			const body = request.method === 'POST' ? readJson(request, raw) : {};
			result = run(this, { body, query: url.searchParams, name, host: request.headers.host, entry });
			if (endpoint === 'jsapi') await this.#payAtOnce(body.out_trade_no);
			this.#refuseOnOrder(context, true);
			if (slow?.after_effect) await sleep(slow.ms ?? 5000);
			if (await this.#cut(context, request, response, entry, true)) return;
			if (result === undefined) status = 204;
		} catch (error) {
			if (!(error instanceof ApiError)) console.error(error);
			status = error.status ?? 500;
			result = error.body ?? { code: 'SYSTEM_ERROR', message: '系统错误' };
		}
		entry.status = status;
		if (status !== 200 && status !== 204) entry.code = result.code;
		await this.#reply(request, response, status, result, context);
	}

	/* Misbehaviour that ends the exchange without a proper answer. `after_effect` in the wish: only once the work is done. */
	async #cut(context, request, response, entry, done) {
		const wanted = (mode) => {
			const found = this.behaviours.list().find((b) => b.mode === mode && !!b.after_effect === done);
			return found && this.behaviours.take(mode, context);
		};
		if (wanted('reset')) {
			entry.misbehaved = 'reset';
			request.socket.destroy();
			return true;
		}
		if (wanted('html')) {
			entry.misbehaved = 'html';
			const page = '<html><body><h1>502 Bad Gateway</h1></body></html>';
			response.writeHead(502, { 'Content-Type': 'text/html', 'Content-Length': page.length });
			response.end(page);
			return true;
		}
		return false;
	}

	#refuseOnOrder(context, done) {
		const next = (mode) => this.behaviours.list().find((b) => b.mode === mode && !!b.after_effect === done) && this.behaviours.take(mode, context);
		if (next('system_error_once')) throw new ApiError(500, 'SYSTEM_ERROR', '系统异常，请用相同参数重新调用');
		if (next('frequency_limited')) throw new ApiError(429, 'FREQUENCY_LIMITED', '频率超限');
	}

	async #payAtOnce(number) {
		const order = this.state.orders.get(number);
		if (!order || order.trade_state !== 'NOTPAY' || !this.behaviours.take('callback_before_reply', { out_trade_no: number })) return;
		await payOrder(this, order, {})?.sent;
	}

	async #authenticate(request, raw, entry) {
		if (!request.headers.accept || !request.headers['user-agent']) throw new ApiError(400, 'PARAM_ERROR', 'Http头缺少Accept或User-Agent'); /* [K] */
		const given = parseAuthorization(request.headers.authorization);
		const message = Buffer.concat([Buffer.from(`${request.method}\n${request.url}\n${given?.timestamp ?? ''}\n${given?.nonce_str ?? ''}\n`), raw, Buffer.from('\n')]);
		const refuse = (issue, field = 'signature') => new ApiError(401, 'SIGN_ERROR', '错误的签名，验签失败', {
			detail: { issue }, field, location: 'authorization',
			sign_information: { method: request.method, url: request.url, sign_message_length: message.length, truncated_sign_message: message.toString('utf8').slice(0, TRUNCATED_MAX) },
		});
		if (!given) throw refuse('Authorization is missing or not WECHATPAY2-SHA256-RSA2048', 'Authorization');
		if (given.mchid !== this.keys.mchid) throw refuse('unknown merchant', 'mchid');
		if (given.serial_no !== this.keys.merchantSerial) throw refuse('unknown certificate serial', 'serial_no');
		if (!/^\d{10}$/.test(given.timestamp) || Math.abs(nowS() - Number(given.timestamp)) > SKEW_MAX_S) throw refuse('timestamp expired', 'timestamp');
		if (!/^[0-9A-Za-z]{1,32}$/.test(given.nonce_str)) throw refuse('nonce_str must be 1 to 32 letters and digits', 'nonce_str');
		if (!await this.keys.verifyMerchant(message, given.signature)) throw refuse('sign not match');
		entry.verified = true;
		entry.nonce_reused = this.#nonceSeen(given.nonce_str);
	}

	/* Not refused, since nobody documents that the real one does, but visible in the log. */
	#nonceSeen(text) {
		const cutoff = Date.now() - 2 * SKEW_MAX_S * 1000;
		for (const [old, at] of this.nonces) {
			if (at > cutoff) break;
			this.nonces.delete(old);
		}
		const seen = this.nonces.has(text);
		this.nonces.set(text, Date.now());
		return seen;
	}

	async #reply(request, response, status, result, context) {
		const take = (mode) => this.behaviours.take(mode, context);
		const headers = { 'Request-ID': `08${nonce(30)}`, 'Cache-Control': 'no-cache, must-revalidate', 'X-Content-Type-Options': 'nosniff' };
		if (result?.file) {
			response.writeHead(status, { ...headers, 'Content-Type': result.file.gzip ? 'application/x-gzip' : 'text/plain', 'Content-Length': result.file.body.length });
			response.end(result.file.body);
			return;
		}
		const body = status === 204 ? Buffer.alloc(0) : Buffer.from(JSON.stringify(result, null, take('whitespace') ? 2 : 0));
		const asked = request.headers['wechatpay-serial'] ?? '';
		const faults = {
			bad: !!take('bad_signature'), skewS: take('clock_skew')?.s, serial: take('unknown_serial') ? 'PUB_KEY_ID_0000000000000000000000000000' : undefined,
			certificate: !!take('certificate_serial') || (this.options.signing === 'certificate' && !asked.startsWith('PUB_KEY_ID_')),
		};
		if (!take('unsigned')) Object.assign(headers, await this.keys.signedHeaders(body, faults));
		if (status !== 204) Object.assign(headers, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length });
		response.writeHead(status, headers);
		response.end(body);
	}

	controls() {
		const fail = (httpStatus, error) => ({ httpStatus, body: { error } });
		return {
			'POST /control/payments': async (body) => {
				const order = this.state.orders.get(body.out_trade_no);
				if (!order) return fail(404, 'no such order');
				const callback = payOrder(this, order, body);
				if (body.wait && callback) await callback.sent;
				return { transaction_id: order.transaction_id, trade_state: order.trade_state, ...(callback ? { callback_id: callback.id } : {}) };
			},
			'POST /control/refunds': async (body) => {
				const refund = this.state.refunds.get(body.out_refund_no);
				if (!refund) return fail(404, 'no such refund');
				const callback = settleRefund(this, refund, body.status ?? 'SUCCESS');
				if (body.wait && callback) await callback.sent;
				return show(refund);
			},
			'POST /control/callbacks': async (body) => {
				const found = [...this.state.callbacks.values()].filter((c) => c.id === body.id || (body.id === undefined && c.out_trade_no === body.out_trade_no)).at(-1);
				return found ? { id: found.id, attempt: await this.callbacks.send(found, true) } : fail(404, 'no such callback');
			},
			/* Many payments of a day at once, for large bills: K000000000000001 …, all paid and never called back. */
			'POST /control/large_day': ({ date, count, fen }) => {
				for (let n = 1; n <= count; n += 1) {
					const no = `K${String(n).padStart(15, '0')}`;
					this.state.orders.set(no, { appid: 'wx1', mchid: '19', out_trade_no: no, transaction_id: `42000${n}`, payer: { openid: 'o' }, amount: { total: fen },
						description: '捐赠', trade_state: 'SUCCESS', success_time: `${date}T12:00:00+08:00` });
				}
				return { count };
			},
			'GET /control/callbacks': (_, query) => ({ items: [...this.state.callbacks.values()].filter((c) => !query.has('out_trade_no') || c.out_trade_no === query.get('out_trade_no')) }),
			'GET /control/orders': (_, query) => ({ items: [...this.state.orders.values()].filter((o) => !query.has('out_trade_no') || o.out_trade_no === query.get('out_trade_no')).map((o) => ({ ...transaction(o), notify_url: o.notify_url, prepay_id: o.prepay_id, description: o.description })) }),
			'GET /control/refunds': () => ({ items: [...this.state.refunds.values()].map(show) }),
			'POST /control/behaviour': (body) => { this.behaviours.add(body); return { behaviours: this.behaviours.list() }; },
			'GET /control/behaviour': () => ({ behaviours: this.behaviours.list() }),
			'POST /control/clock': async (body) => {
				if (!Number.isFinite(body.advance_s) || body.advance_s < 0) return fail(400, 'advance_s must be a number of seconds');
				return { now: beijing(await this.clock.advance(body.advance_s * 1000)) };
			},
			'GET /control/log': (_, query) => ({ entries: this.log.since(Number(query.get('since') ?? 0)) }),
			'POST /control/reset': () => {
				this.state.reset();
				this.clock.clear();
				this.log.clear();
				this.behaviours.add({ mode: 'none' });
				return {};
			},
		};
	}

	stop() {
		this.clock.clear();
		this.callbacks.stop();
		this.state.close();
	}
}

/* Whose order a request is about, known before it is judged: misbehaviour ordered for one order never meets another's. */
function orderNamed(pathname, raw) {
	const inPath = /\/out-trade-no\/([^/]+)/.exec(pathname);
	return inPath ? inPath[1] : /"out_trade_no"\s*:\s*"([^"]*)"/.exec(raw.toString('utf8'))?.[1];
}

function readSegment(text) {
	try { return text && decodeURIComponent(text); } catch { throw paramError('', text, '编码有误', 'path'); }
}

function readJson(request, raw) {
	if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) throw new ApiError(400, 'PARAM_ERROR', 'Content-Type 应为 application/json');
	let body;
	try { body = JSON.parse(raw.toString('utf8')); } catch { throw paramError('', undefined, '不是合法的 JSON'); }
	if (body === null || typeof body !== 'object' || Array.isArray(body)) throw paramError('', undefined, '应为 JSON 对象');
	return body;
}

/** Starts both listeners; port 0 is allowed. */
export async function startWechatPay({ keys, listen: address = '127.0.0.1:0', control = '127.0.0.1:0', plain = false, ...options }) {
	const pay = new WechatPay(new Keys(keys), options);
	const server = apiServer(plain ? {} : { cert: keys.server_cert_file, key: keys.server_key_file }, (request, response) => {
		pay.handle(request, response).catch((error) => {
			console.error(error);
			response.destroy();
		});
	});
	pay.scheme = plain ? 'http' : 'https';
	const controls = controlServer(pay.controls());
	const port = await listen(server, address);
	const controlPort = await listen(controls, control);
	return {
		pay, port, controlPort,
		url: `${pay.scheme}://127.0.0.1:${port}`,
		controlUrl: `http://127.0.0.1:${controlPort}`,
		stop: async () => { await Promise.all([shut(server), shut(controls)]); pay.stop(); },
	};
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const options = parseArguments(process.argv.slice(2), {
		keys: '', listen: '127.0.0.1:9444', control: '127.0.0.1:9081', state: '', resolve: '{}', plain: '', signing: 'public_key', clockSpeed: '1', refundDelayMs: '200',
	});
	const running = await startWechatPay({
		...options, keys: JSON.parse(fs.readFileSync(options.keys, 'utf8')), plain: options.plain === '1', resolve: JSON.parse(options.resolve),
		clockSpeed: Number(options.clockSpeed), refundDelayMs: Number(options.refundDelayMs),
	});
	stopOnSignals(running.stop);
	console.log(`wechat pay stand-in: ${running.url}, control ${running.controlUrl}`);
}
