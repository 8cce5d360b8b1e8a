-- Lines of witnesses who have seen a checkpoint to follow from the one before; they grow only.
create table log_cosignature (
    size bigint not null,
    witness text not null,
    line text not null,
    received_at timestamptz not null default now(),
    constraint log_cosignature_pkey primary key (size, witness)
);
create trigger log_cosignature_kept before update or delete or truncate on log_cosignature for each statement execute function log_is_append_only();
grant select, insert on log_cosignature to yg_transparency;
