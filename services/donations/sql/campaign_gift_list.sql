-- shape: page
-- tx: read
-- The public gifts of a campaign, newest first. A page that is not full asks whether there is such a campaign.
(select null::text as "!problem", public_code, amount_fen, nullif(refunded_fen, 0) as refunded_fen, coalesce(shown_name, '爱心人士') as donor_name,
        message, paid_at, case when refunded_fen = 0 then 'PAID' when refunded_fen < amount_fen then 'PARTIALLY_REFUNDED' else 'REFUNDED' end as state,
        paid_at as "page.at", public_code as "page.code"
 from gift_public
 where campaign_id = :path.id::uuid
   and (paid_at, public_code) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.code::text, ''))
 order by paid_at desc, public_code desc
 limit :page.limit::bigint)
union all
select 'campaign-not-found', null, null, null, null, null, null, null, null, null
where not campaign_is_public(:path.id::uuid)
limit :page.limit::bigint
