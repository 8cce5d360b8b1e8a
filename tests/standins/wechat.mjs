// Stand-in for the WeChat open API: login codes, access tokens, phone numbers. Answers are HTTP 200 whatever happened; errcode decides.
//   node wechat.mjs --keys DIR/standins.json --listen 127.0.0.1:9443 --control 127.0.0.1:9080 [--plain 1]
// For development any code `demo-<name>` (login) and `phone-<11 digits>` (`-<country code>`) works again and again; WeChat's codes work once.
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { apiServer, Behaviours, Clock, controlServer, listen, listenBoth, Log, parseArguments, readBody, shut, sleep, stopOnSignals } from './shared.mjs';

const CODE_TTL_MS = 5 * 60e3;
const TOKEN_TTL_MS = 7200e3;
const TOKEN_OVERLAP_MS = 5 * 60e3;
const CODES_MAX = 100000;
const MODES = ['busy_once', 'reset', 'html', 'slow', 'error', 'unionid', 'errcode_zero', 'rotate_token'];

const MESSAGES = {
	'-1': 'system error', 40001: 'invalid credential, access_token is invalid or not latest', 40002: 'invalid grant_type', 40013: 'invalid appid',
	40029: 'invalid code', 40125: 'invalid appsecret', 40163: 'code been used', 40226: 'code blocked', 41001: 'access_token missing',
	41002: 'appid missing', 41004: 'appsecret missing', 41008: 'missing code', 42001: 'access_token expired', 43001: 'require GET method',
	43002: 'require POST method', 45011: 'api minute-quota reach limit  mustslower  retry next minute', 47001: 'data format error',
};

const hex = (n) => randomBytes(n).toString('hex');
const requestId = () => `${hex(4)}-${hex(4)}-${hex(4)}`;
const refuse = (code) => ({ errcode: code, errmsg: `${MESSAGES[code] ?? 'error'}, rid: ${requestId()}` });

/** The same name is the same person in one app, and another in the next. */
export function openidOf(appid, name) {
	return `o${createHash('sha256').update(`${appid}:${name}`).digest('base64url').slice(0, 27)}`;
}

export class WechatApi {
	#codes = new Map();
	#tokens = []; /* newest last: {token, until, born} */

	constructor({ appid, secret }) {
		this.appid = appid;
		this.secret = secret;
		this.clock = new Clock();
		this.log = new Log();
		this.behaviours = new Behaviours(MODES);
	}

	/** A single-use code for a login or a phone number. */
	issueCode({ kind = 'login', name = hex(6), openid, unionid, phone, ttl_s: ttl }) {
		if (this.#codes.size >= CODES_MAX) this.#codes.delete(this.#codes.keys().next().value);
		const code = kind === 'phone' ? hex(32) : `0${randomBytes(24).toString('base64url').slice(0, 31)}`;
		this.#codes.set(code, { kind, openid: openid ?? openidOf(this.appid, name), unionid, phone, until: this.clock.now() + (ttl !== undefined ? ttl * 1000 : CODE_TTL_MS), used: false });
		return code;
	}

	#spend(code, kind) {
		const known = this.#codes.get(code);
		if (!known || known.kind !== kind) return { error: 40029 };
		if (known.used) return { error: 40163 };
		if (this.clock.now() >= known.until) return { error: 40029 };
		known.used = true;
		return { known };
	}

	login(query) {
		if (!query.get('appid')) return refuse(41002);
		if (query.get('appid') !== this.appid) return refuse(40013);
		if (!query.get('secret')) return refuse(41004);
		if (query.get('secret') !== this.secret) return refuse(40125);
		if (query.get('grant_type') !== 'authorization_code') return refuse(40002);
		const code = query.get('js_code');
		if (!code) return refuse(41008);
		const demo = /^demo-([^\s]{1,64})$/.exec(code);
		const spent = demo ? { known: { openid: openidOf(this.appid, demo[1]) } } : this.#spend(code, 'login');
		if (spent.error) return refuse(spent.error);
		const answer = { session_key: randomBytes(16).toString('base64'), openid: spent.known.openid };
		const unionid = spent.known.unionid ?? (this.behaviours.take('unionid') ? `u${openidOf('unionid', spent.known.openid).slice(1)}` : undefined);
		if (unionid) answer.unionid = unionid;
		return this.behaviours.take('errcode_zero') ? { ...answer, errcode: 0, errmsg: 'ok' } : answer;
	}

	/** Normal mode gives the same token until five minutes before its end; the one before it stays good for those five minutes. */
	token(body) {
		if (!body || typeof body !== 'object') return refuse(47001);
		if (body.grant_type !== 'client_credential') return refuse(40002);
		if (body.appid !== this.appid) return refuse(40013);
		if (body.secret !== this.secret) return refuse(40125);
		const now = this.clock.now();
		let current = this.#tokens.at(-1);
		if (!current || body.force_refresh === true || current.until - now <= TOKEN_OVERLAP_MS) {
			if (current) current.until = Math.min(current.until, body.force_refresh === true ? now : now + TOKEN_OVERLAP_MS);
			current = { token: `${Math.floor(now / 1000) % 100}_${randomBytes(96).toString('base64url')}`, until: now + TOKEN_TTL_MS };
			this.#tokens = [...this.#tokens.slice(-3), current];
		}
		return { access_token: current.token, expires_in: Math.floor((current.until - now) / 1000) };
	}

