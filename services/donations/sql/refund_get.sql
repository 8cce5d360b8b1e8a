-- shape: one
-- tx: read
select r.id, r.gift_id, r.out_refund_no, split_part(r.out_trade_no, '-', 1) as public_code, r.amount_fen, r.reason, r.state, r.bank_reference,
       r.last_error, r.attempts, r.requested_by, r.created_at, r.finished_at,
       (select json_agg(json_build_object('kind', d.kind, 'reason', d.reason, 'decided_by', d.decided_by, 'decided_at', rfc3339(d.decided_at))
                        order by d.id)
        from refund_decision d where d.refund_id = r.id) as decisions
from refund r
where r.id = :path.id::uuid
