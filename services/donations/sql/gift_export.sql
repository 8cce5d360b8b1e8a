-- shape: one
-- tx: write
-- The search as a file, and the record of who took it: one transaction.
with csv as (
    select count(*) as n, U&'\FEFF' || csv_row('公开编号', '项目', '金额（元）', '已退（元）', '渠道', '状态', '署名', '留言', '捐赠时间', '到账时间') || coalesce(string_agg(
        csv_row(g.public_code, g.title, csv_yuan(g.amount_fen), csv_yuan(g.refunded_fen), g.channel, g.state, g.shown_name, g.message,
                csv_time(g.created_at), csv_time(g.paid_at)), '' order by g.id desc), '') as text
    from export_gifts(:body.public_code::text, :body.campaign_id::uuid, :body.fund::text, :body.state::text, :body.channel::text, :body.least_fen::bigint,
        :body.most_fen::bigint, :body.from_date::date, :body.to_date::date) g
), kept as (
    insert into export_record (id, kind, requested_by, filter, rows, sha256)
    select :new.id::uuid, 'GIFTS', :identity.subject::uuid, :body::json, n, encode(sha256(convert_to(text, 'UTF8')), 'hex')
    from csv where n <= 5000 and octet_length(text) <= 1500000
    returning id, sha256
)
select kept.id, kept.sha256, case when kept.id is not null then csv.text end as csv from csv left join kept on true
