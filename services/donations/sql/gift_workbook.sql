-- shape: one
-- tx: read
-- The search as cells, for workbook.c: columns with their widths, then rows; numbers are fen. Absent: too much for one file.
with cells as (
    select count(*) as n, json_build_object('sheet', '捐赠', 'columns', json_build_array(json_build_array('公开编号', 20), json_build_array('项目', 36),
            json_build_array('金额（元）', 14), json_build_array('已退（元）', 14), json_build_array('渠道', 16), json_build_array('状态', 20),
            json_build_array('署名', 20), json_build_array('留言', 40), json_build_array('捐赠时间', 20), json_build_array('到账时间', 20)),
        'rows', coalesce(json_agg(json_build_array(g.public_code, g.title, g.amount_fen, g.refunded_fen, g.channel, g.state, g.shown_name, g.message,
            csv_time(g.created_at), csv_time(g.paid_at)) order by g.id desc), '[]'))::text as text
    from export_gifts(:body.public_code::text, :body.campaign_id::uuid, :body.fund::text, :body.state::text, :body.channel::text, :body.least_fen::bigint,
        :body.most_fen::bigint, :body.from_date::date, :body.to_date::date) g
)
select 'GIFTS' as kind, n as rows, case when n <= 5000 and octet_length(text) <= 1500000 then text end as cells from cells
