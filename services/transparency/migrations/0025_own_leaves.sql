-- A disclosure and its leaf are one act. The role could write leaves of any type: a gift that no ledger has, with postings, for ever in the
-- log; or a publication whose leaf is nowhere, that met an obligation. Now it publishes through functions of the owner only.

create function disclosure_publisher(p_organization text) returns void
language plpgsql stable security definer set search_path from current as $$
begin
    if current_kind() is distinct from 'staff' or not in_my_organization(p_organization) then
        raise exception 'not a unit of the caller' using errcode = 'insufficient_privilege';
    end if;
end $$;

-- Null: nobody has this obligation, or it is not begun.
create function disclosure_publish(p_id uuid, p_organization text, p_obligation text, p_title text, p_summary text, p_url text, p_sha256 text, p_by uuid) returns disclosure
language plpgsql volatile security definer set search_path from current as $$
declare d disclosure;
begin
    if p_obligation is not null and not exists (select from obligations((now() at time zone 'Asia/Shanghai')::date) o
            where o.key = p_obligation and disclosure_meets_for(p_organization, o.organization)) then
        return null;
    end if;
    perform disclosure_publisher(p_organization);
    insert into disclosure (id, organization, obligation, title, summary, document_url, document_sha256, published_by, event)
    values (p_id, p_organization, p_obligation, p_title, p_summary, p_url, p_sha256, p_by,
        outbox_leaf('disclosure.published', p_id::text, json_build_object('disclosure_id', p_id::text), 'disclosure.published', p_id::text, now(),
            json_build_object('organization', p_organization, 'obligation', p_obligation, 'title', p_title, 'summary', p_summary,
                'document_url', p_url, 'document_sha256', p_sha256)))
    returning * into d;
    return d;
end $$;

-- A further entry with its explanation; the original stays as it is. Null: it is a correction itself.
create function disclosure_amend(p_id uuid, p_corrects uuid, p_explanation text, p_title text, p_summary text, p_url text, p_sha256 text, p_by uuid) returns disclosure
language plpgsql volatile security definer set search_path from current as $$
declare o disclosure; d disclosure;
begin
    select * into o from disclosure where id = p_corrects;
    if o.id is null or o.corrects is not null then
        return null;
    end if;
    perform disclosure_publisher(o.organization);
    insert into disclosure (id, organization, corrects, explanation, title, summary, document_url, document_sha256, published_by, event)
    values (p_id, o.organization, o.id, p_explanation, p_title, p_summary, p_url, p_sha256, p_by,
        outbox_leaf('disclosure.corrected', o.id::text, json_build_object('disclosure_id', p_id::text, 'corrects', o.id), 'correction.published', o.id::text, now(),
            json_build_object('organization', o.organization, 'disclosure_id', p_id::text, 'explanation', p_explanation, 'title', p_title,
                'summary', p_summary, 'document_url', p_url, 'document_sha256', p_sha256),
            null, null, json_build_array(o.event)))
    returning * into d;
    return d;
end $$;

revoke execute on function outbox_leaf(text, text, json, text, text, timestamptz, json, json, json, json) from yg_transparency;
revoke insert (id, organization, obligation, corrects, explanation, title, summary, document_url, document_sha256, event, published_by) on disclosure from yg_transparency;
revoke execute on function disclosure_publisher, disclosure_publish, disclosure_amend from public;
grant execute on function disclosure_publish, disclosure_amend to yg_transparency;
