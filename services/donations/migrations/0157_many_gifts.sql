-- A payment, its reversal and a transfer name all gifts at once instead of one after the other: a large one over small gifts took longer than
-- a statement may (0.65 ms a gift; 14,060 gifts in 9.4 s, now 1.8 s), so that it was approved and could never be paid.

create or replace function disbursement_pay(p_id uuid, p_by uuid, p_bank_reference text, p_paid_at timestamptz) returns disbursement
language plpgsql security definer set search_path from current as $$
declare
	d disbursement := disbursement_take(p_id, 'APPROVED');
	v_fund fund;
	v_event uuid;
	v_parts gift_part[]; -- no gift twice: it is given to this fund, or moved to it
begin
	if d.created_by = p_by then
		perform refuse('disbursement_own', 'the author does not pay');
	end if;
	p_paid_at := coalesce(p_paid_at, now());
	if p_paid_at > now() + interval '5 minutes' or p_paid_at < date_trunc('day', d.created_at, 'Asia/Shanghai') then
		perform refuse('disbursement_paid_at', 'paid before it was drafted, or not yet');
	end if;
	select * into v_fund from fund where id = d.fund_id;
	if ledger_post(p_id, 'disbursement', p_paid_at, json_build_array(json_build_object('account', 'fund:' || v_fund.code, 'fen', d.amount_fen),
		json_build_object('account', 'bank:transfer', 'fen', -d.amount_fen)), d.number, null) <> 'created' then
		perform refuse('disbursement_transition', 'its entry is there already');
	end if;
	perform ledger_hold_post(p_id, p_id);
	update disbursement set state = 'PAID', paid_by = p_by, bank_reference = p_bank_reference, paid_at = p_paid_at where id = p_id returning * into d;
	v_event := disbursement_leaf(d, 'paid', p_paid_at, p_id, null);
	insert into entry_leaf (entry_id, event_id) values (p_id, v_event);
	v_parts := array(select g::gift_part from fund_draw(v_fund, d.amount_fen, d.earmark, false) g);
	insert into gift_use (disbursement_id, public_code, amount_fen, used_at, shared)
	select p_id, g.public_code, g.fen, p_paid_at, g.shared from unnest(v_parts) with ordinality g (public_code, gift_id, fen, shared, ord) order by ord;
	update gift_public p set spent_fen = p.spent_fen + g.fen, allocated_fen = p.allocated_fen - case when g.shared then g.fen else 0 end
	from unnest(v_parts) g where p.public_code = g.public_code;
	update gift_share s set fen = s.fen - g.fen from unnest(v_parts) g where g.shared and s.fund_id = v_fund.id and s.public_code = g.public_code;
	perform outbox_leaf('gift.spent', g.gift_id::text, json_build_object('gift_id', g.gift_id, 'disbursement_id', p_id, 'amount_fen', g.fen), 'gift.spent',
		g.public_code, p_paid_at, json_build_object('disbursement', d.number, 'amount_fen', g.fen, 'of_fen', d.amount_fen), null, null, json_build_array(v_event))
	from unnest(v_parts) g;
	return d;
end $$;

create or replace function disbursement_reverse(p_id uuid, p_entry uuid, p_by uuid, p_reason text) returns disbursement
language plpgsql security definer set search_path from current as $$
declare
	d disbursement := disbursement_take(p_id, 'PAID', 'ACKNOWLEDGED');
	v_fund fund;
	v_event uuid;
	v_parts gift_part[];
begin
	select * into v_fund from fund where id = d.fund_id;
	perform from account where name = 'fund:' || v_fund.code for update;
	if ledger_post(p_entry, 'disbursement.reversed', now(), (select json_agg(json_build_object('account', account, 'fen', -fen) order by seq)
		from posting where entry_id = p_id), p_reason, p_id) <> 'created' then
		perform refuse('disbursement_transition', 'the entry is another one');
	end if;
	update disbursement set state = 'REVERSED', reason = p_reason, ended_at = now(), ended_by = p_by where id = p_id returning * into d;
	v_event := disbursement_leaf(d, 'reversed', now(), p_entry, (select event_id from entry_leaf where entry_id = p_id));
	insert into entry_leaf (entry_id, event_id) values (p_entry, v_event);
	v_parts := array(select (x.public_code, p.gift_id, x.amount_fen, x.shared)::gift_part from gift_use x join gift_public p using (public_code)
		where x.disbursement_id = p_id order by x.seq);
	insert into gift_use (disbursement_id, public_code, amount_fen, used_at, shared)
	select p_id, g.public_code, -g.fen, now(), g.shared from unnest(v_parts) with ordinality g (public_code, gift_id, fen, shared, ord) order by ord;
	update gift_public p set spent_fen = p.spent_fen - g.fen, allocated_fen = p.allocated_fen + case when g.shared then g.fen else 0 end
	from unnest(v_parts) g where p.public_code = g.public_code;
	-- the share is there: it was paid from it
	update gift_share s set fen = s.fen + g.fen from unnest(v_parts) g where g.shared and s.fund_id = v_fund.id and s.public_code = g.public_code;
	perform outbox_leaf('gift.spent', g.gift_id::text, json_build_object('gift_id', g.gift_id, 'disbursement_id', p_id, 'amount_fen', -g.fen), 'gift.spent',
		g.public_code, now(), json_build_object('disbursement', d.number, 'amount_fen', -g.fen, 'of_fen', d.amount_fen), null, null, json_build_array(v_event))
	from unnest(v_parts) g;
	return d;
