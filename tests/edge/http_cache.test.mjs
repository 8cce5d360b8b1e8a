// A plain proxy route as an HTTP cache: what RFC 9111, 5861 and 9213 say, one case a line. Each case has a path of its own; whether
// an answer came from the store is judged by what the origin was asked, never by what the gateway says.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startOrigin } from './origin.mjs';
import { freePort } from '../support/platform.mjs';
import { call, raw, sleep, until } from './support.mjs';

const root = new URL('../..', import.meta.url).pathname;
let origin;
let port;
let gateway;
let log = '';
let dir;
let next = 0;

before(async () => {
	origin = await startOrigin();
	dir = mkdtempSync(join(tmpdir(), 'edge-proxy-'));
	port = await freePort();
	writeFileSync(join(dir, 'proxy.yaml'), `listeners: ['127.0.0.1:${port}']
routes:
  - { name: origin, prefix: /, origins: ['${origin.address}'], store_cookies: true }
  - { name: dead, prefix: /dead, origins: ['127.0.0.1:1'] }
  - { name: plain, prefix: /plain, origins: ['127.0.0.1:1', '${origin.address}'], cache: 'off' }
`);
	gateway = spawn(resolve(root, process.env.EDGE_BIN ?? `build/${process.env.VARIANT ?? 'dev'}/bin/gateway`), ['--config', join(dir, 'proxy.yaml')],
		{ stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH } });
	gateway.stderr.setEncoding('utf8').on('data', (d) => { log += d; });
	await until(async () => (await call(port, 'GET', '/hello')).status);
});
after(async () => {
	const exited = once(gateway, 'exit');
	gateway.kill('SIGTERM');
	const how = await exited;
	await origin.close();
	rmSync(dir, { recursive: true });
	assert.deepEqual(how, [0, null], log.split('\n').filter((line) => !line.includes('"msg":"request"')).join('\n'));
});

const day = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const longDay = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const at = (s) => new Date(Date.now() + s * 1000);
const date = (s) => at(s).toUTCString();
const rfc850 = (s) => {
	const d = at(s);
	return `${longDay[d.getUTCDay()]}, ${date(s).slice(5, 16).replaceAll(' ', '-').replace(/-\d\d(\d\d)$/, '-$1')} ${date(s).slice(17)}`;
};
const asctime = (s) => {
	const d = at(s);
	return `${day[d.getUTCDay()]} ${date(s).slice(8, 11)} ${String(d.getUTCDate()).padStart(2)} ${date(s).slice(17, 25)} ${d.getUTCFullYear()}`;
};
const fresh = 'Cache-Control: max-age=1000';
const ask = (path, headers = {}, method = 'GET', body = undefined) => call(port, method, path, { headers, body });
const newPath = () => `/case/${next++}`;

/** Asks twice; says how the second was answered: 'store', 'origin', or 'validation'. */
async function twice(head, { status = 200, first = {}, second = {}, pause = 0, method = 'GET', secondMethod = method, more = {}, body } = {}) {
	const path = newPath();
	origin.give(path, { status, head: typeof head === 'function' ? head() : head, ...more });
	const one = await ask(path, first, method, body);
	assert.equal(one.status, status, one.text);
	if (pause) await sleep(pause);
	const before = origin.asked(path).length;
	const two = await ask(path, second, secondMethod);
	const asked = origin.asked(path).slice(before);
	const how = asked.length === 0 ? 'store' : asked[0].headers['if-none-match'] || asked[0].headers['if-modified-since'] ? 'validation' : 'origin';
	return { how, one, two, path, asked };
}
const keeps = (name, head, options) => test(`keeps: ${name}`, async () => {
	const { how, one, two } = await twice(head, options);
	assert.equal(how, 'store');
	if (two.status === one.status && options?.secondMethod !== 'HEAD') assert.equal(two.text, one.text);
	assert.match(two.headers.age, /^\d+$/);
});
const asks = (name, head, options) => test(`asks again: ${name}`, async () => {
	const { how } = await twice(head, options);
	assert.equal(how, 'origin');
});
const validates = (name, head, options) => test(`validates: ${name}`, async () => {
	const { how, one, two } = await twice(head, options);
	assert.equal(how, 'validation');
	assert.equal(two.status, 200);
	assert.equal(two.text, one.text);
});

