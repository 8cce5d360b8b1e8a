-- Events are told by what happened. The role wrote them itself: one that said a campaign had reported met its obligations in public, one
-- that said goods had come reached the warehouses. What it still writes is that a gift was promised, in gift_create.sql; everything else is
-- written by triggers and functions of the owner.
create or replace function campaign_told() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	perform campaign_tell(new);
	return null;
end $$;
revoke execute on function campaign_tell from public, yg_donations;

create function outbox_told() returns trigger
language plpgsql as $$ -- not security definer: it asks who writes
begin
	if current_user = 'yg_donations' then
		perform refuse('outbox_told', 'an event is told by what happened');
	end if;
	return new;
end $$;
create trigger event_told before insert on outbox for each row when (new.type <> 'gift.created') execute function outbox_told();
