/* Cursors: the keys of the last row shown, bound to operation, caller and filters, MAC-ed so that nobody can forge a position. */
#include "common/service/runtime.h"

#include "common/core/log.h"
#include "common/pg/binary_form.h"

enum { CURSOR_MAC_BYTES = 16, VALUE_NULL = 0xffff, LIMIT_DEFAULT = 20 };

/* ── keys as bytes: length and name, length and value; both lengths say where the next one begins ── */

enum err page_keys_write(const struct page_key *keys, unsigned count, char out[CURSOR_BYTES_MAX], size_t *bytes)
{
	size_t n = 0;
	for (unsigned i = 0; i < count; i++) {
		struct str name = keys[i].name, value = keys[i].value;
		size_t room = CURSOR_BYTES_MAX - n;
		if (name.n > UINT8_MAX || value.n >= VALUE_NULL || 3 + name.n + value.n > room)
			return ERR_PAYLOAD_TOO_LARGE;
		size_t length = value.p ? value.n : VALUE_NULL;
		out[n++] = (char)name.n;
		memcpy(out + n, name.p, name.n);
		n += name.n;
		out[n++] = (char)(length >> 8);
		out[n++] = (char)(length & 0xff);
		if (value.n) memcpy(out + n, value.p, value.n);
		n += value.n;
	}
	*bytes = n;
	return ERR_NONE;
}

static bool take(struct str *rest, size_t n, struct str *out)
{
	if (rest->n < n) return false;
	*out = str_span(rest->p, n);
	*rest = str_span(rest->p + n, rest->n - n);
	return true;
}

enum err page_keys_read(struct str bytes, struct page_key keys[PAGE_KEYS_MAX], unsigned *count)
{
	struct str length;
	*count = 0;
	while (bytes.n) {
		if (*count == PAGE_KEYS_MAX) return ERR_CURSOR_MISMATCH;
		struct page_key *k = &keys[(*count)++];
		if (!take(&bytes, 1, &length) || !take(&bytes, (unsigned char)length.p[0], &k->name) ||
		    !take(&bytes, 2, &length))
			return ERR_CURSOR_MISMATCH;
		size_t n = (size_t)(unsigned char)length.p[0] << 8 | (unsigned char)length.p[1];
		k->value = STR_NONE;
		if (n != VALUE_NULL && !take(&bytes, n, &k->value)) return ERR_CURSOR_MISMATCH;
	}
	return ERR_NONE;
}

/* ── what a cursor belongs to ── */

static bool is_filter(const struct parameter *p)
{
	return p->in != IN_HEADER && !str_eq(p->bind, STR("query.limit")) && !str_eq(p->bind, STR("query.cursor"));
}

static char *put(char *at, struct str s)
{
	unsigned long long n = s.p ? s.n : UINT64_MAX; /* so that no two lists of values look alike */
	memcpy(at, &n, sizeof n);
	if (s.n) memcpy(at + sizeof n, s.p, s.n);
	return at + sizeof n + s.n;
}

/* Operation, who may see which rows, and every filter: what must stay the same from page to page. */
static bool digest_scope(struct request *r, unsigned char out[SHA256_BYTES])
{
	const struct operation *op = r->linked->operation;
	struct str who = op->rows == ROWS_OWN            ? r->principal.subject
			 : op->rows == ROWS_ORGANIZATION ? r->principal.organization
							 : STR_NONE;
	size_t bytes = 2 * sizeof(unsigned long long) + op->id.n + who.n;
	for (unsigned i = 0; i < op->parameter_count; i++)
		if (is_filter(&op->parameters[i]))
			bytes += 2 * sizeof(unsigned long long) + op->parameters[i].bind.n + r->parameters.values[i].n;
	char *text = arena_alloc(r->arena, bytes), *at = text;
	if (!text) return false;
	at = put(put(at, op->id), who);
	for (unsigned i = 0; i < op->parameter_count; i++)
		if (is_filter(&op->parameters[i])) at = put(put(at, op->parameters[i].bind), r->parameters.values[i]);
	CHECK(at == text + bytes);
	sha256(str_span(text, bytes), out);
	return true;
}

static bool cursor_mac(struct request *r, struct str key, struct str keys, unsigned char out[SHA256_BYTES])
{
	unsigned char text[SHA256_BYTES + CURSOR_BYTES_MAX];
	if (keys.n > CURSOR_BYTES_MAX || !digest_scope(r, text)) return false;
	memcpy(text + SHA256_BYTES, keys.p, keys.n);
	hmac_sha256(key, str_span((const char *)text, SHA256_BYTES + keys.n), out);
	return true;
}