describe('lifetimes', { concurrency: 25 }, () => {
	keeps('max-age', [fresh]);
	keeps('s-maxage over max-age', ['Cache-Control: max-age=0, s-maxage=1000']);
	keeps('s-maxage over Expires', () => ['Cache-Control: s-maxage=1000', `Expires: ${date(-100)}`]);
	keeps('max-age over Expires', () => [fresh, `Expires: ${date(-100)}`]);
	keeps('max-age beyond 2^31', ['Cache-Control: max-age=99999999999']);
	keeps('max-age in quotes', ['Cache-Control: max-age="1000"']);
	keeps('directives in capitals', ['Cache-Control: MAX-aGe=1000']);
	keeps('the first of two', ['Cache-Control: max-age=1000, max-age=0']);
	keeps('unknown directives, some with our words in quotes', ['Cache-Control: foo, bar="no-store, max-age=0", max-age=1000, ,baz=1']);
	keeps('two lines', ['Cache-Control: foo', fresh]);
	keeps('Expires', () => [`Date: ${date(0)}`, `Expires: ${date(1000)}`]);
	keeps('Expires without Date', () => [`Expires: ${date(1000)}`]);
	keeps('Expires in the form of RFC 850', () => [`Date: ${date(0)}`, `Expires: ${rfc850(1000)}`]);
	keeps('Expires in the form of asctime', () => [`Date: ${date(0)}`, `Expires: ${asctime(1000)}`]);
	keeps('Expires in capitals', () => [`Expires: ${date(1000).toUpperCase().replace('GMT', 'gmt')}`]);
	asks('nothing said, nothing known', []);
	asks('max-age=0', ['Cache-Control: max-age=0']);
	asks('s-maxage=0', ['Cache-Control: max-age=1000, s-maxage=0']);
	asks('over', ['Cache-Control: max-age=1'], { pause: 1300 });
	asks('the first of two is over', ['Cache-Control: max-age=0', fresh]);
	for (const bad of ['-1000', '1000.0', 'a1000', '1000a', '\'1000\'', '10 00', ''])
		asks(`max-age=${bad}`, () => [`Cache-Control: max-age=${bad}`]);
	asks('Expires in the past', () => [`Expires: ${date(-100)}`]);
	asks('Expires not after Date', () => [`Date: ${date(1000)}`, `Expires: ${date(1000)}`]);
	asks('two lines of Expires', () => [`Expires: ${date(1000)}`, `Expires: ${date(1000)}`]);
	for (const [what, bad] of [['0', () => '0'], ['UTC', () => date(1000).replace('GMT', 'UTC')], ['a zone of two letters', () => date(1000).replace('GMT', 'UT')],
		['no comma', () => date(1000).replace(',', '')], ['dashes', () => date(1000).replace(/^(....., ?..) (...) /, '$1-$2-').replace(/(\d\d) (\w{3}) (\d{4})/, '$1-$2-$3')],
		['a year of two digits', () => date(1000).replace(/ \d\d(\d\d) /, ' $1 ')], ['an hour of one digit', () => date(1000).replace(/ \d\d:/, ' 9:')],
		['points for colons', () => date(1000).replaceAll(':', '.')], ['two blanks', () => date(1000).replace(', ', ',  ')], ['words', () => 'soon']])
		asks(`Expires with ${what}`, () => [`Expires: ${bad()}`]);
	for (const code of [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 414, 451, 499, 500, 501, 502, 503, 504, 599])
		keeps(`status ${code} with a lifetime`, [fresh, 'Location: /x'], { status: code });
	keeps('a tenth of its age', () => [`Last-Modified: ${date(-100000)}`, `Date: ${date(0)}`]);
	keeps('a tenth, status unknown but public', () => [`Last-Modified: ${date(-100000)}`, 'Cache-Control: public'], { status: 599 });
	for (const code of [201, 302, 403, 502, 599]) test(`guesses nothing of status ${code}`, async () => {
		const { how } = await twice(() => [`Last-Modified: ${date(-100000)}`, `Date: ${date(0)}`], { status: code, more: { always: true } });
		assert.notEqual(how, 'store');
	});
});

describe('ages', { concurrency: 25 }, () => {
	asks('older than its lifetime', ['Cache-Control: max-age=100', 'Age: 200']);
	asks('the first of two', ['Cache-Control: max-age=100', 'Age: 200, 0']);
	asks('the first line', ['Cache-Control: max-age=100', 'Age: 200', 'Age: 0']);
	asks('beyond any number', ['Cache-Control: max-age=1000', 'Age: 99999999999999999999']);
	asks('Date long ago', () => ['Cache-Control: max-age=100', `Date: ${date(-500)}`]);
	for (const bad of ['-200', 'x200', '200.0', '200x', '"200"', '']) keeps(`Age: ${bad}`, ['Cache-Control: max-age=100', `Age: ${bad}`]);
	keeps('the first of two is young', ['Cache-Control: max-age=100', 'Age: 0, 200']);
	test('the stored age is counted on', async () => {
		const { two } = await twice(['Cache-Control: max-age=1000', 'Age: 300'], { pause: 1100 });
		assert.ok(Number(two.headers.age) >= 301 && Number(two.headers.age) < 330, two.headers.age);
	});
	test('the time an answer took counts', async () => {
		const { two } = await twice(() => ['Cache-Control: max-age=1000', `Date: ${date(0)}`], { more: { delayMs: 1300 } });
		assert.ok(Number(two.headers.age) >= 1);
	});
});

