// Reload, drain and workers of the gateway.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { startEdge, until } from './support.mjs';

test('SIGHUP takes new contracts whole, or not at all', async () => {
	const edge = await startEdge();
	const file = `${edge.dir}/proto/echo.yaml`, good = readFileSync(file, 'utf8');
	writeFileSync(file, `${good}\n  : broken [`);
	edge.process.kill('SIGHUP');
	await until(() => edge.log.includes('reload refused'));
	assert.equal((await edge.call('GET', '/v1/echo')).status, 200);
	const waiting = edge.call('GET', '/v1/echo?mode=wait'); /* lives on under the old plan */
	await until(() => edge.echo.seen.some((s) => s.url.includes('wait')));
	writeFileSync(file, good.replaceAll('/v1/slow', '/v1/slower'));
	edge.process.kill('SIGHUP');
	await until(() => edge.log.includes('"reloaded"'));
	assert.equal((await edge.call('GET', '/v1/slower')).status, 200);
	assert.equal((await edge.call('GET', '/v1/slow')).status, 404);
	edge.echo.release();
	assert.equal((await waiting).json.waited, true);
	assert.deepEqual(await edge.stop(), { code: 0, signal: null });
});

test('SIGTERM finishes what is in flight and takes nothing new', async () => {
	const edge = await startEdge();
	const waiting = edge.call('GET', '/v1/echo?mode=wait');
	await until(() => edge.echo.seen.some((s) => s.url.includes('wait')));
	edge.process.kill('SIGTERM');
	await until(async () => (await edge.private('/readyz')).status === 503);
	await assert.rejects(edge.call('GET', '/v1/echo'));
	assert.equal(edge.exited, null);
	edge.echo.release();
	const r = await waiting;
	assert.equal(r.status, 200);
	assert.equal(r.headers.connection, 'close');
	assert.deepEqual(await edge.exit, { code: 0, signal: null });
	await edge.stop();
});

test('no token is taken before the list of closed sessions was read', async () => {
	const edge = await startEdge({}, { prepare: (e) => { e.identity.forgetful = true; }, readyAt: '/livez' });
	const get = () => edge.call('GET', '/v1/items/1', { headers: { Authorization: `Bearer ${edge.identity.signers[0].token()}` } });
	await until(() => edge.identity.asked.some((a) => a.url === '/.well-known/jwks.json'));
	const refused = await until(async () => { const r = await get(); return r.status === 503 && edge.identity.asked.some((a) => a.url.startsWith('/internal/revocations')) && r; });
	assert.equal(refused.json.code, 'temporarily-unavailable');
	assert.equal((await edge.private('/readyz')).status, 503);
	assert.equal((await edge.call('GET', '/v1/echo')).status, 200, 'whoever shows nothing is served');
	edge.identity.forgetful = false;
	await until(async () => (await get()).status === 200);
	assert.equal((await edge.private('/readyz')).status, 200);
	await edge.stop();
});

test('a contract without its upstream does not start', async () => {
	await assert.rejects(startEdge({ YG_UPSTREAMS: 'identity=unix:/nowhere' }), /code 78[^]*echo_get: no upstream for service echo/);
	for (const bad of ['identity.test:80', '127.0.0.1', 'unix:nowhere', 'unix:/nowhere|1.2.3:80']) /* no name is looked up here */
		await assert.rejects(startEdge({ YG_UPSTREAMS: `echo=unix:/nowhere,identity=${bad}` }), /code 78[^]*YG_UPSTREAMS is not valid/);
});

test('workers share the port, and one that dies is replaced', async () => {
	const edge = await startEdge({ YG_WORKERS: '2' });
	const children = () => readFileSync(`/proc/${edge.process.pid}/task/${edge.process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
	const first = await until(() => children().length === 2 && children());
	process.kill(Number(first[0]), 'SIGKILL');
	await until(() => children().length === 2 && !children().includes(first[0]));
	await until(async () => {
		for (let i = 0; i < 10; i++) if ((await edge.call('GET', '/v1/echo').catch(() => ({}))).status /* what waited in the dead one's queue is reset */ !== 200) return false;
		return true;
	});
	assert.deepEqual(await edge.stop(), { code: 0, signal: null });
});
