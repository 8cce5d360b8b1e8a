/* POST /internal/api-keys/resolve {"key_sha256"}: 200 with the owner, 404 for an unknown or withdrawn key. The key itself never leaves the gateway. */
#include "gateway/api_keys.h"

#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/id.h"
#include "common/json/json.h"
#include "gateway/questions.h"

enum { FRESH_S = 30, FRESH_UNKNOWN_S = 5, REPLY_BYTES_MAX = 64 * 1024 };

struct api_keys {
	struct questions *questions;
	api_keys_learn *learn;
	void *arg;
};

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

static enum err learn_reply(void *arg, struct str hex, const struct http_reply *reply)
{
	struct api_keys *k = arg;
	struct principal p;
	struct arena a;
	int64_t now_s = clock_wall_s();
	if (reply->status == 404) {
		k->learn(k->arg, hex, NULL, now_s + FRESH_UNKNOWN_S);
		return ERR_NONE;
	}
	if (reply->status != 200) return ERR_BAD_UPSTREAM;
	arena_init(&a, 4096, REPLY_BYTES_MAX);
	enum err e = read_owner(&a, reply->body, &p);
	if (e == ERR_NONE) k->learn(k->arg, hex, &p, now_s + FRESH_S);
	arena_release(&a);
	return e == ERR_NONE ? ERR_NONE : ERR_BAD_UPSTREAM;
}

struct api_keys *api_keys_new(struct internal *internal, api_keys_learn *learn, void *arg)
{
	struct api_keys *k = calloc(1, sizeof *k);
	CHECK(k != NULL);
	k->questions = questions_new(&(struct questions_config){ .internal = internal,
	    .path = STR("/internal/api-keys/resolve"),
	    .member = "key_sha256",
	    .what = "API key not resolved",
	    .questions_max = API_KEY_FLIGHTS_MAX,
	    .waits_max = API_KEY_WAITS_MAX,
	    .learn = learn_reply,
	    .arg = k });
	k->learn = learn;
	k->arg = arg;
	return k;
}

void api_keys_free(struct api_keys *k)
{
	if (k) questions_free(k->questions);
	free(k);
}

enum err api_keys_ask(struct api_keys *k, struct str key, struct credential_wait *w)
{
	char hex[API_KEY_HEX_BYTES];
	api_keys_hash(key, hex);
	return questions_ask(k->questions, str_span(hex, sizeof hex), w);
}
