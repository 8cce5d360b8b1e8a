// A collector of traces: takes OTLP/HTTP in JSON, keeps the spans, or is mute, or refuses.
import http from 'node:http';

const valueOf = (v) => ('intValue' in v ? Number(v.intValue) : 'boolValue' in v ? v.boolValue : v.stringValue);
const membersOf = (attributes) => Object.fromEntries(attributes.map((a) => [a.key, valueOf(a.value)]));

/** `state.spans` are all spans that came, each with `attributes` and `resource` as plain objects; `state.mode`: take, mute, refuse, partial. */
export async function startCollector() {
	const state = { spans: [], requests: [], mode: 'take' };
	state.server = http.createServer(async (req, res) => {
		const parts = [];
		for await (const part of req) parts.push(part);
		state.requests.push({ method: req.method, url: req.url, type: req.headers['content-type'] });
		if (state.mode === 'mute') return;
		const json = JSON.parse(Buffer.concat(parts).toString());
		if (state.mode === 'refuse') return void res.writeHead(503, { 'Retry-After': '1' }).end();
		for (const { resource, scopeSpans } of json.resourceSpans)
			for (const { spans } of scopeSpans)
				for (const span of spans) state.spans.push({ ...span, attributes: membersOf(span.attributes), resource: membersOf(resource.attributes) });
		const partial = state.mode === 'partial' ? { partialSuccess: { rejectedSpans: '1', errorMessage: 'no' } } : {};
		res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(partial));
	});
	await new Promise((done) => { state.server.listen(0, '127.0.0.1', done); });
	state.url = `http://127.0.0.1:${state.server.address().port}/v1/traces`;
	state.stop = () => { state.server.close(); state.server.closeAllConnections(); };
	return state;
}
