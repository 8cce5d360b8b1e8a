-- In-kind gifts (捐赠函): offered, accepted, counted by people of both sides, received by a third. The login role may read; every change
-- is a function of the owner. What a thing is stands fixed from its line on: another name is a row of its own, with a document.

-- How much shelf life must be left when goods are counted, by date of force. Where a thing's whole life is short, less is enough.
create table shelf_rule (
	effective_from date primary key,
	min_months smallint not null,
	short_life_months smallint not null,
	short_min_months smallint not null,
	constraint shelf_rule_range check (short_min_months between 1 and min_months and min_months <= 60 and short_life_months between 1 and 60)
);
create trigger shelf_rule_append_only before update or delete on shelf_rule for each row execute function append_only();
insert into shelf_rule values ('2016-01-01', 6, 6, 3);

create function shelf_life_enough(p_made_on date, p_expires_on date, p_on date) returns boolean
language sql stable security definer set search_path = donations, pg_temp as $$
	select p_expires_on is null or coalesce((
		select p_expires_on >= (p_on + make_interval(months => case when p_expires_on <= p_made_on + make_interval(months => r.short_life_months)
			then r.short_min_months else r.min_months end))::date
		from shelf_rule r where r.effective_from <= p_on order by r.effective_from desc limit 1), false)
$$;

create table inkind_gift (
	id uuid primary key,
	public_code text not null constraint inkind_code_taken unique,
	organization text not null,
	campaign_id uuid,
	donor uuid,         -- who offered it himself
	registered_by uuid, -- staff at the counter, for a donor who has no account
	donor_kind text not null,
	donor_name text, -- as the public may read it; null: anonymous
	wish text,
	beneficiary text,
	beneficiary_related boolean not null default false,
	deliver_on date,
	state text not null default 'OFFERED',
	offered_at timestamptz not null default now(),
	accepted_by uuid,
	accepted_at timestamptz,
	counted_by uuid,
	counted_at timestamptz,
	received_by uuid,
	received_at timestamptz,
	received_event uuid, -- its leaf
	value_fen bigint,
	unpriced_lines integer,
	reason text, -- of a rejection or withdrawal
	ended_at timestamptz,
	constraint inkind_code_form check (public_code ~ '^[0-9A-HJKMNP-TV-Z]{16}$'),
	constraint inkind_offered_by check (num_nonnulls(donor, registered_by) = 1),
	constraint inkind_donor_kind_known check (donor_kind in ('PERSON', 'ORGANIZATION')),
	constraint inkind_beneficiary_related check (not beneficiary_related),
	constraint inkind_receiver_apart check (received_by <> counted_by),
	constraint inkind_state_consistent check (case state
		when 'OFFERED' then num_nonnulls(accepted_at, counted_at, received_at, reason) = 0
		when 'ACCEPTED' then num_nonnulls(accepted_at, accepted_by) = 2 and num_nonnulls(counted_at, received_at, reason) = 0
		when 'COUNTED' then num_nonnulls(accepted_at, counted_at, counted_by) = 3 and num_nonnulls(received_at, reason) = 0
		when 'RECEIVED' then num_nonnulls(accepted_at, counted_at, counted_by, received_at, received_by, received_event, value_fen, unpriced_lines) = 8 and reason is null
		when 'REJECTED' then received_at is null and num_nonnulls(reason, ended_at) = 2
		when 'WITHDRAWN' then received_at is null and num_nonnulls(reason, ended_at) = 2
		else false end)
);
create index inkind_newest on inkind_gift (offered_at desc, id desc);
create index inkind_by_donor on inkind_gift (donor, offered_at desc, id desc) where donor is not null;
create index inkind_received on inkind_gift (received_at desc, public_code desc) where received_at is not null;
create trigger inkind_gift_kept before delete on inkind_gift for each row execute function append_only();

