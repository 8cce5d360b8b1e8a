// Totals while gifts are settled by transactions that end in another order than they drew their numbers, some of them rolled back,
// and the fold runs as often as it can: every reader sees the sum of the entries it sees, and nothing is left out in the end.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Platform } from '../support/platform.mjs';

const RUN_MS = 10000;
const RUN_MS_MAX = 90000; /* on a machine that is busy with other things */
const READS = 20;
const WRITERS = 5;

let platform;
before(async () => { platform = await Platform.start({ demo: 'small' }); });
after(() => platform?.stop());

const settleMany = `
set search_path = donations;
do $$
declare
	g uuid; code text; c uuid;
begin
	for i in 1..20 loop
		g := (overlay(overlay(md5(random()::text || clock_timestamp()) placing lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') from 1 for 12) placing '7' from 13 for 1))::uuid;
		code := translate(upper(substr(md5(g::text || random()), 1, 16)), 'ILOU', '1100');
		select id into c from campaign_taking_gifts order by random() limit 1;
		insert into gift (id, public_code, campaign_id, donor, amount_fen, channel) values (g, code, c, g, 500, 'WECHAT_JSAPI');
		insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at)
		values (code, g, c, 500, 'WECHAT_JSAPI', now() + interval '1 hour', now() + interval '1 hour');
		assert payment_settle(code, 'fold' || code, 500, now()) = 'SETTLED';
		perform pg_sleep(random() * 0.1);
		if random() < 0.15 then rollback; else commit; end if;
	end loop;
end $$`;

test('totals are those of the entries at every moment', async () => {
	const start = Date.now();
	let reads = 0;
	const until = async (step) => { while (Date.now() < start + RUN_MS || (reads <= READS && Date.now() < start + RUN_MS_MAX)) await step(); };
	const reader = async () => {
		const [[agree]] = await platform.sql(`select (select sum(payment_fen - refund_fen) from donations.campaign_money) = (select sum(amount_fen) from donations.money_entry)`);
		assert.equal(agree, 't', `read ${reads}`);
		reads += 1;
	};
	await Promise.all([...Array(WRITERS).fill(() => platform.sql(settleMany)), () => platform.sql('select donations.totals_fold(); select pg_sleep(0.02)'), reader].map(until));
	assert.ok(reads > READS);
	await platform.sql('select donations.totals_fold()');
	await platform.sql('select donations.totals_fold()');
	assert.deepEqual(await platform.sql('select * from donations.money_disagreement'), []);
	assert.deepEqual(await platform.sql('select * from donations.ledger_disagreement'), []);
	const [[left]] = await platform.sql('select count(*) from donations.posting where seq > (select folded from donations.fold_state)');
	assert.equal(left, '0', 'everything is folded');
});
