#ifndef GATEWAY_CACHE_L2_STATE_H
#define GATEWAY_CACHE_L2_STATE_H

#include "common/cache/purge.h"
#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/core/map.h"
#include "gateway/cache/l2_value.h"
#include "gateway/cache/waits.h"

/* Inside l2*.c only: l2.c looks up, l2_fill.c stores, l2_lease.c lends. */

enum { L2_HASH_BYTES = 32, L2_KEY_NAME_BYTES = 96 };

/** Names of Vary, as Redis had them last. */
struct l2_names {
	uint16_t n;
	char text[L2_VARY_BYTES_MAX];
};

struct l2_breaker {
	unsigned failures; /* in a row */
	int64_t pause_ms;
	int64_t shut_until_ms;
	bool trying; /* one call, while it is shut for the others */
};

struct l2 {
	struct loop *loop;
	struct tags *tags;
	struct redis *redis; /* of the tags: small commands, and answers */
	struct redis *bulk; /* fills, which nobody waits for */
	struct waits waits;
	struct lru remembered; /* hash → struct l2_names */
	struct l2_names usual; /* last seen under any key: the first guess */
	struct list calls; /* that have not been told */
	struct list spare;
	struct l2_breaker breaker;
	int64_t fills_from_ms; /* after a refusal (full) */
	struct buf scratch;
	struct loop_task release_task;
	bool freed;
	unsigned owed; /* answers of Redis to fills and to leases given up */
	uint64_t *hits, *misses, *stale, *spared, *late;
	uint64_t *stored, *outdated, *dropped, *refused;
	uint64_t *leases_taken, *leases_filled, *leases_alone;
};

struct l2_call {
	struct list link;
	struct wait wait;
	struct l2 *l2;
	l2_done *done;
	l2_leased *leased;
	l2_variant *variant;
	void *arg;
	bool told; /* or cancelled */
	unsigned owed; /* answers of Redis or of the tags */
	char hash[L2_HASH_BYTES];
	struct arena arena; /* key, variant, a blob that is being compared */
	struct str key;
	struct l2_names names;
	struct str variant_text;
	struct l2_value value;
	struct str value_bytes;
	/* a lease */
	uint64_t token;
	bool filled, given_up; /* a message came before the answer */
	bool waits_for_message;
};

struct l2_call *l2_call_new(struct l2 *l, struct str key, void *arg);
/** Told or cancelled, and nothing owed any more: to the spare ones. */
void l2_call_put(struct l2_call *c);
/** Freed, and nothing is owed any more: goes. */
void l2_let_go(struct l2 *l);
/** True the first time: the caller may tell now. */
bool l2_call_tell(struct l2_call *c);

void l2_hash(struct str key, char out[L2_HASH_BYTES]);
/** "yg:m:{hash}", or "yg:v:{hash}:" and the hash of the variant. */
struct str l2_name(char kind, const char hash[L2_HASH_BYTES], const struct str *variant, char out[L2_KEY_NAME_BYTES]);
void l2_remember(struct l2 *l, const char hash[L2_HASH_BYTES], struct str vary);
/** What is remembered for this key; else what was seen last. */
void l2_recall(struct l2 *l, const char hash[L2_HASH_BYTES], struct l2_names *out);

/** False while Redis is spared. */
bool l2_breaker_allows(struct l2 *l);
void l2_breaker_note(struct l2 *l, bool good);

void l2_leases_open(struct l2 *l);

#endif
