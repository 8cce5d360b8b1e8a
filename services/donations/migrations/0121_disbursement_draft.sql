-- A draft may be changed by its author, which takes back what others said of it; large sums want votes and not a number only; and what a
-- refund has made unpayable is told before somebody tries to pay it.

-- ── drafts ──
alter table disbursement add column version integer not null default 1;
create function disbursement_fixed() returns trigger
language plpgsql as $$
begin
	if (new.id, new.number, new.fund_id, new.organization, new.created_by, new.created_at) is distinct from (old.id, old.number, old.fund_id, old.organization, old.created_by, old.created_at)
		or (new.amount_fen, new.purpose, new.payee_kind, new.payee, new.document_sha256, new.related_party) is distinct from
		(old.amount_fen, old.purpose, old.payee_kind, old.payee, old.document_sha256, old.related_party) and (old.state <> 'DRAFT' or new.version <> old.version + 1)
		or new.decision_no is distinct from old.decision_no and old.state <> 'DRAFT' then
		perform refuse('disbursement_fixed', 'only what a draft says changes');
	end if;
	return new;
end $$;
create trigger disbursement_fixed before update on disbursement for each row execute function disbursement_fixed();

-- Approvals of what the draft said before: they were given, and count no more.
create table disbursement_approval_void (
	disbursement_id uuid not null constraint disbursement_approval_void_of references disbursement (id),
	version integer not null,
	approved_by uuid not null,
	approved_at timestamptz not null,
	voided_at timestamptz not null default now(),
	constraint disbursement_voided_once primary key (disbursement_id, version, approved_by)
);
create trigger disbursement_approval_void_append_only before update or delete on disbursement_approval_void for each row execute function append_only();
create function disbursement_approval_kept() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if tg_op = 'DELETE' and exists (select from disbursement_approval_void v
		where v.disbursement_id = old.disbursement_id and v.approved_by = old.approved_by and v.approved_at = old.approved_at) then
		return old;
	end if;
	perform refuse('append_only', 'disbursement_approval is append-only');
	return null;
end $$;
drop trigger disbursement_approval_append_only on disbursement_approval;
create trigger disbursement_approval_append_only before update or delete on disbursement_approval for each row execute function disbursement_approval_kept();

-- Merge patch: members that are there, null too, replace; the rest stays. Null: the version is another.
create function disbursement_update(p_id uuid, p_patch json, p_version text) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'DRAFT');
	n disbursement;
begin
	if d.created_by is distinct from current_subject() then
		perform refuse('disbursement_drafter', 'only its author changes a draft');
	elsif p_version is null or p_version not in (d.version::text, '*') then
		return null;
	end if;
	n := json_populate_record(d, (select json_object_agg(key, value) from json_each(p_patch)
		where key in ('amount_fen', 'purpose', 'payee_kind', 'payee', 'document_sha256', 'decision_no', 'related_party')));
	n.related_party := coalesce(n.related_party, false);
	if n is not distinct from d then
		return d;
	elsif (select (r.approvals, r.decision) from approval_rule_for(n.amount_fen, (d.created_at at time zone 'Asia/Shanghai')::date) r)
		is distinct from (select (r.approvals, r.decision) from approval_rule_for(n.amount_fen, business_day()) r) then
		perform refuse('disbursement_rule_changed', 'an old draft does not carry an old rule to what is new in it'); -- the rule is that of the day it was drafted
	end if;
	insert into disbursement_approval_void (disbursement_id, version, approved_by, approved_at)
	select a.disbursement_id, d.version, a.approved_by, a.approved_at from disbursement_approval a where a.disbursement_id = p_id;
	delete from disbursement_approval where disbursement_id = p_id;
	update disbursement set version = version + 1, amount_fen = n.amount_fen, purpose = n.purpose, payee_kind = n.payee_kind, payee = n.payee,
		document_sha256 = n.document_sha256, decision_no = n.decision_no, related_party = n.related_party
	where id = p_id returning * into d;
	return d;
end $$;

-- Whoever says which version he has read approves that one or nothing (null).
-- Of a draft that was changed the version that was read has to be said; one that was not has only one.
create function disbursement_approve_read(p_id uuid, p_by uuid, p_version text) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if coalesce(p_version, '1') not in ((disbursement_take(p_id, 'DRAFT')).version::text, '*') then
		return null;
	end if;
	return disbursement_approve(p_id, p_by);
end $$;

