/* Reading leaves. What is not in the one permitted form is refused, so that two readers never understand a leaf differently. */
#include "deploy/verify/leaf.h"

#include "common/core/clock.h"
#include "common/core/id.h"
#include "common/core/word.h"

/* Most leaves have no byte up to the space at all; the text is looked at eight bytes at a time. */
static bool may_have_blanks(struct str text)
{
	size_t i = 0;
	for (; i + sizeof(uint64_t) <= text.n; i += sizeof(uint64_t))
		if (word_has_less(word_load(text.p + i), ' ' + 1)) return true;
	for (; i < text.n; i++)
		if ((unsigned char)text.p[i] <= ' ') return true;
	return false;
}

/* White space outside strings; the text is known to be JSON. */
static bool has_blanks(struct str text)
{
	bool in_string = false;
	if (!may_have_blanks(text)) return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '"')
			in_string = !in_string;
		else if (in_string && c == '\\')
			i++;
		else if (!in_string && (c == ' ' || c == '\n' || c == '\r' || c == '\t'))
			return true;
	}
	return false;
}

bool leaf_read_integer(const struct json *v, int64_t *out)
{
	struct str s = json_number(v);
	if (json_type(v) != JSON_NUMBER || !str_to_i64(s, out)) return false; /* digits only; JSON allows no 01 */
	if (*out == 0 && s.n != 1) return false; /* -0 */
	return *out > -LEAF_INTEGER_MAX && *out < LEAF_INTEGER_MAX;
}

/* JSON_DEPTH_MAX bounds the recursion. */
static bool has_integers_only(const struct json *v)
{
	int64_t ignored;
	if (json_type(v) == JSON_NUMBER) return leaf_read_integer(v, &ignored);
	for (const struct json *c = json_first(v); c; c = json_next(c))
		if (!has_integers_only(c)) return false;
	return true;
}

bool leaf_read_id(struct str text, unsigned char id[LEAF_ID_BYTES])
{
	char hex[2 * LEAF_ID_BYTES];
	static const unsigned char nil[LEAF_ID_BYTES];
	size_t n = 0;
	if (!id_is_uuid(text)) return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] >= 'A' && text.p[i] <= 'F') return false;
		if (text.p[i] != '-') hex[n++] = text.p[i];
	}
	return id_unhex(str_span(hex, n), id, LEAF_ID_BYTES) && memcmp(id, nil, LEAF_ID_BYTES) != 0;
}

/* Lower-case words of letters and underscores joined by one dot: gift.received. */
static bool is_type(struct str s)
{
	ptrdiff_t dot = str_index(s, '.');
	if (dot <= 0 || (size_t)dot + 1 == s.n || s.n > LEAF_NAME_BYTES_MAX) return false;
	for (size_t i = 0; i < s.n; i++) {
		bool letter = (s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_';
		if (!letter && i != (size_t)dot) return false;
	}
	return true;
}

static bool is_time(struct str s)
{
	int64_t ignored;
	return s.n >= 25 && s.n <= RFC3339_BYTES && s.p[10] == 'T' && str_ends(s, STR("+08:00")) &&
	       clock_parse_rfc3339(s, &ignored);
}

/* Printable, without spaces of ASCII. */
static bool is_name(struct str s)
{
	if (s.n == 0 || s.n > LEAF_NAME_BYTES_MAX) return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f) return false;
	return true;
}

/* kind:name, for example fund:0001. */
static bool is_account(struct str s)
{
	ptrdiff_t colon = str_index(s, ':');
	if (!is_name(s) || colon <= 0 || (size_t)colon + 1 == s.n) return false;
	for (ptrdiff_t i = 0; i < colon; i++)
		if (s.p[i] < 'a' || s.p[i] > 'z') return false;
	return true;
}

static bool are_commitments(const struct json *v)
{
	for (const struct json *c = json_first(v); c; c = json_next(c)) {
		struct str hex = json_string(c);
		if (!is_name(json_key(c)) || json_type(c) != JSON_STRING || hex.n != 64) return false;
		for (size_t i = 0; i < hex.n; i++)
			if (!((hex.p[i] >= '0' && hex.p[i] <= '9') || (hex.p[i] >= 'a' && hex.p[i] <= 'f')))
				return false;
	}
	return true;
}

static bool are_postings(const struct json *v)
{
	int64_t fen;
	if (json_count(v) > LEAF_POSTINGS_MAX) return false;
	for (const struct json *p = json_first(v); p; p = json_next(p)) {
		const struct json *account, *amount;
		if (json_type(p) != JSON_OBJECT || json_count(p) != 2) return false;
		account = json_first(p);
		amount = json_next(account);
		if (!str_eq(json_key(account), STR("account")) || !str_eq(json_key(amount), STR("fen"))) return false;
		if (json_type(account) != JSON_STRING || !is_account(json_string(account))) return false;
		if (!leaf_read_integer(amount, &fen) || fen == 0) return false;
	}
	return true;
}

static bool are_links(const struct json *v)
{
	unsigned char id[LEAF_ID_BYTES];
	if (json_count(v) > LEAF_LINKS_MAX) return false;
	for (const struct json *l = json_first(v); l; l = json_next(l))
		if (!leaf_read_id(json_string(l), id)) return false;
	return true;
}

