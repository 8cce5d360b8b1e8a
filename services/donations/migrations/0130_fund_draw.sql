-- A payment reads as many gifts as it needs: the unspent ones of a fund stand in the order of the rule, by what they were given for.
drop index gift_public_unspent;
create index gift_public_unspent on gift_public (campaign_id, earmark, paid_at, public_code) where amount_fen > refunded_fen + spent_fen + allocated_fen;

create or replace function fund_draw(f fund, p_fen bigint, p_earmark text, p_all boolean) returns setof gift_part
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_left bigint := p_fen;
	v_rest bigint;
	v_given refcursor; -- to this fund
	v_moved refcursor; -- shares of others, that a transfer brought
	g record;
	s record;
	v_is_share boolean;
begin
	for v_turn in (case when p_earmark is null then 2 else 1 end)..2 loop
		if v_turn = 1 then
			open v_given for
				select public_code, gift_id, paid_at, spent_fen + allocated_fen as gone from gift_public
				where campaign_id = f.campaign_id and earmark = p_earmark and amount_fen > refunded_fen + spent_fen + allocated_fen
				order by earmark, paid_at, public_code;
		elsif p_all then
			open v_given for
				select public_code, gift_id, paid_at, spent_fen + allocated_fen as gone from gift_public
				where campaign_id = f.campaign_id and amount_fen > refunded_fen + spent_fen + allocated_fen
				order by paid_at, public_code;
		else
			open v_given for
				select public_code, gift_id, paid_at, spent_fen + allocated_fen as gone from gift_public
				where campaign_id = f.campaign_id and earmark is null and amount_fen > refunded_fen + spent_fen + allocated_fen
				order by earmark, paid_at, public_code;
		end if;
		open v_moved for
			select p.public_code, p.gift_id, p.paid_at, h.fen from gift_share h join gift_public p using (public_code)
			where h.fund_id = f.id and h.fen > 0 and v_turn = 2 order by p.paid_at, p.public_code;
		fetch v_given into g;
		fetch v_moved into s;
		while v_left > 0 and (g.public_code is not null or s.public_code is not null) loop
			v_is_share := g.public_code is null or (s.public_code is not null and (s.paid_at, s.public_code) < (g.paid_at, g.public_code));
			if v_is_share then
				v_rest := least(s.fen, v_left);
				return next (s.public_code, s.gift_id, v_rest, true)::gift_part;
				v_left := v_left - v_rest;
				fetch v_moved into s;
				continue;
			end if;
			select least(amount_fen - refund_held_fen - g.gone, v_left) into v_rest from pay_order where out_trade_no = g.public_code for update;
			if v_rest > 0 then
				return next (g.public_code, g.gift_id, v_rest, false)::gift_part;
				v_left := v_left - v_rest;
			end if;
			fetch v_given into g;
		end loop;
		close v_given;
		close v_moved;
	end loop;
end $$;
