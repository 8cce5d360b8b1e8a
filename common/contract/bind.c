/* Parameters of one request: found, decoded, checked against their schemas, and laid out in the order of the contract. */
#include "common/contract/contract.h"
#include "common/contract/uri.h"

struct binding {
	const struct operation *op;
	struct arena *a;
	struct str *values;
	struct violations *v;
};

static void refuse(struct binding *b, struct str bind, const char *code, struct str en, struct str zh)
{
	violations_add(b->v, STR_NONE, bind, code, en, zh);
}

/* A text that came with the request. */
static void take(struct binding *b, unsigned index, struct str text)
{
	const struct parameter *p = &b->op->parameters[index];
	if (schema_validate_text(p->schema, text, p->bind, b->v)) b->values[index] = text;
}

static int find_query(const struct operation *op, struct str name)
{
	for (unsigned i = 0; i < op->parameter_count; i++)
		if (op->parameters[i].in == IN_QUERY && str_eq(op->parameters[i].name, name)) return (int)i;
	return -1;
}

/* A name from outside, cut and made printable for an answer. */
static struct str quoted_name(struct binding *b, struct str name)
{
	char shown[64];
	size_t n = 0;
	for (size_t i = 0; i < name.n && n < sizeof shown; i++) {
		char c = name.p[i];
		shown[n++] = c > ' ' && c < 0x7f ? c : '?';
	}
	return arena_printf(b->a, "query.%.*s", (int)n, shown);
}

static void take_query_pair(struct binding *b, struct str pair, uint64_t *seen)
{
	struct str name, value;
	ptrdiff_t at = str_index(pair, '=');
	if (at < 0) at = (ptrdiff_t)pair.n;
	if (!uri_decode(b->a, str_span(pair.p, (size_t)at), URI_FORM, &name)) {
		refuse(b, quoted_name(b, pair), "encoding", STR("has a broken %-escape"), STR("百分号编码有误"));
		return;
	}
	int index = find_query(b->op, name);
	if (index < 0) {
		refuse(b, quoted_name(b, name), "unknown", STR("is not a parameter of this operation"),
		    STR("此接口没有该参数"));
		return;
	}
	struct str bind = b->op->parameters[index].bind;
	if (*seen >> index & 1) {
		refuse(b, bind, "repeated", STR("is given more than once"), STR("参数重复"));
		return;
	}
	*seen |= (uint64_t)1 << index;
	if (!uri_decode(b->a, str_from(pair, (size_t)at + 1), URI_FORM, &value))
		refuse(b, bind, "encoding", STR("has a broken %-escape"), STR("百分号编码有误"));
	else
		take(b, (unsigned)index, value);
}

/* Missing ones become their default, or a violation. */
static void take_missing(struct binding *b, unsigned index)
{
	const struct parameter *p = &b->op->parameters[index];
	b->values[index] = p->fallback;
	if (p->required) refuse(b, p->bind, "required", STR("is required"), STR("必填"));
}

enum err contract_bind_parameters(const struct operation *op, struct arena *a, const struct route *route,
    struct str query, header_lookup *header, const void *request, struct bound_parameters *out, struct violations *v)
{
	uint64_t seen = 0; /* the loader admits at most 64 parameters */
	struct str pair;
	struct binding b = {
		.op = op, .a = a, .v = v, .values = arena_array(a, op->parameter_count + 1, sizeof(struct str))
	};
	if (!b.values) return ERR_MEMORY;
	for (unsigned i = 0; i < op->parameter_count && op->parameters[i].in == IN_PATH; i++) {
		seen |= (uint64_t)1 << i;
		take(&b, i, route->path_values[i]); /* path parameters come first, in the order of the template */
	}
	while (str_cut(&query, '&', &pair))
		if (pair.n) take_query_pair(&b, pair, &seen);
	for (unsigned i = 0; i < op->parameter_count; i++) {
		if (seen >> i & 1) continue;
		struct str value =
		    op->parameters[i].in == IN_HEADER && header ? header(request, op->parameters[i].name) : STR_NONE;
		if (value.p)
			take(&b, i, value);
		else
			take_missing(&b, i);
	}
	out->values = b.values;
	return a->overflow ? ERR_MEMORY : ERR_NONE;
}

int contract_parameter_index(const struct operation *op, struct str bind)
{
	for (unsigned i = 0; i < op->parameter_count; i++)
		if (str_eq(op->parameters[i].bind, bind)) return (int)i;
	return -1;
}

const struct response *contract_response(const struct operation *op, int status)
{
	const struct response *range = NULL, *rest = NULL;
	for (unsigned i = 0; i < op->response_count; i++) {
		const struct response *r = &op->responses[i];
		if (r->status == status) return r;
		if (r->status == status / 100) range = r;
		if (r->status == 0) rest = r;
	}
	return range ? range : rest;
}
