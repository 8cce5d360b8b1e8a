-- What others must know of a campaign (the clocks of disclosure run by it): an event whenever a date or the state of a filed one changes.
create function campaign_tell() returns trigger language plpgsql as $$
begin
	insert into outbox (type, subject, payload)
	select 'campaign.changed', new.id, json_build_object('campaign_id', new.id, 'organization', new.organization, 'title', new.title,
		'state', new.state, 'starts_on', new.starts_on, 'ends_on', new.ends_on, 'filed_on', new.filed_on, 'emergency_late', new.emergency_late,
		'closed_on', (new.closed_at at time zone 'Asia/Shanghai')::date, 'reported_on', (new.reported_at at time zone 'Asia/Shanghai')::date);
	return null;
end $$;
create trigger campaign_told_new after insert on campaign for each row when (new.state <> 'DRAFT') execute function campaign_tell();
create trigger campaign_told after update on campaign for each row
	when (new.state <> 'DRAFT' and (old.state, old.title, old.organization, old.starts_on, old.ends_on, old.filed_on, old.closed_at, old.reported_at)
		is distinct from (new.state, new.title, new.organization, new.starts_on, new.ends_on, new.filed_on, new.closed_at, new.reported_at))
	execute function campaign_tell();