create table inkind_line (
	gift_id uuid not null constraint inkind_line_gift references inkind_gift (id),
	line_no smallint not null,
	name text not null,
	spec text,
	unit text not null,
	quantity bigint not null,
	made_on date,
	expires_on date,
	valuation text not null,
	unit_value_fen bigint, -- null: without a price, counted apart, never 0
	valuation_document_sha256 text,
	quality_document_sha256 text not null,
	kit boolean not null default false,
	constraint inkind_line_key primary key (gift_id, line_no),
	constraint inkind_quantity_positive check (quantity between 1 and 1000000000),
	constraint inkind_valuation_known check (valuation in ('INVOICE', 'CONTRACT', 'TENDER', 'PRICE_BUREAU', 'OUTBOUND_SLIP', 'MARKET', 'THIRD_PARTY', 'NONE')),
	constraint inkind_price_basis check ((valuation = 'NONE') = (unit_value_fen is null)),
	constraint inkind_value_range check (unit_value_fen >= 1 and quantity::numeric * unit_value_fen <= 100000000000000),
	constraint inkind_valuation_document check (valuation in ('NONE', 'MARKET') or valuation_document_sha256 is not null),
	constraint inkind_document_form check (quality_document_sha256 ~ '^[0-9a-f]{64}$' and valuation_document_sha256 ~ '^[0-9a-f]{64}$'),
	constraint inkind_life_order check (expires_on > made_on)
);
create trigger inkind_line_append_only before update or delete on inkind_line for each row execute function append_only();

-- What a kit holds, by line.
create table inkind_part (
	gift_id uuid not null,
	line_no smallint not null,
	part_no smallint not null,
	name text not null,
	spec text,
	unit text not null,
	quantity bigint not null,
	constraint inkind_part_key primary key (gift_id, line_no, part_no),
	constraint inkind_part_line foreign key (gift_id, line_no) references inkind_line (gift_id, line_no),
	constraint inkind_part_quantity check (quantity between 1 and 1000000)
);
create trigger inkind_part_append_only before update or delete on inkind_part for each row execute function append_only();

-- At commit: a kit says what is in it, and nothing else does.
create function inkind_kit_whole() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select kit from inkind_line where gift_id = new.gift_id and line_no = new.line_no)
		is distinct from exists (select from inkind_part where gift_id = new.gift_id and line_no = new.line_no) then
		perform refuse('inkind_kit_contents', format('line %s', new.line_no));
	end if;
	return null;
end $$;
create constraint trigger inkind_kit_whole after insert on inkind_line
	deferrable initially deferred for each row execute function inkind_kit_whole();
create constraint trigger inkind_part_kit after insert on inkind_part
	deferrable initially deferred for each row execute function inkind_kit_whole();

-- The count, signed by both sides. The donor's side is named, sealed under a key of its own; who has an account is named by it too.
create table inkind_count (
	gift_id uuid constraint inkind_counted_once primary key constraint inkind_count_gift references inkind_gift (id),
	counted_by uuid not null,
	counted_on date not null,
	representative bytea not null,
	key_id uuid not null,
	representative_subject uuid,
	sheet_sha256 text not null,
	recorded_at timestamptz not null default now(),
	constraint inkind_two_sides check (representative_subject is distinct from counted_by),
	constraint inkind_sheet_form check (sheet_sha256 ~ '^[0-9a-f]{64}$')
);
create trigger inkind_count_append_only before update or delete on inkind_count for each row execute function append_only();

create table inkind_count_line (
	gift_id uuid not null constraint inkind_count_of references inkind_count (gift_id),
	line_no smallint not null,
	quantity bigint not null,
	note text,
	constraint inkind_count_line_once primary key (gift_id, line_no),
	constraint inkind_count_line_known foreign key (gift_id, line_no) references inkind_line (gift_id, line_no),
	constraint inkind_count_quantity check (quantity between 0 and 1000000000)
);
create trigger inkind_count_line_append_only before update or delete on inkind_count_line for each row execute function append_only();

