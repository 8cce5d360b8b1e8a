/* What an answer says of its own freshness, and whether it may be kept. Every rule is RFC 9111's unless another is named; where
 * texts leave a choice, the choice is the one that never serves more than the origin allowed. */
#include "gateway/cache/rules.h"

#include "common/http/structured.h"
#include "gateway/cache/parse.h"

enum { HEURISTIC_MOST_S = 86400, HEURISTIC_PART = 10, SECOND_MS = 1000 };

#define NAME(lit)                                                                                                      \
	{                                                                                                              \
		lit, sizeof lit - 1                                                                                    \
	}

static const struct str directive_names[DIRECTIVE_COUNT] = {
	[DIRECTIVE_MAX_AGE] = NAME("max-age"),
	[DIRECTIVE_S_MAXAGE] = NAME("s-maxage"),
	[DIRECTIVE_NO_STORE] = NAME("no-store"),
	[DIRECTIVE_NO_CACHE] = NAME("no-cache"),
	[DIRECTIVE_PRIVATE] = NAME("private"),
	[DIRECTIVE_PUBLIC] = NAME("public"),
	[DIRECTIVE_MUST_REVALIDATE] = NAME("must-revalidate"),
	[DIRECTIVE_PROXY_REVALIDATE] = NAME("proxy-revalidate"),
	[DIRECTIVE_MUST_UNDERSTAND] = NAME("must-understand"),
	[DIRECTIVE_STALE_WHILE_REVALIDATE] = NAME("stale-while-revalidate"),
	[DIRECTIVE_STALE_IF_ERROR] = NAME("stale-if-error"),
	[DIRECTIVE_MIN_FRESH] = NAME("min-fresh"),
	[DIRECTIVE_MAX_STALE] = NAME("max-stale"),
	[DIRECTIVE_ONLY_IF_CACHED] = NAME("only-if-cached"),
};

void rules_directive_put(struct directives *d, struct str name, struct str value)
{
	for (unsigned i = 0; i < DIRECTIVE_COUNT; i++) {
		if (!str_eq_ci(directive_names[i], name)) continue;
		if (!(d->found & 1u << i)) d->values[i] = value;
		d->found |= 1u << i;
		return;
	}
}

void rules_directives(struct http_fields f, struct str name, struct directives *out)
{
	out->found = 0;
	memset(out->values, 0, sizeof out->values);
	for (unsigned i = 0; i < f.count; i++)
		if (f.items[i].name.n == name.n && str_eq_ci(f.items[i].name, name))
			rules_directives_add(out, f.items[i].value);
}

bool rules_targeted(struct arena *a, struct http_fields f, struct directives *out)
{
	struct sf_members members;
	struct str text = sf_combined(a, f, STR("cdn-cache-control"));
	memset(out, 0, sizeof *out);
	if (!text.p || sf_parse_dictionary(a, text, &members)) return false;
	const struct sf_item *age = sf_get(&members, STR("max-age"));
	if (age && (age->value.type != SF_INTEGER || age->value.number < 0)) return false;
	for (unsigned i = 0; i < members.count; i++) {
		const struct sf_value *v = &members.items[i].item.value;
		if (v->type == SF_BOOLEAN && !v->number) continue;
		struct str value = v->type == SF_BOOLEAN ? STR_NONE : v->text;
		if (v->type == SF_INTEGER) value = arena_printf(a, "%lld", (long long)v->number);
		rules_directive_put(out, members.items[i].key, value);
	}
	return true;
}

/* The value of a field that may stand once only; absent when there is none, or more than one. */
static struct str only(struct http_fields f, struct str name)
{
	struct str value = STR_NONE;
	for (unsigned i = 0; i < f.count; i++) {
		if (f.items[i].name.n != name.n || !str_eq_ci(f.items[i].name, name)) continue;
		if (value.p) return STR_NONE;
		value = f.items[i].value;
	}
	return value;
}

static bool is_understood(int status)
{
	static const short known[] = { 200, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405,
		410, 414, 500, 501, 502, 503, 504 };
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i] == status) return true;
	return false;
}

static bool is_heuristic(int status)
{
	static const short known[] = { 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501 };
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i] == status) return true;
	return false;
}

/* The first member of Age; what is no number is no Age. */
static int64_t read_age(struct http_fields f)
{
	struct str rest = http_get(f, STR("age")), first;
	return str_cut(&rest, ',', &first) ? rules_seconds(str_trim(first)) : 0;
}

static int64_t heuristic_ms(
    int status, struct http_fields f, const struct directives *cc, int64_t dated_s, int64_t now_s)
{
	int64_t changed_s;
	if (!rules_date(only(f, STR("last-modified")), now_s, &changed_s)) return 0;
	if (!is_heuristic(status) && !directive_has(cc, DIRECTIVE_PUBLIC)) return 0;
	int64_t s = (dated_s - changed_s) / HEURISTIC_PART;
	return s <= 0 ? 0 : (s < HEURISTIC_MOST_S ? s : HEURISTIC_MOST_S) * SECOND_MS;
}