-- ── 三重一大 ──
-- How many sit on the body that decides, how many must be there, and how many must say yes: by unit and date, the nearest unit's rule counts.
create table decision_rule (
	organization text not null, -- '': any
	effective_from date not null,
	members smallint not null,
	attend smallint not null,
	yes smallint not null,
	primary key (organization, effective_from),
	constraint decision_rule_range check (members between 3 and 50 and attend between 2 and members and yes between 2 and attend and yes * 2 > members)
);
insert into decision_rule values ('', '2016-01-01', 5, 4, 3); -- two thirds are there, more than half of all say yes: our choice
create function decision_rule_for(p_organization text, p_on date) returns decision_rule
language sql stable security definer set search_path = donations, pg_temp as $$
	select r from decision_rule r where r.effective_from <= p_on and (r.organization in ('', p_organization) or starts_with(p_organization, r.organization || '/'))
	order by length(r.organization) desc, r.effective_from desc limit 1
$$;

-- What the minutes say, of one version of a draft. The last one counts; all are kept.
create table decision (
	id uuid primary key,
	disbursement_id uuid not null constraint decision_of references disbursement (id),
	version integer not null,
	number text not null,
	met_on date not null,
	document_sha256 text not null,
	members smallint not null,
	attend_needed smallint not null,
	yes_needed smallint not null,
	yes smallint not null,
	no smallint not null,
	abstain smallint not null,
	carried boolean not null generated always as (yes + no + abstain >= attend_needed and yes >= yes_needed) stored,
	recorded_by uuid not null,
	recorded_at timestamptz not null default clock_timestamp(),
	constraint decision_document_form check (document_sha256 ~ '^[0-9a-f]{64}$'),
	constraint decision_votes_range check (least(yes, no, abstain) >= 0 and yes + no + abstain between 1 and members),
	constraint decision_number_once unique (disbursement_id, version, number)
);
create trigger decision_append_only before update or delete on decision for each row execute function append_only();
create table decision_vote (
	decision_id uuid not null constraint decision_vote_of references decision (id),
	voter uuid not null,
	office text not null,
	vote text not null,
	constraint decision_vote_once primary key (decision_id, voter),
	constraint decision_vote_known check (vote in ('YES', 'NO', 'ABSTAIN'))
);
create trigger decision_vote_append_only before update or delete on decision_vote for each row execute function append_only();
create function decision_counted() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_id uuid := (coalesce(to_json(new) ->> 'decision_id', to_json(new) ->> 'id'))::uuid;
begin
	if (select (yes, no, abstain)::text from decision where id = v_id) is distinct from
		(select (count(*) filter (where vote = 'YES'), count(*) filter (where vote = 'NO'), count(*) filter (where vote = 'ABSTAIN'))::text from decision_vote where decision_id = v_id) then
		perform refuse('decision_counted', 'the votes are not what was counted');
	end if;
	return null;
end $$;
create constraint trigger decision_counted after insert on decision deferrable initially deferred for each row execute function decision_counted();
create constraint trigger decision_vote_counted after insert on decision_vote deferrable initially deferred for each row execute function decision_counted();

-- Whether the amount wants no decision, or the last one of what the draft says now carried it.
create function disbursement_decided(d disbursement) returns boolean
language sql volatile security definer set search_path = donations, pg_temp as $$
	select not (approval_rule_for(d.amount_fen, (d.created_at at time zone 'Asia/Shanghai')::date)).decision
		or coalesce((select carried from decision where disbursement_id = d.id and version = d.version order by recorded_at desc, id desc limit 1), false)
$$;
create function disbursement_carried() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if not disbursement_decided(new) then
		perform refuse('disbursement_not_carried', 'no collective decision carried it');
	end if;
	return new;
end $$;
create trigger disbursement_carried before update on disbursement
	for each row when (new.state = 'APPROVED' and old.state <> 'APPROVED') execute function disbursement_carried();
-- Nobody approves before it was decided.
create function disbursement_approval_decided() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if not (select disbursement_decided(d) from disbursement d where d.id = new.disbursement_id) then
		perform refuse('disbursement_not_carried', 'no collective decision carried it');
	end if;
	return new;
end $$;
create trigger disbursement_approval_decided before insert on disbursement_approval for each row execute function disbursement_approval_decided();

create function decision_record(p_id uuid, p_disbursement uuid, p_number text, p_met_on date, p_document text, p_votes json, p_version text) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_disbursement, 'DRAFT');
	r decision_rule;