-- Goods that expire too soon are not taken, whoever writes the row.
create function inkind_shelf() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if new.quantity > 0 and not (select shelf_life_enough(l.made_on, l.expires_on, c.counted_on) from inkind_line l join inkind_count c using (gift_id)
		where l.gift_id = new.gift_id and l.line_no = new.line_no) then
		perform refuse('inkind_shelf_life', format('line %s expires too soon', new.line_no));
	end if;
	return new;
end $$;
create trigger inkind_shelf before insert on inkind_count_line for each row execute function inkind_shelf();

-- Another name for received goods (N95 that turn out to be KN95): never by changing the line.
create table inkind_reclassification (
	id uuid primary key,
	gift_id uuid not null,
	line_no smallint not null,
	quantity bigint not null,
	name text not null,
	spec text,
	reason text not null,
	document_sha256 text not null,
	decided_by uuid not null,
	decided_at timestamptz not null default now(),
	constraint inkind_reclassification_line foreign key (gift_id, line_no) references inkind_line (gift_id, line_no),
	constraint inkind_reclassification_quantity check (quantity > 0),
	constraint inkind_reclassification_document check (document_sha256 ~ '^[0-9a-f]{64}$')
);
create index inkind_reclassification_by_line on inkind_reclassification (gift_id, line_no);
create trigger inkind_reclassification_append_only before update or delete on inkind_reclassification for each row execute function append_only();

create function inkind_before_update() returns trigger
language plpgsql as $$
begin
	if (new.id, new.public_code, new.organization, new.campaign_id, new.donor, new.registered_by, new.donor_kind, new.donor_name, new.beneficiary, new.offered_at)
		is distinct from (old.id, old.public_code, old.organization, old.campaign_id, old.donor, old.registered_by, old.donor_kind, old.donor_name, old.beneficiary, old.offered_at) then
		perform refuse('inkind_fixed', 'what was offered, by whom and to whom never changes');
	end if;
	if (old.state, new.state) not in (('OFFERED', 'ACCEPTED'), ('OFFERED', 'REJECTED'), ('OFFERED', 'WITHDRAWN'), ('ACCEPTED', 'COUNTED'),
		('ACCEPTED', 'REJECTED'), ('ACCEPTED', 'WITHDRAWN'), ('COUNTED', 'RECEIVED'), ('COUNTED', 'REJECTED')) then
		perform refuse('inkind_transition', format('%s to %s', old.state, new.state));
	end if;
	return new;
end $$;
create trigger inkind_before_update before update on inkind_gift for each row execute function inkind_before_update();

-- Goods stand in funds of their own (goods.<unit>), so that nobody can spend them as money: no entry has them beside a bank account,
-- and no hold is made on them.
create function goods_apart() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if exists (select from posting where entry_id = new.entry_id and account not like 'inkind:%' and account not like 'expense:%' and account not like 'fund:goods.%') then
		perform refuse('goods_not_money', 'goods are never paid out as money');
	end if;
	return null;
end $$;
create constraint trigger goods_apart after insert on posting
	deferrable initially deferred for each row when (new.account like 'fund:goods.%' or new.account like 'inkind:%') execute function goods_apart();
create function goods_not_held() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select code like 'goods.%' from fund where id = new.fund_id) then
		perform refuse('goods_not_money', 'goods are never paid out as money');
	end if;
	return new;
end $$;
create trigger goods_not_held before insert on hold for each row execute function goods_not_held();

create function inkind_fund(p_organization text) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_code text := 'goods.' || regexp_replace(p_organization, '^.*/', '');
begin
	insert into fund (code, kind, name, organization) values (v_code, 'EARMARKED', '捐赠物资', p_organization) on conflict (code) do nothing;
	insert into account (name, kind) values ('inkind:' || v_code, 'inkind') on conflict (name) do nothing;
	return v_code;
end $$;

create function inkind_offer(p_id uuid, p_code text, p_offer json, p_today date) returns inkind_gift
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_staff boolean := current_kind() = 'staff';
	v_organization text := p_offer ->> 'organization';
	c campaign;
	g inkind_gift;
	bad smallint;
