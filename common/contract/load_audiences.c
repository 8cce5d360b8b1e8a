/* Which kinds of outsiders an operation is for: x-audiences of common.yaml says who is given which scope. */
#include "common/contract/load.h"

static unsigned audience_bit(struct str name)
{
	if (str_eq(name, STR("citizen"))) return AUDIENCE_CITIZEN;
	if (str_eq(name, STR("partner"))) return AUDIENCE_PARTNER;
	return str_eq(name, STR("staff")) ? AUDIENCE_STAFF : 0;
}

static void load_audience(struct loader *l, const struct document *in, const struct json *node)
{
	unsigned bits = 0;
	for (const struct json *i = json_type(node) == JSON_ARRAY ? json_first(node) : NULL; i; i = json_next(i)) {
		unsigned bit = audience_bit(json_string(i));
		if (!bit) load_fault(l, in->root, i, "an audience is citizen, partner or staff");
		bits |= bit;
	}
	if (!bits)
		load_fault(l, in->root, node, "%.*s needs a list of audiences", STR_FMT(json_key(node)));
	else if (!map_set(&l->contract->audiences, json_key(node), (void *)(uintptr_t)bits))
		load_fault(l, in->root, node, "no memory left");
}

void load_audiences(struct loader *l, const struct document *in)
{
	const struct json *audiences = load_member(l, in, in->root, "x-audiences", JSON_OBJECT, false);
	if (audiences && in != l->documents) /* the first one is common.yaml */
		load_fault(l, in->root, audiences, "x-audiences stands in common.yaml only");
	for (const struct json *m = audiences ? json_first(audiences) : NULL; m; m = json_next(m))
		load_audience(l, in, m);
}

void load_check_audiences(struct loader *l, const struct document *in, const struct operation *op)
{
	for (unsigned i = 0; l->contract->audiences.count && i < op->scope_count; i++)
		if (!map_get(&l->contract->audiences, op->scopes[i]))
			load_fault(l, in->root, op->node, "scope %.*s has no row in x-audiences of common.yaml",
			    STR_FMT(op->scopes[i]));
}

unsigned contract_audiences(const struct contract *c, const struct operation *op)
{
	unsigned bits = 0;
	if (op->access == ACCESS_INTERNAL) return 0;
	if (op->access == ACCESS_PUBLIC) return AUDIENCE_ALL;
	if (op->scope_count == 0) return AUDIENCE_ALL & ~(unsigned)AUDIENCE_PUBLIC;
	for (unsigned i = 0; i < op->scope_count; i++) {
		uintptr_t of = (uintptr_t)map_get(&c->audiences, op->scopes[i]);
		bits |= of ? (unsigned)of : AUDIENCE_STAFF;
	}
	return bits;
}
