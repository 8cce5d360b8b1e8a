-- Nothing was paid before it was approved: the day of the bank is not before the day of the last approval. (It was held against the day of the
-- draft only: money that had left before anybody agreed to it could be booked as if somebody had.)
create function disbursement_paid_approved() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	if new.paid_at < date_trunc('day', coalesce(new.approved_at, new.created_at), 'Asia/Shanghai') then
		perform refuse('disbursement_paid_at', 'paid before it was approved');
	end if;
	return new;
end $$;
create trigger disbursement_paid_approved before update on disbursement
	for each row when (new.state = 'PAID' and old.state = 'APPROVED') execute function disbursement_paid_approved();
revoke execute on function disbursement_paid_approved from public;