end $$;

create or replace function fund_move_approve(p_id uuid, p_by uuid) returns fund_move
language plpgsql security definer set search_path from current as $$
declare
	m fund_move := fund_move_take(p_id);
	f fund;
	t fund;
	c campaign;
	l fund_move_line;
	v_event uuid;
	v_before uuid;
	v_parts gift_part[];
begin
	if m.proposed_by = p_by then
		perform refuse('fund_move_own', 'who proposed it does not book it');
	elsif (approval_rule_for(m.amount_fen, (m.proposed_at at time zone 'Asia/Shanghai')::date)).decision and m.decision_no is null then
		perform refuse('fund_move_decision_missing', 'a collective decision must be named');
	end if;
	select * into f from fund where id = m.from_fund;
	-- in the order of their names, as ledger_post_all
	perform from account where name = 'fund:' || f.code or name in (select 'fund:' || o.code from fund_move_line x join fund o on o.id = x.to_fund where x.move_id = p_id)
	order by name for update;
	if m.rule = 'SURPLUS' then
		select * into c from campaign where id = f.campaign_id;
		if c.state = 'OPEN' and m.amount_fen > campaign_beyond_goal(c, f.id) then
			perform refuse('fund_move_rule', 'more than what came in beyond the goal');
		end if;
	end if;
	if exists (select from fund_move_line x join fund o on o.id = x.to_fund where x.move_id = p_id and o.state <> 'OPEN') then
		perform refuse('fund_move_line_to', 'one of the funds was ended');
	end if;
	if ledger_post_all((select json_agg(json_build_object('id', x.entry_id, 'kind', 'fund.moved', 'occurred_at', now(), 'reason', m.number,
		'postings', json_build_array(json_build_object('account', 'fund:' || f.code, 'fen', x.amount_fen), json_build_object('account', 'fund:' || o.code, 'fen', -x.amount_fen))) order by x.no)
		from fund_move_line x join fund o on o.id = x.to_fund where x.move_id = p_id)) <> 'created' then
		perform refuse('fund_move_fixed', 'its entries are there already');
	end if;
	update fund_move set state = 'BOOKED', decided_by = p_by, decided_at = now() where id = p_id returning * into m;
	for l in select * from fund_move_line where move_id = p_id order by no loop
		select * into t from fund where id = l.to_fund;
		v_event := outbox_leaf('fund.moved', l.entry_id::text, json_build_object('move_id', p_id, 'number', m.number, 'entry_id', l.entry_id), 'ledger.posted', l.entry_id::text, now(),
			json_build_object('kind', 'fund.moved', 'reason', m.number, 'rule', m.rule, 'from', f.code, 'to', t.code, 'amount_fen', l.amount_fen,
				'purpose', m.purpose, 'document_sha256', m.document_sha256, 'decision_no', m.decision_no),
			null, (select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = l.entry_id),
			case when v_before is not null then json_build_array(v_before) end);
		insert into entry_leaf (entry_id, event_id) values (l.entry_id, v_event);
		v_before := coalesce(v_before, v_event); -- entries of one request lead to its first
		continue when f.campaign_id is null;
		v_parts := array(select g::gift_part from fund_draw(f, l.amount_fen, null, m.rule = 'SURPLUS') g);
		update gift_public p set moved = true, allocated_fen = p.allocated_fen + case when not g.shared then g.fen when p.campaign_id = t.campaign_id then -g.fen else 0 end
		from unnest(v_parts) g where p.public_code = g.public_code;
		update gift_share s set fen = s.fen - g.fen from unnest(v_parts) g where g.shared and s.fund_id = f.id and s.public_code = g.public_code;
		insert into gift_share as s (fund_id, public_code, fen)
		select t.id, g.public_code, g.fen from unnest(v_parts) g join gift_public p using (public_code) where p.campaign_id is distinct from t.campaign_id
		on conflict (fund_id, public_code) do update set fen = s.fen + excluded.fen;
		insert into gift_allocation (move_id, public_code, from_fund, to_fund, amount_fen)
		select p_id, g.public_code, f.id, t.id, g.fen from unnest(v_parts) with ordinality g (public_code, gift_id, fen, shared, ord) order by ord;
		perform outbox_leaf('gift.allocated', g.gift_id::text, json_build_object('gift_id', g.gift_id, 'move_id', p_id, 'amount_fen', g.fen), 'gift.allocated',
			g.public_code, now(), json_build_object('transfer', m.number, 'from', f.code, 'to', t.code, 'amount_fen', g.fen), null, null, json_build_array(v_event))
		from unnest(v_parts) g;
		if (select coalesce(sum(g.fen), 0) from unnest(v_parts) g) <> l.amount_fen then
			perform refuse('fund_move_gifts', 'the gifts that may be moved do not come to it');
		end if;
	end loop;
	perform fund_earmarks_kept(f.id, null); -- the floor alone would let it take what a disbursement holds, and leave that only what it may not use
	return m;
end $$;
drop function gift_share_add;
