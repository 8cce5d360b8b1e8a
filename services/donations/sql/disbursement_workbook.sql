-- shape: one
-- tx: read
-- Disbursements as cells, for workbook.c: columns with their widths, then rows; numbers are fen. Absent: too much for one file.
with cells as (
    select count(*) as n, json_build_object('sheet', '支出', 'columns', json_build_array(json_build_array('编号', 20), json_build_array('基金', 36),
            json_build_array('金额（元）', 14), json_build_array('用途', 40), json_build_array('收款方类别', 14), json_build_array('收款方', 30),
            json_build_array('状态', 14), json_build_array('起草时间', 20), json_build_array('支付时间', 20), json_build_array('确认时间', 20),
            json_build_array('银行流水号', 24)),
        'rows', coalesce(json_agg(json_build_array(d.number, d.fund, d.amount_fen, d.purpose, d.payee_kind, d.payee, d.state, csv_time(d.created_at),
            csv_time(d.paid_at), csv_time(d.acknowledged_at), d.bank_reference) order by d.created_at desc), '[]'))::text as text
    from export_disbursements(:body.fund::text, :body.state::text, :body.from_date::date, :body.to_date::date) d
)
select 'DISBURSEMENTS' as kind, n as rows, case when n <= 5000 and octet_length(text) <= 1500000 then text end as cells from cells
