-- The item of a campaign's page of gifts, as JSON, stored with the row: a page of twenty is then one index walk and one text, for
-- the server and for us. Generated, so that it cannot differ from the columns.

-- Immutable in fact: the zone is named and the format has no words in it.
create function gift_item(p_code text, p_amount bigint, p_refunded bigint, p_name text, p_message text, p_paid_at timestamptz) returns text
language sql immutable parallel safe as $$
	select '{"public_code":"' || p_code || '","amount_fen":' || p_amount
		|| case when p_refunded > 0 then ',"refunded_fen":' || p_refunded else '' end
		|| ',"donor_name":' || to_json(coalesce(p_name, '爱心人士'))::text
		|| coalesce(',"message":' || to_json(p_message)::text, '')
		|| ',"paid_at":"' || rtrim(rtrim(to_char(p_paid_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || '+08:00"'
		|| ',"state":"' || case when p_refunded = 0 then 'PAID' when p_refunded < p_amount then 'PARTIALLY_REFUNDED' else 'REFUNDED' end || '"}'
$$;

alter table gift_public add column item text not null
	generated always as (gift_item(public_code, amount_fen, refunded_fen, shown_name, message, paid_at)) stored;
