-- shape: page
-- tx: read
-- The gifts that went along with a transfer of the own unit or below, or to a fund of it, with what staff need to open them; the names are
-- those that are public. Nothing is there before it is booked.
select case when p.rows = 0 and not exists (select from fund_move m where m.id = :path.id::uuid and (in_my_organization(m.organization)
            or exists (select from fund_move_line l join fund t on t.id = l.to_fund where l.move_id = m.id and m.state = 'BOOKED' and in_my_organization(t.organization)))) then 'fund-move-unknown' end as "!problem",
       array_to_string(p.items[1:(:page.limit::bigint - 1)::int], ',') as "!items",
       case when p.rows = :page.limit::bigint then 't' end as "!more",
       p.seqs[(:page.limit::bigint - 1)::int] as "page.seq"
from (select array_agg(item order by seq) as items, count(*) as rows, array_agg(seq order by seq) as seqs
      from (select a.seq, json_strip_nulls(json_build_object('gift_id', g.gift_id, 'public_code', a.public_code, 'donor_name', coalesce(g.shown_name, '爱心人士'), 'paid_at', rfc3339(g.paid_at),
                   'given_fen', g.amount_fen, 'given_to', coalesce(g.fund_code, g.campaign_id::text), 'earmark', g.earmark, 'fund', t.code, 'amount_fen', a.amount_fen,
                   'moved_at', rfc3339(a.moved_at)))::text as item
            from fund_move m join gift_allocation a on a.move_id = m.id join gift_public g using (public_code) join fund t on t.id = a.to_fund
            where m.id = :path.id::uuid and (in_my_organization(m.organization) or in_my_organization(t.organization)) and a.seq > coalesce(:page.seq::bigint, 0)
            order by a.seq
            limit :page.limit::bigint) s) p