static void find_lifetime(int status, struct http_fields f, const struct directives *cc, bool targeted,
    int64_t dated_ms, int64_t now_s, struct policy *p)
{
	bool expires = !targeted && http_get(f, STR("expires")).p;
	p->explicit_lifetime = true;
	if (!targeted && directive_has(cc, DIRECTIVE_S_MAXAGE)) {
		p->lifetime_ms = rules_seconds(cc->values[DIRECTIVE_S_MAXAGE]) * SECOND_MS;
	} else if (directive_has(cc, DIRECTIVE_MAX_AGE)) {
		p->lifetime_ms = rules_seconds(cc->values[DIRECTIVE_MAX_AGE]) * SECOND_MS;
	} else if (expires) {
		int64_t until_s;
		bool ok = rules_date(only(f, STR("expires")), now_s, &until_s); /* two of them: expired */
		p->lifetime_ms = ok && until_s * SECOND_MS > dated_ms ? until_s * SECOND_MS - dated_ms : 0;
	} else {
		p->explicit_lifetime = false;
		p->lifetime_ms = heuristic_ms(status, f, cc, dated_ms / SECOND_MS, now_s);
	}
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void rules_policy(struct arena *a, int status, struct http_fields f, struct answer_times t, struct policy *out)
{
	struct directives cc;
	int64_t dated_s, now_s = t.got_ms / SECOND_MS;
	bool targeted = rules_targeted(a, f, &cc);
	if (!targeted) rules_directives(f, STR("cache-control"), &cc);
	int64_t dated_ms = rules_date(only(f, STR("date")), now_s, &dated_s) ? dated_s * SECOND_MS : t.got_ms;
	bool understood = !directive_has(&cc, DIRECTIVE_MUST_UNDERSTAND) || is_understood(status);
	bool no_store = directive_has(&cc, DIRECTIVE_NO_STORE) &&
			!(directive_has(&cc, DIRECTIVE_MUST_UNDERSTAND) && is_understood(status));
	bool private = directive_has(&cc, DIRECTIVE_PRIVATE) && !cc.values[DIRECTIVE_PRIVATE].p;
	bool no_cache = directive_has(&cc, DIRECTIVE_NO_CACHE);
	*out = (struct policy){ 0 };
	find_lifetime(status, f, &cc, targeted, dated_ms, now_s, out);
	out->initial_age_ms = larger(0, larger(t.got_ms - dated_ms, read_age(f) * SECOND_MS + t.got_ms - t.asked_ms));
	out->storable = !no_store && understood && !private;
	out->for_authorized = directive_has(&cc, DIRECTIVE_PUBLIC) || directive_has(&cc, DIRECTIVE_MUST_REVALIDATE) ||
			      directive_has(&cc, DIRECTIVE_S_MAXAGE);
	out->no_cache = no_cache && !cc.values[DIRECTIVE_NO_CACHE].p;
	out->hidden = no_cache ? cc.values[DIRECTIVE_NO_CACHE] : STR_NONE;
	out->strict = out->no_cache || directive_has(&cc, DIRECTIVE_MUST_REVALIDATE) ||
		      directive_has(&cc, DIRECTIVE_PROXY_REVALIDATE) || directive_has(&cc, DIRECTIVE_S_MAXAGE);
	out->while_revalidate_ms = rules_seconds(cc.values[DIRECTIVE_STALE_WHILE_REVALIDATE]) * SECOND_MS;
	out->if_error_ms = rules_seconds(cc.values[DIRECTIVE_STALE_IF_ERROR]) * SECOND_MS;
}

bool rules_is_end_to_end(struct str name, struct str connection)
{
	static const struct str hop[] = { NAME("connection"), NAME("keep-alive"), NAME("proxy-connection"),
		NAME("proxy-authenticate"), NAME("proxy-authorization"), NAME("proxy-authentication-info"), NAME("te"),
		NAME("trailer"), NAME("transfer-encoding"), NAME("upgrade") };
	for (size_t i = 0; i < ARRAY_LEN(hop); i++)
		if (hop[i].n == name.n && str_eq_ci(hop[i], name)) return false;
	struct str part;
	while (str_cut(&connection, ',', &part))
		if (str_eq_ci(str_trim(part), name)) return false;
	return true;
}

/* Answers to one request's own fields, conditions, size or pace, which no key holds: given to others they would poison the store. (RFC
 * 6585 forbids it for 428, 429, 431 and 511.) */
static bool is_of_the_asker(int status)
{
	static const short known[] = { 304, 206, 401, 407, 408, 411, 412, 413, 415, 416, 417, 421, 425, 426, 428, 429,
		431, 511, 999 };
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i] == status) return true;
	return false;
}

bool rules_keep(struct str method, int status, struct http_fields f, struct http_fields asked, const struct policy *p,
    const struct keep_options *options)
{
	if (!p->storable || is_of_the_asker(status) || rules_varies_by_all(f)) return false;
	if (http_get(asked, STR("authorization")).p && !p->for_authorized) return false;
	if (http_get(f, STR("set-cookie")).p && !(options->store_cookies && p->explicit_lifetime)) return false;
	if (!p->explicit_lifetime && !options->heuristics) return false;
	bool validator = http_get(f, STR("etag")).p || http_get(f, STR("last-modified")).p;
	if (!p->explicit_lifetime && p->lifetime_ms <= 0 && !validator) return false;
	if (str_eq(method, STR("POST"))) return p->explicit_lifetime && status == 200;
	return str_eq(method, STR("GET"));
}

static bool names(struct http_fields f, struct str name)
{
	return http_get(f, name).p != NULL;
}

struct http_fields rules_renew(struct arena *a, struct http_fields stored, struct http_fields fresh)
{
	struct http_field *items = arena_array(a, stored.count + fresh.count + 1, sizeof *items);
	unsigned count = 0;
	if (!items) return (struct http_fields){ 0 };
	bool has_age = names(fresh, STR("age"));
	for (unsigned i = 0; i < stored.count; i++) {
		struct str name = stored.items[i].name;
		bool length = str_eq_ci(name, STR("content-length"));
		if (!length && (names(fresh, name) || (!has_age && str_eq_ci(name, STR("age"))))) continue;
		items[count++] = stored.items[i];
	}
	for (unsigned i = 0; i < fresh.count; i++)
		if (!str_eq_ci(fresh.items[i].name, STR("content-length"))) items[count++] = fresh.items[i];
	return (struct http_fields){ items, count };
}
