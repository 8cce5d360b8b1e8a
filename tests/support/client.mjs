// HTTP as the tests speak it: requests over kept-alive connections, raw bytes over a socket, and a caller that behaves as wx.request.
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

const TIMEOUT_MS = 20000;
const WX_METHODS = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT'];

/** What came back. `json` is undefined when the body is not JSON. */
export class Answer {
	constructor(status, headers, raw) {
		Object.assign(this, { status, headers, raw });
	}

	get text() { return this.raw.toString('utf8'); }
	get json() {
		try { return JSON.parse(this.text); } catch { return undefined; }
	}
}

export class Client {
	#agent;

	constructor(base, { ca, connections = 16 } = {}) {
		this.base = base.replace(/\/$/, '');
		this.secure = this.base.startsWith('https:');
		this.#agent = new (this.secure ? https : http).Agent({ keepAlive: true, maxSockets: connections, ca });
	}

	/** `body`: object (sent as JSON), string or Buffer (sent as it is). Header values null or undefined are left out. */
	request(method, target, { headers = {}, body, timeoutMs = TIMEOUT_MS } = {}) {
		const bytes = body === undefined ? null : Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
		const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== null && value !== undefined));
		const has = (name) => Object.keys(headers).some((h) => h.toLowerCase() === name);
		if (bytes && !has('content-type')) sent['content-type'] = 'application/json';
		if (bytes) sent['content-length'] = bytes.length;
		return new Promise((done, fail) => {
			const request = (this.secure ? https : http).request(this.base + target, { method, headers: sent, agent: this.#agent, timeout: timeoutMs }, (response) => {
				const parts = [];
				response.on('data', (part) => parts.push(part));
				response.on('end', () => done(new Answer(response.statusCode, response.headers, Buffer.concat(parts))));
				response.on('error', fail);
			});
			request.on('timeout', () => request.destroy(new Error(`${method} ${target}: no answer within ${timeoutMs} ms`)));
			request.on('error', fail);
			request.end(bytes ?? undefined);
		});
	}

	get(target, headers) { return this.request('GET', target, { headers }); }
	post(target, body, headers) { return this.request('POST', target, { body, headers }); }

	/** As the mini-program would: no PATCH (its POST twin instead), the fixed Referer, no cookies; any status is a success. */
	wx({ url, method = 'GET', data, header = {}, appid = 'wx0000000000000000' }) {
		const verb = method === 'PATCH' ? 'POST' : method;
		if (!WX_METHODS.includes(verb)) throw new Error(`wx.request has no ${method}`);
		return this.request(verb, url, {
			body: data,
			headers: { referer: `https://servicewechat.com/${appid}/devtools/page-frame.html`, ...(method === 'PATCH' ? { 'x-http-method-override': 'PATCH' } : {}), ...header },
		});
	}

	close() { this.#agent.destroy(); }
}

/** Sends bytes as they are and collects what comes until the peer closes, or nothing has come for `quietMs`. `parts` are sent with pauses. */
export function rawExchange(port, parts, { host = '127.0.0.1', quietMs = 500, pauseMs = 0, halfClose = false } = {}) {
	return new Promise((done, fail) => {
		const got = [];
		let timer;
		const socket = net.connect(port, host);
		const finish = (closed) => {
			clearTimeout(timer);
			socket.destroy();
			done({ text: Buffer.concat(got).toString('latin1'), closed });
		};
		const arm = () => { clearTimeout(timer); timer = setTimeout(() => finish(false), quietMs); };
		socket.on('data', (part) => { got.push(part); arm(); });
		socket.on('end', () => finish(true));
		socket.on('error', (error) => (error.code === 'ECONNRESET' || error.code === 'EPIPE' ? finish(true) : (clearTimeout(timer), fail(error))));
		socket.on('connect', async () => {
			for (const part of [].concat(parts)) {
				if (socket.destroyed) return;
				socket.write(part);
				arm();
				if (pauseMs) await new Promise((next) => { setTimeout(next, pauseMs); });
			}
			if (halfClose) socket.end();
		});
	});
}
