#ifndef GATEWAY_CACHED_H
#define GATEWAY_CACHED_H

#include "common/http/client.h"
#include "gateway/cache/cache.h"
#include "gateway/cache/serve.h"

/*
 * The cache of contract routes. Policy is the contract's alone (x-cache, x-purges): what services and clients say may only make it
 * stricter. Only operations that anybody may call are ever kept, and they are asked as nobody, so that no answer depends on who asked.
 */
struct request;
struct operation;
struct plan;

/** Per operation, found when contracts are loaded. */
struct cached_policy {
	int64_t ttl_ms; /* 0: never kept */
	int64_t while_revalidate_ms;
	int64_t if_error_ms;
	bool strict;
	bool expensive; /* one process asks for all */
	struct str control; /* for answers that say nothing */
	struct str key_prefix; /* "v1|operation|||" */
	const struct operation *operation; /* for its tags */
};

enum { CACHED_L1_CAP_MS = 5000 }; /* how long an answer is served while nobody knows whether it was purged */

/** A request's part in it. */
struct cached {
	const struct cached_policy *policy; /* NULL: not of a route with a cache */
	struct str key;
	uint64_t hash;
	const struct str *path_values; /* for tags */
	unsigned path_value_count;
	struct entry *entry; /* shared: the answer */
	struct entry *stale; /* shared: second best, and what is asked about */
	const char *how; /* for Cache-Status */
	enum cache_outcome outcome;
	struct flight *flight; /* led */
	struct flight_wait wait;
	struct l2_call *call;
	bool leased; /* the question to the service is ours among all processes */
	uint64_t lease;
	struct tags_stamp stamp; /* before the service was asked */
	int64_t asked_ms; /* monotonic */
};

/** Reads an operation's policy. Strings live in the arena or the contract. */
MUST_USE enum err cached_policy_read(
    struct arena *a, const struct operation *op, bool alone, struct cached_policy *out);

/** What selects a variant: the language only, in one of its two forms. */
struct http_fields cached_asked(const struct request *r);
/** After the arena of the request: what it still holds. */
void cached_forget(struct request *r);
/** Just before the service is asked. */
void cached_begin(struct request *r);
/** The service has answered, or not: request->cache.entry is set when the answer comes from the cache. */
void cached_answered(struct request *r, enum err status, const struct http_reply *reply);
/** Purges what a successful write makes stale. True: the answer waits, for a moment; steps go on by themselves. */
bool cached_purge(struct request *r);

/* Inside cached*.c. */
bool cached_may_be_stale(const struct request *r, const struct entry *e, int64_t window_ms);
/** The entry becomes the answer. */
void cached_take(struct request *r, struct entry *e, const char *how, enum cache_outcome outcome);
/** Keeps the answer in both levels; shared with the caller. NULL: it may not be kept. */
struct entry *cached_keep(struct cache *c, struct arena *a, const struct cached *k, struct http_fields asked,
    struct entry *renewed, const struct http_reply *reply);
/** Asks the service again, with nobody waiting. */
void cached_refresh(struct request *r, struct entry *e);
/** What orders answers in time: key and language. */
static inline uint64_t cached_served(const struct cached *k, struct http_fields asked)
{
	return k->hash + asked.items[0].value.n;
}
/** The second level's name for the variant of an entry's names of Vary. */
struct str cached_variant(struct http_fields asked, struct str vary, struct buf *out);

#endif
