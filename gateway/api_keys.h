#ifndef GATEWAY_API_KEYS_H
#define GATEWAY_API_KEYS_H

#include "gateway/credentials.h"

/** Asks the identity service who an API key belongs to. One question per key at a time: later comers join it. */
struct api_keys;
enum { API_KEY_HEX_BYTES = 64 };

/** `learn` is called with each answer before those who wait are woken. */
typedef void api_keys_learn(void *arg, struct str hex, const struct principal *p, int64_t fresh_s);

struct api_keys *api_keys_new(struct internal *internal, api_keys_learn *learn, void *arg);
void api_keys_free(struct api_keys *k);
bool api_keys_well_formed(struct str key);
void api_keys_hash(struct str key, char hex[API_KEY_HEX_BYTES]);
MUST_USE enum err api_keys_ask(struct api_keys *k, struct str key, struct credential_wait *w);

#endif
