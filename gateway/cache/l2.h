#ifndef GATEWAY_CACHE_L2_H
#define GATEWAY_CACHE_L2_H

#include "gateway/cache/tags.h"

/*
 * The second level: answers in Redis, shared by all processes. It knows keys, variants, stamps and opaque bytes; what may be stored
 * and for how long is the caller's business. The caller's duty too: no personal data, no answer to an authenticated request in clear
 * scope, ever.
 *
 * Redis is never required: every call is bounded (10 ms), a breaker spares requests the wait when it is mute, writes that find no
 * room are dropped and counted. Nothing here can fail a request.
 *
 * In Redis, {h} the hash of the key's text: `yg:m:{h}` names of Vary, `yg:v:{h}:<variant>` an answer, `yg:f:{h}` a lease. The whole
 * text of key and variant stands in the value and is compared: a collision is a miss.
 */
struct l2;

enum {
	L2_BLOB_BYTES_MAX = 1024 * 1024,
	L2_KEY_BYTES_MAX = 16 * 1024,
	L2_VARY_BYTES_MAX = 512,
	L2_VARIANT_BYTES_MAX = 4 * 1024,
	L2_DEADLINE_MS = 10,
	L2_LEASE_WAIT_MS = 200
};

struct l2_config {
	struct loop *loop;
	struct str redis; /* address */
	struct tags *tags; /* of the same Redis; outlives this */
	struct metrics *metrics;
};

/** NULL (logged) when the address is not one. */
struct l2 *l2_new(const struct l2_config *config);
/** What waits ends with a miss from the next turn on. NULL is fine. */
void l2_free(struct l2 *l);

/**
 * The variant's text for these names of Vary ("accept,accept-language": lower case, sorted, without spaces; empty: no Vary): the
 * request's normalised values. Called inside l2_get, later from its drain point, and inside l2_put; the result is copied at once.
 * Absent: there is none (a miss).
 */
typedef struct str l2_variant(void *arg, struct str vary);

/** Borrowed until l2_done returns. */
struct l2_hit {
	struct str blob;
	struct str vary;
	int64_t response_time_us; /* as given to l2_put */
	struct tags_stamp stamp; /* for the L1 entry; the tags were current when Redis was asked */
	const struct str *tags;
	unsigned tag_count;
};
/** hit NULL: a miss (or no Redis, or not in time). */
typedef void l2_done(void *arg, const struct l2_hit *hit);

struct l2_call;
/**
 * Looks up one variant. One round trip where the names of Vary are as remembered (or as last seen anywhere); one more where they are
 * not, one more where the stamp is older than what this process can judge by itself. `done` runs later, once, not after `deadline_ms`
 * (absolute, loop_now_ms) nor after L2_DEADLINE_MS.
 * Fails: a miss at once, `done` is not called. *call (may be NULL) is for l2_cancel.
 */
MUST_USE enum err l2_get(struct l2 *l, struct str key, l2_variant *variant, int64_t deadline_ms, l2_done *done,
    void *arg, struct l2_call **call);
/** `done` and `variant` will not be called. Only before `done` has run. */
void l2_cancel(struct l2_call *call);

struct l2_fill {
	struct str key;
	struct str vary; /* this answer's names: lower case, sorted, no spaces, separated by commas; empty: none */
	l2_variant *variant;
	void *arg; /* for variant */
	struct str blob;
	int64_t response_time_us; /* wall clock; an older answer never takes the place of a newer one */
	int64_t ttl_ms; /* lifetime and stale windows; the key lives so long ± 10 % */
	struct tags_stamp stamp; /* taken by tags_now before the request was sent */
	const struct str *tags; /* tag_of_url among them */
	unsigned tag_count;
};
/**
 * Stores an answer, unless one of its tags was purged after its stamp (compared in Redis, in one step with the storing), or a newer
 * one stands there. Everything is copied. False: dropped here and counted (no Redis, too large, full queue, already purged).
 */
bool l2_put(struct l2 *l, const struct l2_fill *fill);

/** For expensive reads: one process asks the service, the others wait for what it stores. */
enum l2_lease {
	L2_LEASE_OURS, /* go upstream; then l2_put, or l2_lease_end when there is nothing to store */
	L2_LEASE_FILLED, /* somebody has stored an answer: l2_get again */
	L2_LEASE_NONE /* waited long enough, the holder had nothing to store, or no Redis: go upstream all the same */
};
typedef void l2_leased(void *arg, enum l2_lease outcome, uint64_t token);
/**
 * Takes the lease of a key for lease_ms, or waits for its holder, L2_LEASE_WAIT_MS at most. `done` runs later, once.
 * Fails: L2_LEASE_NONE at once, `done` is not called.
 */
MUST_USE enum err l2_lease_take(
    struct l2 *l, struct str key, int64_t lease_ms, l2_leased *done, void *arg, struct l2_call **call);
/** Gives the lease up: nothing will be stored. Those who wait go upstream themselves. */
void l2_lease_end(struct l2 *l, struct str key, uint64_t token);

#endif