begin
	if p_offer ->> 'campaign_id' is not null then
		select * into c from campaign where id = (p_offer ->> 'campaign_id')::uuid and state = 'OPEN' and p_today between starts_on and ends_on;
		if c.id is null or coalesce(v_organization, c.organization) <> c.organization then
			perform refuse('inkind_campaign', 'no open campaign of the unit');
		end if;
		v_organization := c.organization;
	elsif v_staff then
		v_organization := coalesce(v_organization, current_setting('yg.organization', true));
	end if;
	if (v_staff and not in_my_organization(v_organization)) or not exists (select from fund where organization = v_organization) then
		perform refuse('inkind_organization', 'no unit that takes goods, or not the own one');
	end if;
	if octet_length((p_offer -> 'lines')::text) > 40000 then
		perform refuse('inkind_too_long', 'the lines do not fit into a leaf');
	end if;
	insert into inkind_gift (id, public_code, organization, campaign_id, donor, registered_by, donor_kind, donor_name, wish, beneficiary, beneficiary_related, deliver_on)
	values (p_id, p_code, v_organization, c.id, case when not v_staff then current_subject() end, case when v_staff then current_subject() end,
		p_offer ->> 'donor_kind', p_offer ->> 'donor_name', p_offer ->> 'wish', p_offer ->> 'beneficiary',
		coalesce((p_offer ->> 'beneficiary_related')::boolean, false), (p_offer ->> 'deliver_on')::date)
	returning * into g;
	insert into inkind_line (gift_id, line_no, name, spec, unit, quantity, made_on, expires_on, valuation, unit_value_fen, valuation_document_sha256,
		quality_document_sha256, kit)
	select p_id, l.ord, r.name, r.spec, r.unit, r.quantity, r.made_on, r.expires_on, r.valuation, r.unit_value_fen, r.valuation_document_sha256,
	       r.quality_document_sha256, coalesce(json_array_length(l.value -> 'contents'), 0) > 0
	from json_array_elements(p_offer -> 'lines') with ordinality l (value, ord)
	cross join lateral json_populate_record(null::inkind_line, l.value) r;
	insert into inkind_part (gift_id, line_no, part_no, name, spec, unit, quantity)
	select p_id, l.ord, p.ord, r.name, r.spec, r.unit, r.quantity
	from json_array_elements(p_offer -> 'lines') with ordinality l (value, ord)
	cross join lateral json_array_elements(coalesce(l.value -> 'contents', '[]')) with ordinality p (value, ord)
	cross join lateral json_populate_record(null::inkind_part, p.value) r;
	-- what cannot be taken today will not be later
	select line_no into bad from inkind_line where gift_id = p_id and not shelf_life_enough(made_on, expires_on, p_today) order by line_no limit 1;
	if found then
		perform refuse('inkind_shelf_life', format('line %s expires too soon', bad));
	end if;
	insert into outbox (type, subject, payload)
	values ('inkind.offered', p_id, json_build_object('gift_id', p_id, 'organization', v_organization, 'deliver_on', g.deliver_on));
	return g;
end $$;

-- The row, locked, if the caller may act on it and it is in one of the states: staff of the unit and above, the donor on his own.
create function inkind_take(p_id uuid, variadic p_states text[]) returns inkind_gift
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	g inkind_gift;
begin
	select * into g from inkind_gift where id = p_id
		and case current_kind() when 'staff' then in_my_organization(organization) else donor = current_subject() end for update;
	if g.id is null then
		perform refuse('inkind_unknown', 'no such gift of the unit');
	elsif g.state <> all (p_states) then
		perform refuse('inkind_transition', g.state);
	end if;
	return g;
end $$;

create function inkind_accept(p_id uuid) returns inkind_gift
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	g inkind_gift := inkind_take(p_id, 'OFFERED');
begin
	if current_kind() is distinct from 'staff' then
		perform refuse('inkind_staff_only', 'the Red Cross accepts');
	end if;
	update inkind_gift set state = 'ACCEPTED', accepted_by = current_subject(), accepted_at = now() where id = p_id returning * into g;
	insert into outbox (type, subject, payload)
	values ('inkind.accepted', p_id, json_build_object('gift_id', p_id, 'organization', g.organization, 'deliver_on', g.deliver_on));
	return g;
