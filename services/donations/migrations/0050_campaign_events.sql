-- What others must know of a campaign (the clocks of disclosure run by it): an event whenever a date or the state of a filed one changes.
create function campaign_tell(c campaign) returns void language sql as $$
	insert into outbox (type, subject, payload)
	values ('campaign.changed', c.id, json_build_object('campaign_id', c.id, 'organization', c.organization, 'title', c.title,
		'state', c.state, 'starts_on', c.starts_on, 'ends_on', c.ends_on, 'filed_on', c.filed_on, 'emergency_late', c.emergency_late,
		'closed_on', (c.closed_at at time zone 'Asia/Shanghai')::date, 'reported_on', (c.reported_at at time zone 'Asia/Shanghai')::date))
$$;
create function campaign_told() returns trigger language plpgsql as $$
begin
	perform campaign_tell(new);
	return null;
end $$;
create trigger campaign_told_new after insert on campaign for each row when (new.state <> 'DRAFT') execute function campaign_told();
create trigger campaign_told after update on campaign for each row
	when (new.state <> 'DRAFT' and (old.state, old.title, old.organization, old.starts_on, old.ends_on, old.filed_on, old.closed_at, old.reported_at)
		is distinct from (new.state, new.title, new.organization, new.starts_on, new.ends_on, new.filed_on, new.closed_at, new.reported_at))
	execute function campaign_told();
select campaign_tell(c) from campaign c where state <> 'DRAFT' order by created_at;
