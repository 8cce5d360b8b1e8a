-- shape: page
-- tx: read
-- The gifts that went along with a transfer, line by line in the order of the rule, under the names that their pages show. An empty page
-- asks whether there is such a transfer; one of money that was no gifts has none.
select case when p.rows = 0 and not exists (select from fund_move where number = :path.number::text and state = 'BOOKED') then 'fund-move-unknown' end as "!problem",
       array_to_string(p.items[1:(:page.limit::bigint - 1)::int], ',') as "!items",
       case when p.rows = :page.limit::bigint then 't' end as "!more",
       p.seqs[(:page.limit::bigint - 1)::int] as "page.seq"
from (select array_agg(item order by seq) as items, count(*) as rows, array_agg(seq order by seq) as seqs
      from (select a.seq, json_build_object('public_code', a.public_code, 'donor_name', coalesce(g.shown_name, '爱心人士'), 'paid_at', rfc3339(g.paid_at), 'fund', t.code,
                   'amount_fen', a.amount_fen, 'moved_at', rfc3339(a.moved_at))::text as item
            from fund_move m join gift_allocation a on a.move_id = m.id join gift_public g using (public_code) join fund t on t.id = a.to_fund
            where m.number = :path.number::text and m.state = 'BOOKED' and a.seq > coalesce(:page.seq::bigint, 0)
            order by a.seq
            limit :page.limit::bigint) s) p