describe('control by the answer', { concurrency: 25 }, () => {
	asks('no-store', ['Cache-Control: max-age=1000, no-store']);
	asks('private', ['Cache-Control: max-age=1000, private']);
	asks('no-cache', ['Cache-Control: max-age=1000, no-cache'], { more: { always: true } });
	validates('no-cache with a validator', ['Cache-Control: max-age=1000, no-cache', 'ETag: "a"']);
	keeps('no-store to be understood, status known', ['Cache-Control: max-age=1000, no-store, must-understand']);
	asks('to be understood, status unknown', ['Cache-Control: max-age=1000, no-store, must-understand'], { status: 299 });
	keeps('no-cache for a field, which is not sent', ['Cache-Control: max-age=1000, no-cache="x-one, x-two"', 'X-One: 1', 'X-Three: 3']);
	test('fields of no-cache and private are not sent from the store', async () => {
		const { how, one, two } = await twice(['Cache-Control: max-age=1000, no-cache="x-one", private="x-two"', 'X-One: 1', 'X-Two: 2', 'X-Three: 3']);
		assert.equal(how, 'store');
		assert.equal(one.headers['x-one'], '1');
		assert.deepEqual([two.headers['x-one'], two.headers['x-two'], two.headers['x-three']], [undefined, undefined, '3']);
	});
	keeps('Pragma of an answer says nothing', [fresh, 'Pragma: no-cache']);
	asks('Authorization', [fresh], { first: { Authorization: 'x' }, second: { Authorization: 'x' } });
	for (const d of ['public', 'must-revalidate', 's-maxage=1000'])
		keeps(`Authorization, but ${d}`, [`Cache-Control: max-age=1000, ${d}`], { first: { Authorization: 'x' }, second: { Authorization: 'y' } });
	keeps('Set-Cookie, as this route may', [fresh, 'Set-Cookie: a=b']);
	asks('Set-Cookie without a lifetime', () => ['Set-Cookie: a=b', `Last-Modified: ${date(-100000)}`], { more: { always: true } });
	for (const [code, head] of [[412, { 'If-Match': '"x"' }], [412, { 'If-Unmodified-Since': date(-9e6) }], [416, { Range: 'bytes=999-' }], [417, {}], [413, {}], [431, { 'X-Big': 'x'.repeat(4000) }],
		[429, {}], [428, {}], [511, {}], [401, {}], [401, { Authorization: 'x' }], [407, {}], [408, {}], [411, {}], [415, {}], [421, {}], [425, {}], [426, {}]])
		test(`${code} was of the one who asked (${Object.keys(head)}): the next gets his own answer`, async () => {
			const path = newPath();
			origin.give(path, { always: true, status: code, head: ['Cache-Control: public, max-age=1000'] }, { head: [fresh], body: 'fine' });
			assert.equal((await ask(path, head)).status, code);
			assert.deepEqual([(await ask(path)).text, (await ask(path)).text, origin.asked(path).length], ['fine', 'fine', 2]);
		});
	test('a refusal of a condition takes nothing away from what is kept', async () => {
		const path = newPath();
		origin.give(path, { head: ['Cache-Control: max-age=1', 'ETag: "a"'], body: 'kept' }, { always: true, status: 412, head: [fresh] });
		await ask(path);
		await sleep(1300);
		assert.equal((await ask(path, { 'If-Match': '"x"' })).status, 412);
		origin.give(path, { head: [fresh, 'ETag: "a"'], body: 'kept' });
		assert.equal((await ask(path)).text, 'kept');
	});
	for (const code of [206, 304, 999]) test(`status ${code} is passed and not kept`, async () => {
		const path = newPath();
		origin.give(path, { status: code, head: [fresh, 'Content-Range: bytes 0-1/9'], body: code === 206 ? 'ab' : undefined });
		for (let i = 1; i <= 2; i++) {
			assert.equal((await ask(path)).status, code);
			assert.equal(origin.asked(path).length, i);
		}
	});
});

describe('targeted control', { concurrency: 25 }, () => {
	const cdn = (value, ...more) => [`CDN-Cache-Control: ${value}`, ...more];
	keeps('over max-age', cdn('max-age=1000', 'Cache-Control: max-age=0'));
	keeps('over no-store', cdn('max-age=1000', 'Cache-Control: no-store'));
	keeps('over Expires', cdn('max-age=1000', 'Expires: 0'));
	keeps('with parameters and unknown members', cdn('max-age=1000;foo=bar, baz="a, b", x=(1 2)'));
	keeps('two lines', cdn('foo', 'CDN-Cache-Control: max-age=1000'));
	keeps('the last of two', cdn('max-age=0, max-age=1000'));
	asks('max-age=0 over max-age', cdn('max-age=0', fresh));
	asks('private over public', cdn('private', fresh));
	asks('no-store', cdn('no-store', fresh));
	asks('no-cache', cdn('no-cache, max-age=1000', fresh), { more: { always: true } });
	asks('expired', cdn('max-age=1', fresh), { pause: 1300 });
	for (const bad of ['max-age=1000,', 'max-age="1000"', 'max-age=-1', 'max-age=1000.0', 'MAX-AGE=1000', 'max-age=1000 foo', 'max-age=1000, ;', '=', 'max-age = 1000']) {
		asks(`does not parse, so max-age=0 counts: ${bad}`, cdn(bad, 'Cache-Control: max-age=0'));
		keeps(`does not parse, so max-age=1000 counts: ${bad}`, cdn(bad, fresh));
	}
});

