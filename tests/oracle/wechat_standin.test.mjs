// The WeChat open API stand-in: single-use codes, the reusable demo codes, tokens that overlap, and its misbehaviour.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import { after, before, test } from 'node:test';
import { openidOf, startWechat } from '../standins/wechat.mjs';
import { keys } from './setup.mjs';

let w;
let files;
before(async () => { files = keys(); w = await startWechat({ keys: files }); });
after(() => w.stop());

function call(method, target, body) {
	const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
	return new Promise((done, fail) => {
		const request = https.request(w.url + target, { method, ca: fs.readFileSync(files.ca_file), agent: false, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } }, async (response) => {
			let reply = '';
			for await (const part of response) reply += part;
			let data;
			try { data = JSON.parse(reply); } catch { /* HTML */ }
			done({ status: response.statusCode, headers: response.headers, text: reply, data });
		});
		request.on('error', fail);
		request.end(text);
	});
}

const secret = () => fs.readFileSync(files.secret_file, 'utf8').trim();
const login = (code, changes = {}) => call('GET', `/sns/jscode2session?${new URLSearchParams({ appid: files.appid, secret: secret(), js_code: code, grant_type: 'authorization_code', ...changes })}`);
const token = (changes = {}) => call('POST', '/cgi-bin/stable_token', { grant_type: 'client_credential', appid: files.appid, secret: secret(), force_refresh: false, ...changes });
const phone = (access, code) => call('POST', `/wxa/business/getuserphonenumber?access_token=${access}`, { code });
const control = async (name, body) => (await fetch(`${w.controlUrl}/control/${name}`, { method: body ? 'POST' : 'GET', body: body && JSON.stringify(body) })).json();

test('a demo code is always the same person, without errcode and unionid', async () => {
	const first = await login('demo-lin');
	assert.equal(first.status, 200);
	assert.deepEqual(Object.keys(first.data).sort(), ['openid', 'session_key']);
	assert.equal(first.data.openid.length, 28);
	assert.equal(first.data.openid, openidOf(files.appid, 'lin'));
	assert.equal(Buffer.from(first.data.session_key, 'base64').length, 16);
	const again = await login('demo-lin');
	assert.equal(again.data.openid, first.data.openid);
	assert.notEqual(again.data.session_key, first.data.session_key);
	assert.notEqual((await login('demo-mei')).data.openid, first.data.openid);
});

test('other codes work once and for five minutes', async () => {
	const { code } = await control('codes', { name: 'lin' });
	assert.equal((await login(code)).data.openid, openidOf(files.appid, 'lin'));
	const used = await login(code);
	assert.equal(used.status, 200);
	assert.equal(used.data.errcode, 40163);
	assert.match(used.data.errmsg, /^code been used, rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$/);
	const old = await control('codes', { ttl_s: 300 });
	await control('clock', { advance_s: 300 });
	assert.equal((await login(old.code)).data.errcode, 40029);
	assert.equal((await login('nobody')).data.errcode, 40029);
});

test('every parameter of the login is checked', async () => {
	for (const [change, errcode] of [[{ appid: 'wx0' }, 40013], [{ secret: 'x' }, 40125], [{ grant_type: 'x' }, 40002], [{ js_code: '' }, 41008]]) {
		assert.equal((await login('demo-lin', change)).data.errcode, errcode);
	}
	assert.equal((await call('POST', '/sns/jscode2session', {})).data.errcode, 43001);
	assert.equal((await call('GET', '/cgi-bin/stable_token')).data.errcode, 43002);
	assert.equal((await call('GET', '/nowhere')).status, 404);
});

test('the token stays until five minutes before its end, and the old one five minutes more', async () => {
	const first = (await token()).data;
	assert.ok(first.access_token.length <= 512 && first.expires_in <= 7200);
	assert.equal((await token()).data.access_token, first.access_token);
	await control('clock', { advance_s: first.expires_in - 299 });
	const second = (await token()).data;
	assert.notEqual(second.access_token, first.access_token);
	assert.equal((await phone(first.access_token, 'phone-13800138000')).data.errcode, 0);
	assert.equal((await phone(second.access_token, 'phone-13800138000')).data.errcode, 0);
	await control('clock', { advance_s: 300 });
	assert.equal((await phone(first.access_token, 'phone-13800138000')).data.errcode, 42001);
	const forced = (await token({ force_refresh: true })).data;
	assert.equal((await phone(second.access_token, 'phone-13800138000')).data.errcode, 42001);
	assert.equal((await phone(forced.access_token, 'phone-13800138000')).data.errcode, 0);
});

test('phone numbers need a token and a phone code', async () => {
	const { access_token: access } = (await token()).data;
	const found = (await phone(access, 'phone-13800138000')).data;
	assert.equal(found.phone_info.purePhoneNumber, '13800138000');
	assert.equal(found.phone_info.watermark.appid, files.appid);
	assert.equal((await phone('', 'phone-13800138000')).data.errcode, 41001);
	assert.equal((await phone('x', 'phone-13800138000')).data.errcode, 40001);
	assert.equal((await phone(access, 'demo-lin')).data.errcode, 40029);
	const { code } = await control('codes', { kind: 'phone', phone: '13900139000' });
	assert.equal((await login(code)).data.errcode, 40029); /* not a login code */
	assert.equal((await phone(access, code)).data.phone_info.phoneNumber, '13900139000');
	assert.equal((await phone(access, code)).data.errcode, 40029);
});

test('it misbehaves as ordered, and only then', async () => {
	await control('behaviour', { mode: 'busy_once', endpoint: 'jscode2session' });
	assert.equal((await login('demo-lin')).data.errcode, -1);
	assert.ok((await login('demo-lin')).data.openid);
	await control('behaviour', { mode: 'html' });
	const page = await login('demo-lin');
	assert.equal(page.status, 200);
	assert.match(page.text, /^<html>/);
	await control('behaviour', { mode: 'reset' });
	await assert.rejects(login('demo-lin'));
	await control('behaviour', { mode: 'error', errcode: 45011, times: 2 });
	for (const errcode of [45011, 45011, undefined]) assert.equal((await login('demo-lin')).data.errcode, errcode);
	await control('behaviour', { mode: 'slow', ms: 120 });
	const start = Date.now();
	await login('demo-lin');
	assert.ok(Date.now() - start >= 115);
	await control('behaviour', { mode: 'unionid' });
	assert.ok((await login('demo-lin')).data.unionid);
	await control('behaviour', { mode: 'errcode_zero' });
	assert.equal((await login('demo-lin')).data.errcode, 0);
	const { access_token: access } = (await token()).data;
	await control('behaviour', { mode: 'rotate_token' });
	assert.equal((await phone(access, 'phone-13800138000')).data.errcode, 40001);
	assert.equal((await phone((await token()).data.access_token, 'phone-13800138000')).data.errcode, 0);
	assert.match((await control('behaviour', { mode: 'x' })).error, /unknown mode/);
	const { entries } = await control('log');
	assert.ok(entries.length > 5 && !JSON.stringify(entries).includes(secret()));
});