/* The next member if it has this name and type, else NULL; *at moves behind it. */
static const struct json *take(const struct json **at, struct str name, enum json_type type)
{
	const struct json *v = *at;
	if (!v || !str_eq(json_key(v), name) || json_type(v) != type) return NULL;
	*at = json_next(v);
	return v;
}

static struct str take_text(const struct json **at, struct str name)
{
	const struct json *v = take(at, name, JSON_STRING);
	return v ? json_string(v) : STR_NONE;
}

static const char *read_head(const struct json **at, struct leaf *out)
{
	int64_t version;
	const struct json *v = take(at, STR("v"), JSON_NUMBER);
	if (!v || !leaf_read_integer(v, &version) || version != 1) return "\"v\":1 is not its first member";
	out->type = take_text(at, STR("type"));
	if (!is_type(out->type)) return "its type is missing or malformed";
	out->id_text = take_text(at, STR("id"));
	if (!leaf_read_id(out->id_text, out->id)) return "its id is missing or no lower-case uuid";
	if (!is_time(take_text(at, STR("at")))) return "its time (at) is missing or malformed";
	if (!is_time(take_text(at, STR("recorded_at"))))
		return "its time of record (recorded_at) is missing or malformed";
	out->subject = take_text(at, STR("subject"));
	return is_name(out->subject) ? NULL : "its subject is missing or malformed";
}

static const char *read_parts(const struct json **at, struct leaf *out)
{
	out->data = take(at, STR("data"), JSON_OBJECT);
	out->commitments = take(at, STR("commitments"), JSON_OBJECT);
	out->postings = take(at, STR("postings"), JSON_ARRAY);
	out->links = take(at, STR("links"), JSON_ARRAY);
	if (*at) return "it has an unknown member, one out of order or one of the wrong type";
	if (out->data && !has_integers_only(out->data)) return "its data have a number that is not a plain integer";
	if (out->commitments && (!json_count(out->commitments) || !are_commitments(out->commitments)))
		return "its commitments are malformed";
	if (out->postings && (!json_count(out->postings) || !are_postings(out->postings)))
		return "its postings are malformed";
	if (out->links && (!json_count(out->links) || !are_links(out->links))) return "its links are malformed";
	return NULL;
}

/* ── straight from the text ── */

/* Cuts `start`, a string of printable ASCII without escapes, and its closing quote off *rest. */
static bool cut_plain(struct str *rest, struct str start, struct str *out)
{
	if (!str_starts(*rest, start)) return false;
	size_t i = start.n;
	while (i < rest->n && rest->p[i] != '"') {
		unsigned char c = (unsigned char)rest->p[i++];
		if (c < ' ' || c > '~' || c == '\\') return false;
	}
	if (i == rest->n) return false;
	*out = str_span(rest->p + start.n, i - start.n);
	*rest = str_from(*rest, i + 1);
	return true;
}

/*
 * The usual leaf: its first six members are read where they stand, only the others become a tree. It takes nothing that the whole way
 * would refuse; what it does not take is read the whole way, which also says why.
 */
static bool read_usual(struct arena *a, struct str text, struct leaf *out)
{
	const struct json *root;
	struct str rest = text, at_text, recorded_at;
	if (!cut_plain(&rest, STR("{\"v\":1,\"type\":\""), &out->type) || !is_type(out->type)) return false;
	if (!cut_plain(&rest, STR(",\"id\":\""), &out->id_text) || !leaf_read_id(out->id_text, out->id)) return false;
	if (!cut_plain(&rest, STR(",\"at\":\""), &at_text) || !is_time(at_text)) return false;
	if (!cut_plain(&rest, STR(",\"recorded_at\":\""), &recorded_at) || !is_time(recorded_at)) return false;
	if (!cut_plain(&rest, STR(",\"subject\":\""), &out->subject) || !is_name(out->subject)) return false;
	if (str_eq(rest, STR("}"))) return true;
	if (!str_starts(rest, STR(",\"")) || may_have_blanks(rest)) return false;
	char *parts = arena_alloc(a, rest.n);
	if (!parts) return false;
	memcpy(parts, rest.p, rest.n);
	parts[0] = '{';
	if (json_read(a, str_span(parts, rest.n), JSON_DEPTH_MAX, &root, NULL) != ERR_NONE) return false;
	const struct json *at = json_first(root);
	return !read_parts(&at, out);
}

bool leaf_read(struct arena *a, struct str text, struct leaf *out, const char **why)
{
	const struct json *root;
	*out = (struct leaf){ 0 };
	*why = NULL;
	if (read_usual(a, text, out)) return true;
	*out = (struct leaf){ 0 };
	*why = "it is not JSON in the permitted form";
	if (json_read(a, text, JSON_DEPTH_MAX, &root, NULL) || json_type(root) != JSON_OBJECT) return false;
	*why = "it has white space outside strings";
	if (has_blanks(text)) return false;
	const struct json *at = json_first(root);
	*why = read_head(&at, out);
	if (!*why) *why = read_parts(&at, out);
	return !*why;
}
