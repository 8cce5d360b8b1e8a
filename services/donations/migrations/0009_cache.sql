-- Which cached answers a refund makes stale (common/cache/purge.h): read by jobs too, which see no row of their own.

create function refund_tags(p_out_refund_no text) returns text
language sql stable security definer set search_path = donations, pg_temp as $$
	select concat('gift:', split_part(r.out_trade_no, '-', 1), ' campaign:', o.campaign_id, ' campaigns summary')
	from refund r join pay_order o using (out_trade_no)
	where r.out_refund_no = p_out_refund_no
$$;
revoke execute on function refund_tags from public;
grant execute on function refund_tags to yg_donations;
