// Stand-in for the province's receipt platform (公益事业捐赠统一票据, electronic). Its interface is not public: this is the contract of our
// adapter. It gives numbers, and knows one receipt per request number of ours, however often it is asked.
//   node receipts.mjs --keys DIR/standins.json --listen 127.0.0.1:9445 --state FILE   (the control port is the same one, without TLS)
import { createHmac, randomInt, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { apiServer, beijing, Behaviours, controlServer, listenBoth, Log, parseArguments, readBody, sleep, stopOnSignals } from './shared.mjs';

const MODES = ['slow', 'error', 'lost', 'reset', 'html', 'exhausted', 'refused', 'unsigned', 'bad_signature', 'wrong_amount', 'bad_number', 'list_truncated', 'list_garbage', 'not_ready'];
const SKEW_S = 300;
const CODE = '44060126'; // eight digits: kind, province, year
const RED = '44060226';

class Refusal extends Error {
	constructor(status, code) { super(code); Object.assign(this, { status, code }); }
}

export class Receipts {
	constructor(keys, state) {
		Object.assign(this, { app: keys.receipts_app, key: fs.readFileSync(keys.receipts_key_file, 'utf8').trim(), file: state, made: new Map(), next: 1 });
		this.behaviours = new Behaviours(MODES);
		this.log = new Log();
		if (state && fs.existsSync(state)) {
			const kept = JSON.parse(fs.readFileSync(state, 'utf8'));
			this.made = new Map(kept.made);
			this.next = kept.next;
		}
	}

	/* Written before it is answered. */
	#keep() {
		if (!this.file) return;
		fs.writeFileSync(`${this.file}.new`, JSON.stringify({ next: this.next, made: [...this.made] }));
		fs.renameSync(`${this.file}.new`, this.file);
	}

	#mac(...lines) { return createHmac('sha256', this.key).update(lines.join('\n')).digest('hex'); }

	#authenticate(request, body) {
		const h = request.headers;
		const right = Buffer.from(this.#mac(request.method, request.url, h['x-receipt-timestamp'], h['x-receipt-nonce'], body));
		const given = Buffer.from(h['x-receipt-signature'] ?? '');
		if (h['x-receipt-app'] !== this.app || given.length !== right.length || !timingSafeEqual(given, right)) throw new Refusal(401, 'SIGNATURE_WRONG');
		if (!(Math.abs(Date.now() / 1000 - Number(h['x-receipt-timestamp'])) < SKEW_S)) throw new Refusal(401, 'TIMESTAMP_EXPIRED');
	}

	#numbers(code) {
		const number = String(this.next++).padStart(10, '0');
		return { code, number, check_code: Array.from({ length: 6 }, () => '0123456789abcdef'[randomInt(16)]).join(''), issued_at: beijing(Date.now()) };
	}

	/* The same request again: the same receipt. Another text under the same number: refused. */
	#once(body, context, make) {
		if (!/^[0-9a-f]{32}$/.test(body.request_no ?? '')) throw new Refusal(422, 'REQUEST_INVALID');
		const text = JSON.stringify(body);
		const known = this.made.get(body.request_no);
		if (known && known.text !== text) throw new Refusal(409, 'REQUEST_MISMATCH');
		if (!known) {
			const refused = this.behaviours.take('refused', context);
			if (refused) throw new Refusal(422, refused.code ?? 'PAYER_INVALID');
			if (this.behaviours.take('exhausted', context)) throw new Refusal(503, 'NUMBERS_EXHAUSTED');
			this.made.set(body.request_no, { text, receipt: { request_no: body.request_no, ...make() } });
			this.#keep();
		}
		return this.made.get(body.request_no).receipt;
	}

	#issue(body, context) {
		if (!Number.isSafeInteger(body.amount_fen) || body.amount_fen < 1 || !/^[零壹贰叁肆伍陆柒捌玖拾佰仟万亿元角分整]+$/.test(body.amount_words ?? '')) throw new Refusal(422, 'AMOUNT_INVALID');
		if (!body.payer?.trim() || !['PERSON', 'ORGANIZATION'].includes(body.payer_kind)) throw new Refusal(422, 'PAYER_INVALID');
		if (!body.item) throw new Refusal(422, 'ITEM_UNKNOWN');
		return this.#once(body, context, () => ({ kind: 'ISSUE', amount_fen: body.amount_fen, ...this.#numbers(CODE) }));
	}

	#reverse(body, context) {
		const original = [...this.made.values()].map((m) => m.receipt).find((r) => r.kind === 'ISSUE' && r.code === body.original_code && r.number === body.original_number);
		if (!original) throw new Refusal(422, 'ORIGINAL_UNKNOWN');
		const other = [...this.made.values()].map((m) => m.receipt).find((r) => r.kind === 'REVERSAL' && r.original === original.request_no);
		if (other && other.request_no !== body.request_no) throw new Refusal(422, 'ALREADY_REVERSED');
		return this.#once(body, context, () => ({ kind: 'REVERSAL', original: original.request_no, amount_fen: -original.amount_fen, ...this.#numbers(RED) }));
	}

	/* Every number given that day, receipts and red letters; what was turned back since is VOIDED. */
	#list(day, context) {
		if (this.behaviours.take('not_ready', context)) throw new Refusal(404, 'DAY_NOT_READY');
		const all = [...this.made.values()];
		const turned = new Set(all.map((m) => m.receipt.original).filter(Boolean));
		const given = all.filter((m) => m.receipt.issued_at.startsWith(day));
		const sum = (kind) => given.filter((m) => m.receipt.kind === kind).reduce((fen, m) => fen + m.receipt.amount_fen, 0);
		const lines = given.map(({ text, receipt: r }) => [r.kind, r.request_no, JSON.parse(text).order_no ?? '', r.code, r.number, r.check_code, r.amount_fen,
			turned.has(r.request_no) ? 'VOIDED' : 'ISSUED', r.issued_at.slice(0, 19).replace('T', ' '), r.original ?? ''].join(','));
		if (this.behaviours.take('list_truncated', context)) return `${[`DAY,${day}`, ...lines].join('\n')}\n`;
		if (this.behaviours.take('list_garbage', context)) return `DAY,${day}\nISSUE,1,2\nEND,1,0,0\n`;
		return `${[`DAY,${day}`, ...lines, `END,${lines.length},${sum('ISSUE')},${sum('REVERSAL')}`].join('\n')}\n`;
	}

	/* Whose gift a request is about: misbehaviour ordered for one never meets another's. */
	#orderOf(url, body) {
		const text = body || this.made.get(url.split('/')[3])?.text || '';
		return /"order_no"\s*:\s*"([^"]*)"/.exec(text)?.[1] ?? '';
	}

	#answer(method, url, body, context) {
		const look = /^\/v1\/requests\/([0-9a-f]{32})$/.exec(url);
		if (method === 'GET' && look) {
			const known = this.made.get(look[1]);
			if (!known) throw new Refusal(404, 'REQUEST_UNKNOWN');
			return known.receipt;
		}
		const day = /^\/v1\/days\/(\d{4}-\d\d-\d\d)$/.exec(url);
		if (method === 'GET' && day) return this.#list(day[1], context);
		const make = { '/v1/receipts': (b) => this.#issue(b, context), '/v1/reversals': (b) => this.#reverse(b, context) }[url];
		if (method !== 'POST' || !make) throw new Refusal(404, 'NO_SUCH_PATH');
		let read;
		try { read = JSON.parse(body); } catch { throw new Refusal(400, 'BODY_INVALID'); }
		return make(read);
	}

	async handle(request, response) {
		const body = (await readBody(request)).toString('utf8');
		const entry = this.log.add({ method: request.method, url: request.url, body });
		const context = { endpoint: request.url.split('/')[2], out_trade_no: this.#orderOf(request.url, body) };
		let status = 200;
		let value;
		if (this.behaviours.take('reset', context)) return request.socket.destroy();
		const slow = this.behaviours.take('slow', context);
		if (slow && !slow.after_effect) await sleep(slow.ms ?? 3000);
		try {
			this.#authenticate(request, body);
			if (this.behaviours.take('error', context)) throw new Refusal(500, 'SYSTEM_ERROR');
			value = this.#answer(request.method, request.url, body, context);
			if (slow?.after_effect) await sleep(slow.ms ?? 3000);
			if (this.behaviours.take('lost', context)) return request.socket.destroy(); // done, and nobody hears of it
			if (this.behaviours.take('wrong_amount', context)) value = { ...value, amount_fen: value.amount_fen + 1 };
			if (this.behaviours.take('bad_number', context)) value = { ...value, number: 'NEXT' };
		} catch (error) {
			if (!(error instanceof Refusal)) console.error(error);
			status = error.status ?? 500;
			value = { code: error.code ?? 'SYSTEM_ERROR' };
		}
		entry.status = status;
		if (this.behaviours.take('html', context)) {
			response.writeHead(502, { 'Content-Type': 'text/html' });
			return response.end('<html>Bad Gateway</html>');
		}
		const text = typeof value === 'string' ? value : JSON.stringify(value);
		const signature = this.#mac(request.headers['x-receipt-nonce'], String(status), text);
		const forged = this.behaviours.take('bad_signature', context);
		response.writeHead(status, { 'Content-Type': typeof value === 'string' ? 'text/csv; charset=utf-8' : 'application/json; charset=utf-8',
			...(this.behaviours.take('unsigned', context) ? {} : { 'X-Receipt-Signature': forged ? signature.replace(/^./, (c) => (c === '0' ? '1' : '0')) : signature }) });
		return response.end(text);
	}

	controls() {
		return {
			'POST /control/behaviour': (body) => { this.behaviours.add(body); return { behaviours: this.behaviours.list() }; },
			'GET /control/receipts': (_, query) => ({ items: [...this.made.values()].map((m) => ({ ...m.receipt, asked: JSON.parse(m.text) }))
				.filter((r) => !query.has('request_no') || r.request_no === query.get('request_no')) }),
			/* What a person did at the platform itself: another receipt for a gift, another amount, another day. */
			'POST /control/receipts': (body) => {
				const known = this.made.get(body.request_no);
				const receipt = { request_no: body.request_no, kind: 'ISSUE', amount_fen: 0, ...(known ? {} : this.#numbers(CODE)), ...known?.receipt, ...body.receipt };
				this.made.set(body.request_no, { text: known?.text ?? JSON.stringify({ order_no: body.order_no ?? '' }), receipt });
				this.#keep();
				return receipt;
			},
			'POST /control/large_day': ({ date, count, fen }) => {
				for (let n = 1; n <= count; n += 1) {
					const no = String(n).padStart(32, '0');
					this.made.set(no, { text: JSON.stringify({ order_no: `K${no.slice(17)}` }), receipt: { request_no: no, kind: 'ISSUE', amount_fen: fen, ...this.#numbers(CODE),
						number: String(5e9 + n), issued_at: `${date}T12:00:00+08:00` } });
				}
				return { count };
			},
			'POST /control/removals': (body) => ({ removed: this.made.delete(body.request_no) }),
			'GET /control/log': (_, query) => ({ entries: this.log.since(Number(query.get('since') ?? 0)) }),
		};
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const options = parseArguments(process.argv.slice(2), { keys: '', listen: '127.0.0.1:9445', state: '' });
	const keys = JSON.parse(fs.readFileSync(options.keys, 'utf8'));
	const receipts = new Receipts(keys, options.state);
	const server = apiServer({ cert: keys.server_cert_file, key: keys.server_key_file }, (request, response) => {
		receipts.handle(request, response).catch((error) => { console.error(error); response.destroy(); });
	});
	const { stop } = await listenBoth(server, controlServer(receipts.controls()), options.listen);
	stopOnSignals(stop);
	console.log(`receipt platform stand-in: ${options.listen}, control on the same port without TLS`);
}