describe('control by the request', { concurrency: 25 }, () => {
	const by = (value) => ({ second: { 'Cache-Control': value } });
	asks('no-cache', [fresh], by('no-cache'));
	asks('no-store', [fresh], by('no-store'));
	asks('max-age=0', [fresh], by('max-age=0'));
	asks('max-age', ['Cache-Control: max-age=1000', 'Age: 100'], by('max-age=50'));
	asks('min-fresh', ['Cache-Control: max-age=100'], by('min-fresh=200'));
	asks('Pragma', [fresh], { second: { Pragma: 'no-cache' } });
	keeps('Pragma beside Cache-Control', [fresh], { second: { Pragma: 'no-cache', 'Cache-Control': 'foo' } });
	keeps('unknown words', [fresh], by('nothing-to-see-here'));
	keeps('max-age with room', [fresh, 'Age: 10'], by('max-age=100'));
	keeps('min-fresh with room', [fresh], by('min-fresh=200'));
	keeps('max-stale', ['Cache-Control: max-age=1'], { pause: 1300, ...by('max-stale=100') });
	keeps('max-stale without end', ['Cache-Control: max-age=1'], { pause: 1300, ...by('max-stale') });
	asks('max-stale that is over', ['Cache-Control: max-age=1'], { pause: 3300, ...by('max-stale=1') });
	keeps('only-if-cached', [fresh], by('only-if-cached'));
	test('no-store of the first', async () => assert.equal((await twice([fresh], { first: { 'Cache-Control': 'no-store' } })).how, 'origin'));
	test('only-if-cached and nothing there', async () => {
		const path = newPath();
		origin.give(path, { head: [fresh] });
		const r = await ask(path, { 'Cache-Control': 'only-if-cached' });
		assert.equal(r.status, 504);
		assert.equal(r.headers['proxy-status'], undefined, 'nobody was asked');
		assert.equal(origin.asked(path).length, 0);
	});
});

describe('conditions', { concurrency: 25 }, () => {
	const etag = (tag, condition, status) => test(`ETag ${tag}, If-None-Match ${condition}: ${status}`, async () => {
		const { how, two } = await twice([fresh, `ETag: ${tag}`], { second: { 'If-None-Match': condition } });
		assert.equal(how, 'store');
		assert.equal(two.status, status);
		assert.equal(two.headers.etag, tag);
	});
	for (const [tag, condition, status] of [['"a"', '"a"', 304], ['"a"', 'W/"a"', 304], ['W/"a"', '"a"', 304], ['"a"', '"b", "a"', 304], ['"a,b"', '"x" , "a,b"', 304],
		['"a"', '*', 304], ['"a"', '"b"', 200], ['"a"', '"A"', 200], ['"a"', 'a', 200], ['a', 'a', 304], ['"a\\"b"', '"a\\"b"', 200]])
		if (!tag.includes('\\')) etag(tag, condition, status);
	const since = (name, s, status) => test(`If-Modified-Since ${name}: ${status}`, async () => {
		const changed = date(-3000);
		const { how, two } = await twice([fresh, `Last-Modified: ${changed}`], { second: { 'If-Modified-Since': s(changed) } });
		assert.equal(how, 'store');
		assert.equal(two.status, status);
	});
	since('the same', (c) => c, 304);
	since('later', () => date(-10), 304);
	since('earlier', () => date(-5000), 200);
	since('in an old form', () => rfc850(-10), 304);
	since('rubbish', () => 'x', 200);
	test('If-None-Match counts before If-Modified-Since', async () => {
		const { two } = await twice([fresh, 'ETag: "a"', `Last-Modified: ${date(-3000)}`], { second: { 'If-None-Match': '"b"', 'If-Modified-Since': date(0) } });
		assert.equal(two.status, 200);
	});
	validates('by ETag', ['Cache-Control: max-age=1', 'ETag: "a"'], { pause: 1300 });
	validates('by Last-Modified', () => ['Cache-Control: max-age=1', `Last-Modified: ${date(-3000)}`], { pause: 1300 });
	validates('kept without a lifetime, for its validator', ['Cache-Control: max-age=0', 'ETag: "z"']);
	test('the client\'s own condition is not the cache\'s', async () => {
		const path = newPath();
		origin.give(path, { head: ['Cache-Control: max-age=1', 'ETag: "a"'], body: 'first' }, { head: ['Cache-Control: max-age=100', 'ETag: "b"'], body: 'second' });
		await ask(path);
		await sleep(1300);
		const r = await ask(path, { 'If-None-Match': '"b"' });
		assert.equal(origin.asked(path)[1].headers['if-none-match'], '"a"');
		assert.equal(r.status, 304);
		assert.equal((await ask(path)).text, 'second');
	});
	test('a 304 renews every field but the length', async () => {
		const path = newPath();
		origin.give(path, { head: ['Cache-Control: max-age=1', 'ETag: "a"', 'X-A: old', 'X-B: old'], body: 'the body' },
			{ head: ['Cache-Control: max-age=1000', 'ETag: "a"', 'X-A: new', 'X-C: new', 'Expires: x', 'Content-Length: 3'] });
		await ask(path);
		await sleep(1300);
		for (let i = 0; i < 2; i++) {
			const { headers: h, text, status } = await ask(path);
			assert.deepEqual([status, text, h['x-a'], h['x-b'], h['x-c'], h['content-length']], [200, 'the body', 'new', 'old', 'new', '8']);
		}
		assert.equal(origin.asked(path).length, 2);
	});
	test('an answer to HEAD renews too', async () => {
		const path = newPath();
		origin.give(path, { head: ['Cache-Control: max-age=1', 'ETag: "a"', 'X-A: old'], body: 'the body' },
			{ always: true, head: ['Cache-Control: max-age=1000', 'ETag: "a"', 'X-A: new'], body: 'the body' });
		await ask(path);
		await sleep(1300);
		assert.equal((await ask(path, {}, 'HEAD')).headers['x-a'], 'new');
		const r = await ask(path);
		assert.deepEqual([r.text, r.headers['x-a'], origin.asked(path).length], ['the body', 'new', 2]);
	});
	for (const [what, more, length] of [['another tag', ['ETag: "b"']], ['another date', ['ETag: "a"', `Last-Modified: ${date(-10)}`]], ['another length', ['ETag: "a"'], 99]])
		test(`an answer to HEAD with ${what} is of something else: what is kept is not it`, async () => {
			const path = newPath(), old = ['Cache-Control: max-age=1', 'ETag: "a"', `Last-Modified: ${date(-3000)}`];
			origin.give(path, { head: old, body: 'old' }, { always: true, head: [fresh, ...more], body: 'new', length }, { always: true, head: [fresh, 'ETag: "b"'], body: 'new' });
			await ask(path);
			await sleep(1300);
			assert.equal((await ask(path, {}, 'HEAD')).status, 200);
			for (let i = 0; i < 2; i++) {
				const r = await ask(path);
				assert.deepEqual([r.text, r.headers.etag], ['new', '"b"']);
			}
		});
	test('what is fresh is stale once HEAD has seen something else', async () => {
		const path = newPath();
		origin.give(path, { head: [fresh, 'ETag: "a"'], body: 'old' }, { always: true, head: [fresh, 'ETag: "b"'], body: 'new' });
		await ask(path);
		assert.equal((await ask(path, { 'Cache-Control': 'no-cache' }, 'HEAD')).headers.etag, '"b"');
		assert.equal((await ask(path)).text, 'new');
	});
	for (const [what, tag] of [['says no tag', []], ['says a tag that nobody offered', ['ETag: "x"']]])
		test(`a 304 that ${what} chooses none of two variants`, async () => {
			const path = newPath();
			origin.give(path, (req) => {
				const foo = req.headers.foo;
				if (req.headers['if-none-match']) return { always: true, status: 304, head: tag };
				return { always: true, head: [fresh, 'Vary: Foo', `ETag: "${foo}"`], body: `for ${foo}` };
			});
			const store = (foo) => ask(path, { Foo: foo, 'If-Modified-Since': date(-9000) });
			assert.equal((await store('1')).text, 'for 1');
			assert.equal((await store('2')).text, 'for 2');
			assert.equal((await ask(path, { Foo: '3' })).text, 'for 3');
			assert.equal((await ask(path, { Foo: '3' })).text, 'for 3');
		});
	test('another variant\'s tag may be the right one', async () => {
		const path = newPath();
		origin.give(path, { head: [fresh, 'ETag: "a"', 'Vary: Foo'], body: 'shared' });
		await ask(path, { Foo: '1' });
		const r = await ask(path, { Foo: '2' });
		assert.equal(r.text, 'shared');
		assert.equal(origin.asked(path)[1].headers['if-none-match'], '"a"');
		await ask(path, { Foo: '2' });
		assert.equal(origin.asked(path).length, 2);
		assert.equal((await ask(path, { Foo: '3' })).text, 'shared', 'nobody waits for a flight that has ended');
	});
});

