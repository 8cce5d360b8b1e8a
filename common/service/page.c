/* Cursors: the keys of the last row shown, bound to operation and filters, MAC-ed so that nobody can forge a position. */
#include "common/service/runtime.h"

enum { CURSOR_MAC_BYTES = 16, CURSOR_TEXT_MAX = 1024 };

/* Everything that must stay the same from page to page: the operation and all parameters but limit and cursor. */
static void filters_digest(const struct request *r, unsigned char out[SHA256_BYTES])
{
	const struct operation *op = r->linked->operation;
	char text[4096];
	size_t n = 0;
	for (unsigned i = 0; i < op->parameter_count; i++) {
		struct str name = op->parameters[i].bind, value = r->parameters.values[i];
		if (str_eq(name, STR("query.limit")) || str_eq(name, STR("query.cursor"))) continue;
		if (name.n + value.n + 2 > sizeof text - n) continue; /* longer filters do not exist by contract */
		memcpy(text + n, name.p, name.n);
		n += name.n;
		text[n++] = value.p ? '=' : '-';
		if (value.n) memcpy(text + n, value.p, value.n);
		n += value.n;
		text[n++] = '\n';
	}
	sha256(str_span(text, n), out);
}

/* operation, filters and keys → MAC. */
static void cursor_mac(const struct request *r, struct str keys, unsigned char out[SHA256_BYTES])
{
	unsigned char filters[SHA256_BYTES];
	filters_digest(r, filters);
	struct str id = r->linked->operation->id;
	struct str subject = r->linked->operation->rows == ROWS_OWN ? r->principal.subject : STR_NONE;
	char text[CURSOR_TEXT_MAX + 256 + SHA256_BYTES];
	size_t n = 0;
	const struct str parts[] = { id, STR("\n"), subject, STR("\n"), str_span((char *)filters, sizeof filters),
		keys };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		CHECK(parts[i].n <= sizeof text - n);
		if (parts[i].n) memcpy(text + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	hmac_sha256(r->service->cursor_key, str_span(text, n), out);
}

enum err page_read_cursor(struct request *r)
{
	const struct operation *op = r->linked->operation;
	int limit = contract_parameter_index(op, STR("query.limit")),
	    at = contract_parameter_index(op, STR("query.cursor"));
	if (limit < 0 || !str_to_i64(r->parameters.values[limit], &r->page_limit)) r->page_limit = 20;
	struct str text = at < 0 ? STR_NONE : r->parameters.values[at], bytes, pair, name;
	if (!text.p) return ERR_NONE;
	if (text.n > CURSOR_TEXT_MAX || base64url_decode(r->arena, text, &bytes) != ERR_NONE ||
	    bytes.n <= CURSOR_MAC_BYTES)
		return ERR_CURSOR_MISMATCH;
	struct str keys = str_from(bytes, CURSOR_MAC_BYTES);
	unsigned char mac[SHA256_BYTES];
	cursor_mac(r, keys, mac);
	if (!crypto_equal(str_span((char *)mac, CURSOR_MAC_BYTES), str_span(bytes.p, CURSOR_MAC_BYTES)))
		return ERR_CURSOR_MISMATCH;
	while (str_cut(&keys, '\n', &pair)) {
		if (!str_cut(&pair, '=', &name)) continue;
		struct setting *s = ARENA_NEW(r->arena, struct setting);
		if (!s) return ERR_MEMORY;
		*s = (struct setting){ .next = r->page_keys, .bind = name, .value = pair };
		r->page_keys = s;
	}
	return ERR_NONE;
}

/* The request's own address with another cursor, for Link (RFC 8288). */
static struct str next_address(struct request *r, struct str cursor)
{
	struct str rest = r->x->query, pair, kept = STR("");
	while (str_cut(&rest, '&', &pair)) {
		if (pair.n == 0 || str_starts(pair, STR("cursor="))) continue;
		kept = arena_printf(r->arena, "%.*s%.*s&", STR_FMT(kept), STR_FMT(pair));
	}
	return arena_printf(r->arena, "<%.*s%.*s?%.*scursor=%.*s>; rel=\"next\"", STR_FMT(r->service->public_url),
	    STR_FMT(r->x->path), STR_FMT(kept), STR_FMT(cursor));
}

void page_write_end(struct request *r, struct json_writer *w, const struct plan *plan, const struct pg_result *result,
    unsigned first, unsigned shown, bool more)
{
	json_put_member_bool(w, "has_more", more);
	if (!more || shown == 0) return;
	char text[CURSOR_TEXT_MAX];
	size_t n = CURSOR_MAC_BYTES;
	for (unsigned i = 0; i < plan->page_column_count; i++) {
		unsigned column = (unsigned)plan->page_columns[i];
		struct str name = str_from(pg_column_name(result, column), 5),
			   value = pg_get(result, first + shown - 1, column);
		CHECK(n + name.n + value.n + 2 < sizeof text);
		if (i) text[n++] = '\n';
		memcpy(text + n, name.p, name.n);
		n += name.n;
		text[n++] = '=';
		if (value.n) memcpy(text + n, value.p, value.n);
		n += value.n;
	}
	unsigned char mac[SHA256_BYTES];
	cursor_mac(r, str_span(text + CURSOR_MAC_BYTES, n - CURSOR_MAC_BYTES), mac);
	memcpy(text, mac, CURSOR_MAC_BYTES);
	struct str cursor = base64url_encode(r->arena, str_span(text, n));
	json_put_member_str(w, "next_cursor", cursor);
	request_add_header(r, STR("Link"), next_address(r, cursor));
}
