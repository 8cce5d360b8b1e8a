// The peer: the same three operations by Fastify and pg, written as their manuals advise: compiled answer schemas, named prepared
// statements, a pool of ten. Without authentication, logs and metrics. Usage: fastify.mjs <socket> <host of PostgreSQL>
import { randomBytes, createHash } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';
import { gift, page, write } from './statements.mjs';

const [socket, host] = process.argv.slice(2);
pg.types.setTypeParser(pg.types.builtins.INT8, Number);
const pool = new pg.Pool({ host, user: 'yg_donations', database: 'yangguang', max: 10 });
const app = Fastify({ logger: false });

const string = { type: 'string' };
const integer = { type: 'integer' };
const shown = { amount_fen: integer, refunded_fen: integer, donor_name: string, message: string, paid_at: string, state: string };
const publicGift = { type: 'object', properties: { public_code: string, campaign: { type: 'object', properties: { id: string, title: string } }, ...shown, channel: string } };
const giftPage = { type: 'object', properties: { items: { type: 'array', items: { type: 'object', properties: { public_code: string, ...shown } } }, next_cursor: string, has_more: { type: 'boolean' } } };
const giftCreated = { type: 'object', properties: { id: string, public_code: string, out_trade_no: string, campaign_id: string, amount_fen: integer, channel: string,
	state: string, created_at: string, expires_at: string, transfer: { type: 'object', properties: { holder: string, bank: string, account: string, remark: string } } } };

const giftGet = { name: 'gift_public_get', text: gift('$1') };
const giftList = { name: 'campaign_gift_list', text: page('$1::uuid', '$2::timestamptz', '$3::text', '$4::bigint') };

function present(row) {
	return { ...row, refunded_fen: row.refunded_fen ?? undefined, message: row.message ?? undefined, paid_at: row.paid_at.toISOString() };
}

app.get('/v1/public/gifts/:public_code', { schema: { params: { public_code: { ...string, pattern: '^[0-9A-HJKMNP-TV-Z]{16}$' } }, response: { 200: publicGift } } }, async (request, reply) => {
	const { rows: [row] } = await pool.query({ ...giftGet, values: [request.params.public_code] });
	if (!row) return reply.code(404).send({ type: '/problems/not-found' });
	return { ...present(row), campaign: { id: row['campaign.id'], title: row['campaign.title'] } };
});

app.get('/v1/campaigns/:id/gifts', { schema: { params: { id: { ...string, format: 'uuid' } }, querystring: { limit: { ...integer, minimum: 1, maximum: 100, default: 20 }, cursor: string }, response: { 200: giftPage } } }, async (request) => {
	const { limit } = request.query;
	const { rows } = await pool.query({ ...giftList, values: [request.params.id, null, null, limit + 1] });
	const items = rows.slice(0, limit);
	const last = items[items.length - 1];
	const more = rows.length > limit;
	return { items: items.map(present), has_more: more, next_cursor: more ? Buffer.from(`${last['page.at'].toISOString()} ${last['page.code']}`).toString('base64url') : undefined };
});

function named(statements) {
	return Object.fromEntries(Object.entries(statements).map(([name, { text, values }]) => [name, (given) => ({ name: `give_${name}`, text, values: values.map((v) => given[v]) })]));
}
// $1, $2, … per statement, in the order of first use; text and uuid of the same value are two parameters for PostgreSQL.
function numbered() {
	const result = {};
	for (const name of ['campaign', 'idempotency', 'gift', 'pay_order']) {
		const values = [];
		const p = new Proxy({}, { get: (_, key) => `$${values.includes(key) ? values.indexOf(key) + 1 : values.push(key)}` });
		const text = write(new Proxy({}, { get: (_, key) => `<${key}>` }))[name].replace(/<(\w+)>/g, (_, key) => p[key]);
		result[name] = { text, values };
	}
	return named(result);
}
const sql = numbered();

const hex = (bytes) => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
function uuid7() {
	const bytes = randomBytes(16);
	bytes.writeUIntBE(Date.now(), 0, 6);
	bytes[6] = 0x70 | (bytes[6] & 15);
	bytes[8] = 0x80 | (bytes[8] & 63);
	return hex(bytes);
}
const symbols = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const newCode = () => Array.from(randomBytes(16), (byte) => symbols[byte & 31]).join('');
const donor = '0197f3a0-0000-7000-8000-200000000000';

function answerOf(body, id, code, campaign) {
	const now = Date.now();
	return { id, public_code: code, out_trade_no: code, campaign_id: body.campaign_id, amount_fen: body.amount_fen, channel: body.channel, state: 'PENDING',
		created_at: new Date(now).toISOString(), expires_at: new Date(now + 30 * 86400000).toISOString(),
		transfer: { holder: campaign.bank_holder, bank: campaign.bank_name, account: campaign.bank_account, remark: code } };
}

const giftBody = { type: 'object', additionalProperties: false, required: ['campaign_id', 'amount_fen', 'channel'],
	properties: { campaign_id: { ...string, format: 'uuid' }, amount_fen: { ...integer, minimum: 1, maximum: 100000000000 }, channel: { enum: ['BANK_TRANSFER'] } } };

app.post('/v1/gifts', { schema: { body: giftBody, headers: { type: 'object', required: ['idempotency-key'], properties: { 'idempotency-key': string } }, response: { 201: giftCreated } } }, async (request, reply) => {
	const { body } = request;
	const key = createHash('sha256').update(donor).update('gift_create').update(request.headers['idempotency-key']).digest();
	const id = uuid7();
	const code = newCode();
	const client = await pool.connect();
	try {
		await client.query({ name: 'begin', text: 'begin' });
		const { rows: [campaign] } = await client.query(sql.campaign({ campaign: body.campaign_id }));
		if (!campaign || campaign.state !== 'OPEN' || body.amount_fen < campaign.min_gift_fen || body.amount_fen > campaign.max_gift_fen) {
			await client.query('rollback');
			return reply.code(409).send({ type: '/problems/campaign-not-open' });
		}
		const answer = answerOf(body, id, code, campaign);
		const fingerprint = hex(createHash('sha256').update(JSON.stringify(body)).digest().subarray(0, 16));
		const given = { claim: hex(key.subarray(0, 16)), fingerprint, code, answer: JSON.stringify(answer), id, campaign: body.campaign_id, donor, amount: body.amount_fen };
		for (const name of ['idempotency', 'gift', 'pay_order']) await client.query(sql[name](given));
		await client.query({ name: 'commit', text: 'commit' });
		return reply.code(201).send(answer);
	} catch (error) {
		await client.query('rollback');
		throw error;
	} finally {
		client.release();
	}
});

process.on('SIGTERM', async () => {
	await app.close();
	await pool.end();
	process.exit(0);
});
await app.listen({ path: socket });
