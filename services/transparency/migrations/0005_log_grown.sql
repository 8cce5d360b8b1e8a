-- Other services hear how far the log is, so that every public total can say which log it stands beside.

create function log_grown() returns trigger language plpgsql security definer set search_path from current as $$
begin
    insert into outbox (type, subject, payload)
    values ('log.grown', new.size::text, json_build_object('size', new.size, 'signed_at', new.signed_at));
    return null;
end $$;
create trigger log_grown after insert on log_checkpoint for each row execute function log_grown();
revoke execute on function log_grown from public;