begin
	if d.created_by = current_subject() then
		perform refuse('disbursement_own', 'the author does not record what was decided of his draft');
	elsif p_version is null or p_version not in (d.version::text, '*') then
		return null;
	elsif p_met_on > business_day() then
		perform refuse('decision_met_on', 'the meeting has not been yet');
	end if;
	r := decision_rule_for(d.organization, business_day()); -- today's: the day of the meeting is what the minutes say
	if r.members is null then
		perform refuse('decision_met_on', 'no rule was in force then');
	end if;
	insert into decision (id, disbursement_id, version, number, met_on, document_sha256, members, attend_needed, yes_needed, yes, no, abstain, recorded_by)
	select p_id, d.id, d.version, p_number, p_met_on, p_document, r.members, r.attend, r.yes, count(*) filter (where v ->> 'vote' = 'YES'),
		count(*) filter (where v ->> 'vote' = 'NO'), count(*) filter (where v ->> 'vote' = 'ABSTAIN'), current_subject()
	from json_array_elements(p_votes) v;
	insert into decision_vote (decision_id, voter, office, vote)
	select p_id, (v ->> 'voter')::uuid, v ->> 'office', v ->> 'vote' from json_array_elements(p_votes) v;
	update disbursement set decision_no = p_number where id = d.id returning * into d;
	return d;
end $$;

-- As staff see it, with who voted how; and as anybody does, numbers only. Volatile, so that they see what the statement around them has done.
create function disbursement_decision(p_id uuid, p_version integer, p_voters boolean) returns json
language sql volatile as $$
	select json_strip_nulls(json_build_object('number', c.number, 'met_on', c.met_on, 'document_sha256', c.document_sha256, 'members', c.members, 'yes', c.yes, 'no', c.no,
		'abstain', c.abstain, 'carried', c.carried, 'votes', case when p_voters then (select json_agg(json_build_object('voter', v.voter, 'office', v.office, 'vote', v.vote) order by v.voter)
			from decision_vote v where v.decision_id = c.id) end))
	from decision c where c.disbursement_id = p_id and c.version = p_version order by c.recorded_at desc, c.id desc limit 1
$$;

-- When it is approved, the public log says how it was decided: numbers only.
create function disbursement_decided_told() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	perform outbox_leaf('disbursement.decided', new.id::text, json_build_object('disbursement_id', new.id, 'number', new.number), 'disbursement.decided', new.number,
		c.met_on::timestamp at time zone 'Asia/Shanghai', json_build_object('decision_no', c.number, 'document_sha256', c.document_sha256, 'members', c.members, 'yes', c.yes, 'no', c.no,
		'abstain', c.abstain))
	from (select * from decision where disbursement_id = new.id and version = new.version order by recorded_at desc, id desc limit 1) c where c.carried;
	return null;
end $$;
create trigger disbursement_decided_told after update on disbursement
	for each row when (new.state = 'APPROVED' and old.state <> 'APPROVED') execute function disbursement_decided_told();

-- ── approved and not payable any more ──
-- Refunds come first: they may take what a hold has promised. Then every payment of the fund is refused until one is given up or money comes.
create index disbursement_to_pay on disbursement (fund_id) where state = 'APPROVED';
create function disbursement_unpayable(d disbursement) returns boolean
language sql volatile security definer set search_path = donations, pg_temp as $$
	select d.state = 'APPROVED' and fund_available(d.fund_id) < case when exists (select from hold h where h.id = d.id and h.state = 'PENDING' and h.expires_at > now())
		then 0 else d.amount_fen end
$$;
create function disbursements_unpayable() returns bigint
language sql volatile security definer set search_path = donations, pg_temp as $$
	select count(*) from disbursement d where d.state = 'APPROVED' and disbursement_unpayable(d)
$$;

alter table disbursement_approval_void enable row level security;
create policy disbursement_approval_void_staff on disbursement_approval_void for select using (current_kind() = 'staff' and exists (select from disbursement d where d.id = disbursement_id));
alter table decision enable row level security;
create policy decision_seen on decision for select using (exists (select from disbursement d where d.id = disbursement_id));
alter table decision_vote enable row level security;
create policy decision_vote_staff on decision_vote for select using (current_kind() = 'staff' and exists (select from decision c join disbursement d on d.id = c.disbursement_id
	where c.id = decision_id and in_my_organization(d.organization)));
grant select on disbursement_approval_void, decision_rule, decision, decision_vote to yg_donations;
revoke execute on function disbursement_fixed, disbursement_approval_kept, disbursement_update, disbursement_approve_read, decision_rule_for, decision_counted, disbursement_decided,
	disbursement_carried, disbursement_approval_decided, disbursement_decided_told, decision_record, disbursement_decision, disbursement_unpayable, disbursements_unpayable from public;
grant execute on function disbursement_update, disbursement_approve_read, disbursement_decided, decision_record, disbursement_decision, disbursement_unpayable,
	disbursements_unpayable to yg_donations;
