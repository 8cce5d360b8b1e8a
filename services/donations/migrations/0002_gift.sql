-- Gifts of money: the donor's private row, the public row, and the order that is to be paid.

-- Data keys of persons; deleting a row erases what it sealed.
create table person_key (
	key_id uuid primary key,
	subject uuid not null,
	wrapped_key bytea not null,
	created_at timestamptz not null default now()
);
create index person_key_subject on person_key (subject);

-- The least UUIDv7 of an instant: partition bounds.
create function uuid7_floor(p_at timestamptz) returns uuid
language sql immutable strict parallel safe as $$
	select (overlay(lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0') placing '-' from 9 for 0)
	        || '-0000-0000-000000000000')::uuid
$$;

-- Partitioned by month through the time in the UUIDv7: the key is unique over all months and finds its partition by itself.
-- No foreign key to campaign (one popular row would be locked by every donor) and no index on the code: see README.
create table gift (
	id uuid not null,
	public_code text not null,
	campaign_id uuid not null,
	donor uuid not null,
	amount_fen bigint not null,
	refunded_fen bigint not null default 0,
	channel text not null,
	state text not null default 'PENDING',
	disclosure text not null default 'ANONYMOUS',
	late boolean not null default false,
	created_at timestamptz not null default now(),
	paid_at timestamptz,
	shown_name text,
	message text,
	real_name bytea,
	key_id uuid,
	primary key (id),
	constraint gift_amount_positive check (amount_fen between 1 and 100000000000),
	constraint gift_refund_range check (refunded_fen between 0 and amount_fen),
	constraint gift_channel_known check (channel in ('WECHAT_JSAPI', 'BANK_TRANSFER')),
	constraint gift_state_consistent check (case state
		when 'PENDING' then paid_at is null and refunded_fen = 0
		when 'CLOSED' then paid_at is null and refunded_fen = 0
		when 'PAID' then paid_at is not null and refunded_fen = 0
		when 'PARTIALLY_REFUNDED' then paid_at is not null and refunded_fen > 0 and refunded_fen < amount_fen
		when 'REFUNDED' then paid_at is not null and refunded_fen = amount_fen
		else false end),
	constraint gift_disclosure_consistent check (case disclosure
		when 'ANONYMOUS' then shown_name is null
		when 'ALIAS' then shown_name is not null
		when 'NAMED' then shown_name is not null and real_name is not null
		else false end),
	constraint gift_name_sealed check ((real_name is null) = (key_id is null)),
	constraint gift_public_code_form check (public_code ~ '^[0-9A-HJKMNP-TV-Z]{16}$')
) partition by range (id);
create index gift_by_donor on gift (donor, id);
create index gift_by_campaign on gift (campaign_id, id);
create table gift_default partition of gift default;

-- Makes the partitions of the months [p_from, p_to]; those that exist are left alone. A job calls it ahead of time.
create function gift_partitions_ensure(p_from date, p_to date) returns integer
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	month timestamp := date_trunc('month', p_from);
	part text;
	made integer := 0;
begin
	if p_to > current_date + 400 or p_from < date '2015-01-01' then
		perform refuse('gift_partition_range', 'months out of range');
	end if;
	perform pg_advisory_xact_lock(hashtext('gift_partitions_ensure'));
	while month <= p_to loop
		part := 'gift_' || to_char(month, 'YYYYMM');
		if to_regclass(part) is null then
			execute format('create table %I partition of gift for values from (%L) to (%L)', part,
				uuid7_floor(month at time zone 'Asia/Shanghai'),
				uuid7_floor((month + interval '1 month') at time zone 'Asia/Shanghai'));
			made := made + 1;
		end if;
		month := month + interval '1 month';
	end loop;
	return made;
end $$;
select gift_partitions_ensure((current_date - interval '12 months')::date, (current_date + interval '3 months')::date);

-- What anyone may see of a gift that was paid: one row, one key. Written when the money is there, never before.
create table gift_public (
	public_code text not null,
	gift_id uuid not null,
	campaign_id uuid not null,
	amount_fen bigint not null,
	refunded_fen bigint not null default 0,
	paid_at timestamptz not null,
	channel text not null,
	campaign_title text, -- as it was called when the gift was paid: the look-up joins nothing
	shown_name text,
	message text,
	primary key (public_code),
	constraint gift_public_refund_range check (refunded_fen between 0 and amount_fen)
);
create index gift_public_newest on gift_public (campaign_id, paid_at desc, public_code desc);

-- What is to be paid. out_trade_no is the gift's public code, so this key also keeps the codes unique.
create table pay_order (
	out_trade_no text not null,
	gift_id uuid not null,
	campaign_id uuid not null,
	amount_fen bigint not null,
	refund_held_fen bigint not null default 0,
	channel text not null,
	state text not null default 'CREATED',
	late boolean not null default false,
	checks smallint not null default 0,
	expires_at timestamptz not null,
	next_check_at timestamptz not null,
	paid_at timestamptz,
	prepay_id text,
	transaction_id text,
	primary key (out_trade_no),
	constraint pay_order_number_form check (out_trade_no ~ '^[0-9A-Za-z_|*-]{6,32}$'),
	constraint pay_order_amount_positive check (amount_fen > 0),
	constraint pay_order_state_consistent check (case state
		when 'CREATED' then prepay_id is null and paid_at is null
		when 'ORDERED' then prepay_id is not null and paid_at is null
		when 'PAID' then paid_at is not null and transaction_id is not null
		when 'CLOSED' then paid_at is null
		else false end),
	-- what is refunded or about to be, never more than what was paid
	constraint refund_exceeds_payment check (refund_held_fen between 0 and amount_fen and (refund_held_fen = 0 or state = 'PAID'))
);
create unique index pay_order_transaction_taken on pay_order (transaction_id) where transaction_id is not null;
create index pay_order_due on pay_order (next_check_at) where state in ('CREATED', 'ORDERED');

-- One look per statement, not per row: the campaign is there, is open today, and the amounts are within its limits.
-- gift_create.sql refuses politely before; this holds against every other way in.
create function gift_guard() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if exists (select from fresh g left join campaign_taking_gifts c on c.id = g.campaign_id
	           where c.id is null or g.state <> 'PENDING' or g.amount_fen not between c.min_gift_fen and c.max_gift_fen) then
		perform refuse('gift_campaign_open', 'the campaign does not take this gift');
	end if;
	return null;
end $$;

-- Campaigns that take gifts today (business days are Asia/Shanghai). An emergency that is still unfiled after ten days does not.
create view campaign_taking_gifts as
select id, min_gift_fen, max_gift_fen
from campaign
where state = 'OPEN'
  and (now() at time zone 'Asia/Shanghai')::date between starts_on and ends_on
  and (filing_no is not null or (now() at time zone 'Asia/Shanghai')::date <= starts_on + 10);

create trigger gift_guard after insert on gift referencing new table as fresh
	for each statement execute function gift_guard();

create function gift_before_update() returns trigger
language plpgsql as $$
begin
	if (new.id, new.public_code, new.campaign_id, new.donor, new.amount_fen, new.channel, new.created_at)
		is distinct from (old.id, old.public_code, old.campaign_id, old.donor, old.amount_fen, old.channel, old.created_at)
		or (old.paid_at is not null and new.paid_at is distinct from old.paid_at) or new.refunded_fen < old.refunded_fen then
		perform refuse('gift_fixed', 'code, campaign, donor, amount and payment of a gift never change');
	end if;
	if new.state <> old.state and (old.state, new.state) not in (('PENDING', 'PAID'), ('PENDING', 'CLOSED'), ('CLOSED', 'PAID'),
		('PAID', 'PARTIALLY_REFUNDED'), ('PAID', 'REFUNDED'), ('PARTIALLY_REFUNDED', 'REFUNDED')) then
		perform refuse('gift_transition', format('%s to %s', old.state, new.state));
	end if;
	return new;
end $$;
create trigger gift_before_update before update on gift
	for each row execute function gift_before_update();
create trigger gift_kept before delete on gift
	for each row execute function append_only();

create function pay_order_before_update() returns trigger
language plpgsql as $$
begin
	if (new.out_trade_no, new.gift_id, new.campaign_id, new.amount_fen, new.channel)
		is distinct from (old.out_trade_no, old.gift_id, old.campaign_id, old.amount_fen, old.channel)
		or (old.transaction_id is not null and new.transaction_id is distinct from old.transaction_id) then
		perform refuse('pay_order_fixed', 'number, gift, amount and transaction of an order never change');
	end if;
	if new.state <> old.state and (old.state, new.state) not in (('CREATED', 'ORDERED'), ('CREATED', 'PAID'), ('CREATED', 'CLOSED'),
		('ORDERED', 'PAID'), ('ORDERED', 'CLOSED'), ('CLOSED', 'PAID')) then
		perform refuse('pay_order_transition', format('%s to %s', old.state, new.state));
	end if;
	return new;
end $$;
create trigger pay_order_before_update before update on pay_order
	for each row execute function pay_order_before_update();
create trigger pay_order_kept before delete on pay_order
	for each row execute function append_only();
