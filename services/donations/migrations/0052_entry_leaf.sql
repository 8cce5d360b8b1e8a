-- Every entry of the ledger is exactly one leaf of the public log, whoever posts it: so that folding the log gives the ledger's balances.

create table entry_leaf (
	entry_id uuid primary key constraint entry_leaf_entry references entry (id),
	event_id uuid not null constraint entry_leaf_event unique
);
create trigger entry_leaf_append_only before update or delete on entry_leaf for each row execute function append_only();

insert into entry_leaf (entry_id, event_id)
select distinct on (entry_id) entry_id, id
from (select coalesce(payload ->> 'refund_id', payload ->> 'gift_id')::uuid as entry_id, id, seq from outbox
      where leaf is not null and type in ('gift.paid', 'gift.refunded')) o
where exists (select from entry e where e.id = o.entry_id)
order by entry_id, seq;

-- Of a gift and a refund the event that goes out is the leaf too: turned into one as it is written. A refund's leaf leads to its gift's.
create or replace function gift_event_leaf() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_entry entry;
	g gift;
	v_fund text;
begin
	select * into v_entry from entry where id = coalesce(new.payload ->> 'refund_id', new.payload ->> 'gift_id')::uuid;
	if v_entry.id is null or v_entry.kind <> (case new.type when 'gift.paid' then 'gift.received' else 'gift.refunded' end) then
		perform refuse('leaf_entry_unknown', 'the ledger has no such entry');
	end if;
	insert into entry_leaf (entry_id, event_id) values (v_entry.id, new.id);
	select * into g from gift where id = (new.payload ->> 'gift_id')::uuid;
	select code into v_fund from fund where campaign_id = g.campaign_id;
	new.leaf := leaf_bytes(v_entry.kind, new.id, v_entry.occurred_at, v_entry.recorded_at, g.public_code,
		json_build_object('campaign_id', g.campaign_id, 'fund', v_fund, 'amount_fen', (new.payload ->> 'amount_fen')::bigint, 'channel', g.channel),
		case when new.type = 'gift.paid' then (select json_build_object('donor', commitment) from gift_commitment where gift_id = g.id) end,
		(select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = v_entry.id),
		case when new.type = 'gift.refunded' then (select json_build_array(event_id) from entry_leaf where entry_id = g.id) end);
	return new;
end $$;

-- Other entries become a leaf at commit, when their postings are there; a reversal's leaf leads to the one it turns back.
create function entry_logged() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	insert into entry_leaf (entry_id, event_id)
	select new.id, outbox_leaf('ledger.posted', new.id::text, json_build_object('entry_id', new.id),
		case when new.reverses is null then 'ledger.posted' else 'correction.published' end, new.id::text, new.occurred_at,
		json_build_object('kind', new.kind, 'reason', new.reason),
		null, (select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = new.id),
		(select json_build_array(event_id) from entry_leaf where entry_id = new.reverses));
	return null;
end $$;
create constraint trigger entry_logged after insert on entry
	deferrable initially deferred for each row when (new.kind not in ('gift.received', 'gift.refunded')) execute function entry_logged();

grant select on entry_leaf to yg_donations;
revoke execute on function entry_logged from public;

-- What one fund holds and has had, in one look: its postings, those of its gifts apart.
create function fund_figures(p_code text) returns table (balance_fen bigint, available_fen bigint, received_fen bigint, refunded_fen bigint)
language sql stable security definer set search_path = donations, pg_temp as $$
	select -account_balance('fund:' || f.code), fund_available(f.id),
	       coalesce(-sum(p.fen) filter (where e.kind = 'gift.received'), 0)::bigint, coalesce(sum(p.fen) filter (where e.kind = 'gift.refunded'), 0)::bigint
	from fund f left join posting p on p.account = 'fund:' || f.code left join entry e on e.id = p.entry_id
	where f.code = p_code
	group by f.id, f.code
$$;
revoke execute on function fund_figures from public;
grant execute on function fund_figures to yg_donations;
