// The gateway under attack: raw bytes in, and for each case the class of answer, whether the connection goes on, and exactly which
// requests reached the service behind. Cases: attacks/requests.mjs (clients) and attacks/replies.mjs (services).
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { replies } from './attacks/replies.mjs';
import { chunks, connections, fields, framing, heads, sizesOfThings, sweeps, targets } from './attacks/requests.mjs';
import { Client, startWire } from './attacks/wire.mjs';
import { startIdentity } from './fakes.mjs';
import { startEdge, until } from './support.mjs';

let dir, edge, wire, identity;

before(async () => {
	dir = mkdtempSync(join(tmpdir(), 'attacks-'));
	wire = await startWire(join(dir, 'echo.sock'));
	identity = await startIdentity(join(dir, 'identity.sock'));
	edge = await startEdge({ YG_UPSTREAMS: `identity=unix:${dir}/identity.sock,echo=unix:${dir}/echo.sock` });
});
after(async () => {
	const exit = await edge.stop();
	wire.stop();
	identity.server.close();
	identity.server.closeAllConnections();
	rmSync(dir, { recursive: true });
	assert.deepEqual(exit, { code: 0, signal: null });
	assert.deepEqual(wire.broken, [], 'what the gateway sent could be read in one way only');
});

const mark = () => `probe=${Math.random().toString(36).slice(2)}`;

/** On the same connection: the next request is read from where it begins. */
async function assertGoesOn(client) {
	const line = `GET /v1/echo?${mark()} HTTP/1.1`;
	await client.send(`${line}\r\nHost: a\r\n\r\n`);
	const answer = await client.next();
	assert.equal(answer?.status, 200, 'the connection goes on');
	assert.equal(answer.body, line, 'and answers what was asked');
}

/** A refusal of the gateway's own is a problem of RFC 9457 with the fields that every answer has. */
function assertOwnAnswer(answer) {
	assert.ok(answer.fields.date && answer.fields.server, 'Date and Server');
	if (answer.status < 400 || !answer.body) return;
	assert.equal(answer.fields['content-type'], 'application/problem+json');
	assert.equal(JSON.parse(answer.body).status, answer.status);
}

async function sendPieces(client, pieces) {
	for (const piece of [pieces].flat()) {
		if (piece === '<end>') client.finish();
		else if (piece === '<100>') assert.equal((await client.next())?.status, 100);
		else await client.send(piece);
	}
}

async function readAnswers(client, expected) {
	const got = [];
	for (const statuses of expected.answers) {
		let answer = await client.next({ head: expected.head });
		if (answer?.status === 100 && !statuses.includes(100)) answer = await client.next(); /* the body was there already */
		assert.ok(answer, `an answer of ${statuses}`);
		assert.ok(statuses.includes(answer.status), `${answer.status}, expected ${statuses}: ${answer.body}`);
		got.push(answer);
	}
	return got;
}

function assertArrived(request, expected) {
	for (const [name, value] of Object.entries(expected.has ?? {})) assert.deepEqual(wire.get(request, name), [value], name);
	for (const name of expected.hasNot ?? []) assert.deepEqual(wire.get(request, name), [], name);
	for (const name of expected.once ?? []) assert.equal(wire.get(request, name).length, 1, `${name} once`);
	if (expected.nowhere) assert.ok(!request.raw.includes(expected.nowhere), request.raw);
	if (expected.body !== undefined) assert.equal(request.body, expected.body);
}

async function attack([, bytes, expected], { alone = true } = {}) {
	if (alone) wire.seen.length = 0;
	const client = new Client(edge.port);
	try {
		await sendPieces(client, bytes);
		if (expected.answers) {
			const answers = await readAnswers(client, expected);
			if (expected.seen?.length === 0) answers.forEach(assertOwnAnswer);
			if (expected.answerHasNot) assert.ok(!JSON.stringify(answers[0]).includes(expected.answerHasNot));
		}
		const seen = alone && [...wire.seen];
		if (expected.closed === true) {
			const rest = await client.end();
			if (expected.answers) assert.equal(rest, '', 'nothing behind the last answer');
		} else if (expected.closed === false) {
			await assertGoesOn(client);
		}
		if (!alone || !expected.seen) return;
		assert.deepEqual(seen.map((r) => r.line), expected.seen);
		if (seen.length) assertArrived(seen[0], expected);
		assert.equal(wire.seen.length, expected.seen.length + (expected.closed === false ? 1 : 0), 'nothing more arrived later');
	} finally {
		client.destroy();
	}
}

