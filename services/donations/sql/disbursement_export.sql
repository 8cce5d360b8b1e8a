-- shape: one
-- tx: write
-- Disbursements as a file, and the record of who took it: one transaction.
with csv as (
    select count(*) as n, U&'\FEFF' || csv_row('编号', '基金', '金额（元）', '用途', '收款方类别', '收款方', '状态', '起草时间', '支付时间', '确认时间', '银行流水号') || coalesce(string_agg(
        csv_row(d.number, d.fund, csv_yuan(d.amount_fen), d.purpose, d.payee_kind, d.payee, d.state, csv_time(d.created_at),
                csv_time(d.paid_at), csv_time(d.acknowledged_at), d.bank_reference), '' order by d.created_at desc), '') as text
    from export_disbursements(:body.fund::text, :body.state::text, :body.from_date::date, :body.to_date::date) d
), kept as (
    insert into export_record (id, kind, requested_by, filter, rows, sha256)
    select :new.id::uuid, 'DISBURSEMENTS', :identity.subject::uuid, :body::json, n, encode(sha256(convert_to(text, 'UTF8')), 'hex')
    from csv where n <= 5000 and octet_length(text) <= 1500000
    returning id, sha256
)
select kept.id, kept.sha256, case when kept.id is not null then csv.text end as csv from csv left join kept on true
