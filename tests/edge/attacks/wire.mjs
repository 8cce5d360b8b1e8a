// Both ends of the gateway as bytes, read by a strict reader of our own that shares nothing with llhttp or Node's http: what it cannot
// read in exactly one way is noted as broken, and a test that meets something broken fails.
import { once } from 'node:events';
import net from 'node:net';

const latin1 = (b) => b.toString('latin1');

/** The head of one message, or null while it is not whole. Throws at whatever is not plain HTTP/1.1. */
function readHead(bytes) {
	const end = bytes.indexOf('\r\n\r\n');
	if (end < 0) return null;
	const text = latin1(bytes.subarray(0, end));
	const [line, ...rest] = text.split('\r\n');
	if (/[\0-\x08\x0a-\x1f\x7f]/.test(text.replaceAll('\r\n', ''))) throw new Error(`a control byte in ${JSON.stringify(text)}`);
	const fields = rest.map((field) => {
		const m = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(field);
		if (!m) throw new Error(`not a field: ${JSON.stringify(field)}`);
		return [m[1].toLowerCase(), m[2]];
	});
	const lengths = fields.filter(([n]) => n === 'content-length').map(([, v]) => v);
	if (lengths.length > 1 || lengths.some((v) => !/^[0-9]{1,9}$/.test(v))) throw new Error(`lengths ${lengths}`);
	if (fields.some(([n]) => n === 'transfer-encoding')) throw new Error('the gateway frames by length only');
	return { line, fields, length: lengths.length ? Number(lengths[0]) : 0, hasLength: lengths.length > 0, bytes: end + 4 };
}

/**
 * A service that keeps the bytes of every request. `?reply=name` answers with replies[name]: bytes (Buffer, string), or a function
 * (socket, request). Else the answer is the request line. Health probes are not kept. With `names` set, answers say which call they
 * are for, as those of our own services do.
 */
export async function startWire(path) {
	const state = { seen: [], broken: [], replies: {}, connections: 0, open: new Set(), ended: new Set(), names: false };
	/* The name goes into the first final head. */
	state.name = (bytes, request) => (state.names ? bytes.replace(/^(HTTP\/1\.1 (?!1\d\d )[^\r\n]*\r\n)/m, `$1X-Yangguang-Call: ${state.get(request, 'x-yangguang-call')}\r\n`) : bytes);
	const answer = (socket, request) => {
		const write = (bytes) => socket.write(state.name(bytes, request), 'latin1');
		if (request.line.startsWith('GET /livez ')) return write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
		state.seen.push(request);
		const name = /[?&]reply=([a-z0-9-]+)/.exec(request.line)?.[1];
		if (!name) return write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${request.line.length}\r\n\r\n${request.line}`);
		const reply = state.replies[name];
		return typeof reply === 'function' ? reply(socket, (bytes) => state.name(bytes, request)) : write(reply);
	};
	const server = net.createServer((socket) => {
		const connection = ++state.connections;
		let bytes = Buffer.alloc(0);
		state.open.add(socket);
		socket.on('error', () => {}).on('close', () => { state.open.delete(socket); state.ended.add(connection); });
		socket.on('data', (more) => {
			bytes = Buffer.concat([bytes, more]);
			try {
				for (let head; (head = readHead(bytes)) && bytes.length >= head.bytes + head.length;) {
					const raw = bytes.subarray(0, head.bytes + head.length);
					bytes = bytes.subarray(raw.length);
					answer(socket, { connection, line: head.line, fields: head.fields, body: latin1(raw.subarray(head.bytes)), raw: latin1(raw) });
				}
			} catch (e) {
				state.broken.push(e.message);
				socket.destroy();
			}
		});
	}).listen(path);
	await once(server, 'listening');
	state.get = (request, name) => request.fields.filter(([n]) => n === name).map(([, v]) => v);
	state.stop = () => { server.close(); for (const s of state.open) s.destroy(); };
	return state;
}

/** One client connection. Answers are read in order; `next` waits for one, `end` for the gateway's end of the connection. */
export class Client {
	constructor(port) {
		this.bytes = Buffer.alloc(0);
		this.ended = this.failed = false;
		this.waiting = new Set();
		this.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
		this.socket.setNoDelay(true);
		const wake = () => { for (const w of [...this.waiting]) w(); };
		this.socket.on('data', (d) => { this.bytes = Buffer.concat([this.bytes, d]); wake(); });
		this.socket.on('end', () => { this.ended = true; wake(); });
		this.socket.on('error', () => { this.ended = this.failed = true; wake(); });
		this.socket.on('close', () => { this.ended = true; wake(); });
	}
	async send(...pieces) {
		for (const piece of pieces) await new Promise((go) => this.socket.write(Buffer.from(piece, 'latin1'), go));
	}
	finish() { this.socket.end(); }
	/** A deadline against hanging only; it is never waited for when all is well. */
	#until(check, what) {
		return new Promise((done, fail) => {
			const look = () => {
				let value;
				try { value = check(); } catch (e) { value = e; }
				if (value === undefined) return;
				clearTimeout(timer);
				this.waiting.delete(look);
				if (value instanceof Error) fail(value);
				else done(value);
			};
			const timer = setTimeout(() => {
				this.waiting.delete(look);
				fail(new Error(`${what} did not come; so far ${JSON.stringify(latin1(this.bytes))}`));
			}, 30000);
			this.waiting.add(look);
			look();
		});
	}
	/** The next answer, interim ones too; null when the connection ended before it began. */
	next({ head = false } = {}) {
		return this.#until(() => {
			const got = readHead(this.bytes);
			if (!got) {
				if (!this.ended) return undefined;
				if (this.bytes.length) throw new Error(`cut off: ${JSON.stringify(latin1(this.bytes))}`);
				return null;
			}
			const m = /^HTTP\/1\.1 ([1-9][0-9]{2}) [ -~]*$/.exec(got.line);
			if (!m) throw new Error(`not a status line: ${got.line}`);
			const status = Number(m[1]), bodiless = head || status < 200 || status === 204 || status === 304;
			if (!bodiless && !got.hasLength) throw new Error('an answer without its length');
			const length = bodiless ? 0 : got.length;
			if (this.bytes.length < got.bytes + length) {
				if (this.ended) throw new Error('the body was cut');
				return undefined;
			}
			const body = latin1(this.bytes.subarray(got.bytes, got.bytes + length));
			this.bytes = this.bytes.subarray(got.bytes + length);
			return { status, body, fields: Object.fromEntries(got.fields), all: got.fields };
		}, 'an answer');
	}
	/** Waits until the gateway has ended the connection, and says what came before that was no answer. */
	end() { return this.#until(() => (this.ended ? latin1(this.bytes) : undefined), 'the end of the connection'); }
	destroy() { this.socket.destroy(); }
}
