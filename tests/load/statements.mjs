// The SQL of the peers. The reads are taken from the service's own files, so that they stay the same query; the write is what an ordinary
// application would send: a look at the campaign, then one insert per table, the columns of gift_create.sql.
import fs from 'node:fs';
import { root } from './settings.mjs';

function ofService(name, names) {
	let sql = fs.readFileSync(`${root}/services/donations/sql/${name}.sql`, 'utf8').replace(/^--.*\n/gm, '').trim();
	for (const [from, to] of Object.entries(names)) {
		if (!sql.includes(from)) throw new Error(`${name}.sql has no ${from}: bring tests/load/statements.mjs up to date`);
		sql = sql.replaceAll(from, to);
	}
	const left = /[^:]:(path|query|body|page|identity)\.\w+/.exec(sql);
	if (left) throw new Error(`${name}.sql binds ${left[0]}: bring tests/load/statements.mjs up to date`);
	return sql;
}

// One statement per line of the map below; `p` gives the placeholder of a value.
export function write(p) {
	return {
		campaign: `select title, state, bank_holder, bank_name, bank_account, min_gift_fen, max_gift_fen, starts_on, ends_on, filing_no from campaign where id = ${p.campaign}`,
		idempotency: `insert into idempotency (id, operation, fingerprint, out_trade_no, answer) values (${p.claim}, 'gift_create', ${p.fingerprint}, ${p.code}, ${p.answer})`,
		gift: `insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, disclosure) values (${p.id}, ${p.code}, ${p.campaign}, ${p.donor}, ${p.amount}, 'BANK_TRANSFER', 'ANONYMOUS')`,
		pay_order: `insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at) values (${p.code}, ${p.id}, ${p.campaign}, ${p.amount}, 'BANK_TRANSFER', now() + interval '30 days', now() + interval '30 days')`,
		outbox: `insert into outbox (type, subject, payload) values ('gift.created', ${p.subject}, ${p.payload})`,
	};
}

export const gift = (code) => ofService('gift_public_get', { ':path.public_code::text': code });
export const page = (campaign, at, code, limit) => ofService('campaign_gift_list', { ':path.id::uuid': campaign, ':page.at::timestamptz': at,
	':page.code::text': code, ':page.limit::bigint': limit });
