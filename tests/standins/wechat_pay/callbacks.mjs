// Callbacks to the merchant: sealed, signed, sent until a 200 or 204 comes back within five seconds or the schedule is used up.
// Each attempt is sealed and signed anew; the id stays, which is what receivers must tell duplicates by.
import http from 'node:http';
import https from 'node:https';
import { beijing } from '../shared.mjs';
import { nonce, seal } from './crypto.mjs';

const REPLY_MS = 5000;
const REPLY_BYTES_MAX = 4096;
const S = 1e3;
const M = 60 * S;
const H = 60 * M;
/** Pauses between attempts; about a day in all. */
export const SCHEDULE_MS = [15 * S, 15 * S, 30 * S, 3 * M, 10 * M, 20 * M, 30 * M, 30 * M, 30 * M, 60 * M, 3 * H, 3 * H, 3 * H, 6 * H, 6 * H];

export class Callbacks {
	#pay;
	#agents = { 'http:': new http.Agent({ keepAlive: true, maxSockets: 32 }), 'https:': new https.Agent({ keepAlive: true, maxSockets: 32 }) };

	constructor(pay) { this.#pay = pay; }

	/** Makes a callback and sends it as soon as the current turn is over; `no_callback` swallows it for good. */
	queue({ url, event, summary, type, plain, out_trade_no: order, out_refund_no: refund }) {
		const pay = this.#pay;
		const context = { endpoint: 'callback', target: 'callback', out_trade_no: order, out_refund_no: refund };
		const day = beijing(pay.clock.now()).slice(0, 10).replaceAll('-', '');
		const callback = {
			id: `EV-${day}${pay.state.digits(19)}`, url, event, summary, type, plain, out_trade_no: order, out_refund_no: refund,
			create_time: beijing(pay.clock.now()), attempts: [], done: false,
		};
		if (pay.behaviours.take('no_callback', context)) Object.assign(callback, { done: true, swallowed: true });
		pay.state.put('callbacks', callback.id, callback);
		if (callback.done) return callback;
		const held = pay.behaviours.take('callback_delay', context);
		const copies = 1 + (pay.behaviours.take('duplicate_callback', context)?.n ?? 0);
		if (held) {
			pay.clock.after(held.ms ?? 1000, () => this.send(callback));
		} else {
			const sent = Promise.all(Array.from({ length: copies }, (_, i) => this.send(callback, i > 0)));
			Object.defineProperty(callback, 'sent', { value: sent, configurable: true }); /* for those who wait; not stored */
		}
		return callback;
	}

	/** Unfinished ones of a former run go on with their schedule. */
	resume() {
		for (const callback of this.#pay.state.callbacks.values()) if (!callback.done) this.#later(callback);
	}

	/** One attempt. An extra one (a duplicate, a resend) changes neither state nor schedule. */
	async send(callback, extra = false) {
		const context = { endpoint: 'callback', target: 'callback', out_trade_no: callback.out_trade_no, out_refund_no: callback.out_refund_no };
		const { body, faults } = this.#build(callback, context);
		const outcome = await this.#post(callback.url, body, faults);
		const attempt = { at: new Date().toISOString(), faults: Object.keys(faults).filter((f) => faults[f]), extra, ...outcome };
		callback.attempts.push(attempt);
		if (!extra) {
			if (outcome.status === 200 || outcome.status === 204) callback.done = true;
			else this.#later(callback);
		}
		this.#pay.state.put('callbacks', callback.id, callback);
		this.#pay.log.add({ endpoint: 'callback', id: callback.id, event: callback.event, url: callback.url, out_trade_no: callback.out_trade_no, attempt });
		return attempt;
	}

	#later(callback) {
		const pause = SCHEDULE_MS[callback.attempts.filter((a) => !a.extra).length - 1] ?? (callback.attempts.length === 0 ? 0 : undefined);
		if (pause === undefined) {
			callback.done = true;
			callback.exhausted = true;
			return;
		}
		this.#pay.clock.after(pause / this.#pay.options.clockSpeed, () => this.send(callback));
	}

	#build(callback, context) {
		const take = (mode) => this.#pay.behaviours.take(mode, context);
		const faults = {
			bad: !!take('bad_signature'), serial: take('unknown_serial') ? 'PUB_KEY_ID_0000000000000000000000000000' : undefined, skewS: take('clock_skew')?.s,
			certificate: !!take('certificate_serial') || undefined, tampered: !!take('tampered_tag'), amount: take('amount_mismatch'), mchid: take('other_mchid'),
			emptyAad: !!take('empty_aad'), whitespace: !!take('whitespace'),
		};
		const plain = structuredClone(callback.plain);
		if (faults.amount) {
			const by = faults.amount.by ?? 1;
			plain.amount.total += by;
			if (plain.amount.payer_total !== undefined) plain.amount.payer_total += by;
		}
		if (faults.mchid) plain.mchid = faults.mchid.mchid ?? '1900000001';
		const associated = faults.emptyAad ? '' : callback.type;
		const iv = nonce(12);
		const sealed = seal(Buffer.from(JSON.stringify(plain)), this.#pay.keys.apiv3, iv, associated);
		if (faults.tampered) sealed[sealed.length - 1] ^= 1;
		const envelope = {
			id: callback.id, create_time: callback.create_time, resource_type: 'encrypt-resource', event_type: callback.event, summary: callback.summary,
			resource: { original_type: callback.type, algorithm: 'AEAD_AES_256_GCM', ciphertext: sealed.toString('base64'), associated_data: associated, nonce: iv },
		};
		return { body: Buffer.from(faults.whitespace ? JSON.stringify(envelope, null, 2).replaceAll('\n', '\r\n') : JSON.stringify(envelope)), faults };
	}

	async #post(url, body, faults) {
		const headers = {
			'Content-Type': 'application/json', 'Content-Length': body.length, Accept: '*/*', 'User-Agent': 'Mozilla/4.0', Connection: 'Keep-Alive',
			...await this.#pay.keys.signedHeaders(body, { ...faults, certificate: faults.certificate ?? this.#pay.options.signing === 'certificate' }),
		};
		const target = this.#resolve(url);
		const client = target.protocol === 'https:' ? https : http;
		return new Promise((done) => {
			let timer;
			const finish = (outcome) => { clearTimeout(timer); done(outcome); };
			const request = client.request(target, { method: 'POST', headers, agent: this.#agents[target.protocol] }, (response) => {
				let reply = '';
				response.on('data', (part) => { if (reply.length < REPLY_BYTES_MAX) reply += part; });
				response.on('end', () => finish({ status: response.statusCode, reply: reply.slice(0, REPLY_BYTES_MAX) }));
				response.on('error', (error) => finish({ error: error.message }));
			});
			timer = setTimeout(() => request.destroy(new Error('no answer within 5 s')), REPLY_MS);
			request.on('error', (error) => finish({ error: error.message }));
			request.end(body);
		});
	}

	/** In development the public origin is reached at a local base URL. */
	#resolve(url) {
		const given = new URL(url);
		const base = this.#pay.options.resolve[given.origin];
		return base ? new URL(base.replace(/\/$/, '') + given.pathname) : given;
	}

	stop() { for (const agent of Object.values(this.#agents)) agent.destroy(); }
}
