/* The two header filters. Tables are short lists per length of the name, so that most fields cost one comparison. */
#include "gateway/fields.h"

static bool in_table(const struct str *table, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].n == name.n && (name.p[0] | 0x20) == table[i].p[0] && str_eq_ci(table[i], name))
			return true;
	return false;
}

#define NAME(lit)                                                                                                      \
	{                                                                                                              \
		lit, sizeof lit - 1                                                                                    \
	}

static bool begins(struct str name, struct str prefix)
{
	return name.n >= prefix.n && str_eq_ci(str_span(name.p, prefix.n), prefix);
}

struct str fields_connection(struct arena *a, struct http_fields fields)
{
	struct str all = STR_NONE;
	for (unsigned i = 0; i < fields.count; i++) {
		const struct http_field *f = &fields.items[i];
		if (f->name.n != 10 || !str_eq_ci(f->name, STR("connection"))) continue;
		if (str_eq_ci(f->value, STR("close")) || str_eq_ci(f->value, STR("keep-alive"))) continue;
		all = all.p ? arena_printf(a, "%.*s,%.*s", STR_FMT(all), STR_FMT(f->value)) : f->value;
	}
	return all;
}

bool fields_pass_request(struct str name, struct str connection)
{
	static const struct str ours[] = { NAME("host"), NAME("content-length"), NAME("expect"), NAME("authorization"),
		NAME("x-api-key"), NAME("x-request-id"), NAME("request-id"), NAME("forwarded"), NAME("x-real-ip"),
		NAME("traceparent"), NAME("tracestate"), NAME("x-http-method-override"),
		NAME("access-control-request-method"), NAME("access-control-request-headers"), NAME("signature"),
		NAME("signature-input") };
	if (http_is_hop_by_hop(name, connection)) return false;
	char first = name.n ? (char)(name.p[0] | 0x20) : 0;
	if (first == 'x')
		return !begins(name, STR("x-yangguang-")) && !begins(name, STR("x-forwarded-")) &&
		       !in_table(ours, ARRAY_LEN(ours), name);
	switch (first) {
	case 'a':
	case 'c':
	case 'e':
	case 'f':
	case 'h':
	case 'r':
	case 's':
	case 't':
		return !in_table(ours, ARRAY_LEN(ours), name);
	default:
		return true;
	}
}

bool fields_pass_reply(struct str name, struct str connection)
{
	static const struct str ours[] = { NAME("content-type"), NAME("content-length"), NAME("date"), NAME("server"),
		NAME("request-id"), NAME("x-content-type-options") };
	if (http_is_hop_by_hop(name, connection)) return false;
	char first = name.n ? (char)(name.p[0] | 0x20) : 0;
	if (first == 'x' && begins(name, STR("x-yangguang-"))) return false;
	if (first == 'a' && begins(name, STR("access-control-"))) return false; /* CORS is decided here */
	return !in_table(ours, ARRAY_LEN(ours), name);
}