end $$;

-- Staff reject, the donor withdraws. What both sides have counted is not withdrawn any more.
create function inkind_end(p_id uuid, p_reason text) returns inkind_gift
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_staff boolean := current_kind() = 'staff';
	g inkind_gift := case when v_staff then inkind_take(p_id, 'OFFERED', 'ACCEPTED', 'COUNTED') else inkind_take(p_id, 'OFFERED', 'ACCEPTED') end;
begin
	update inkind_gift set state = case when v_staff then 'REJECTED' else 'WITHDRAWN' end, reason = p_reason, ended_at = now() where id = p_id returning * into g;
	insert into outbox (type, subject, payload)
	values (case when v_staff then 'inkind.rejected' else 'inkind.withdrawn' end, p_id, json_build_object('gift_id', p_id, 'organization', g.organization));
	return g;
end $$;

create function inkind_count_record(p_id uuid, p_on date, p_today date, p_lines json, p_sheet text, p_representative bytea, p_key_id uuid, p_wrapped_key bytea,
	p_representative_subject uuid) returns inkind_gift
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	g inkind_gift := inkind_take(p_id, 'ACCEPTED');
begin
	if current_kind() is distinct from 'staff' then
		perform refuse('inkind_staff_only', 'the Red Cross counts');
	end if;
	if p_on not between (g.accepted_at at time zone 'Asia/Shanghai')::date and p_today then
		perform refuse('inkind_counted_on', 'counted before it was accepted, or not yet');
	end if;
	insert into person_key (key_id, subject, wrapped_key) values (p_key_id, coalesce(p_representative_subject, g.donor, p_id), p_wrapped_key);
	insert into inkind_count (gift_id, counted_by, counted_on, representative, key_id, representative_subject, sheet_sha256)
	values (p_id, current_subject(), p_on, p_representative, p_key_id, p_representative_subject, p_sheet);
	insert into inkind_count_line (gift_id, line_no, quantity, note)
	select p_id, (l ->> 'line_no')::smallint, (l ->> 'quantity')::bigint, l ->> 'note' from json_array_elements(p_lines) l;
	if (select count(*) from inkind_count_line where gift_id = p_id) <> (select count(*) from inkind_line where gift_id = p_id) then
		perform refuse('inkind_count_incomplete', 'every line is counted');
	end if;
	if not exists (select from inkind_count_line where gift_id = p_id and quantity > 0) then
		perform refuse('inkind_count_empty', 'nothing was there');
	end if;
	update inkind_gift set state = 'COUNTED', counted_by = current_subject(), counted_at = now() where id = p_id returning * into g;
	return g;
end $$;

-- The lines as everyone reads them. Volatile, so that it sees what the statement around it has just done; the caller's row policies hold.
create function inkind_lines(p_id uuid) returns json
language sql volatile as $$
	select coalesce(json_agg(json_strip_nulls(json_build_object('line_no', l.line_no, 'name', l.name, 'spec', l.spec, 'unit', l.unit, 'offered_quantity', l.quantity,
		'quantity', c.quantity, 'note', c.note, 'made_on', l.made_on, 'expires_on', l.expires_on, 'valuation', l.valuation, 'unit_value_fen', l.unit_value_fen,
		'value_fen', c.quantity * l.unit_value_fen, 'valuation_document_sha256', l.valuation_document_sha256, 'quality_document_sha256', l.quality_document_sha256,
		'contents', (select json_agg(json_build_object('name', p.name, 'spec', p.spec, 'unit', p.unit, 'quantity', p.quantity) order by p.part_no)
			from inkind_part p where p.gift_id = l.gift_id and p.line_no = l.line_no),
		'reclassified', (select json_agg(json_build_object('id', r.id, 'quantity', r.quantity, 'name', r.name, 'spec', r.spec, 'reason', r.reason,
			'document_sha256', r.document_sha256, 'decided_at', rfc3339(r.decided_at)) order by r.decided_at, r.id)
			from inkind_reclassification r where r.gift_id = l.gift_id and r.line_no = l.line_no))) order by l.line_no), '[]')
	from inkind_line l left join inkind_count_line c using (gift_id, line_no)
	where l.gift_id = p_id
