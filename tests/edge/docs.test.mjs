// What the gateway says about itself: nothing in it may come from elsewhere.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { startEdge } from './support.mjs';

const DOCS = new URL('../../gateway/docs', import.meta.url).pathname;

let edge;
before(async () => {
	edge = await startEdge({ YG_DOCS_DIR: DOCS }, { prepare: ({ dir }) => { audiences(dir); } });
});
after(() => edge?.stop());

/** Says in the fake contracts who is given their scope. */
function audiences(dir) {
	const file = `${dir}/proto/common.yaml`;
	writeFileSync(file, `${readFileSync(file, 'utf8')}\nx-audiences: { 'item:read': [partner], 'push:write': [partner], 'cache:purge': [staff] }\n`);
}

/** Addresses that a browser would ask for by itself, or by a click. */
function addresses(html) {
	return [...html.matchAll(/\s(?:src|srcset|href|action|formaction|poster|data)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi)].map(([, value]) => value.replace(/^["']|["']$/g, ''));
}

const get = (path, headers) => edge.call('GET', path, { headers });

describe('pages', () => {
	for (const path of ['/', '/docs', '/docs?audience=staff', '/docs/operations', '/problems/', '/problems/not-found', '/problems/echo-refused', '/problems/quota-exceeded']) {
		test(`${path} asks no other origin`, async () => {
			const page = await get(path);
			assert.equal(page.status, 200);
			assert.match(page.headers['content-type'], /^text\/html; charset=utf-8$/);
			const policy = page.headers['content-security-policy'];
			assert.match(policy, /^default-src '(none|self)'/);
			for (const part of ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]) assert.ok(policy.includes(part), policy);
			assert.ok(!/https?:|\*|unsafe-eval|script-src/.test(policy), policy);
			for (const address of addresses(page.text)) assert.match(address, /^\/(?!\/)/, address);
			assert.ok(!/<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:|@import/i.test(page.text), 'no script in the page');
		});
	}

	test('every link of the documentation leads somewhere', async () => {
		const page = await get('/docs');
		const links = addresses(page.text);
		assert.ok(links.length > 8);
		for (const link of links) assert.equal((await get(link)).status, 200, link);
	});

	test('the documentation has files of known types, kept long when named by version', async () => {
		const page = await get('/docs');
		const types = { css: 'text/css', js: 'text/javascript', png: 'image/png' };
		for (const link of addresses(page.text).filter((one) => one.includes('?v='))) {
			const file = await get(link);
			assert.ok(file.headers['content-type'].startsWith(types[link.match(/\.([a-z]+)\?/)[1]]), link);
			assert.equal(file.headers['cache-control'], 'public, max-age=31536000, immutable');
			assert.equal(file.headers['x-content-type-options'], 'nosniff');
			assert.equal((await get(link, { 'If-None-Match': file.headers.etag })).status, 304);
			assert.equal((await get(link.replace(/=.*/, '=0000000000000000'))).headers['cache-control'], 'public, max-age=300');
			if (!link.includes('.css')) continue;
			for (const [, url] of file.text.matchAll(/url\(\s*["']?([^"')]*)/g)) assert.match(url, /^(data:|#)/, `${link}: ${url}`);
			assert.ok(!file.text.includes('@import'));
		}
		const script = await get('/docs/docs.js');
		assert.match(script.text, /validatorUrl: null/);
		assert.ok(!/https?:\/\//.test(script.text));
	});

	test('nothing else of the folder is served', async () => {
		for (const name of ['package.json', 'package-lock.json', 'node_modules/swagger-ui-dist/swagger-ui.css', '../settings.c', '%2e%2e/settings.c', '..%2fsettings.c', 'docs.js/', ''])
			assert.notEqual((await get(`/docs/${name}`)).status, 200, name);
	});

	test('only GET and HEAD', async () => {
		for (const path of ['/docs', '/docs/docs.js', '/problems/', '/.well-known/api-catalog', '/openapi.json']) {
			const head = await edge.call('HEAD', path);
			assert.equal(head.status, 200, path);
			assert.equal(head.headers['content-length'], String(Buffer.byteLength((await get(path)).text)), path);
			assert.equal((await edge.call('POST', path)).status, 405, path);
		}
	});
});

describe('problems', () => {
	test('a page says in two languages what it means and what to do', async () => {
		const page = await get('/problems/token-expired');
		for (const text of ['登录凭证已过期', 'The access token has expired', 'HTTP 401', 'lang=en', '刷新令牌', 'refresh token']) assert.ok(page.text.includes(text), text);
	});

	test('programs hear it as JSON', async () => {
		const of = async (slug) => (await get(`/problems/${slug}`, { Accept: 'application/json' })).json;
		const retries = { 'token-expired': 'after-login', 'not-found': 'never', 'validation-failed': 'after-change', 'quota-exceeded': 'later', 'precondition-failed': 'after-read', 'upstream-unavailable': 'later', 'idempotency-in-progress': 'later' };
		for (const [slug, retry] of Object.entries(retries)) {
			const problem = await of(slug);
			assert.deepEqual([problem.type, problem.retry], [`/problems/${slug}`, retry]);
			for (const part of ['titles', 'meanings', 'advice']) assert.ok(problem[part].en && problem[part]['zh-CN'], `${slug} ${part}`);
		}
	});

	test('the index names every kind, and each has its page', async () => {
		const index = await get('/problems/');
		const links = addresses(index.text);
		assert.ok(links.includes('/problems/echo-refused') && links.includes('/problems/quota-exceeded'));
		assert.equal(new Set(links).size, links.length);
		for (const link of links) assert.equal((await get(link)).status, 200, link);
		assert.equal((await get('/problems/', { 'If-None-Match': index.headers.etag })).status, 304);
	});
});

describe('for programs', () => {
	test('each audience has a contract of its own', async () => {
		const docs = {};
		for (const name of ['public', 'citizen', 'partner', 'staff']) docs[name] = await get(`/openapi.json?audience=${name}`);
		const whole = await get('/openapi.json');
		const scoped = Object.entries(whole.json.paths).flatMap(([path, item]) => Object.entries(item).filter(([, op]) => op.security?.[0]?.token?.includes('item:read')).map(([method]) => [path, method]));
		assert.ok(scoped.length > 0);
		for (const [path, method] of scoped) {
			assert.ok(docs.partner.json.paths[path][method]);
			for (const other of ['public', 'citizen', 'staff']) assert.equal(docs[other].json.paths[path]?.[method], undefined, `${other} ${path}`);
		}
		for (const { json } of Object.values(docs)) for (const path of Object.keys(json.paths)) assert.ok(whole.json.paths[path], path);
		for (const op of Object.values(docs.public.json.paths).flatMap(Object.values)) assert.deepEqual(op.security ?? [], []);
		assert.equal(new Set(['public', 'partner'].map((name) => docs[name].headers.etag)).size, 2);
		for (const [name, { headers }] of Object.entries(docs)) assert.equal((await get(`/openapi.json?audience=${name}`, { 'If-None-Match': headers.etag })).status, 304);
		for (const { text, json } of [whole, ...Object.values(docs)]) {
			for (const [, pointer] of text.matchAll(/"\$ref":"#\/([^"]*)"/g)) assert.ok(pointer.split('/').reduce((node, key) => node?.[key], json), pointer);
		}
	});

	test('an audience that there is not', async () => {
		for (const name of ['', 'admin', 'public%20', 'PUBLIC']) {
			const answer = await get(`/openapi.json?audience=${name}`);
			assert.deepEqual([answer.status, answer.json.code], [422, 'validation-failed'], name);
		}
	});

	test('the API catalogue (RFC 9727)', async () => {
		const answer = await get('/.well-known/api-catalog');
		assert.equal(answer.headers['content-type'], 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"');
		assert.match((await edge.call('HEAD', '/.well-known/api-catalog')).headers.link, /rel="api-catalog"/);
		const { linkset: [api] } = JSON.parse(answer.text);
		for (const relation of ['service-desc', 'service-doc', 'service-meta']) {
			for (const { href } of api[relation]) assert.ok(href.startsWith(`${api.anchor}/`), href);
		}
		for (const { href } of [...api['service-desc'], ...api['service-doc']]) assert.equal((await get(href.slice(api.anchor.length))).status, 200, href);
	});
});

test('without its files the documentation is the plain list', async () => {
	const bare = await startEdge({ YG_DOCS_DIR: '/nonexistent' });
	try {
		const page = await bare.call('GET', '/docs');
		assert.equal(page.status, 200);
		assert.match(page.headers['content-security-policy'], /^default-src 'none'/);
		assert.ok(page.text.includes('/v1/echo') && !page.text.includes('/internal/') && !page.text.includes('<script'));
		assert.equal((await bare.call('GET', '/docs/docs.js')).status, 404);
		assert.ok(bare.log.includes('no interactive documentation') && !bare.log.includes('"level":"error"'));
	} finally {
		await bare.stop();
	}
});
