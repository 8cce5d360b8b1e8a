// Starts a WeChat Pay stand-in with fresh keys, a merchant's receiver for its callbacks, and the independent client in front of it.
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { makeKeys } from '../standins/keys.mjs';
import { startWechatPay } from '../standins/wechat_pay.mjs';

const require = createRequire(import.meta.url);
const { Wechatpay, Aes, Formatter, Rsa } = require('wechatpay-axios-plugin');

export { Aes, Formatter, Rsa };
export const ORIGIN = 'https://pay.example.org';
export const temporary = () => fs.mkdtempSync(path.join(os.tmpdir(), 'yg-standins-'));

let shared; /* RSA keys take a while: one set per process */
export function keys() {
	shared ??= makeKeys(temporary());
	return shared;
}

/** A merchant that keeps what it is sent. `answers` are taken in order, then 204. */
export async function startReceiver() {
	const received = [];
	const answers = [];
	const server = http.createServer(async (request, response) => {
		const parts = [];
		for await (const part of request) parts.push(part);
		received.push({ url: request.url, headers: request.headers, body: Buffer.concat(parts).toString('utf8') });
		const answer = answers.shift() ?? { status: 204 };
		response.writeHead(answer.status, { 'Content-Type': 'application/json' });
		response.end(answer.body);
	});
	await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
	return { received, answers, url: `http://127.0.0.1:${server.address().port}`, stop: () => new Promise((done) => { server.close(done); server.closeAllConnections(); }) };
}

export async function startBoth(options = {}) {
	const files = keys();
	const receiver = await startReceiver();
	const standin = await startWechatPay({ keys: files, resolve: { [ORIGIN]: receiver.url }, refundDelayMs: 5, ...options });
	const agent = new https.Agent({ ca: fs.readFileSync(files.ca_file), keepAlive: true });
	const publicKeys = JSON.parse(fs.readFileSync(files.wxpay_public_keys_file, 'utf8'));
	const plugin = (config = {}) => new Wechatpay({
		baseURL: standin.url, httpsAgent: agent, mchid: files.mchid, serial: files.merchant_serial, privateKey: fs.readFileSync(files.merchant_key_file, 'utf8'),
		certs: publicKeys, headers: { 'Wechatpay-Serial': files.wxpay_public_key_id }, ...config,
	});
	const control = async (method, name, body) => {
		const response = await fetch(`${standin.controlUrl}/control/${name}`, { method, body: body && JSON.stringify(body) });
		return { status: response.status, body: await response.json() };
	};
	return {
		files, receiver, standin, control, plugin, wxpay: plugin(),
		apiv3: fs.readFileSync(files.apiv3_key_file, 'utf8').trim(),
		publicKey: Rsa.from(publicKeys[files.wxpay_public_key_id], Rsa.KEY_TYPE_PUBLIC),
		stop: async () => { agent.destroy(); await standin.stop(); await receiver.stop(); },
	};
}

let sequence = 0;
export const number = () => `T${Date.now()}${String(sequence += 1).padStart(5, '0')}`;

export function order(setup, changes = {}) {
	return {
		appid: setup.files.appid, mchid: setup.files.mchid, description: '捐赠', out_trade_no: number(), notify_url: `${ORIGIN}/v1/payments/wechat/notifications`,
		amount: { total: 600, currency: 'CNY' }, payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' }, ...changes,
	};
}

/** {status, data} also for refusals. */
export async function outcome(promise) {
	try {
		const { status, data } = await promise;
		return { status, data };
	} catch (error) {
		if (!error.response) return { thrown: error };
		return { status: error.response.status, data: error.response.data, code: error.code };
	}
}

export async function eventually(check, ms = 3000) {
	const end = Date.now() + ms;
	for (;;) {
		const value = await check();
		if (value || Date.now() > end) return value;
		await new Promise((done) => { setTimeout(done, 5); });
	}
}

/** Verifies and opens a callback as an independent merchant would. Throws when either fails. */
export function openCallback(setup, { headers, body }) {
	const message = Formatter.response(headers['wechatpay-timestamp'], headers['wechatpay-nonce'], body);
	if (!Rsa.verify(message, headers['wechatpay-signature'], setup.publicKey)) throw new Error('bad signature');
	const { resource, ...envelope } = JSON.parse(body);
	return { ...envelope, resource, plain: JSON.parse(Aes.AesGcm.decrypt(resource.ciphertext, setup.apiv3, resource.nonce, resource.associated_data)) };
}
