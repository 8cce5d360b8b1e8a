// The TypeScript client, built from the contracts: against the platform, against a fake that fails, and over a shim of wx.request.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { contracts, merge } from '../../proto/typescript/generate.mjs';
import { eventually } from '../support/eventually.mjs';
import { Platform, ROOT } from '../support/platform.mjs';

const FOLDER = path.join(ROOT, 'proto/typescript');
const WX_METHODS = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT'];

let yg;
before(async () => {
	await promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: FOLDER });
	yg = await import(path.join(FOLDER, 'dist/index.js'));
});

test('the compiler takes what is right and refuses what is wrong', () => promisify(execFile)('node', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.check.json'], { cwd: FOLDER }));

/** As the mini-program has it: its methods only, its Referer, header names as they came, any status is a success, JSON read when asked. */
class WxShim {
	calls = [];

	request(options) {
		if (!WX_METHODS.includes(options.method)) throw new Error(`wx.request has no ${options.method}`);
		assert.ok(options.timeout > 0 && options.timeout <= 60000);
		for (const name of Object.keys(options.header)) assert.ok(!['referer', 'cookie', 'host', 'content-length'].includes(name.toLowerCase()), name);
		const call = { method: options.method, url: options.url, header: options.header };
		this.calls.push(call);
		const header = { ...options.header, Referer: 'https://servicewechat.com/wx0000000000000000/devtools/page-frame.html' };
		const request = http.request(options.url, { method: options.method, headers: header, timeout: options.timeout }, (response) => {
			const parts = [];
			response.on('data', (part) => parts.push(part));
			response.on('error', () => options.fail({ errMsg: 'request:fail' }));
			response.on('end', () => {
				const text = Buffer.concat(parts).toString('utf8').replace(/^\ufeff/, '');
				const raw = response.rawHeaders;
				const fields = Object.fromEntries(raw.flatMap((name, i) => (i % 2 ? [] : [[name, raw[i + 1]]])));
				call.status = response.statusCode;
				options.success({ statusCode: response.statusCode, header: fields, data: options.dataType === 'json' ? JSON.parse(text) : text, errMsg: 'request:ok' });
			});
		});
		request.on('timeout', () => request.destroy());
		request.on('error', () => options.fail({ errMsg: 'request:fail ' }));
		request.end(options.data);
		return { abort: () => request.destroy() };
	}
}

/** A server that answers as it is told, one row after the other: {status, headers, body} or 'close'. */
async function fake(rows) {
	const seen = [];
	const server = http.createServer(async (request, response) => {
		let body = '';
		for await (const part of request) body += part;
		seen.push({ method: request.method, url: request.url, headers: request.headers, body });
		const row = rows.length > 1 ? rows.shift() : rows[0];
		if (row === 'close') { request.socket.destroy(); return; }
		const { status = 200, headers = {}, json = {} } = typeof row === 'function' ? row(seen.at(-1)) : row;
		response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json', ...headers });
		response.end(JSON.stringify(json));
	});
	await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
	return { seen, url: `http://127.0.0.1:${server.address().port}`, close: () => { server.close(); server.closeAllConnections(); } };
}

const problem = (status, code) => ({ status, json: { type: `/problems/${code}`, title: code, status, code } });
const GIFT = { campaign_id: '019ab2c3-5a10-7cc2-9d4e-1f2a3b4c5d6e', amount_fen: 100 };
const DONE = { status: 201, json: { id: 'g' } };

for (const how of ['fetch', 'wx.request']) {
	describe(`retries and tokens over ${how}`, () => {
		const run = async (rows, use, options = {}) => {
			const server = await fake(rows);
			const pauses = [];
			const client = new yg.Client({
				baseUrl: server.url,
				transport: how === 'fetch' ? yg.fetchTransport() : yg.wxTransport(new WxShim()),
				tokens: { access_token: 'old', refresh_token: 'r1' },
				...options,
				retry: { sleep: async (ms) => { pauses.push(ms); }, random: () => 1, ...options.retry },
			});
			try {
				await use(client, server.seen, pauses);
			} finally {
				server.close();
			}
		};

		test('a keyed POST goes again with the same key and body, whatever was in between', () => run([problem(503, 'busy'), 'close', problem(409, 'idempotency-in-progress'), DONE], async (client, seen) => {
			const answer = await client.call('gift_create', { body: GIFT });
			assert.equal(answer.status, 201);
			assert.equal(seen.length, 4);
			assert.equal(new Set(seen.map((s) => s.headers['idempotency-key'])).size, 1);
			assert.match(seen[0].headers['idempotency-key'], /^[0-9a-f]{32}$/);
			for (const { body } of seen) assert.deepEqual(JSON.parse(body), GIFT);
			await client.call('gift_create', { body: GIFT });
			assert.notEqual(seen[4].headers['idempotency-key'], seen[0].headers['idempotency-key'], 'another call, another key');
		}));

		test('a POST without a key goes once', () => run(['close'], async (client, seen) => {
			await assert.rejects(client.call('gift_payment_create', { path: { id: 'a' } }), (error) => error instanceof yg.NoAnswerError && error.idempotencyKey === undefined);
			assert.equal(seen.length, 1);
		}));
		test('so it does when it is refused for a moment', () => run([problem(503, 'busy')], async (client, seen) => {
			await assert.rejects(client.call('gift_payment_create', { path: { id: 'a' } }), { code: 'busy', status: 503 });
			assert.equal(seen.length, 1);
		}));

		test('pauses double, Retry-After is the least, and a long one is the caller\'s', () => run([problem(502, 'bad-upstream'), 'close', { ...problem(503, 'busy'), headers: { 'Retry-After': '7' } }, { json: {} }, { ...problem(429, 'quota-exceeded'), headers: { 'Retry-After': '3600' } }], async (client, seen, pauses) => {
			await client.call('summary_get');
			assert.deepEqual(pauses, [400, 800, 7400]);
			await assert.rejects(client.call('summary_get'), (error) => error instanceof yg.ProblemError && error.code === 'quota-exceeded' && error.headers['retry-after'] === '3600');
			assert.equal(seen.length, 5);
		}));

		test('what will not pass is not repeated, and the end comes', () => run([problem(422, 'validation-failed'), problem(503, 'busy')], async (client, seen) => {
			await assert.rejects(client.call('summary_get'), { code: 'validation-failed' });
			assert.equal(seen.length, 1);
			await assert.rejects(client.call('gift_create', { body: GIFT, idempotencyKey: 'mine' }), { code: 'busy', idempotencyKey: 'mine' });
			assert.equal(seen.length, 5);
			assert.equal(seen.at(-1).headers['idempotency-key'], 'mine');
		}));

		test('an expired token is renewed once, for all who ask at a time', () => {
			const row = (request) => {
				if (request.url === '/v1/auth/refresh') return { json: { access_token: 'new', refresh_token: 'r2' } };
				return request.headers.authorization === 'Bearer new' ? DONE : problem(401, 'token-expired');
			};
			const told = [];
			return run([row], async (client, seen) => {
				await Promise.all([1, 2, 3].map(() => client.call('gift_create', { body: GIFT })));
				const refreshes = seen.filter((s) => s.url === '/v1/auth/refresh');
				assert.deepEqual(refreshes.map((s) => [JSON.parse(s.body).refresh_token, s.headers.authorization]), [['r1', undefined]]);
				assert.deepEqual(told, [{ access_token: 'new', refresh_token: 'r2' }]);
				const keys = seen.filter((s) => s.url === '/v1/gifts').map((s) => s.headers['idempotency-key']);
				assert.equal(new Set(keys).size, 3, 'the key outlives the token');
			}, { onTokens: (tokens) => told.push(tokens) });
		});

		test('a token that stays expired is not renewed again; a refused refresh ends the session', async () => {
			await run([(request) => (request.url === '/v1/auth/refresh' ? { json: { access_token: 'new', refresh_token: 'r2' } } : problem(401, 'token-expired'))], async (client, seen) => {
				await assert.rejects(client.call('me_get'), { code: 'token-expired' });
				assert.equal(seen.length, 3);
			});
			await run([(request) => problem(401, request.url === '/v1/auth/refresh' ? 'refresh-token-reused' : 'token-expired')], async (client) => {
				await assert.rejects(client.call('me_get'), { code: 'refresh-token-reused' });
				assert.equal(client.tokens, undefined);
			});
		});

		test('other refusals are not answered with a new token', () => run([problem(401, 'token-invalid')], async (client, seen) => {
			await assert.rejects(client.call('me_get'), { code: 'token-invalid' });
			assert.equal(seen.length, 1);
		}));

		test('addresses, lists, languages; no token where none is needed; no cookies', () => run([{ headers: { 'Set-Cookie': 'a=b' }, json: { items: [], has_more: false } }], async (client, seen) => {
			await client.call('gift_public_get', { path: { public_code: 'a/b ?' } });
			await client.call('campaign_list', { query: { limit: 3, q: '山 &' } });
			assert.equal(seen[0].url, '/v1/public/gifts/a%2Fb%20%3F');
			assert.equal(seen[1].url, `/v1/campaigns?limit=3&q=${encodeURIComponent('山 &')}`);
			for (const { headers } of seen) assert.deepEqual([headers.authorization, headers.cookie, headers['accept-language']], [undefined, undefined, 'en']);
			await assert.rejects(client.call('no_such'), TypeError);
			await assert.rejects(client.call('gift_public_get', { path: {} }), TypeError);
		}, { language: 'en' }));

		test('an abort is an abort', () => run(['close'], async (client) => {
			const stop = new AbortController();
			stop.abort(new Error('enough'));
			await assert.rejects(client.call('summary_get', { signal: stop.signal }), /enough/);
		}));

		test('an answer of something in between is a problem too', () => run([{ status: 418, headers: { 'content-type': 'text/html' }, json: 'tea' }], async (client) => {
			await assert.rejects(client.call('summary_get'), (error) => error instanceof yg.ProblemError && error.code === 'unknown' && error.status === 418);
		}));
	});
}

describe('against the platform', () => {
	let platform;
	before(async () => { platform = await Platform.start({ demo: 'small' }); });
	after(() => platform?.stop());

	const signIn = async (name, transport) => {
		const client = new yg.Client({ baseUrl: platform.demo.base_url, ...(transport ? { transport } : {}), language: 'zh-CN' });
		client.setTokens((await client.call('auth_wechat', { body: { code: `demo-${name}` } })).data);
		return client;
	};
	const openCampaign = async (client) => (await client.call('campaign_list', { query: { state: 'OPEN', limit: 1 } })).data.items[0];

	test('it was made from the contract that the gateway serves', async () => {
		const served = (await platform.client.get('/openapi.json')).json;
		const made = merge(contracts());
		assert.deepEqual(made.paths, served.paths);
		for (const [section, members] of Object.entries(served.components)) {
			for (const [name, member] of Object.entries(members)) assert.deepEqual(made.components[section][name], member, `${section} ${name}`);
		}
	});

	test('x-audiences is what the database says of its scopes', async () => {
		const [common] = contracts().filter((document) => document['x-audiences']);
		const rows = await platform.sql(`select s.name, concat_ws(' ', case when bool_or(not r.for_staff) then 'citizen' end,
			case when s.for_partners then 'partner' end, case when bool_or(r.for_staff) then 'staff' end)
			from identity.scope s left join identity.role_scope x on x.scope = s.name left join identity.role r on r.name = x.role group by s.name`);
		const expected = Object.fromEntries(rows.map(([name, text]) => [name, text.split(' ')]));
		assert.deepEqual(common['x-audiences'], expected);
	});

	for (const how of ['fetch', 'wx.request']) {
		test(`login, gift, payment, look-up over ${how}`, async () => {
			const client = await signIn(`ts-${how}`, how === 'fetch' ? undefined : yg.wxTransport(new WxShim()));
			const campaign = await openCampaign(client);
			const given = await client.call('gift_create', { body: { campaign_id: campaign.id, amount_fen: 4200, channel: 'WECHAT_JSAPI', disclosure: 'ANONYMOUS', message: '加油' } });
			assert.equal(given.status, 201);
			assert.equal((await platform.control('wechat_pay', 'POST', 'payments', { out_trade_no: given.data.out_trade_no })).status, 200);
			const seen = await eventually(async () => client.call('gift_public_get', { path: { public_code: given.data.public_code } }).catch((error) => {
				assert.equal(error.code, 'not-found');
				return undefined;
			}));
			assert.equal(seen.data.amount_fen, 4200);
			const mine = await client.call('my_gift_get', { path: { id: given.data.id } });
			assert.equal(mine.data.amount_fen, 4200);
			await client.refresh();
			const list = await client.call('my_gift_list', { query: { limit: 5 } });
			assert.ok(list.data.items.some((gift) => gift.public_code === given.data.public_code));
			const changed = await client.call('me_update', { body: { display_name: '小林' } });
			assert.equal(changed.status, 200);
			assert.equal((await client.call('me_get')).data.display_name, '小林');
			await client.call('auth_logout');
		});

		test(`an answer that is lost over ${how}: one gift, and the first one's answer`, async () => {
			const inner = how === 'fetch' ? yg.fetchTransport() : yg.wxTransport(new WxShim());
			let lost;
			const client = await signIn(`lost-${how}`, async (request) => {
				const answer = await inner(request);
				if (request.method !== 'POST' || !request.url.endsWith('/v1/gifts') || lost) return answer;
				lost = answer;
				throw new Error('the tunnel');
			});
			const campaign = await openCampaign(client);
			const given = await client.call('gift_create', { body: { campaign_id: campaign.id, amount_fen: 900 } });
			assert.ok(given.replayed);
			assert.equal(JSON.stringify(given.data), JSON.stringify(JSON.parse(lost.text)));
			assert.equal((await client.call('my_gift_list', {})).data.items.length, 1);
		});
	}

	test('problems are objects, in the language that was asked for', async () => {
		const client = await signIn('problems', yg.wxTransport(new WxShim()));
		const wrong = await client.call('gift_create', { body: { campaign_id: 'x', amount_fen: -1 } }).catch((error) => error);
		assert.ok(wrong instanceof yg.ProblemError);
		assert.deepEqual([wrong.status, wrong.code, wrong.problem.errors.length], [422, 'validation-failed', 2]);
		assert.equal(wrong.problem.trace_id, wrong.requestId);
		assert.match(wrong.message, /[\u4e00-\u9fff]/);
		await assert.rejects(client.call('gift_list', {}), { code: 'insufficient-scope', status: 403 });
	});

	test('PATCH with If-Match over wx.request', async () => {
		const shim = new WxShim();
		const client = new yg.Client({ baseUrl: platform.demo.base_url, transport: yg.wxTransport(shim) });
		const { username, password } = platform.demo.staff.find((one) => one.username === 'campaigns');
		client.setTokens((await client.call('auth_staff', { body: { username, password } })).data);
		const { id } = (await client.call('campaign_managed_list', { query: { limit: 1 } })).data.items[0];
		const one = await client.call('campaign_managed_get', { path: { id } });
		const body = { contact_phone: '0758-3333333' };
		await assert.rejects(client.call('campaign_update', { path: { id }, body, ifMatch: '"999999"' }), { code: 'precondition-failed' });
		assert.equal((await client.call('campaign_update', { path: { id }, body, ifMatch: one.etag })).status, 200);
		const sent = shim.calls.at(-1);
		assert.deepEqual([sent.method, sent.header['x-http-method-override'], sent.header['content-type']], ['POST', 'PATCH', 'application/merge-patch+json']);
	});
});