$$;

-- A third person takes them in. Priced goods are posted at what was counted; those without a price are counted apart.
create function inkind_receive(p_id uuid, p_at timestamptz) returns inkind_gift
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	g inkind_gift := inkind_take(p_id, 'COUNTED');
	v_value bigint;
	v_unpriced integer;
	v_code text;
	v_postings json;
	v_event uuid;
begin
	if current_kind() is distinct from 'staff' then
		perform refuse('inkind_staff_only', 'the Red Cross receives');
	end if;
	if current_subject() in (select unnest(array[counted_by, representative_subject]) from inkind_count where gift_id = p_id) then
		perform refuse('inkind_receiver_apart', 'who counted does not receive');
	end if;
	select coalesce(sum(c.quantity * l.unit_value_fen), 0), count(*) filter (where l.unit_value_fen is null and c.quantity > 0) into v_value, v_unpriced
	from inkind_line l join inkind_count_line c using (gift_id, line_no) where l.gift_id = p_id;
	if v_value > 0 then
		v_code := inkind_fund(g.organization);
		v_postings := json_build_array(json_build_object('account', 'inkind:' || v_code, 'fen', v_value), json_build_object('account', 'fund:' || v_code, 'fen', -v_value));
		if ledger_post(p_id, 'goods.received', p_at, v_postings, g.public_code, null) <> 'created' then
			perform refuse('inkind_transition', 'its entry is there already');
		end if;
	end if;
	v_event := outbox_leaf('inkind.received', p_id::text, json_build_object('gift_id', p_id, 'public_code', g.public_code, 'organization', g.organization,
			'campaign_id', g.campaign_id, 'received_at', rfc3339(p_at), 'lines', inkind_lines(p_id)),
		'goods.received', g.public_code, p_at, json_build_object('organization', g.organization, 'campaign_id', g.campaign_id, 'fund', v_code,
			'value_fen', v_value, 'unpriced_lines', v_unpriced, 'sheet_sha256', (select sheet_sha256 from inkind_count where gift_id = p_id), 'lines', inkind_lines(p_id)),
		null, v_postings, null);
	if v_value > 0 then
		insert into entry_leaf (entry_id, event_id) values (p_id, v_event);
	end if;
	update inkind_gift set state = 'RECEIVED', received_by = current_subject(), received_at = p_at, received_event = v_event, value_fen = v_value,
		unpriced_lines = v_unpriced where id = p_id returning * into g;
	return g;
end $$;

create function inkind_reclassify(p_new uuid, p_id uuid, p_line smallint, p_quantity bigint, p_name text, p_spec text, p_reason text, p_document text) returns inkind_gift
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	g inkind_gift := inkind_take(p_id, 'RECEIVED');
	l inkind_line;