static bool is_ours(struct request *r, struct str mac, struct str keys)
{
	unsigned char want[SHA256_BYTES];
	const struct service *s = r->service;
	for (unsigned i = 0; i < s->identity_key_count; i++)
		if (cursor_mac(r, s->cursor_keys[i], keys, want) &&
		    crypto_equal(str_span((char *)want, CURSOR_MAC_BYTES), mac))
			return true;
	return false;
}

enum err page_read_cursor(struct request *r)
{
	const struct operation *op = r->linked->operation;
	int limit = contract_parameter_index(op, STR("query.limit")),
	    at = contract_parameter_index(op, STR("query.cursor"));
	if (limit < 0 || !str_to_i64(r->parameters.values[limit], &r->page_limit)) r->page_limit = LIMIT_DEFAULT;
	struct str text = at < 0 ? STR_NONE : r->parameters.values[at], bytes;
	if (!text.p) return ERR_NONE;
	if (base64url_decode(r->arena, text, &bytes) != ERR_NONE || bytes.n <= CURSOR_MAC_BYTES)
		return ERR_CURSOR_MISMATCH;
	struct str keys = str_from(bytes, CURSOR_MAC_BYTES);
	if (!is_ours(r, str_span(bytes.p, CURSOR_MAC_BYTES), keys)) return ERR_CURSOR_MISMATCH;
	struct page_key read[PAGE_KEYS_MAX];
	unsigned count;
	TRY(page_keys_read(keys, read, &count));
	for (unsigned i = 0; i < count; i++) {
		struct setting *s = ARENA_NEW(r->arena, struct setting);
		if (!s) return ERR_MEMORY;
		*s = (struct setting){ .next = r->page_keys, .bind = read[i].name, .value = read[i].value };
		r->page_keys = s;
	}
	return ERR_NONE;
}

static char *append(char *at, struct str s)
{
	if (s.n) memcpy(at, s.p, s.n);
	return at + s.n;
}

/* The request's own address with another cursor, for Link (RFC 8288). */
static struct str next_address(struct request *r, struct str cursor)
{
	struct str rest = r->x->query, pair, url = r->service->public_url, path = r->x->path;
	const struct str before = STR("cursor="), after = STR(">; rel=\"next\"");
	char *text = arena_alloc(r->arena, url.n + path.n + rest.n + cursor.n + before.n + after.n + 3), *at = text;
	if (!text) return STR_NONE;
	*at++ = '<';
	at = append(append(at, url), path);
	*at++ = '?';
	while (str_cut(&rest, '&', &pair)) {
		if (pair.n == 0 || str_starts(pair, before)) continue;
		at = append(at, pair);
		*at++ = '&';
	}
	at = append(append(append(at, before), cursor), after);
	return str_span(text, (size_t)(at - text));
}

static struct str make_cursor(struct request *r, const struct plan *plan, const struct pg_result *result, unsigned row)
{
	struct page_key keys[PAGE_KEYS_MAX];
	char bytes[CURSOR_BYTES_MAX], text[CURSOR_BYTES_MAX], values[PAGE_KEYS_MAX][BINARY_TEXT_BYTES];
	unsigned char mac[SHA256_BYTES];
	size_t n;
	for (unsigned i = 0; i < plan->page_column_count; i++) {
		unsigned column = (unsigned)plan->page_columns[i];
		keys[i] = (struct page_key){ str_from(pg_column_name(result, column), sizeof "page." - 1),
			pg_get_text(result, row, column, values[i]) };
	}
	if (page_keys_write(keys, plan->page_column_count, bytes, &n) != ERR_NONE ||
	    n > CURSOR_BYTES_MAX - CURSOR_MAC_BYTES ||
	    !cursor_mac(r, r->service->cursor_keys[0], str_span(bytes, n), mac))
		return STR_NONE;
	memcpy(text, mac, CURSOR_MAC_BYTES);
	memcpy(text + CURSOR_MAC_BYTES, bytes, n);
	return base64url_encode(r->arena, str_span(text, CURSOR_MAC_BYTES + n));
}

bool page_write_end(struct request *r, struct json_writer *w, const struct plan *plan, const struct pg_result *result,
    unsigned first, unsigned shown, bool more)
{
	json_put_member_bool(w, "has_more", more);
	if (!more || shown == 0) return true;
	struct str cursor = make_cursor(r, plan, result, first + shown - 1);
	if (!cursor.p) {
		log_line(LOG_ERROR, "keys too long for a cursor", "%.*s", STR_FMT(r->linked->operation->id));
		return false;
	}
	json_put_member_str(w, "next_cursor", cursor);
	request_add_header(r, STR("Link"), next_address(r, cursor));
	return true;
}
