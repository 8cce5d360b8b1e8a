/* The two header filters. One short table per first letter, so that most fields cost a comparison or two. Names are compared with '_'
 * as '-': some who stand behind us make no difference, and nobody may say by X_Forwarded_For what X-Forwarded-For may not. */
#include "gateway/fields.h"

enum { CONNECTION_BYTES_MAX = 512, CONNECTION_MEMBERS_MAX = 32 };

#define NAME(lit)                                                                                                      \
	{                                                                                                              \
		lit, sizeof lit - 1                                                                                    \
	}
#define TABLE(...)                                                                                                     \
	{                                                                                                              \
		(const struct str[]){ __VA_ARGS__ }, sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str)  \
	}

/* Lower case with '-'; a name that ends with '*' stands for all that begin so. */
struct table {
	const struct str *names;
	size_t count;
};

/* The first bytes of `name` against all of `ours`. */
static bool is_same(struct str ours, struct str name)
{
	if (str_same_ci(ours.p, name.p, ours.n)) return true;
	if (!memchr(name.p, '_', ours.n)) return false;
	for (size_t i = 0; i < ours.n; i++) {
		char c = name.p[i] == '_' ? '-' : name.p[i];
		if (c >= 'A' && c <= 'Z') c |= 0x20;
		if (c != ours.p[i]) return false;
	}
	return true;
}

static bool in_table(struct table table, struct str name)
{
	for (size_t i = 0; i < table.count; i++) {
		struct str ours = table.names[i];
		if (ours.p[ours.n - 1] == '*')
			ours.n--;
		else if (ours.n != name.n)
			continue;
		if (name.n >= ours.n && is_same(ours, name)) return true;
	}
	return false;
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

bool fields_connection_fits(struct http_fields fields)
{
	size_t bytes = 0, members = 0;
	for (unsigned i = 0; i < fields.count; i++) {
		const struct http_field *f = &fields.items[i];
		if (f->name.n != 10 || !str_eq_ci(f->name, STR("connection"))) continue;
		bytes += f->value.n;
		members++;
		if (bytes > CONNECTION_BYTES_MAX) return false;
		for (size_t k = 0; k < f->value.n; k++) members += f->value.p[k] == ',';
	}
	return members <= CONNECTION_MEMBERS_MAX;
}

enum err fields_drop_named(struct arena *a, struct http_fields *fields)
{
	struct str named = fields_connection(a, *fields);
	if (!named.n) return ERR_NONE;
	if (!fields_connection_fits(*fields)) return ERR_HEADERS_TOO_LARGE;
	struct http_field *kept = arena_array(a, fields->count, sizeof *kept);
	unsigned count = 0;
	if (!kept) return ERR_MEMORY;
	for (unsigned i = 0; i < fields->count; i++)
		if (!http_is_hop_by_hop(fields->items[i].name, named)) kept[count++] = fields->items[i];
	*fields = (struct http_fields){ kept, count };
	return ERR_NONE;
}

/* What the gateway itself says to services, what others in its place say, and what ends at it, by first letter. */
static const struct table requests[26] = {
	['a' - 'a'] =
	    TABLE(NAME("authorization"), NAME("access-control-request-method"), NAME("access-control-request-headers")),
	['c' - 'a'] = TABLE(NAME("content-length"), NAME("client-cert*"), NAME("client-ip"), NAME("cf-connecting-ip")),
	['e' - 'a'] = TABLE(NAME("expect")),
	['f' - 'a'] = TABLE(NAME("forwarded")),
	['h' - 'a'] = TABLE(NAME("host")),
	['k' - 'a'] = TABLE(NAME("keep-alive")),
	['p' - 'a'] = TABLE(NAME("proxy*")), /* "Proxy" is HTTP_PROXY to a CGI program */
	['r' - 'a'] = TABLE(NAME("request-id"), NAME("remote-user")),
	['s' - 'a'] = TABLE(NAME("surrogate-capability"), NAME("signature"), NAME("signature-input")),
	['t' - 'a'] = TABLE(NAME("traceparent"), NAME("tracestate"), NAME("transfer-encoding"), NAME("true-client-ip")),
	['x' - 'a'] = TABLE(NAME("x-yangguang-*"), NAME("x-forwarded-*"), NAME("x-original-*"), NAME("x-client-cert*"),
	    NAME("x-client-ip"), NAME("x-client-dn"), NAME("x-client-verify"), NAME("x-ssl-*"), NAME("x-api-key"),
	    NAME("x-request-id"), NAME("x-real-ip"), NAME("x-rewrite-url"), NAME("x-host"), NAME("x-cluster-client-ip"),
	    NAME("x-http-method"), NAME("x-http-method-override"), NAME("x-method-override"), NAME("x-user"),
	    NAME("x-user-id"), NAME("x-remote-user"), NAME("x-authenticated-*")),
};

static unsigned letter_of(struct str name)
{
	return name.n ? (unsigned)((name.p[0] | 0x20) - 'a') : UINT32_MAX;
}

bool fields_pass_request(struct str name, struct str connection)
{
	if (http_is_hop_by_hop(name, connection)) return false;
	unsigned letter = letter_of(name);
	return letter >= ARRAY_LEN(requests) || !in_table(requests[letter], name);
}

/* CORS is decided here. */
static const struct table replies[26] = {
	['a' - 'a'] = TABLE(NAME("access-control-*")),
	['c' - 'a'] = TABLE(NAME("content-type"), NAME("content-length"), NAME("cache-tag")),
	['d' - 'a'] = TABLE(NAME("date")),
	['r' - 'a'] = TABLE(NAME("request-id")),
	['s' - 'a'] = TABLE(NAME("server")),
	['x' - 'a'] = TABLE(NAME("x-yangguang-*"), NAME("x-content-type-options")),
};

bool fields_pass_reply(struct str name, struct str connection)
{
	if (http_is_hop_by_hop(name, connection)) return false;
	unsigned letter = letter_of(name);
	return letter >= ARRAY_LEN(replies) || !in_table(replies[letter], name);
}