begin
	select * into l from inkind_line where gift_id = p_id and line_no = p_line;
	if current_kind() is distinct from 'staff' or l.gift_id is null then
		perform refuse('inkind_reclassification_line', 'no such line');
	elsif (p_name, p_spec) is not distinct from (l.name, l.spec) then
		perform refuse('inkind_reclassification_same', 'that is what it is called already');
	end if;
	insert into inkind_reclassification (id, gift_id, line_no, quantity, name, spec, reason, document_sha256, decided_by)
	values (p_new, p_id, p_line, p_quantity, p_name, p_spec, p_reason, p_document, current_subject());
	if (select sum(quantity) from inkind_reclassification where gift_id = p_id and line_no = p_line)
		> (select quantity from inkind_count_line where gift_id = p_id and line_no = p_line) then
		perform refuse('inkind_reclassification_quantity', 'more than was received');
	end if;
	perform outbox_leaf('inkind.reclassified', p_id::text, json_build_object('gift_id', p_id, 'public_code', g.public_code, 'organization', g.organization,
			'line_no', p_line, 'quantity', p_quantity, 'name', p_name, 'spec', p_spec),
		'goods.reclassified', g.public_code, now(), json_build_object('line_no', p_line, 'quantity', p_quantity, 'unit', l.unit,
			'was', json_build_object('name', l.name, 'spec', l.spec), 'now', json_build_object('name', p_name, 'spec', p_spec),
			'reason', p_reason, 'document_sha256', p_document), null, null, json_build_array(g.received_event));
	return g;
end $$;

-- Goods came in too: what a fund has had counts them (the rest as before).
create or replace function fund_figures(p_code text) returns table (balance_fen bigint, available_fen bigint, received_fen bigint, refunded_fen bigint, spent_fen bigint)
language sql stable security definer set search_path = donations, pg_temp as $$
	select -account_balance('fund:' || f.code), fund_available(f.id),
	       coalesce(-sum(p.fen) filter (where e.kind in ('gift.received', 'goods.received')), 0)::bigint, coalesce(sum(p.fen) filter (where e.kind = 'gift.refunded'), 0)::bigint,
	       coalesce(sum(p.fen) filter (where e.kind in ('disbursement', 'disbursement.reversed')), 0)::bigint
	from fund f left join posting p on p.account = 'fund:' || f.code left join entry e on e.id = p.entry_id
	where f.code = p_code
	group by f.id, f.code
$$;

alter table inkind_gift enable row level security;
create policy inkind_gift_own on inkind_gift for select using (current_kind() = 'citizen' and donor = current_subject());
create policy inkind_gift_staff on inkind_gift for select using (current_kind() = 'staff' and in_my_organization(organization));
create policy inkind_gift_public on inkind_gift for select using (received_at is not null);
alter table inkind_line enable row level security;
create policy inkind_line_seen on inkind_line for select using (exists (select from inkind_gift g where g.id = gift_id));
alter table inkind_part enable row level security;
create policy inkind_part_seen on inkind_part for select using (exists (select from inkind_gift g where g.id = gift_id));
alter table inkind_count enable row level security;
create policy inkind_count_staff on inkind_count for select using (current_kind() = 'staff'
	and exists (select from inkind_gift g where g.id = gift_id and in_my_organization(g.organization)));
alter table inkind_count_line enable row level security;
create policy inkind_count_line_seen on inkind_count_line for select using (exists (select from inkind_gift g where g.id = gift_id));
alter table inkind_reclassification enable row level security;
create policy inkind_reclassification_seen on inkind_reclassification for select using (exists (select from inkind_gift g where g.id = gift_id));

-- The key of a representative's name, for staff who may see the count.
create function inkind_representative_key(p_gift uuid) returns bytea
language sql stable security definer set search_path = donations, pg_temp as $$
	select k.wrapped_key from inkind_count c join inkind_gift g on g.id = c.gift_id join person_key k using (key_id)
	where c.gift_id = p_gift and current_kind() = 'staff' and in_my_organization(g.organization)
$$;

grant select on shelf_rule, inkind_gift, inkind_line, inkind_part, inkind_count, inkind_count_line, inkind_reclassification to yg_donations;
revoke execute on function shelf_life_enough, inkind_kit_whole, inkind_shelf, inkind_before_update, goods_apart, goods_not_held, inkind_fund, inkind_offer, inkind_take,
	inkind_accept, inkind_end, inkind_count_record, inkind_lines, inkind_receive, inkind_reclassify, inkind_representative_key from public;
grant execute on function inkind_offer, inkind_accept, inkind_end, inkind_count_record, inkind_lines, inkind_receive, inkind_reclassify,
	inkind_representative_key to yg_donations;
