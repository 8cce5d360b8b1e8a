-- shape: one
-- tx: write
-- The search as a file, and the record of who took it: one transaction.
with csv as (
    select count(*) as n, U&'\FEFF' || csv_row('公开编号', '项目', '金额（元）', '已退（元）', '渠道', '状态', '署名', '留言', '捐赠时间', '到账时间') || coalesce(string_agg(p.line, '' order by p.at desc), '') as text
    from (select csv_row(g.public_code, c.title, csv_yuan(g.amount_fen), csv_yuan(g.refunded_fen), g.channel, g.state, g.shown_name, g.message,
                         csv_time(g.created_at), csv_time(g.paid_at)) as line, g.id as at
          from gift g join campaign c on c.id = g.campaign_id
          where (:body.public_code::text is null or g.public_code = :body.public_code::text)
            and (:body.campaign_id::uuid is null or g.campaign_id = :body.campaign_id::uuid)
            and (:body.fund::text is null or g.campaign_id in (select f.campaign_id from fund f where f.code = :body.fund::text))
            and (:body.state::text is null or g.state = :body.state::text)
            and (:body.channel::text is null or g.channel = :body.channel::text)
            and g.amount_fen between coalesce(:body.least_fen::bigint, 0) and coalesce(:body.most_fen::bigint, 9007199254740991)
            and g.id >= uuid7_floor(day_begins(coalesce(:body.from_date::date, '2015-01-01')))
            and g.id < uuid7_floor(day_begins(coalesce(:body.to_date::date, '2999-01-01') + 1))
          order by g.id desc limit 5001) p
), kept as (
    insert into export_record (id, kind, requested_by, filter, rows, sha256)
    select :new.id::uuid, 'GIFTS', :identity.subject::uuid, :body::json, n, encode(sha256(convert_to(text, 'UTF8')), 'hex')
    from csv where n <= 5000 and octet_length(text) <= 1500000
    returning id, sha256
)
select kept.id, kept.sha256, case when kept.id is not null then csv.text end as csv from csv left join kept on true
