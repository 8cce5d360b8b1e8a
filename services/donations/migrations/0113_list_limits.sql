-- Lists within an answer have an end: a statement names the thousand largest campaigns, and its sums are still of all.
create or replace function giving_statement(p_donors uuid[], p_year integer) returns table (gift_count bigint, amount_fen bigint, refunded_fen bigint, net_fen bigint, campaigns json, receipt_count bigint, receipts_fen bigint)
language sql stable as $$
	with mine as (
		select g.id, g.campaign_id, g.amount_fen, g.refunded_fen from gift g
		where g.donor = any(p_donors) and g.paid_at >= make_timestamptz(p_year, 1, 1, 0, 0, 0, 'Asia/Shanghai') and g.paid_at < make_timestamptz(p_year + 1, 1, 1, 0, 0, 0, 'Asia/Shanghai')
	), parts as (
		select m.campaign_id, c.title, count(*) as n, sum(m.amount_fen)::bigint as amount_fen, sum(m.refunded_fen)::bigint as refunded_fen
		from mine m left join campaign c on c.id = m.campaign_id group by 1, 2
	), listed as (
		select coalesce(json_agg(json_strip_nulls(json_build_object('campaign_id', l.campaign_id, 'title', l.title, 'gift_count', l.n, 'amount_fen', l.amount_fen, 'refunded_fen', l.refunded_fen))
			order by l.amount_fen desc, l.campaign_id), '[]') as shown
		from (select * from parts order by parts.amount_fen desc, parts.campaign_id limit 1000) l
	), papers as (
		select count(*) as n, coalesce(sum(r.amount_fen), 0)::bigint as fen from mine m join receipt r on r.gift_id = m.id where r.state = 'ISSUED'
	)
	select coalesce(sum(p.n), 0)::bigint, coalesce(sum(p.amount_fen), 0)::bigint, coalesce(sum(p.refunded_fen), 0)::bigint, coalesce(sum(p.amount_fen - p.refunded_fen), 0)::bigint,
		(select shown from listed),
		(select n from papers), (select fen from papers)
	from parts p
$$;
