/* Idempotency-Key: read, normalise, and turn into the ids under which the effect is claimed. */
#include "common/service/runtime.h"

#include <stdlib.h>

#include "common/core/id.h"
#include "common/http/structured.h"

enum { KEY_BYTES_MAX = 255 };

/* The draft's value is a string of RFC 9651, whose parameters mean nothing here; many clients send it bare. Both are the same key. */
bool idempotency_normalise(struct arena *a, struct str raw, struct str *key)
{
	struct sf_item item;
	*key = str_trim(raw);
	if (key->n && key->p[0] == '"') {
		if (sf_parse_item(a, *key, &item) != ERR_NONE || item.value.type != SF_STRING) return false;
		*key = item.value.text;
	}
	if (key->n == 0 || key->n > KEY_BYTES_MAX) return false;
	for (size_t i = 0; i < key->n; i++)
		if (key->p[i] < 0x20 || key->p[i] > 0x7e || key->p[i] == '"' || key->p[i] == '\\') return false;
	return true;
}

/* The first 16 bytes of SHA-256 as a UUIDv8 (RFC 9562 5.8). */
static struct str digest_uuid(struct arena *a, struct str data)
{
	unsigned char digest[SHA256_BYTES];
	char hex[32], *out = arena_alloc(a, UUID_TEXT_BYTES + 1);
	if (!out) return STR_NONE;
	sha256(data, digest);
	digest[6] = (unsigned char)(0x80 | (digest[6] & 0x0f));
	digest[8] = (unsigned char)(0x80 | (digest[8] & 0x3f));
	id_hex(digest, 16, hex);
	for (int from = 0, to = 0; from < 32; from++) {
		if (from == 8 || from == 12 || from == 16 || from == 20) out[to++] = '-';
		out[to++] = hex[from];
	}
	return str_span(out, UUID_TEXT_BYTES);
}

static int by_key(const void *a, const void *b)
{
	return str_cmp(json_key(*(const struct json *const *)a), json_key(*(const struct json *const *)b));
}

static void put_value(struct json_writer *w, struct arena *a, const struct json *v)
{
	bool object = json_type(v) == JSON_OBJECT;
	if (!object && json_type(v) != JSON_ARRAY) {
		json_put_tree(w, v);
		return;
	}
	size_t count = json_count(v), n = 0;
	const struct json **items = arena_array(a, count + 1, sizeof *items);
	if (!items) return; /* overflow is sticky */
	for (const struct json *c = json_first(v); c && n < count; c = json_next(c)) items[n++] = c;
	if (object) {
		qsort(items, n, sizeof *items, by_key);
		json_begin_object(w);
	} else {
		json_begin_array(w);
	}
	for (size_t i = 0; i < n; i++) {
		if (object) json_put_key(w, json_key(items[i]));
		put_value(w, a, items[i]);
	}
	if (object)
		json_end_object(w);
	else
		json_end_array(w);
}

void idempotency_put_canonical(struct buf *out, struct arena *a, const struct json *v)
{
	struct json_writer w;
	json_write_init(&w, out);
	put_value(&w, a, v);
}

enum err idempotency_check_key(struct request *r)
{
	const struct operation *op = r->linked->operation;
	if (op->idempotency == IDEMPOTENCY_NONE) return ERR_NONE;
	struct str raw = http_get(r->x->fields, STR("idempotency-key"));
	if (!raw.p) return op->idempotency == IDEMPOTENCY_REQUIRED ? ERR_IDEMPOTENCY_KEY_MISSING : ERR_NONE;
	if (http_count(r->x->fields, STR("idempotency-key")) != 1 ||
	    !idempotency_normalise(r->arena, raw, &r->idempotency_key))
		return ERR_IDEMPOTENCY_KEY_INVALID;
	return ERR_NONE;
}

enum err idempotency_claim_ids(struct request *r)
{
	if (!r->idempotency_key.p) return ERR_NONE;
	const struct operation *op = r->linked->operation;
	struct buf *b = &r->service->scratch;
	const struct principal *p = &r->principal;
	buf_reset(b);
	/* Keys are the caller's own: nobody replays another's answer. A process of ours has no subject but a name. */
	buf_printf(b, "%.*s\n%.*s\n%.*s\n%.*s", STR_FMT(principal_kind_name(p->kind)),
	    STR_FMT(p->subject.n ? p->subject : p->client), STR_FMT(op->id), STR_FMT(r->idempotency_key));
	r->idempotency_id = digest_uuid(r->arena, buf_view(b));
	buf_reset(b);
	buf_printf(b, "%.*s?%.*s\n", STR_FMT(r->x->path), STR_FMT(r->x->query));
	if (r->body)
		idempotency_put_canonical(b, r->arena, r->body);
	else
		buf_str(b, r->x->body);
	if (!buf_ok(b)) return ERR_MEMORY;
	r->idempotency_fingerprint = digest_uuid(r->arena, buf_view(b));
	return r->arena->overflow ? ERR_MEMORY : ERR_NONE;
}
