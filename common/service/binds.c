/* :names of SQL files → values of a request. Compiled once per statement; a value never passes through SQL text. */
#include "common/service/runtime.h"

#include "common/core/id.h"

static const struct {
	struct str name;
	enum bind_source source;
} fixed[] = {
	{ STR("body"), BIND_WHOLE_BODY },
	{ STR("identity.kind"), BIND_IDENTITY_KIND },
	{ STR("identity.subject"), BIND_IDENTITY_SUBJECT },
	{ STR("identity.organization"), BIND_IDENTITY_ORGANIZATION },
	{ STR("identity.session"), BIND_IDENTITY_SESSION },
	{ STR("identity.client"), BIND_IDENTITY_CLIENT },
	{ STR("new.id"), BIND_NEW_ID },
	{ STR("new.public_code"), BIND_NEW_PUBLIC_CODE },
	{ STR("request.id"), BIND_REQUEST_ID },
	{ STR("page.limit"), BIND_PAGE_LIMIT },
	{ STR("idempotency.id"), BIND_IDEMPOTENCY_ID },
	{ STR("idempotency.fingerprint"), BIND_IDEMPOTENCY_FINGERPRINT },
};

static struct str after_dot(struct str name)
{
	ptrdiff_t dot = str_index(name, '.');
	return dot < 0 ? STR_NONE : str_from(name, (size_t)dot + 1);
}

static bool is_parameter(struct str name)
{
	return str_starts(name, STR("path.")) || str_starts(name, STR("query.")) || str_starts(name, STR("header."));
}

/* Does the contract's body have the member? */
static bool body_has(const struct operation *op, struct str path)
{
	const struct schema *s = op->body;
	struct str part;
	while (s && str_cut(&path, '.', &part)) s = schema_property(s, part);
	return s != NULL;
}

static bool operation_has(const struct operation *op, struct str name)
{
	if (str_starts(name, STR("body."))) return body_has(op, after_dot(name));
	return !is_parameter(name) || contract_parameter_index(op, name) >= 0;
}

/* A statement that flows use: with the name of its operation it is that one's, else some operation must have what it asks for. */
static bool flows_have(const struct link *l, const struct pg_statement *s, struct str name)
{
	const struct contract *c = l->contract;
	const struct operation *own = map_get(&c->operations_by_id, s->name);
	if (own)
		return !flow_find(l->service->def, own->id) ||
		       operation_has(own, name); /* a plain one is checked as such */
	for (unsigned i = 0; i < c->operation_count; i++)
		if (operation_has(&c->operations[i], name)) return true;
	return false;
}

/* False when the contract has no such member (op given) or the name has no known family. */
static bool bind_resolve(const struct operation *op, struct str name, struct bind *out)
{
	*out = (struct bind){ .source = BIND_SET, .index = -1, .name = name, .path = after_dot(name) };
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		if (!str_eq(fixed[i].name, name)) continue;
		out->source = fixed[i].source;
		return true;
	}
	if (is_parameter(name)) {
		out->source = BIND_PARAMETER;
		out->index = op ? contract_parameter_index(op, name) : -1;
		return !op || out->index >= 0;
	}
	if (str_starts(name, STR("body."))) {
		out->source = BIND_BODY;
		return !op || body_has(op, out->path);
	}
	if (str_starts(name, STR("page."))) {
		out->source = BIND_PAGE_KEY;
		return true;
	}
	return str_starts(name, STR("flow.")) || str_starts(name, STR("pii.")) || str_starts(name, STR("relay."));
}

enum err bind_compile(
    struct link *l, const struct operation *op, const struct pg_statement *s, struct bind **out, struct buf *report)
{
	enum err e = ERR_NONE;
	*out = arena_array(&l->arena, s->param_count ? s->param_count : 1, sizeof **out);
	if (!*out) return ERR_MEMORY;
	for (unsigned i = 0; i < s->param_count; i++) {
		struct str name = s->params[i].name;
		if (bind_resolve(op, name, &(*out)[i]) && (op || flows_have(l, s, name))) continue;
		buf_printf(report, "%.*s: :%.*s is not in the contract of %.*s\n", STR_FMT(s->file), STR_FMT(name),
		    STR_FMT(op ? op->id : s->name));
		e = ERR_CONFIG;
	}
	return e;
}

/* The newest setting of that name, or NULL. */
static const struct setting *setting_find(const struct setting *list, struct str bind)
{
	while (list && !str_eq(list->bind, bind)) list = list->next;
	return list;
}