describe('variants', { concurrency: 25 }, () => {
	const vary = (value, ...more) => [fresh, `Vary: ${value}`, ...more];
	const by = (one, two) => ({ first: one, second: two });
	keeps('the same', vary('Foo'), by({ Foo: '1' }, { Foo: '1' }));
	keeps('blanks and lines', vary('Foo'), by({ Foo: '1, 2' }, { Foo: '1,2' }));
	keeps('names in capitals', vary('FOO'), by({ foo: '1' }, { Foo: '1' }));
	keeps('both absent', vary('Foo'), by({ Bar: '1' }, { Bar: '2' }));
	keeps('languages in another order', vary('Accept-Language'), by({ 'Accept-Language': 'en, de;q=0.5' }, { 'Accept-Language': 'DE;q=0.5,EN' }));
	asks('another value', vary('Foo'), by({ Foo: '1' }, { Foo: '2' }));
	asks('absent', vary('Foo'), by({ Foo: '1' }, {}));
	asks('present', vary('Foo'), by({}, { Foo: '1' }));
	asks('one of two', vary('Foo, Bar'), by({ Foo: '1', Bar: '1' }, { Foo: '1', Bar: '2' }));
	asks('of a second line', vary('Foo', 'Vary: Bar'), by({ Foo: '1', Bar: '1' }, { Foo: '1', Bar: '2' }));
	for (const star of ['*', 'Foo, *', '*, Foo', 'Foo,*,Bar', ', *']) asks(`Vary: ${star}`, vary(star), by({ Foo: '1' }, { Foo: '1' }));
	asks('a star in a second line', vary('Foo', 'Vary: *'), by({ Foo: '1' }, { Foo: '1' }));
	test('both stay', async () => {
		const path = newPath();
		origin.give(path, (req) => ({ head: vary('Foo'), body: `for ${req.headers.foo}` }));
		for (const foo of ['1', '2', '3', '1', '2', '3']) assert.equal((await ask(path, { Foo: foo })).text, `for ${foo}`);
		assert.equal(origin.asked(path).length, 3);
	});
});