	#tokenFault(text) {
		if (!text) return 41001;
		const known = this.#tokens.find((t) => t.token === text);
		if (!known) return 40001;
		if (this.behaviours.take('rotate_token')) {
			this.#tokens = [];
			return 40001;
		}
		return known.until <= this.clock.now() ? 42001 : 0;
	}

	phone(query, body) {
		const fault = this.#tokenFault(query.get('access_token'));
		if (fault) return refuse(fault);
		if (!body || typeof body.code !== 'string') return refuse(body ? 40029 : 47001);
		const demo = /^phone-(\d{11})(?:-(\S{1,4}))?$/.exec(body.code);
		const spent = demo ? { known: { phone: demo[1], country: demo[2] } } : this.#spend(body.code, 'phone');
		if (spent.error) return refuse(40029);
		const { phone, country = '86' } = spent.known;
		return {
			errcode: 0,
			errmsg: 'ok',
			phone_info: { phoneNumber: phone, purePhoneNumber: phone, countryCode: country, watermark: { timestamp: Math.floor(Date.now() / 1000), appid: this.appid } },
		};
	}

	controls() {
		return {
			'POST /control/codes': (body) => ({ code: this.issueCode(body) }),
			'POST /control/behaviour': (body) => { this.behaviours.add(body); return { behaviours: this.behaviours.list() }; },
			'POST /control/clock': async (body) => ({ now: new Date(await this.clock.advance((body.advance_s ?? 0) * 1000)).toISOString() }),
			'GET /control/log': (_, query) => ({ entries: this.log.since(Number(query.get('since') ?? 0)) }),
		};
	}

	/** Answers one API request. Content-Type text/plain for the login call is how it is remembered, not checked against the real one: clients must not depend on it. */
	async handle(request, response) {
		const url = new URL(request.url, 'https://api.weixin.qq.com');
		const routes = {
			'/sns/jscode2session': ['jscode2session', 'GET', () => this.login(url.searchParams), 'text/plain'],
			'/cgi-bin/stable_token': ['stable_token', 'POST', (body) => this.token(body), 'application/json; encoding=utf-8'],
			'/wxa/business/getuserphonenumber': ['getuserphonenumber', 'POST', (body) => this.phone(url.searchParams, body), 'application/json; encoding=utf-8'],
		};
		const raw = (await readBody(request)).toString('utf8');
		const [endpoint, method, run, type] = routes[url.pathname] ?? [];
		if (!endpoint) return this.#reply(response, 404, 'text/html', '<html><body>404</body></html>');
		const bad = await this.#misbehave(endpoint, request, response);
		if (bad?.done) return undefined;
		let answer = bad?.answer;
		if (!answer && request.method !== method) answer = refuse(method === 'GET' ? 43001 : 43002);
		if (!answer) answer = run(parseJson(raw));
		this.log.add({ endpoint, method: request.method, path: url.pathname, query: redact(url.searchParams), body: raw ? redactBody(raw) : undefined, errcode: answer.errcode ?? 0 });
		return this.#reply(response, 200, type, JSON.stringify(answer));
	}

	async #misbehave(endpoint, request, response) {
		const context = { endpoint };
		const slow = this.behaviours.take('slow', context);
		if (slow) await sleep(slow.ms ?? 5000);
		if (this.behaviours.take('reset', context)) {
			this.log.add({ endpoint, misbehaved: 'reset' });
			request.socket.destroy();
			return { done: true };
		}
		if (this.behaviours.take('html', context)) {
			this.log.add({ endpoint, misbehaved: 'html' });
			this.#reply(response, 200, 'text/html', '<html><body><h1>Service is busy</h1></body></html>');
			return { done: true };
		}
		if (this.behaviours.take('busy_once', context)) return { answer: refuse(-1) };
		const error = this.behaviours.take('error', context);
		return error ? { answer: refuse(error.errcode ?? 45011) } : null;
	}

	#reply(response, status, type, text) {
		const body = Buffer.from(text);
		response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length });
		response.end(body);
	}
}

function parseJson(text) {
	try { return JSON.parse(text); } catch { return null; }
}

/* The log is for tests to read: it shows what came in, but no secrets. */
function redact(query) {
	return Object.fromEntries([...query].map(([k, v]) => [k, k === 'secret' || k === 'access_token' ? '…' : v]));
}

function redactBody(raw) {
	const body = parseJson(raw);
	return body && typeof body === 'object' ? { ...body, ...('secret' in body ? { secret: '…' } : {}) } : raw;
}

/** Starts both listeners, on one port if the addresses are the same; `port` and `controlPort` are the real ones (port 0 is allowed). */
export async function startWechat({ keys, listen: address = '127.0.0.1:0', control = '127.0.0.1:0', plain = false }) {
	const secret = fs.readFileSync(keys.secret_file, 'utf8').trim();
	const api = new WechatApi({ appid: keys.appid, secret });
	const server = apiServer(plain ? {} : { cert: keys.server_cert_file, key: keys.server_key_file }, (request, response) => {
		api.handle(request, response).catch(() => response.destroy());
	});
	const controls = controlServer(api.controls());
	const both = address === control && !address.endsWith(':0') ? await listenBoth(server, controls, address) : null;
	const port = both?.port ?? await listen(server, address);
	const controlPort = both?.port ?? await listen(controls, control);
	return {
		api, port, controlPort,
		url: `${plain ? 'http' : 'https'}://127.0.0.1:${port}`,
		controlUrl: `http://127.0.0.1:${controlPort}`,
		stop: async () => { api.clock.clear(); await Promise.all(both ? [both.stop()] : [shut(server), shut(controls)]); },
	};
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const options = parseArguments(process.argv.slice(2), { keys: '', listen: '127.0.0.1:9443', control: '127.0.0.1:9080', plain: '' });
	const keys = JSON.parse(fs.readFileSync(options.keys, 'utf8'));
	const running = await startWechat({ ...options, keys, plain: options.plain === '1' });
	stopOnSignals(running.stop);
	console.log(`wechat stand-in: ${running.url}, control ${running.controlUrl}`);
}
