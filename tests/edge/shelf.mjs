// A service whose answers may be kept: each path has a version that writes raise, and can be slow, ill or dead on request.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';

const get = (id, path, cache, more = '') => `
  ${path}:
    get:
      operationId: ${id}
      summary: ${id}
      security: ${more.includes('token') ? "[{token: ['item:read']}]" : '[]'}
      x-cache: ${cache}
      parameters:
        - {name: id, in: path, required: true, schema: {type: string, maxLength: 40}}
        - {name: q, in: query, schema: {type: string, maxLength: 40}}
      responses:
        '200': {$ref: '#/components/responses/Thing'}
        '4XX': {$ref: 'common.yaml#/components/responses/Problem'}`;

export const CONTRACT = `openapi: 3.1.0
info: {title: shelf, version: "1"}
paths:${get('thing_get', '/v1/things/{id}', "{control: 'public, max-age=60', ttl_s: 60, tags: [things]}")}
    put:
      operationId: thing_put
      summary: put
      security: []
      x-purges: [things]
      parameters:
        - {name: id, in: path, required: true, schema: {type: string, maxLength: 40}}
      requestBody:
        content:
          application/json:
            schema: {type: object, additionalProperties: {type: string, maxLength: 100}, maxProperties: 3}
      responses:
        '200': {$ref: '#/components/responses/Thing'}
        '4XX': {$ref: 'common.yaml#/components/responses/Problem'}${get('quick_get', '/v1/quick/{id}',
	"{control: 'public, max-age=1, stale-while-revalidate=30', ttl_s: 1, tags: [quick]}")}${get('sturdy_get', '/v1/sturdy/{id}',
	"{control: 'public, max-age=1, stale-if-error=30', ttl_s: 1, tags: [sturdy]}")}${get('strict_get', '/v1/strict/{id}',
	"{control: 'public, max-age=1, stale-if-error=30, must-revalidate', ttl_s: 1, tags: [strict]}")}${get('own_get', '/v1/own/{id}',
	"{control: 'public, max-age=60', ttl_s: 60, tags: [own]}", 'token')}${get('never_get', '/v1/never/{id}',
	"{control: 'public, max-age=60', ttl_s: 0, tags: []}")}${get('costly_get', '/v1/costly/{id}',
	"{control: 'public, max-age=60', ttl_s: 60, tags: [costly], collapse: platform}")}
components:
  responses:
    Thing:
      description: thing
      content:
        application/json:
          schema: {type: object}
`;

/** state.seen: what reached it; state.plan(path) may change one answer: {status, headers, delayMs, reset, body}. */
export async function startShelf(path) {
	const state = { seen: [], versions: new Map(), plan: () => ({}), history: [] };
	state.count = (url) => state.seen.filter((s) => s.url === url).length;
	const handle = async (req, res) => {
		const key = req.url.split('?')[0];
		if (key === '/livez') return res.end('{}');
		const parts = [];
		for await (const p of req) parts.push(p);
		const raise = req.method !== 'GET';
		if (raise) state.versions.set(key, (state.versions.get(key) ?? 0) + 1);
		const version = state.versions.get(key) ?? 0;
		const plan = state.plan(key, req, version) ?? {};
		state.seen.push({ method: req.method, url: req.url, headers: req.headers });
		if (plan.delayMs) await new Promise((go) => setTimeout(go, plan.delayMs));
		if (plan.gate) await plan.gate;
		if (plan.reset) return req.socket.destroy();
		const etag = `"${key}-${version}"`;
		const headers = { ETag: etag, 'Content-Type': 'application/json', ...plan.headers };
		if (!plan.status && req.method === 'GET' && req.headers['if-none-match'] === etag) {
			res.writeHead(304, headers);
			return res.end();
		}
		const body = plan.body ?? JSON.stringify({ key, version, q: req.url.split('?')[1] ?? null, language: req.headers['accept-language'] ?? null });
		res.writeHead(plan.status ?? 200, { ...headers, 'Content-Length': Buffer.byteLength(body) });
		return res.end(body);
	};
	const server = http.createServer((req, res) => handle(req, res).catch(() => res.destroy()));
	state.open = async () => {
		state.server = server.listen(path);
		await once(server, 'listening');
	};
	state.close = async () => {
		server.close();
		server.closeAllConnections();
		await once(server, 'close');
	};
	await state.open();
	return state;
}

/** For startEdge. */
export const withShelf = (address) => async (edge) => {
	writeFileSync(join(edge.dir, 'proto', 'shelf.yaml'), CONTRACT);
	if (!address) {
		edge.shelf = await startShelf(join(edge.dir, 'shelf.sock'));
		edge.atEnd = () => edge.shelf.close().catch(() => {});
	}
	return { upstreams: `,shelf=${address ?? `unix:${join(edge.dir, 'shelf.sock')}`}` };
};