describe('stale answers', { concurrency: 25 }, () => {
	const lost = async (name, control, served, plan = { hangUp: true }) => test(name, async () => {
		const path = newPath();
		origin.give(path, { head: [`Cache-Control: ${control}`], body: 'kept' }, plan);
		await ask(path);
		await sleep(2300);
		const r = await ask(path);
		assert.equal(r.status === 200 && r.text === 'kept', served, `${r.status} ${r.text}`);
	});
	lost('an origin that hangs up', 'max-age=2', true);
	for (const d of ['must-revalidate', 'proxy-revalidate', 's-maxage=1', 'no-cache']) lost(`but never with ${d}`, `max-age=1, ${d}`, false);
	for (const status of [500, 502, 503, 504]) lost(`stale-if-error and ${status}`, 'max-age=1, stale-if-error=100', true, { status });
	lost('503 without stale-if-error', 'max-age=1', false, { status: 503 });
	lost('stale-if-error is over', 'max-age=1, stale-if-error=1', false, { status: 503 });
	lost('404 is no error', 'max-age=1, stale-if-error=100', false, { status: 404 });
	lost('an answer that is no HTTP', 'max-age=1', true, { raw: 'rubbish\r\n\r\n' });
	lost('an answer that breaks off', 'max-age=1', true, { raw: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc' });
	test('stale-while-revalidate', async () => {
		const path = newPath();
		origin.give(path, { head: ['Cache-Control: max-age=1, stale-while-revalidate=100'], body: 'old' }, { head: [fresh], body: 'new', delayMs: 400 });
		await ask(path);
		await sleep(1300);
		const all = await Promise.all(Array.from({ length: 5 }, () => ask(path)));
		for (const r of all) assert.equal(r.text, 'old');
		await until(async () => (await ask(path)).text === 'new');
		assert.equal(origin.asked(path).length, 2);
	});
	asks('stale-while-revalidate is over', ['Cache-Control: max-age=1, stale-while-revalidate=1'], { pause: 3300 });
	test('an origin that is not there', async () => {
		const r = await call(port, 'GET', '/dead/x');
		assert.equal(r.status, 503);
		assert.equal(r.json.code, 'upstream-unavailable');
		assert.equal(r.headers['proxy-status'], 'yangguang; error=destination_unavailable');
	});
});

describe('methods', { concurrency: 25 }, () => {
	keeps('HEAD from GET', [fresh], { secondMethod: 'HEAD' });
	asks('GET with content', [fresh], { body: 'x', first: { 'Content-Length': 1 } });
	for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH', 'OPTIONS', 'HEAD'])
		asks(`${method} is not kept`, [fresh], { method, secondMethod: 'GET' });
	const forgets = (method, status, forgotten) => test(`${method} ${status} ${forgotten ? 'makes' : 'leaves'} what is kept`, async () => {
		const path = newPath();
		origin.give(path, (req) => (req.method === method ? { status, head: [] } : { head: [fresh] }));
		await ask(path);
		assert.equal((await ask(path, {}, method)).status, status);
		await ask(path);
		assert.equal(origin.asked(path).length, forgotten ? 3 : 2);
	});
	for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH']) {
		forgets(method, 200, true);
		forgets(method, 303, true);
		forgets(method, 400, false);
		forgets(method, 500, false);
	}
	forgets('OPTIONS', 200, false);
	for (const field of ['Location', 'Content-Location']) for (const form of ['path', 'relative', 'absolute', 'foreign']) test(`${field}, ${form}`, async () => {
		const base = newPath();
		const other = `${base}/other`;
		const host = `127.0.0.1:${port}`;
		const value = { path: other, relative: `${base.split('/').at(-1)}/other`, absolute: `http://${host}${other}`, foreign: `http://example.com${other}` }[form];
		origin.give(other, { head: [fresh] });
		origin.give(base, { head: [`${field}: ${value}`] });
		await ask(other);
		await ask(base, {}, 'POST');
		await ask(other);
		assert.equal(origin.asked(other).length, form === 'foreign' ? 1 : 2);
	});
	test('an answer to POST that says it is what GET would get', async () => {
		const path = newPath();
		origin.give(path, { head: [fresh, `Content-Location: ${path}`], body: 'posted' });
		await ask(path, { 'Content-Length': 0 }, 'POST');
		assert.equal((await ask(path)).text, 'posted');
		assert.equal(origin.asked(path).length, 1);
	});
	test('what was asked before a write is not kept after it', async () => {
		const path = newPath();
		origin.give(path, { head: [fresh], body: 'old', delayMs: 600 }, { head: [] }, { head: [fresh], body: 'new' });
		const slow = ask(path);
		await until(() => origin.asked(path).length === 1);
		await ask(path, {}, 'PUT');
		assert.equal((await slow).text, 'old');
		assert.equal((await ask(path)).text, 'new');
	});
});

describe('parts', { concurrency: 25 }, () => {
	for (const [range, part, say] of [['bytes=0-1', '01', '0-1'], ['bytes=5-', '56789', '5-9'], ['bytes=-2', '89', '8-9'], ['bytes=3-100', '3456789', '3-9']])
		test(`${range} of a whole`, async () => {
			const { how, two } = await twice([fresh, 'ETag: "a"'], { second: { Range: range }, more: { body: '0123456789' } });
			assert.equal(how, 'store');
			assert.deepEqual([two.status, two.text, two.headers['content-range'], two.headers['content-length']], [206, part, `bytes ${say}/10`, String(part.length)]);
		});
	test('a range that nothing is known of goes to the origin as it is', async () => {
		const path = newPath();
		origin.give(path, { status: 206, head: [fresh, 'Content-Range: bytes 0-1/9'], body: 'ab' });
		assert.equal((await ask(path, { Range: 'bytes=0-1' })).status, 206);
		assert.equal(origin.asked(path)[0].headers.range, 'bytes=0-1');
		await ask(path);
		assert.equal(origin.asked(path).length, 2);
	});
	for (const name of ['cut', 'cut chunks']) test(`an answer that breaks off is neither whole nor kept: ${name}`, async () => {
		const path = newPath();
		const length = name === 'cut' ? 'Content-Length: 100\r\n\r\nabc' : 'Transfer-Encoding: chunked\r\n\r\n5\r\nab';
		origin.give(path, { raw: `HTTP/1.1 200 OK\r\n${fresh}\r\n${length}` }, { head: [fresh], body: 'whole' });
		assert.equal((await ask(path)).status, 502);
		assert.equal((await ask(path)).text, 'whole');
	});
});

describe('messages', { concurrency: 25 }, () => {
	test('fields arrive as they are, in both directions', async () => {
		const path = newPath();
		const head = [fresh, 'X-Twice: 1', 'X-Twice: 2', 'Server: theirs', 'Content-Language: x', 'Proxy-Status: a', 'X-Empty:', `Date: ${date(-3)}`];
		origin.give(path, { head, reason: 'Very Well' });
		for (const how of ['origin', 'store']) {
			const text = await raw(port, `GET ${path}?a=%2f%41;b HTTP/1.1\r\nHost: Some.Example\r\nX-Mine: 1\r\nx-mine: 2\r\nTE: trailers\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\r\n`, 3000);
			assert.match(text, /^HTTP\/1\.1 200 Very Well\r\n/, how);
			for (const line of head) assert.ok(text.includes(`\r\n${line.replace(/:$/, ': ')}\r\n`), `${how}: ${line}`);
			assert.equal(text.match(/\r\nServer:/g).length, 1);
			assert.equal(text.match(/\r\nDate:/g).length, 1);
		}
		const { headers, raw: all, url } = origin.asked(path)[0];
		assert.equal(origin.asked(path).length, 1);
		assert.equal(url, `${path}?a=%2f%41;b`);
		assert.equal(headers.host, 'Some.Example');
		assert.deepEqual(all.filter((_, i) => all[i - 1]?.toLowerCase() === 'x-mine'), ['1', '2']);
		assert.deepEqual([headers.te, headers['x-hop'], headers.via], [undefined, undefined, '1.1 yangguang']);
	});
	test('who names a thousand fields in Connection is refused before each is looked for', async () => {
		const path = newPath();
		for (const named of ['a,'.repeat(6000), 'x'.repeat(600), 'a,'.repeat(40)]) {
			origin.give(path, { head: [fresh] });
			assert.equal((await ask(path, { Connection: named })).status, 431);
			assert.equal(origin.asked(path).length, 0);
		}
		assert.equal((await ask(path, { Connection: `close${', x-hop'.repeat(30)}` })).status, 200);
		const other = newPath();
		origin.give(other, { head: [fresh, `Connection: ${'a,'.repeat(3000)}`] });
		assert.equal((await ask(other)).status, 502);
	});
	test('fields of the connection are neither kept nor passed', async () => {
		const { how, one, two } = await twice([fresh, 'Connection: a, keep-alive', 'A: 1', 'B: 2', 'Keep-Alive: timeout=9', 'Proxy-Authenticate: x', 'Upgrade: y', 'Trailer: z']);
		assert.equal(how, 'store');
		for (const r of [one, two]) {
			assert.equal(r.headers.b, '2');
			for (const name of ['a', 'proxy-authenticate', 'upgrade', 'trailer']) assert.equal(r.headers[name], undefined, name);
		}
	});
	test('a byte behind the answer spoils the connection, not the answer', async () => {
		const path = newPath();
		origin.give(path, { head: [fresh], body: '0123456789HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison', length: 10 });
		assert.equal((await ask(path)).text, '0123456789');
		const other = newPath();
		origin.give(other, { head: [fresh], body: 'mine' });
		for (let i = 0; i < 5; i++) assert.equal((await ask(other, { 'Cache-Control': 'no-cache' })).text, 'mine');
	});
	test('102 and 103 come before the answer, no other', async () => {
		const path = newPath();
		origin.give(path, { head: [fresh], interim: 'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 199 What\r\n\r\n', body: 'x' });
		const text = await raw(port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, 3000);
		assert.match(text, /^HTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 103 [^\r]*\r\nLink: <\/a>; rel=preload\r\n\r\nHTTP\/1\.1 200 /);
	});
	test('statuses nobody knows', async () => {
		for (const status of [299, 499, 599, 999]) {
			const path = newPath();
			origin.give(path, { status });
			assert.equal((await ask(path)).status, status);
		}
	});
	test('an unknown transfer coding ends with the connection', async () => {
		const path = newPath();
		origin.give(path, { raw: `HTTP/1.1 200 OK\r\n${fresh}\r\nTransfer-Encoding: what\r\n\r\nall of it` });
		assert.equal((await ask(path)).text, 'all of it');
		const bad = newPath();
		origin.give(bad, { raw: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: what, chunked\r\n\r\n0\r\n\r\n' });
		assert.equal((await ask(bad)).status, 502);
	});
	test('what might poison others is not passed on', async () => {
		const path = newPath();
		origin.give(path, { head: [fresh] });
		const names = ['X-Forwarded-Host', 'X-Original-URL', 'X-Rewrite-URL', 'X-HTTP-Method-Override', 'Forwarded', 'X-Forwarded-Proto', 'X-Forwarded-Scheme',
			'X-Forwarded-Port', 'X-Forwarded-Prefix', 'X-Forwarded-Server', 'X-Original-Host', 'X-Host', 'X-HTTP-Host-Override', 'X-HTTP-Method',
			'X-Method-Override', 'Front-End-Https', 'X_Forwarded_Host', 'x-original_url', 'X_HTTP_METHOD_OVERRIDE'];
		await ask(path, { ...Object.fromEntries(names.map((name) => [name, 'evil'])), 'X-Forwarded-For': '192.0.2.1' });
		const { headers } = origin.asked(path)[0];
		assert.deepEqual(Object.keys(headers).filter((name) => headers[name].includes('evil')), []);
		assert.equal(headers['x-forwarded-for'], '192.0.2.1');
	});
	test('a field that only looks like one that frames or routes is not passed on, to no origin', async () => {
		const path = `/plain${newPath()}`;
		origin.give(path, { body: 'x' });
		const r = await raw(port, `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent_Length: 7\r\nHost_: b\r\nHo_st: c\r\ncontent_length: 1\r\n`
			+ 'Content-Length: 3\r\nConnection: close\r\n\r\nabc', 3000);
		assert.match(r, /^HTTP\/1\.1 200 /);
		const { headers, body } = origin.asked(path)[0];
		assert.deepEqual(Object.keys(headers).filter((name) => name.includes('_')).sort(), ['ho_st', 'host_']);
		assert.equal(body, 'abc');
	});
	test('hosts are apart', async () => {
		const path = newPath();
		origin.give(path, (req) => ({ head: [fresh], body: req.headers.host }));
		for (const host of ['one.example', 'two.example', 'ONE.example']) assert.equal((await ask(path, { Host: host })).text, host.toLowerCase());
		assert.equal(origin.asked(path).length, 2);
	});
	test('big bodies in both directions, and one that is too big', async () => {
		const path = newPath();
		const big = 'x'.repeat(900_000);
		origin.give(path, (req) => ({ body: req.method === 'POST' ? String(origin.asked(path)[0].body.length) : big.repeat(8) }));
		assert.equal((await ask(path, { 'Content-Length': big.length }, 'POST', big)).text, '900000');
		assert.equal((await ask(path)).text.length, 7_200_000);
		assert.equal((await ask(path, { 'Content-Length': 1_100_000 }, 'POST', 'x'.repeat(1_100_000))).status, 413);
		origin.give(path, { body: big.repeat(10) });
		assert.equal((await ask(path)).status, 502);
	});
	test('nothing is asked twice', async () => {
		const path = newPath();
		origin.give(path, { hangUp: true });
		for (const method of ['GET', 'POST']) {
			const before = origin.asked(path).length, r = await ask(path, {}, method);
			assert.equal(r.status, 502);
			assert.equal(r.headers['proxy-status'], 'yangguang; error=connection_terminated');
			assert.equal(origin.asked(path).length, before + 1);
		}
	});
	test('a route without a cache; its first address is dead', async () => {
		origin.give('/plain/x', { head: [fresh] });
		for (let i = 0; i < 2; i++) assert.equal((await call(port, 'GET', '/plain/x')).status, 200);
		assert.equal(origin.asked('/plain/x').length, 2);
	});
	test('many at once, each tries both addresses', async () => {
		origin.give('/plain/many', { head: [fresh], body: 'x' });
		for (let i = 0; i < 10; i++) {
			const all = await Promise.all(Array.from({ length: 30 }, () => call(port, 'GET', '/plain/many')));
			assert.deepEqual(all.map((r) => r.status).filter((status) => status !== 200), []);
		}
	});
	test('64 ask for what is not there', async () => {
		const path = newPath();
		origin.give(path, { head: [fresh], delayMs: 400 });
		const all = await Promise.all(Array.from({ length: 64 }, () => ask(path)));
		assert.equal(new Set(all.map((r) => r.text)).size, 1);
		assert.equal(origin.asked(path).length, 1);
	});
	test('answers that may not be shared are not', async () => {
		const path = newPath();
		origin.give(path, { head: ['Cache-Control: private, max-age=9'], delayMs: 300 });
		const all = await Promise.all(Array.from({ length: 8 }, () => ask(path)));
		assert.equal(new Set(all.map((r) => r.text)).size, 8);
	});
});

test('a file that is wrong is told line by line', async () => {
	const file = join(dir, 'bad.yaml');
	writeFileSync(file, "listeners: ['127.0.0.1:0']\nroutes:\n  - { name: a, prefix: x/, origins: [] }\n  - { name: a, prefix: /b, origins: ['127.0.0.1:1'], cache: always, shoes: 2 }\n");
	const p = spawn(gateway.spawnfile, ['--config', file], { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH } });
	let text = '';
	p.stderr.setEncoding('utf8').on('data', (d) => { text += d; });
	const [code] = await once(p, 'exit');
	assert.equal(code, 78);
	for (const say of ['bad.yaml:3: origins must be', 'bad.yaml:3: prefix must be', 'bad.yaml:4: cache must be', 'key shoes is not known', 'two routes have this name'])
		assert.ok(text.includes(say), `${say}\n${text}`);
});