for (const [group, cases] of Object.entries({ framing, chunks, heads, targets, 'sizes of things': sizesOfThings, fields, connections }))
	describe(group, () => { for (const one of cases) test(one[0], () => attack(one)); });

describe('every byte', () => {
	for (const [place, cases] of Object.entries(sweeps))
		test(`${place}: ${cases.length} cases`, async () => {
			wire.seen.length = 0;
			const left = [...cases], failures = [];
			await Promise.all(Array.from({ length: 24 }, async () => {
				for (let one; (one = left.pop());)
					await attack(one, { alone: false }).catch((e) => failures.push(`${one[0]}: ${e.message}`));
			}));
			assert.deepEqual(failures, []);
			assert.deepEqual(wire.seen.filter((r) => /evil/.test(r.line)), []);
			if (cases.every(([, , e]) => e.seen?.length === 0 && e.closed === true)) assert.deepEqual(wire.seen, []);
		});
});

async function misbehave(one) {
	wire.seen.length = 0;
	wire.replies.x = one.reply;
	const client = new Client(edge.port);
	try {
		await client.send('POST /v1/echo?reply=x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
		const answer = await client.next();
		assert.equal(answer?.status, one.status, answer?.body);
		if (one.status === 502) assertOwnAnswer(answer);
		if (one.body !== undefined) assert.equal(answer.body, one.body);
		for (const field of one.has ?? []) assert.ok(answer.fields[field], field);
		for (const field of ['x-yangguang-call', ...one.hasNot ?? []]) assert.equal(answer.fields[field], undefined, field);
		const [first] = wire.seen;
		assert.equal(wire.seen.length, 1, 'asked once: nobody knows what it did');
		if (!one.reused) await until(() => wire.ended.has(first.connection));
		for (let i = 0; i < 3; i++) await assertGoesOn(client);
		if (!one.reused) assert.ok(wire.seen.slice(1).every((r) => r.connection !== first.connection), 'its connection is never used again');
	} finally {
		client.destroy();
	}
}

describe('services that misbehave', () => {
	for (const [name, one] of Object.entries(replies)) test(name, () => misbehave(one));
});

/* As our own services do; then no surplus can be taken for the answer to a neighbour, however many calls share the connection. */
describe('services that name their calls and misbehave', () => {
	before(() => {
		wire.names = true;
		for (const socket of wire.open) socket.destroy(); // a connection names all its answers or none
	});
	for (const [name, one] of Object.entries(replies)) test(name, () => misbehave(one));

	test('what one gets too much is never another\'s answer', async () => {
		const surplus = Object.values(replies).filter((one) => !one.reused && typeof one.reply === 'string');
		wire.replies = Object.fromEntries(surplus.map((one, i) => [`r${i}`, one.reply]));
		const wrong = [];
		const asker = async () => {
			const client = new Client(edge.port);
			for (let i = 0; i < 150; i++) {
				const line = `GET /v1/echo?${mark()} HTTP/1.1`;
				await client.send(`${line}\r\nHost: a\r\n\r\n`);
				const answer = await client.next();
				if (answer?.status === 200 && answer.body !== line) wrong.push(answer.body);
			}
			client.destroy();
		};
		const breaker = async () => {
			for (const name of Object.keys(wire.replies)) {
				const client = new Client(edge.port);
				await client.send(`POST /v1/echo?reply=${name} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`);
				await client.next();
				client.destroy();
			}
		};
		await Promise.all([...Array.from({ length: 8 }, asker), breaker(), breaker()]);
		assert.deepEqual(wrong, []);
	});
});