/* A JSON value as the text that PostgreSQL reads. */
static struct str json_to_text(struct request *r, const struct json *v)
{
	switch (json_type(v)) {
	case JSON_NULL:
		return STR_NONE;
	case JSON_BOOL:
		return json_bool(v) ? STR("true") : STR("false");
	case JSON_STRING:
		return json_string(v);
	case JSON_NUMBER: {
		int64_t whole;
		return json_int64(v, &whole) ? arena_printf(r->arena, "%lld", (long long)whole) : json_number(v);
	}
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	struct buf text;
	struct json_writer w;
	buf_init(&text, r->linked ? r->linked->operation->body_bytes_max * 6 + 64 : 1 << 20);
	json_write_init(&w, &text);
	json_put_tree(&w, v);
	struct str out = buf_ok(&text) ? arena_str(r->arena, buf_view(&text)) : STR_NONE;
	if (!buf_ok(&text)) r->arena->overflow = true;
	buf_free(&text);
	return out;
}

static struct str body_value(struct request *r, struct str path)
{
	const struct json *v = r->body;
	struct str part;
	while (v && str_cut(&path, '.', &part)) v = json_type(v) == JSON_OBJECT ? json_get(v, part) : NULL;
	return v ? json_to_text(r, v) : STR_NONE;
}

static struct str parameter_value(struct request *r, const struct bind *b)
{
	int index = b->index;
	if (index < 0 && r->linked) index = contract_parameter_index(r->linked->operation, b->name);
	if (index < 0 || !r->parameters.values) return STR_NONE;
	struct str value = r->parameters.values[index];
	if (!str_eq(b->name, STR("header.if_match")) || !value.p) return value;
	/* An entity tag without its quotes: what "!etag" columns give. A weak one stays as it is and so matches nothing (RFC 9110 13.1.1). */
	return value.n >= 2 && value.p[0] == '"' ? str_span(value.p + 1, value.n - 2) : value;
}

static struct str bind_value(struct request *r, const struct bind *b)
{
	const struct setting *set = setting_find(r->settings, b->name);
	if (set) return set->value;
	switch (b->source) {
	case BIND_PARAMETER:
		return parameter_value(r, b);
	case BIND_BODY:
		return body_value(r, b->path);
	case BIND_WHOLE_BODY:
		return r->body ? json_to_text(r, r->body) : STR_NONE;
	case BIND_IDENTITY_KIND:
		return principal_kind_name(r->principal.kind);
	case BIND_IDENTITY_SUBJECT:
		return r->principal.subject;
	case BIND_IDENTITY_ORGANIZATION:
		return r->principal.organization;
	case BIND_IDENTITY_SESSION:
		return r->principal.session;
	case BIND_IDENTITY_CLIENT:
		return r->principal.client;
	case BIND_NEW_ID:
		if (!r->has_new_id) id_uuid7(r->new_id), r->has_new_id = true;
		return str_span(r->new_id, sizeof r->new_id);
	case BIND_NEW_PUBLIC_CODE:
		if (!r->has_new_public_code) id_public_code(r->new_public_code), r->has_new_public_code = true;
		return str_span(r->new_public_code, sizeof r->new_public_code);
	case BIND_REQUEST_ID:
		return r->request_id;
	case BIND_PAGE_LIMIT:
		return arena_printf(r->arena, "%lld", (long long)r->page_limit + 1);
	case BIND_PAGE_KEY:
		set = setting_find(r->page_keys, b->path);
		return set ? set->value : STR_NONE;
	case BIND_IDEMPOTENCY_ID:
		return r->idempotency_id;
	case BIND_IDEMPOTENCY_FINGERPRINT:
		return r->idempotency_fingerprint;
	case BIND_SET:
		break;
	}
	return STR_NONE;
}

enum err bind_values(struct request *r, const struct plan *plan, struct pg_value **out)
{
	unsigned count = plan->statement->param_count;
	*out = arena_array(r->arena, count ? count : 1, sizeof **out);
	if (!*out) return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++) (*out)[i].text = bind_value(r, &plan->binds[i]);
	return r->arena->overflow ? ERR_MEMORY : ERR_NONE;
}

struct str request_value(struct request *r, const char *bind)
{
	struct bind b;
	CHECK(bind_resolve(NULL, str_of(bind), &b));
	return bind_value(r, &b);
}

void request_set(struct request *r, const char *bind, struct str value)
{
	struct setting *s = ARENA_NEW(r->arena, struct setting);
	if (!s) return; /* overflow is sticky: the next query fails */
	*s = (struct setting){ .next = r->settings, .bind = str_of(bind), .value = arena_str(r->arena, value) };
	r->settings = s;
}

void request_set_kept(struct request *r, const char *bind, struct str value)
{
	struct setting *s = ARENA_NEW(r->arena, struct setting);
	if (!s) return;
	*s = (struct setting){ .next = r->settings, .bind = str_of(bind), .value = value };
	r->settings = s;
}

void request_set_i64(struct request *r, const char *bind, int64_t value)
{
	request_set(r, bind, arena_printf(r->arena, "%lld", (long long)value));
}
