// The SQL of the peers, as an ordinary application would send it: one statement per read, without what our own files do beyond it (several
// requests in one statement, items that stand ready as JSON); for the write a look at the campaign, then one insert per table, the columns
// of gift_create.sql. The benchmark compares each peer's answer with ours before it measures.

// One statement per line of the map below; `p` gives the placeholder of a value.
export function write(p) {
	return {
		campaign: `select title, state, bank_holder, bank_name, bank_account, min_gift_fen, max_gift_fen, starts_on, ends_on, filing_no from campaign where id = ${p.campaign}`,
		idempotency: `insert into idempotency (id, operation, fingerprint, out_trade_no, answer) values (${p.claim}, 'gift_create', ${p.fingerprint}, ${p.code}, ${p.answer})`,
		gift: `insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, disclosure) values (${p.id}, ${p.code}, ${p.campaign}, ${p.donor}, ${p.amount}, 'BANK_TRANSFER', 'ANONYMOUS')`,
		pay_order: `insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at) values (${p.code}, ${p.id}, ${p.campaign}, ${p.amount}, 'BANK_TRANSFER', now() + interval '30 days', now() + interval '30 days')`,
	};
}

const STATE = "case when refunded_fen = 0 then 'PAID' when refunded_fen < amount_fen then 'PARTIALLY_REFUNDED' else 'REFUNDED' end as state";
const GIVEN = "amount_fen, nullif(refunded_fen, 0) as refunded_fen, coalesce(shown_name, '爱心人士') as donor_name, message";

export const gift = (code) => `select public_code, campaign_id as "campaign.id", campaign_title as "campaign.title", ${GIVEN}, channel, paid_at, ${STATE}
	from gift_public where public_code = ${code}`;

export const page = (campaign, at, code, limit) => `select public_code, ${GIVEN}, paid_at, ${STATE}, paid_at as "page.at", public_code as "page.code"
	from gift_public where campaign_id = ${campaign} and (paid_at, public_code) < (coalesce(${at}::timestamptz, 'infinity'), coalesce(${code}::text, ''))
	order by paid_at desc, public_code desc limit ${limit}`;
