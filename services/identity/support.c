/* What several flows need: bytea texts, secrets and their digests, the caller's network, hashing passwords in bounded number. */
#include "services/identity/identity.h"

#include "common/core/id.h"

enum { DEVICE_BYTES_MAX = 200, HASH_ARENA_BYTES = 1024, BUSY_RETRY_S = 1 };

struct str bytea_text(struct arena *a, struct str bytes)
{
	char *text = arena_alloc(a, 2 * bytes.n + 2);
	if (!text) return STR_NONE;
	memcpy(text, "\\x", 2);
	id_hex(bytes.p, bytes.n, text + 2);
	return str_span(text, 2 * bytes.n + 2);
}

struct str bytea_bytes(struct arena *a, struct str text)
{
	if (!str_starts(text, STR("\\x")) || text.n % 2) return STR_NONE;
	size_t n = text.n / 2 - 1;
	char *bytes = arena_alloc(a, n + 1);
	return bytes && id_unhex(str_from(text, 2), bytes, n) ? str_span(bytes, n) : STR_NONE;
}

struct str secret_new(struct arena *a)
{
	unsigned char bytes[SECRET_BYTES];
	crypto_random(bytes, sizeof bytes);
	struct str text = base64url_encode(a, str_span((const char *)bytes, sizeof bytes));
	crypto_wipe(bytes, sizeof bytes);
	return text;
}

struct str sha256_hex(struct arena *a, struct str s)
{
	unsigned char digest[SHA256_BYTES];
	char *hex = arena_alloc(a, 2 * sizeof digest);
	if (!hex) return STR_NONE;
	sha256(s, digest);
	id_hex(digest, sizeof digest, hex);
	return str_span(hex, 2 * sizeof digest);
}

struct network note_caller(struct request *r)
{
	struct network n;
	struct str device = request_header(r, STR("user-agent"));
	network_of(request_header(r, STR("x-forwarded-for")), &n);
	if (n.shown[0]) request_set(r, "flow.network_shown", str_of(n.shown));
	if (device.n > DEVICE_BYTES_MAX) device.n = DEVICE_BYTES_MAX;
	for (size_t i = 0; i < device.n; i++)
		if ((unsigned char)device.p[i] < 0x20 || (unsigned char)device.p[i] > 0x7e) device.n = i;
	if (device.n) request_set(r, "flow.device", device);
	return n;
}

enum err seal_bind(struct request *r, const char *bind, struct str context, struct str plain)
{
	struct str sealed;
	TRY(vault_seal(service_vault(request_service(r)), request_arena(r), context, plain, &sealed));
	request_set(r, bind, bytea_text(request_arena(r), sealed));
	return request_arena(r)->overflow ? ERR_MEMORY : ERR_NONE;
}

enum err unseal_text(struct request *r, struct str context, struct str text, struct str *plain)
{
	struct str sealed = bytea_bytes(request_arena(r), text);
	if (!sealed.p) return ERR_CRYPTO;
	return vault_unseal(service_vault(request_service(r)), request_arena(r), context, sealed, plain);
}

/* ── keys of people ── */

enum err seal_under(struct request *r, struct str wrapped_key, const char *bind, struct str context, struct str plain)
{
	unsigned char key[AES_KEY_BYTES];
	struct arena *a = request_arena(r);
	struct str sealed;
	TRY(vault_unwrap(service_vault(request_service(r)), bytea_bytes(a, wrapped_key), key));
	enum err e = field_seal(a, key, context, plain, &sealed);
	crypto_wipe(key, sizeof key);
	if (e != ERR_NONE) return e;
	request_set(r, bind, bytea_text(a, sealed));
	return a->overflow ? ERR_MEMORY : ERR_NONE;
}

enum err open_under(struct request *r, struct str wrapped_key, struct str context, struct str sealed, struct str *plain)
{
	unsigned char key[AES_KEY_BYTES];
	struct arena *a = request_arena(r);
	TRY(vault_unwrap(service_vault(request_service(r)), bytea_bytes(a, wrapped_key), key));
	enum err e = field_open(a, key, context, bytea_bytes(a, sealed), plain);
	crypto_wipe(key, sizeof key);
	return e;
}

enum next citizen_key_ask(struct request *r)
{
	unsigned char key[AES_KEY_BYTES];
	struct str wrapped;
	enum err e = vault_new_key(service_vault(request_service(r)), request_arena(r), key, &wrapped);
	crypto_wipe(key, sizeof key);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	request_set(r, "flow.new_wrapped_key", bytea_text(request_arena(r), wrapped));
	return request_query(r, "citizen_key");
}

/* ── passwords ── */

static void hash_drop(void *work)
{
	struct password_work *w = work;
	hash_end(w);
	arena_release(&w->arena);
}

enum err hash_begin(struct request *r, struct password_work *w, struct str password, unsigned most)
{
	struct identity *context = request_context(r);
	if (context->hashing >= most) {
		request_retry_after(r, BUSY_RETRY_S);
		return ERR_BUSY;
	}
	context->hashing++;
	*w = (struct password_work){ .owner = context, .counted = true, .password = password, .result = ERR_ABORTED };
	arena_init(&w->arena, HASH_ARENA_BYTES, 8 * HASH_ARENA_BYTES);
	arena_on_release(request_arena(r), hash_drop, w);
	return ERR_NONE;
}

void hash_end(struct password_work *w)
{
	if (w->counted) w->owner->hashing--;
	w->counted = false;
}

void hash_make(void *work)
{
	struct password_work *w = work;
	w->result = password_hash(&w->arena, w->password, &w->phc);
}

void hash_compare(void *work)
{
	struct password_work *w = work;
	w->result = password_verify(w->password, w->phc);
}
