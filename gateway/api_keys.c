/* POST /internal/api-keys/resolve {"key_sha256"}: 200 with the owner, 404 for an unknown or withdrawn key. The key itself never leaves the gateway. */
#include "gateway/api_keys.h"

#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/id.h"
#include "common/core/log.h"
#include "common/json/json.h"

enum { FRESH_S = 30, FRESH_UNKNOWN_S = 5, REPLY_BYTES_MAX = 64 * 1024 };

struct flight {
	struct list link;
	struct api_keys *owner;
	struct list waits;
	char hex[API_KEY_HEX_BYTES];
};

struct api_keys {
	struct internal *internal;
	api_keys_learn *learn;
	void *arg;
	struct list flights;
	unsigned flight_count;
	unsigned wait_count;
};

struct api_keys *api_keys_new(struct internal *internal, api_keys_learn *learn, void *arg)
{
	struct api_keys *k = calloc(1, sizeof *k);
	CHECK(k != NULL);
	k->internal = internal;
	k->learn = learn;
	k->arg = arg;
	list_init(&k->flights);
	return k;
}

void api_keys_free(struct api_keys *k)
{
	struct list *item;
	while (k && (item = list_shift(&k->flights))) free(CONTAINER_OF(item, struct flight, link));
	free(k);
}

bool api_keys_well_formed(struct str key)
{
	if (key.n < API_KEY_BYTES_MIN || key.n > API_KEY_BYTES_MAX) return false;
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] < 0x21 || key.p[i] > 0x7e) return false;
	return true;
}

void api_keys_hash(struct str key, char hex[API_KEY_HEX_BYTES])
{
	unsigned char digest[SHA256_BYTES];
	sha256(key, digest);
	id_hex(digest, sizeof digest, hex);
}

static enum err read_owner(struct arena *a, struct str body, struct principal *out)
{
	struct json_error error;
	const struct json *v;
	int64_t expires_us = 0, expires_s = 0;
	TRY(json_read(a, body, JSON_DEPTH_MAX, &v, &error));
	const struct json *expires = json_get(v, STR("expires_at"));
	if (expires && json_int64(expires, &expires_s))
		expires_us = expires_s * 1000000;
	else if (expires && json_type(expires) == JSON_STRING &&
		 !clock_parse_rfc3339(json_string(expires), &expires_us))
		return ERR_SYNTAX;
	*out = (struct principal){
		.kind = PRINCIPAL_PARTNER,
		.subject = json_get_str(v, "subject"),
		.organization = json_get_str(v, "organization"),
		.scopes = json_get_str(v, "scopes"),
		.session = json_get_str(v, "key_id"),
		.client = json_get_str(v, "client_id"),
		.certificates = json_get_str(v, "certificates"),
		.expires_s = expires_us / 1000000,
	};
	return out->subject.n ? ERR_NONE : ERR_SYNTAX;
}

static enum err learn_reply(struct flight *f, const struct http_reply *reply)
{
	struct api_keys *k = f->owner;
	struct principal p;
	struct arena a;
	int64_t now_s = clock_wall_s();
	if (reply->status == 404) {
		k->learn(k->arg, str_span(f->hex, sizeof f->hex), NULL, now_s + FRESH_UNKNOWN_S);
		return ERR_NONE;
	}
	if (reply->status != 200) return ERR_BAD_UPSTREAM;
	arena_init(&a, 4096, REPLY_BYTES_MAX);
	enum err e = read_owner(&a, reply->body, &p);
	if (e == ERR_NONE) k->learn(k->arg, str_span(f->hex, sizeof f->hex), &p, now_s + FRESH_S);
	arena_release(&a);
	return e == ERR_NONE ? ERR_NONE : ERR_BAD_UPSTREAM;
}

static void resolved(void *arg, enum err status, const struct http_reply *reply)
{
	struct flight *f = arg;
	struct list *item;
	enum err e = status == ERR_NONE ? learn_reply(f, reply) : ERR_UNAVAILABLE;
	if (e != ERR_NONE)
		log_line(LOG_WARN, "API key not resolved", "%s", err_info(status == ERR_NONE ? e : status)->name);
	list_remove(&f->link);
	f->owner->flight_count--;
	while ((item = list_shift(&f->waits))) {
		struct credential_wait *w = CONTAINER_OF(item, struct credential_wait, link);
		f->owner->wait_count--;
		w->outcome = e;
		w->wake(w);
	}
	free(f);
}

static struct flight *find_flight(struct api_keys *k, const char *hex)
{
	for (struct list *i = k->flights.next; i != &k->flights; i = i->next) {
		struct flight *f = CONTAINER_OF(i, struct flight, link);
		if (memcmp(f->hex, hex, sizeof f->hex) == 0) return f;
	}
	return NULL;
}

static enum err start_flight(struct api_keys *k, const char *hex, struct flight **out)
{
	char body[128] = "{\"key_sha256\":\"";
	size_t n = strlen(body);
	if (k->flight_count >= API_KEY_FLIGHTS_MAX) return ERR_BUSY;
	struct flight *f = calloc(1, sizeof *f);
	if (!f) return ERR_MEMORY;
	f->owner = k;
	memcpy(f->hex, hex, sizeof f->hex);
	list_init(&f->waits);
	memcpy(body + n, hex, sizeof f->hex);
	memcpy(body + n + sizeof f->hex, "\"}", 2);
	n += sizeof f->hex + 2;
	enum err e =
	    internal_send(k->internal, STR("POST"), STR("/internal/api-keys/resolve"), str_span(body, n), resolved, f);
	if (e != ERR_NONE) {
		free(f);
		return e;
	}
	list_push(&k->flights, &f->link);
	k->flight_count++;
	*out = f;
	return ERR_NONE;
}

enum err api_keys_ask(struct api_keys *k, struct str key, struct credential_wait *w)
{
	char hex[API_KEY_HEX_BYTES];
	if (k->wait_count >= API_KEY_WAITS_MAX) return ERR_BUSY;
	api_keys_hash(key, hex);
	struct flight *f = find_flight(k, hex);
	if (!f) TRY(start_flight(k, hex, &f));
	list_push(&f->waits, &w->link);
	k->wait_count++;
	return ERR_NONE;
}
