// Somebody else's HTTP server: answers byte for byte what a test lays down, and remembers what it was asked.
import { once } from 'node:events';
import http from 'node:http';

let bodies = 0;

/**
 * origin.give(path, ...answers): in turn; the last one again and again. An answer: { status, reason, head: ['Name: value'], body, raw,
 * interim, delayMs, hangUp }, or a function of the request. A validator that the request shows is answered with 304 unless `always`.
 */
export async function startOrigin() {
	const o = { seen: [], plans: new Map() };
	o.give = (path, ...answers) => o.plans.set(path, answers);
	o.asked = (path) => o.seen.filter((s) => s.path === path);
	const valueOf = (head, name) => head.find((l) => l.toLowerCase().startsWith(`${name}: `))?.slice(name.length + 2);
	const server = http.createServer(async (req, res) => {
		const path = req.url.split('?')[0];
		const parts = [];
		for await (const p of req) parts.push(p);
		o.seen.push({ path, method: req.method, url: req.url, headers: req.headers, raw: req.rawHeaders, body: Buffer.concat(parts).toString() });
		const answers = o.plans.get(path) ?? [{ status: 404 }];
		const next = answers.length > 1 ? answers.shift() : answers[0];
		const a = typeof next === 'function' ? next(req) : next;
		const socket = req.socket;
		if (a.delayMs) await new Promise((go) => setTimeout(go, a.delayMs));
		if (a.hangUp) return socket.destroy();
		if (a.raw !== undefined) return socket.end(a.raw);
		const head = a.head ?? [];
		const etag = valueOf(head, 'etag');
		const changed = valueOf(head, 'last-modified');
		const same = !a.always && ((etag && req.headers['if-none-match'] === etag) || (changed && req.headers['if-modified-since'] === changed));
		const status = same ? 304 : a.status ?? 200;
		const body = status === 304 || status === 204 || req.method === 'HEAD' ? '' : a.body ?? `body ${++bodies}`;
		const length = status === 304 || status === 204 ? [] : [`Content-Length: ${a.length ?? Buffer.byteLength(a.body ?? body)}`];
		/* it hangs up behind each answer, and says so: else the next request could meet the closing connection */
		const lines = [`HTTP/1.1 ${status} ${a.reason ?? 'Fine'}`, ...head, ...length, 'Connection: close', '', ''];
		if (a.interim) socket.write(a.interim);
		socket.write(lines.join('\r\n') + body);
		res.detachSocket?.(socket);
		return socket.end();
	});
	server.on('clientError', (_, s) => s.destroy());
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	o.address = `127.0.0.1:${server.address().port}`;
	o.close = async () => {
		server.close();
		server.closeAllConnections();
		await once(server, 'close');
	};
	return o;
}
