// Nobody is kept out by a stranger: somebody hammers a name from other networks, from the same network and from the very address of its
// owner, who signs in meanwhile. The bounds on guessing are shown in tests/sql/login_lanes.test.mjs, where a day takes a second.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Coverage } from '../support/coverage.mjs';
import { Platform } from '../support/platform.mjs';
import { Principals } from '../support/principals.mjs';

const PASSWORD = 'a-long-password-1';
const HOME = '127.0.0.1'; /* where staff sign in: an office network */
const AWAY = '127.9.9.9';
const WAIT_MOST_S = 60;
let platform;
let people;

before(async () => {
	platform = await Platform.start({ demo: 'small' });
	people = new Principals(platform.client, platform.demo);
});
after(() => platform?.stop());

async function admin(method, target, body) {
	const answer = await platform.client.request(method, target, { headers: await people.headers('staff:admin'), body });
	assert.ok(answer.status < 300, `${method} ${target}: ${answer.text}`);
	return answer.json;
}

async function newStaff() {
	const username = `s${randomBytes(6).toString('hex')}`;
	const { id } = await admin('POST', '/v1/staff', { username, password: PASSWORD, display_name: '测试员', grants: [{ role: 'auditor', organization: '4412' }] });
	return { id, username };
}

/** A login from an address of this machine's loopback network. */
function signIn(from, username, more = {}, password = PASSWORD) {
	const body = JSON.stringify({ username, password, ...more });
	return new Promise((done, fail) => {
		const request = http.request(`${platform.demo.base_url}/v1/auth/staff`, { method: 'POST', localAddress: from, agent: false, timeout: 20000,
			headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (response) => {
			const parts = [];
			response.on('data', (part) => parts.push(part));
			response.on('end', () => done({ status: response.statusCode, headers: response.headers, json: JSON.parse(Buffer.concat(parts).toString()) }));
		});
		request.on('timeout', () => request.destroy(new Error('no answer')));
		request.on('error', fail);
		request.end(body);
	});
}

/** Wrong passwords without a pause, four at a time, until stop(): gives how many were looked at. Ready when the queue is shut. */
async function hammer(froms, username) {
	let going = true;
	let guesses = 0;
	let refused = 0;
	const since = Date.now();
	const one = async (i) => {
		for (let n = i; going; n++) {
			const { status, headers } = await signIn(froms[n % froms.length], username, {}, `wrong-password-${n}-${i}`);
			if (status === 401) guesses++;
			else {
				assert.equal(status, 429);
				assert.ok(Number(headers['retry-after']) <= WAIT_MOST_S);
				refused++;
			}
		}
	};
	const all = [0, 1, 2, 3].map(one);
	while (refused < 20) await new Promise((done) => { setTimeout(done, 20); });
	return async () => {
		going = false;
		await Promise.all(all);
		return { guesses, seconds: (Date.now() - since) / 1000 };
	};
}

/** True when the attempt stands in the queue that the stranger fills. Asked three times with a wrong password, since one may slip in between two of his. */
async function isShut(from, username, more) {
	for (let i = 0; i < 3; i++) if ((await signIn(from, username, more, 'not-the-password')).status === 429) return true;
	return false;
}

const base32 = (text) => Buffer.from([...text].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('').match(/.{8}/g).map((byte) => parseInt(byte, 2)));
function totp(secret, step) {
	const counter = Buffer.alloc(8);
	counter.writeBigUInt64BE(BigInt(step));
	const mac = createHmac('sha1', base32(secret)).update(counter).digest();
	return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0');
}
const stepNow = () => Math.floor(Date.now() / 30000);

test('from other networks: the owner signs in at the office and from a new network, with nothing but the password', async () => {
	const { username } = await newStaff();
	const stop = await hammer(['127.1.0.1', '127.2.0.1', '127.3.0.1', '127.4.0.1', '127.5.0.1', '127.6.0.1', '127.7.0.1', '127.8.0.1'], username);
	for (const from of [HOME, HOME, AWAY, AWAY]) assert.equal((await signIn(from, username)).status, 200, from);
	const { guesses, seconds } = await stop();
	assert.ok(guesses <= 8 * 3 + 20 + 6 + seconds, `${guesses} guesses in ${seconds} s`);
	await signIn(HOME, username);
});

for (const [where, stranger, owner] of [['the same network', '127.50.0.1', '127.50.0.1'], ["the owner's own office address", HOME, HOME]]) {
	test(`from ${where}: a device, two codes or an entry code get in at once, each time`, async () => {
		const { id, username } = await newStaff();
		const { json: first } = await signIn(AWAY, username);
		const { entry_code: entry } = await admin('POST', `/v1/staff/${id}/entry-code`);
		const headers = { authorization: `Bearer ${first.access_token}` };
		const { json: { secret } } = await platform.client.post(`/v1/staff/${id}/totp`, undefined, headers);
		const stop = await hammer([stranger], username);
		for (let i = 0; i < 5; i++) assert.equal((await signIn(owner, username, { device_token: first.device_token })).status, 200);
		const wrong = await signIn(owner, username, { device_token: first.device_token }, 'not-the-password');
		assert.equal(wrong.status, 401, 'a device replaces no password');
		const entered = await signIn(owner, username, { device_token: entry });
		assert.equal(entered.status, 200);
		assert.match(entered.json.device_token, /^[\w-]{43}$/);
		assert.ok(await isShut(owner, username, { device_token: entry }), 'an entry code works once');
		assert.equal((await signIn(owner, username, { device_token: entered.json.device_token })).status, 200);

		const step = stepNow();
		assert.equal((await platform.client.post(`/v1/staff/${id}/totp/confirm`, { code: totp(secret, step - 1), current_password: PASSWORD }, headers)).status, 200);
		assert.ok(await isShut(owner, username, { totp: totp(secret, step) }), 'one code proves nothing');
		assert.ok(await isShut(owner, username, { totp: totp(secret, step), totp_before: '000000' }));
		assert.ok(!await isShut(owner, username, { totp: totp(secret, step), totp_before: totp(secret, step - 1) }), 'two open a queue, not the account');
		assert.equal((await signIn(owner, username, { totp: totp(secret, step), totp_before: totp(secret, step - 1) })).status, 200);
		assert.ok(await isShut(owner, username, { totp: totp(secret, step), totp_before: totp(secret, step - 1) }), 'codes count once');
		const { guesses, seconds } = await stop();
		assert.ok(guesses <= 12 + seconds / 30, `${guesses} guesses in ${seconds} s`);
	});
}

test('with nothing but the password, from where the stranger sits: a minute after he stops at the latest', async () => {
	const { username } = await newStaff();
	const stop = await hammer([HOME], username);
	await stop();
	const refused = await signIn(HOME, username);
	if (refused.status !== 200) {
		assert.equal(refused.status, 429);
		assert.ok(Number(refused.headers['retry-after']) <= WAIT_MOST_S);
		await new Promise((done) => { setTimeout(done, 1000 * Number(refused.headers['retry-after'])); });
		assert.equal((await signIn(HOME, username)).status, 200);
	}
});

test("a device vouches for its own person only, and not for a disabled one's", async () => {
	const mine = await newStaff();
	const other = await newStaff();
	const { json: { device_token: device } } = await signIn(HOME, mine.username);
	const stop = await hammer([HOME], other.username);
	assert.ok(await isShut(HOME, other.username, { device_token: device }));
	await stop();
	await admin('POST', `/v1/staff/${mine.id}/disable`);
	const [[devices]] = await platform.sql(`select count(*) from identity.known_device where staff_id = '${mine.id}'`);
	assert.equal(devices, '0');
});

test('a name that nobody has behaves like one that somebody has: same statuses, same words, same headers', async () => {
	const known = (await newStaff()).username;
	const unknown = `s${randomBytes(6).toString('hex')}`;
	const shape = async (username, from, more) => {
		const { status, headers, json } = await signIn(from, username, more, 'not-the-password');
		return { status, type: json.type, title: json.title, detail: json.detail, names: Object.keys(headers).sort().join() };
	};
	for (const from of [HOME, '127.60.0.1']) {
		const attempts = [{}, {}, { totp: '123456' }, { totp: '123456', totp_before: '654321' }, { device_token: 'x'.repeat(43) }];
		const compare = async (more) => {
			const shown = await shape(known, from, more);
			assert.deepEqual(shown, await shape(unknown, from, more), `${from} ${JSON.stringify(more)}`);
			return shown.status;
		};
		for (const more of attempts) assert.equal(await compare(more), 401);
		await platform.sql("update identity.throttle set blocked_until = now() + interval '20 seconds' where failures >= 5 and blocked_until > last_at");
		for (const more of attempts) assert.equal(await compare(more), 429);
	}
});

test('device tokens and entry codes lie as digests', async () => {
	const { id, username } = await newStaff();
	const { json: { device_token: device } } = await signIn(HOME, username);
	const { entry_code: entry } = await admin('POST', `/v1/staff/${id}/entry-code`);
	const [[found]] = await platform.sql(`select count(*) from identity.known_device d where d::text like '%${device}%' or d::text like '%${entry}%'`);
	assert.equal(found, '0');
	const [[events]] = await platform.sql(`select string_agg(event, ' ' order by event) from identity.auth_event where subject = '${id}' and event in ('DEVICE_ADDED', 'ENTRY_CODE_MADE')`);
	assert.equal(events, 'DEVICE_ADDED ENTRY_CODE_MADE');
});

test('a flood from elsewhere takes the hashing of its own queue, not that of an office', async () => {
	const { username } = await newStaff();
	assert.equal((await signIn(HOME, username)).status, 200); // HOME is an office from here on
	for (let round = 0; round < 3; round++) {
		const flood = Array.from({ length: 40 }, (_, i) => signIn(`127.${20 + round}.${i}.9`, `nobody${round}x${i}`));
		await new Promise((done) => { setTimeout(done, 30); });
		const owner = await signIn(HOME, username);
		const turned = (await Promise.all(flood)).filter((a) => a.json.code === 'busy');
		assert.ok(turned.length > 0, 'the flood filled its queue');
		assert.deepEqual([...new Set(turned.map((a) => `${a.status} ${a.headers['retry-after']}`))], ['503 1']);
		new Coverage().record('auth_staff', 503);
		assert.notEqual(owner.json.code, 'busy', JSON.stringify(owner.json));
	}
});
