// A tiny server that keeps the fixture contract to the letter, and breaks exactly one promise when told to.
import { randomUUID } from 'node:crypto';
import http from 'node:http';

const TITLES = { zh: '不行', en: 'No' };
const STATUS = {
	unauthenticated: 401, 'token-invalid': 401, 'insufficient-scope': 403, 'malformed-json': 400, 'duplicate-key': 400, 'nesting-too-deep': 400, 'validation-failed': 422, 'payload-too-large': 413,
	'unsupported-media-type': 415, 'unknown-parameter': 400, 'idempotency-key-missing': 400, 'idempotency-key-invalid': 400, 'method-not-allowed': 405, 'not-found': 404,
};
const scopesOf = { 'demo-lin': 'thing:write', 'demo-probe': 'thing:read' };
const token = (scope) => `h.${Buffer.from(JSON.stringify({ scope })).toString('base64url')}.s`;

class Refusal extends Error {
	constructor(slug, errors) { super(slug); Object.assign(this, { slug, errors }); }
}

/** Strict about what JSON.parse forgives: bytes, depth, repeated members. */
function parse(bytes, promise) {
	const text = new TextDecoder('utf-8', { fatal: promise('utf8') }).decode(bytes);
	const value = JSON.parse(text);
	const depth = Math.max(0, ...[...text].reduce((a, c) => { a.push((a.at(-1) ?? 0) + (c === '{' || c === '[' ? 1 : c === '}' || c === ']' ? -1 : 0)); return a; }, []));
	if (promise('depth') && depth > 32) throw new Refusal('nesting-too-deep');
	const names = [...text.matchAll(/"([^"]*)":/g)].map(([, name]) => name);
	if (promise('duplicates') && new Set(names).size !== names.length) throw new Refusal('duplicate-key');
	return value;
}

function routeOf(method, path) {
	if (path === '/v1/auth/wechat') return { id: 'auth', allow: 'POST' };
	if (path === '/v1/things') return { id: 'thing_create', allow: 'POST, OPTIONS' };
	const [, id] = /^\/v1\/things\/([^/]+)$/.exec(path) ?? [];
	return id === undefined ? null : { id: 'thing_get', allow: 'GET, HEAD, OPTIONS', name: decodeURIComponent(id) };
}

export async function startFake(contracts, schemas) {
	const things = new Map();
	const fake = { broken: null };
	const promise = (name) => fake.broken !== name;

	function create(request, url, bytes) {
		const { headers } = request;
		if (!headers.authorization && promise('authentication')) throw new Refusal('unauthenticated');
		const scope = /^Bearer h\./.test(headers.authorization ?? '') ? JSON.parse(Buffer.from(headers.authorization.split('.')[1], 'base64url')).scope : null;
		if (scope === null && promise('token')) throw new Refusal('token-invalid');
		if (scope !== 'thing:write' && promise('scope')) throw new Refusal('insufficient-scope');
		if (!headers['idempotency-key'] && promise('key')) throw new Refusal('idempotency-key-missing');
		if (headers['idempotency-key']?.length > 255) throw new Refusal('idempotency-key-invalid');
		if (url.search && promise('query')) throw new Refusal('unknown-parameter');
		const [media, charset] = headers['content-type'].split('; charset=');
		if ((media !== 'application/json' && promise('media')) || (charset && promise('charset'))) throw new Refusal('unsupported-media-type');
		if (headers['content-encoding'] && promise('encoding')) throw new Refusal('unsupported-media-type');
		if (bytes.length > 4096 && promise('size')) throw new Refusal('payload-too-large');
		let body;
		try { body = parse(bytes, promise); } catch (error) {
			if (error instanceof Refusal) throw error;
			throw new Refusal(promise('malformed') ? 'malformed-json' : 'validation-failed', []);
		}
		const errors = schemas.validator(contracts.byId.get('thing_create').bodySchema)(body).map((e) => ({
			pointer: promise('pointer') ? e.instancePath + (e.keyword === 'additionalProperties' ? `/${e.params.additionalProperty}` : '') : '', keyword: e.keyword,
		}));
		const kept = errors.filter((e) => promise('maximum') || e.keyword !== 'maximum').filter((e) => promise('unknown') || e.keyword !== 'additionalProperties').slice(0, promise('all') ? 99 : 1);
		if (kept.length) throw new Refusal('validation-failed', kept);
		const thing = { id: randomUUID(), name: String(body.name), size: promise('answer') ? body.size : String(body.size) };
		things.set(thing.id, thing);
		return { status: promise('status') ? 201 : 200, headers: promise('location') ? { location: `/v1/things/${thing.id}` } : {}, body: thing };
	}

	function get(url, name) {
		for (const key of url.searchParams.keys()) if (key !== 'depth') throw new Refusal('unknown-parameter');
		const depth = url.searchParams.get('depth');
		if (depth !== null && !/^[1-5]$/.test(depth) && promise('parameter')) throw new Refusal('validation-failed', [{ parameter: 'query.depth' }]);
		if (!/^[0-9a-f-]{36}$/.test(name)) throw new Refusal('validation-failed', [{ parameter: 'path.id' }]);
		if (!things.has(name)) throw new Refusal('not-found');
		return { status: 200, headers: {}, body: things.get(name) };
	}

	function answer(request, bytes) {
		const url = new URL(request.url, 'http://fake');
		const route = routeOf(request.method, url.pathname);
		if (!route) throw new Refusal(promise('internal') ? 'not-found' : 'unauthenticated');
		if (request.method === 'OPTIONS') return { status: promise('options') ? 204 : 200, headers: { allow: route.allow } };
		if (!route.allow.includes(request.method)) throw Object.assign(new Refusal('method-not-allowed'), { headers: promise('allow') ? { allow: route.allow } : {} });
		if (route.id === 'auth') return { status: 200, headers: {}, body: { access_token: token(scopesOf[JSON.parse(bytes).code]) } };
		return route.id === 'thing_create' ? create(request, url, bytes) : get(url, route.name);
	}

	const server = http.createServer(async (request, response) => {
		const parts = [];
		for await (const part of request) parts.push(part);
		let result;
		let type = 'application/json';
		try {
			result = answer(request, Buffer.concat(parts));
		} catch (error) {
			if (!(error instanceof Refusal)) { response.destroy(); throw error; }
			const language = /^en/.test(request.headers['accept-language'] ?? '') && promise('english') ? 'en' : promise('chinese') ? 'zh' : 'en';
			const status = STATUS[error.slug];
			type = promise('type') ? 'application/problem+json' : 'application/json';
			result = { status, headers: { ...error.headers, ...(status === 401 && promise('challenge') ? { 'www-authenticate': 'Bearer' } : {}) }, body: { type: `/problems/${error.slug}`, title: TITLES[language], status, code: error.slug, errors: error.errors } };
		}
		const body = result.body === undefined ? '' : JSON.stringify(result.body);
		if (body) Object.assign(result.headers, { 'content-type': type, 'content-length': Buffer.byteLength(body) + (request.method === 'HEAD' && !promise('head') ? 1 : 0) });
		response.writeHead(result.status, result.headers);
		response.end(request.method === 'HEAD' ? '' : body);
	});
	await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
	fake.url = `http://127.0.0.1:${server.address().port}`;
	fake.stop = () => new Promise((done) => { server.close(done); server.closeAllConnections(); });
	return fake;
}
