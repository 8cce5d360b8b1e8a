/*
 * traceparent and tracestate (W3C Trace Context). Never refuses a request: what cannot be read starts a new trace, as the
 * recommendation asks. Nothing is exported here; ids are for logs and for the next hop.
 */
#include "common/service/trace.h"

#include "common/core/id.h"

enum { TRACESTATE_MEMBERS_MAX = 32, FLAGS_KNOWN = 3 };

static bool is_lower_hex(struct str s)
{
	static const bool is_digit[256] = { ['0' ... '9'] = true, ['a' ... 'f'] = true };
	bool all = true;
	for (size_t i = 0; i < s.n; i++) all &= is_digit[(unsigned char)s.p[i]];
	return all;
}

static bool is_zero(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '0') return false;
	return true;
}

/* version "-" trace-id "-" parent-id "-" flags; later versions may go on with "-". */
static bool read_parent(struct trace *t, struct str v)
{
	if (v.n < TRACEPARENT_BYTES || v.p[2] != '-' || v.p[35] != '-' || v.p[52] != '-') return false;
	struct str version = str_span(v.p, 2), trace_id = str_span(v.p + 3, TRACE_ID_BYTES);
	struct str parent_id = str_span(v.p + 36, SPAN_ID_BYTES), flags = str_span(v.p + 53, 2);
	if (!is_lower_hex(version) || !is_lower_hex(trace_id) || !is_lower_hex(parent_id) || !is_lower_hex(flags))
		return false;
	if (str_eq(version, STR("ff")) || is_zero(trace_id) || is_zero(parent_id)) return false;
	if (v.n > TRACEPARENT_BYTES && (is_zero(version) || v.p[TRACEPARENT_BYTES] != '-')) return false;
	unsigned char byte = 0;
	if (!id_unhex(flags, &byte, 1)) return false;
	memcpy(t->trace_id, trace_id.p, TRACE_ID_BYTES);
	memcpy(t->parent_id, parent_id.p, SPAN_ID_BYTES);
	t->flags = byte & FLAGS_KNOWN;
	return true;
}

/* A letter or digit, then up to 255 of these (the second level of the recommendation, which takes in the first). */
static bool is_key(struct str key)
{
	static const bool is_first[256] = { ['a' ... 'z'] = true, ['0' ... '9'] = true };
	static const bool is_rest[256] = { ['a' ... 'z'] = true,
		['0' ... '9'] = true,
		['_'] = true,
		['-'] = true,
		['*'] = true,
		['/'] = true,
		['@'] = true };
	if (key.n == 0 || key.n > 256 || !is_first[(unsigned char)key.p[0]]) return false;
	for (size_t i = 1; i < key.n; i++)
		if (!is_rest[(unsigned char)key.p[i]]) return false;
	return true;
}

static bool is_member(struct str member)
{
	ptrdiff_t at = str_index(member, '=');
	if (at < 0 || !is_key(str_span(member.p, (size_t)at))) return false;
	struct str value = str_from(member, (size_t)at + 1);
	if (value.n == 0 || value.n > 256) return false;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < 0x20 || value.p[i] > 0x7e || value.p[i] == '=') return false;
	return true;
}

/* All tracestate fields as one list, or absent when any member is wrong. */
static struct str read_state(struct arena *a, struct http_fields fields)
{
	unsigned members = 0;
	size_t n = 0;
	char *out = arena_alloc(a, TRACESTATE_BYTES_MAX);
	if (!out) return STR_NONE;
	for (unsigned i = 0; i < fields.count; i++) {
		if (!str_eq_ci(fields.items[i].name, STR("tracestate"))) continue;
		struct str rest = fields.items[i].value, member;
		while (str_cut(&rest, ',', &member)) {
			member = str_trim(member);
			if (member.n == 0) continue; /* empty members are allowed */
			if (!is_member(member) || ++members > TRACESTATE_MEMBERS_MAX) return STR_NONE;
			if (n + (n > 0) + member.n > TRACESTATE_BYTES_MAX) return n ? str_span(out, n) : STR_NONE;
			if (n) out[n++] = ',';
			memcpy(out + n, member.p, member.n);
			n += member.n;
		}
	}
	return n ? str_span(out, n) : STR_NONE;
}

/* Sixteen digits, never all zero. */
static void put_noise(char out[16])
{
	uint64_t noise = id_noise() | 1;
	id_hex(&noise, sizeof noise, out);
}

void trace_begin(struct trace *t, struct arena *a, struct http_fields fields)
{
	struct str parent = STR_NONE;
	unsigned parents = 0;
	bool has_state = false;
	for (unsigned i = 0; i < fields.count; i++) { /* one pass: most requests have neither */
		struct str name = fields.items[i].name;
		if (name.n == 11 && str_eq_ci(name, STR("traceparent")))
			parent = fields.items[i].value, parents++;
		else if (name.n == 10 && str_eq_ci(name, STR("tracestate")))
			has_state = true;
	}
	*t = (struct trace){ .state = STR_NONE };
	t->continued = parents == 1 && read_parent(t, str_trim(parent));
	put_noise(t->span_id);
	if (t->continued) {
		if (has_state) t->state = read_state(a, fields);
		return;
	}
	memset(t->parent_id, '0', SPAN_ID_BYTES);
	put_noise(t->trace_id);
	put_noise(t->trace_id + 16);
	t->flags = 2; /* the id is random */
}

void trace_format(const struct trace *t, char out[TRACEPARENT_BYTES])
{
	memcpy(out, "00-", 3);
	memcpy(out + 3, t->trace_id, TRACE_ID_BYTES);
	out[35] = '-';
	memcpy(out + 36, t->span_id, SPAN_ID_BYTES);
	out[52] = '-';
	id_hex(&t->flags, 1, out + 53);
}
