// The documentation in a real browser: it works under its policy, and asks nobody else.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startEdge, until } from './support.mjs';

const DOCS = new URL('../../gateway/docs', import.meta.url).pathname;
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--remote-debugging-pipe'];

function chromium() {
	for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
		try { return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(); } catch { /* the next one */ }
	}
	throw new Error('there is no Chromium: deploy/local/install test');
}

/** One tab of a browser of its own, spoken to over a pipe. */
async function openTab(program) {
	const dir = mkdtempSync(join(tmpdir(), 'docs-browser-'));
	const child = spawn(program, [...FLAGS, `--user-data-dir=${dir}`, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
	const waiting = new Map(), events = [];
	let rest = '', last = 0;
	child.stdio[4].on('data', (part) => {
		const messages = (rest + part).split('\0');
		rest = messages.pop();
		for (const message of messages.map((text) => JSON.parse(text))) {
			if (message.id) waiting.get(message.id)(message.result);
			else events.push(message);
		}
	});
	const send = (method, params = {}, sessionId = undefined) => new Promise((done) => {
		last += 1;
		waiting.set(last, done);
		child.stdio[3].write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
	});
	const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
	const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
	for (const domain of ['Network', 'Page', 'Runtime', 'Log']) await send(`${domain}.enable`, {}, sessionId);
	return {
		go: (url) => send('Page.navigate', { url }, sessionId),
		run: async (expression) => (await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, sessionId)).result?.value,
		asked: () => events.filter((e) => e.method === 'Network.requestWillBeSent').map((e) => e.params.request.url),
		complaints: () => events.filter((e) => e.method === 'Runtime.exceptionThrown' || (e.method === 'Log.entryAdded' && e.params.entry.level === 'error')).map((e) => JSON.stringify(e.params)),
		close: async () => {
			const gone = new Promise((done) => { child.once('exit', done); });
			child.kill('SIGKILL');
			await gone;
			rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
		},
	};
}

test('the documentation shows operations, tries one, and asks no other origin', async () => {
	const program = chromium();
	const edge = await startEdge({ YG_DOCS_DIR: DOCS });
	const tab = await openTab(program);
	const origin = `http://127.0.0.1:${edge.port}`;
	try {
		await tab.go(`${origin}/docs#/default/echo_get`);
		await until(async () => (await tab.run("document.querySelectorAll('.opblock').length")) > 3, 60000);
		await until(async () => {
			await tab.run("document.querySelector('.opblock-get .opblock-summary-control[aria-expanded=false]')?.click()");
			return tab.run("!!document.querySelector('.try-out__btn')");
		}, 30000);
		await tab.run("document.querySelector('.try-out__btn').click()");
		await until(() => tab.run("!!document.querySelector('.btn.execute')"), 30000);
		await tab.run("document.querySelector('.btn.execute').click()");
		await until(() => tab.asked().some((url) => url.startsWith(`${origin}/v1/`)), 30000);
		for (const url of tab.asked()) assert.ok(url.startsWith(`${origin}/`) || url.startsWith('data:image/'), url);
		assert.deepEqual(tab.complaints().filter((text) => !text.includes('Failed to load resource')), []);
		assert.equal(await tab.run("new Promise((done) => { addEventListener('securitypolicyviolation', (e) => done(e.effectiveDirective)); new Image().src = 'http://127.0.0.1:9/'; })"), 'img-src', 'the policy holds');
	} finally {
		await tab.close();
		await edge.stop();
	}
});
