// What the compiler must take and refuse. Nothing here runs: tsc -p tsconfig.check.json is the test.
import { Client } from '../src/index.js';

declare const client: Client;
const id = '019ab2c3-5a10-7cc2-9d4e-1f2a3b4c5d6e';

export async function taken(): Promise<void> {
	const given = await client.call('gift_create', { body: { campaign_id: id, amount_fen: 100 }, idempotencyKey: 'k' });
	const code: string = given.data.public_code;
	const seen = await client.call('gift_public_get', { path: { public_code: code } });
	const fen: number = seen.data.amount_fen;
	await client.call('summary_get');
	await client.call('campaign_list', { query: { limit: fen } });
	await client.call('campaign_list');
	const gone: undefined = (await client.call('auth_logout')).data;
	void gone;
	client.setTokens((await client.call('auth_wechat', { body: { code } })).data);
	await client.call('campaign_update', { path: { id }, body: { contact_phone: '0758-1234567' }, ifMatch: '"1"' });
}

export async function refused(): Promise<void> {
	// @ts-expect-error there is no such operation
	await client.call('gift_steal');
	// @ts-expect-error internal operations do not exist outside
	await client.call('api_key_resolve');
	// @ts-expect-error a gift needs a body
	await client.call('gift_create', {});
	// @ts-expect-error an amount is a number
	await client.call('gift_create', { body: { campaign_id: id, amount_fen: '1.00' } });
	// @ts-expect-error an unknown member
	await client.call('gift_create', { body: { campaign_id: id, amount_fen: 1, amount_yuan: 1 } });
	// @ts-expect-error a path needs its values
	await client.call('gift_public_get');
	// @ts-expect-error a change needs If-Match
	await client.call('campaign_update', { path: { id }, body: {} });
	// @ts-expect-error no key where none is taken
	await client.call('summary_get', { idempotencyKey: 'k' });
	// @ts-expect-error an unknown query parameter
	await client.call('campaign_list', { query: { page: 2 } });
}
