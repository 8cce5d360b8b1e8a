/* Idempotency-Key: read, normalise, and turn into the ids under which the effect is claimed. */
#include "common/service/runtime.h"

#include "common/core/id.h"

enum { KEY_BYTES_MAX = 255 };

/* The draft's value is a quoted string; many clients send it bare. Both are the same key. */
static bool normalise(struct str raw, struct str *key)
{
	*key = str_trim(raw);
	if (key->n >= 2 && key->p[0] == '"' && key->p[key->n - 1] == '"') *key = str_span(key->p + 1, key->n - 2);
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

enum err idempotency_check_key(struct request *r)
{
	const struct operation *op = r->linked->operation;
	if (op->idempotency == IDEMPOTENCY_NONE) return ERR_NONE;
	struct str raw = http_get(r->x->fields, STR("idempotency-key"));
	if (!raw.p) return op->idempotency == IDEMPOTENCY_REQUIRED ? ERR_IDEMPOTENCY_KEY_MISSING : ERR_NONE;
	if (http_count(r->x->fields, STR("idempotency-key")) != 1 || !normalise(raw, &r->idempotency_key))
		return ERR_IDEMPOTENCY_KEY_INVALID;
	return ERR_NONE;
}

enum err idempotency_claim_ids(struct request *r)
{
	if (!r->idempotency_key.p) return ERR_NONE;
	const struct operation *op = r->linked->operation;
	struct buf *b = &r->service->scratch;
	struct json_writer w;
	buf_reset(b);
	buf_printf(b, "%.*s\n%.*s\n%.*s", STR_FMT(r->principal.subject), STR_FMT(op->id), STR_FMT(r->idempotency_key));
	r->idempotency_id = digest_uuid(r->arena, buf_view(b));
	buf_reset(b);
	buf_printf(b, "%.*s\n", STR_FMT(r->x->path));
	json_write_init(&w, b);
	if (r->body)
		json_put_tree(&w, r->body); /* the value, not its white space */
	else
		buf_str(b, r->x->body);
	if (!buf_ok(b)) return ERR_MEMORY;
	r->idempotency_fingerprint = digest_uuid(r->arena, buf_view(b));
	return r->arena->overflow ? ERR_MEMORY : ERR_NONE;
}
