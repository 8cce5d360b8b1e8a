// What every stand-in needs: arguments, bodies, a virtual clock, misbehaviour on request, and a bounded log of what was asked.
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

const BODY_MAX = 1 << 20;
const LOG_MAX = 20000;

/** `--some-name value` and STANDIN_SOME_NAME; the command line wins. Unknown names are an error. */
export function parseArguments(argv, defaults) {
	const options = { ...defaults };
	const property = (name) => name.replace(/-(.)/g, (_, c) => c.toUpperCase());
	for (const key of Object.keys(defaults)) {
		const variable = `STANDIN_${key.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`;
		if (process.env[variable] !== undefined) options[key] = process.env[variable];
	}
	for (let i = 0; i < argv.length; i += 2) {
		const key = argv[i].startsWith('--') ? property(argv[i].slice(2)) : '';
		if (!(key in defaults) || argv[i + 1] === undefined) throw new Error(`unknown or incomplete argument: ${argv[i]}`);
		options[key] = argv[i + 1];
	}
	return options;
}

export function splitAddress(text) {
	const at = text.lastIndexOf(':');
	return { host: text.slice(0, at) || '127.0.0.1', port: Number(text.slice(at + 1)) };
}

export async function readBody(request) {
	const parts = [];
	let size = 0;
	for await (const part of request) {
		size += part.length;
		if (size > BODY_MAX) throw Object.assign(new Error('body too large'), { tooLarge: true });
		parts.push(part);
	}
	return Buffer.concat(parts);
}

export const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** Beijing time, RFC 3339 without fraction, as WeChat writes it. */
export function beijing(ms) {
	return `${new Date(ms + 8 * 3600e3).toISOString().slice(0, 19)}+08:00`;
}

/**
 * Time that can be moved forward. Timers are due by virtual time, so advancing the clock runs them at once and in order.
 * Signatures never use it: they carry the real time.
 */
export class Clock {
	#offset = 0;
	#timers = new Map();
	#next = 1;
	#wake = null;

	now() { return Date.now() + this.#offset; }

	after(delayMs, run) {
		const id = this.#next++;
		this.#timers.set(id, { at: this.now() + delayMs, run });
		this.#arm();
		return id;
	}

	cancel(id) { this.#timers.delete(id); }

	/** Runs everything that falls due on the way, one after the other, also what those runs schedule. */
	async advance(ms) {
		const target = this.now() + ms;
		for (;;) {
			const due = this.#first();
			if (!due || due[1].at > target) break;
			this.#offset += Math.max(0, due[1].at - this.now());
			this.#timers.delete(due[0]);
			await due[1].run();
		}
		this.#offset += Math.max(0, target - this.now());
		this.#arm();
		return this.now();
	}

	pending() { return this.#timers.size; }
	clear() { this.#timers.clear(); clearTimeout(this.#wake); }

	#first() {
		let best;
		for (const entry of this.#timers) if (!best || entry[1].at < best[1].at) best = entry;
		return best;
	}

	#arm() {
		clearTimeout(this.#wake);
		const due = this.#first();
		if (!due) return;
		this.#wake = setTimeout(() => this.#fire(), Math.min(Math.max(0, due[1].at - this.now()), 1 << 30));
		this.#wake.unref();
	}

	#fire() {
		for (const [id, timer] of [...this.#timers]) {
			if (timer.at > this.now()) continue;
			this.#timers.delete(id);
			Promise.resolve(timer.run()).catch((error) => console.error('timer:', error));
		}
		this.#arm();
	}
}

/**
 * Misbehaviour that tests order: {mode, times, endpoint?, out_trade_no?, …}. Each use takes one of `times` (default 1; -1 lasts until
 * it is cleared). A selector that is absent matches everything.
 */
export class Behaviours {
	#list = [];

	constructor(modes) { this.modes = new Set(modes); }

	add(wish) {
		if (wish.mode === 'none') { this.#list = []; return; }
		if (!this.modes.has(wish.mode)) throw new Error(`unknown mode "${wish.mode}"; known: none, ${[...this.modes].join(', ')}`);
		this.#list.push({ ...wish, times: wish.times ?? 1 });
	}

	take(mode, context = {}) {
		const found = this.#list.find((b) => b.mode === mode && b.times !== 0 &&
			['endpoint', 'target', 'out_trade_no', 'out_refund_no'].every((key) => b[key] === undefined || context[key] === undefined || b[key] === context[key]));
		if (!found) return null;
		if (found.times > 0) found.times -= 1;
		this.#list = this.#list.filter((b) => b.times !== 0);
		return found;
	}

	list() { return this.#list; }
}

/** The last exchanges, oldest dropped. */
export class Log {
	#entries = [];
	#sequence = 0;

	add(entry) {
		const whole = { seq: ++this.#sequence, at: new Date().toISOString(), ...entry };
		this.#entries.push(whole);
		if (this.#entries.length > LOG_MAX) this.#entries.splice(0, LOG_MAX / 10);
		return whole;
	}

	since(seq) { return this.#entries.filter((e) => e.seq > seq); }
	clear() { this.#entries = []; }
}

export function sendJson(response, status, value) {
	const body = Buffer.from(JSON.stringify(value));
	response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length });
	response.end(body);
}

/** Control server: plain HTTP on loopback. `routes` maps "POST /control/x" to async (body, query) → value, or {httpStatus, body}. */
export function controlServer(routes) {
	return http.createServer(async (request, response) => {
		try {
			const url = new URL(request.url, 'http://control');
			const route = routes[`${request.method} ${url.pathname}`];
			if (!route) return sendJson(response, 404, { error: 'no such control', known: Object.keys(routes) });
			const text = (await readBody(request)).toString('utf8');
			const result = await route(text ? JSON.parse(text) : {}, url.searchParams);
			return sendJson(response, result?.httpStatus ?? 200, result?.httpStatus ? result.body : result ?? {});
		} catch (error) {
			return sendJson(response, error.status ?? 400, { error: error.message });
		}
	});
}

/** HTTPS when cert and key files are given, else plain HTTP. */
export function apiServer(options, handler) {
	if (!options.cert) return http.createServer({ keepAliveTimeout: 60000 }, handler);
	return https.createServer({ cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key), keepAliveTimeout: 60000 }, handler);
}

export function listen(server, address) {
	const { host, port } = splitAddress(address);
	return new Promise((done, fail) => {
		server.once('error', fail);
		server.listen(port, host, () => done(server.address().port));
	});
}

/** One port for two servers: who begins with a TLS record gets the first, who speaks plainly the second. */
export async function listenBoth(secure, plain, address) {
	const open = new Set();
	const front = net.createServer((socket) => {
		open.add(socket);
		socket.on('error', () => {}).on('close', () => open.delete(socket));
		socket.once('data', (bytes) => {
			socket.pause();
			(bytes[0] === 22 ? secure : plain).emit('connection', socket);
			socket.unshift(bytes);
			process.nextTick(() => socket.resume());
		});
	});
	const port = await listen(front, address);
	const stop = () => new Promise((done) => { front.close(done); for (const socket of open) socket.destroy(); });
	return { port, stop };
}

/** Stops a server although clients keep connections open. */
export function shut(server) {
	return new Promise((done) => { server.close(done); server.closeAllConnections(); });
}

export function stopOnSignals(stop) {
	for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop().finally(() => process.exit(0)));
}
