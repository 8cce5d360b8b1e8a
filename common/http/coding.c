/* Which coding a client likes best, which answers are worth coding, and the entity tags of coded answers. */
#include "common/http/coding.h"

enum { WEIGHT_MAX = 1000, WEIGHT_UNSAID = -1 };

static const struct str names[CODING_COUNT] = { { "identity", 8 }, { "gzip", 4 }, { "br", 2 } };
static const struct str suffixes[CODING_COUNT] = { { "", 0 }, { "~gzip", 5 }, { "~br", 3 } };

struct str coding_name(enum coding c)
{
	return names[c];
}

bool coding_parse(struct str name, enum coding *out)
{
	name = str_trim(name);
	if (str_eq_ci(name, STR("x-gzip"))) name = names[CODING_GZIP];
	for (int c = CODING_IDENTITY; c < CODING_COUNT; c++)
		if (name.n == 0 || str_eq_ci(name, names[c])) {
			*out = (enum coding)c;
			return true;
		}
	return false;
}

/* "q=0.85" in thousandths (RFC 9110 12.4.2); -1 when it is no weight. */
static int read_weight(struct str q)
{
	if (q.n < 3 || q.n > 7 || (q.p[0] | 0x20) != 'q' || q.p[1] != '=' || (q.p[2] != '0' && q.p[2] != '1'))
		return -1;
	if (q.n > 3 && q.p[3] != '.') return -1;
	int weight = (q.p[2] - '0') * WEIGHT_MAX, unit = WEIGHT_MAX / 10;
	for (size_t i = 4; i < q.n; i++, unit /= 10) {
		if (q.p[i] < '0' || q.p[i] > '9') return -1;
		weight += (q.p[i] - '0') * unit;
	}
	return weight > WEIGHT_MAX ? -1 : weight;
}

/* "gzip ; q=0.5" → "gzip", 500. False when it is not of that form: then it says nothing. */
static bool read_member(struct str member, struct str *name, int *weight)
{
	struct str part;
	*weight = WEIGHT_MAX;
	if (!str_cut(&member, ';', &part)) return false;
	*name = str_trim(part);
	if (!member.p) return name->n > 0;
	*weight = read_weight(str_trim(member));
	return name->n > 0 && *weight >= 0;
}

enum coding coding_choose(struct str accept_encoding)
{
	int weights[CODING_COUNT] = { WEIGHT_UNSAID, WEIGHT_UNSAID, WEIGHT_UNSAID }, any = WEIGHT_UNSAID, weight;
	struct str rest = accept_encoding, member, name;
	enum coding c, best = CODING_IDENTITY;
	while (str_cut(&rest, ',', &member)) {
		if (!read_member(member, &name, &weight)) continue;
		if (str_eq(name, STR("*")))
			any = weight;
		else if (coding_parse(name, &c))
			weights[c] = weight;
	}
	/* Identity needs no mention: it is what is left, unless something else is liked as well as it is. */
	if (weights[CODING_IDENTITY] == WEIGHT_UNSAID && any == WEIGHT_UNSAID) weights[CODING_IDENTITY] = 0;
	for (int i = CODING_IDENTITY; i < CODING_COUNT; i++) {
		if (weights[i] == WEIGHT_UNSAID) weights[i] = any == WEIGHT_UNSAID ? 0 : any;
		if (weights[i] > 0 && weights[i] >= weights[best]) best = (enum coding)i;
	}
	return best;
}

bool coding_suits(struct str content_type)
{
	static const struct str types[] = { { "application/json", 16 }, { "application/javascript", 22 },
		{ "application/xml", 15 }, { "application/yaml", 16 }, { "application/n-quads", 19 },
		{ "application/n-triples", 21 }, { "application/x-ndjson", 20 }, { "image/svg+xml", 13 } };
	ptrdiff_t semicolon = str_index(content_type, ';');
	if (semicolon >= 0) content_type.n = (size_t)semicolon;
	content_type = str_trim(content_type);
	if (content_type.n > 5 && str_eq_ci(str_span(content_type.p, 5), STR("text/")))
		return !str_eq_ci(content_type, STR("text/event-stream"));
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq_ci(content_type, types[i])) return true;
	return content_type.n > 5 && (str_eq_ci(str_from(content_type, content_type.n - 5), STR("+json")) ||
					 str_eq_ci(str_from(content_type, content_type.n - 4), STR("+xml")));
}

/* ── entity tags ── */

/* Where the suffix of the tag that ends at `end` (its closing quote) begins; `end` when it has none. */
static size_t suffix_start(struct str etags, size_t end)
{
	for (int c = CODING_GZIP; c < CODING_COUNT; c++) {
		size_t n = suffixes[c].n;
		if (end > n && str_eq(str_span(etags.p + end - n, n), suffixes[c])) return end - n;
	}
	return end;
}

struct str coding_etag(struct arena *a, struct str etag, enum coding c)
{
	if (c == CODING_IDENTITY || etag.n < 2 || etag.p[etag.n - 1] != '"') return etag;
	return arena_printf(a, "%.*s%.*s\"", (int)etag.n - 1, etag.p, STR_FMT(suffixes[c]));
}

struct str coding_etags_plain(struct arena *a, struct str etags)
{
	if (str_index(etags, '~') < 0) return etags;
	char *out = arena_alloc(a, etags.n + 1);
	size_t n = 0, from = 0;
	if (!out) return STR_NONE;
	for (size_t i = 0; i < etags.n; i++) {
		if (etags.p[i] != '"') continue;
		size_t stop = suffix_start(etags, i);
		memcpy(out + n, etags.p + from, stop - from);
		n += stop - from;
		from = i;
	}
	memcpy(out + n, etags.p + from, etags.n - from);
	return str_span(out, n + etags.n - from);
}

struct str coding_etag_match(struct str etags, struct str etag)
{
	struct str rest = etags, member;
	if (etag.n < 2) return STR_NONE;
	while (str_cut(&rest, ',', &member)) {
		member = str_trim(member);
		if (member.n < etag.n || member.p[member.n - 1] != '"') continue;
		size_t stop = suffix_start(member, member.n - 1);
		if (str_eq(str_span(member.p, stop), str_span(etag.p, etag.n - 1))) return member;
	}
	return STR_NONE;
}
