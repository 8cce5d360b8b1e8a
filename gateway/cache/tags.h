#ifndef GATEWAY_CACHE_TAGS_H
#define GATEWAY_CACHE_TAGS_H

#include "common/core/err.h"
#include "common/net/loop.h"
#include "common/service/metrics.h"

/*
 * What has been purged, across processes. Every purge has a number (`yg:seq` in Redis, counted by the script that purges and tells);
 * an entry carries the number that its process knew before it asked the service, and is good while none of its tags was purged
 * later. A hit therefore costs no round trip: purges come by subscription, and this process keeps the last number of each tag in
 * a table of fixed size (tags that share a slot are purged together: too many, never too few).
 *
 * Pub/sub is at most once. Numbers without a gap and a heartbeat each second tell whether anything was missed; when it was, or may
 * have been, an entry's tags are TAGS_UNSURE and must be compared with Redis (tags_verify) before it is served.
 *
 * Names of tags are in Redis and in messages: no personal data, ever.
 */
struct tags;
struct redis;

enum { TAG_BYTES_MAX = 96, TAGS_PER_ENTRY_MAX = 32, TAGS_PER_PURGE_MAX = 128 };

struct tags_config {
	struct loop *loop;
	struct str redis; /* address; absent: this process alone, nothing is ever unsure */
	struct metrics *metrics;
};

/** NULL (logged) when the address is not one. Redis need not be there. */
struct tags *tags_new(const struct tags_config *config);
/** What waits ends as if Redis were away. NULL is fine. */
void tags_free(struct tags *t);

/** A tag that may be used: 1 to TAG_BYTES_MAX visible ASCII bytes without space, comma, quote and backslash. */
bool tag_is_valid(struct str name);

/** The tag of one URL, for invalidation by unsafe methods: give it to every entry made from this URL, in all its variants. */
enum { TAG_OF_URL_BYTES = 36 };
struct str tag_of_url(struct str url, char out[TAG_OF_URL_BYTES]);
/** Purged with everything else: every entry has it without being told. */
#define TAG_ALL STR("*")

/** What an entry is stamped with; both parts only grow. */
struct tags_stamp {
	int64_t seq; /* purges up to this number happened before */
	uint64_t local; /* so for purges begun in this process */
};

/** To be taken BEFORE the request is sent upstream, and kept with what it brings: then a purge in between is never overlooked. */
struct tags_stamp tags_now(const struct tags *t);

/** A tag's place in the table: what an L1 entry keeps in place of the name. */
uint32_t tags_slot(struct str name);

enum tags_verdict {
	TAGS_CURRENT, /* serve */
	TAGS_PURGED, /* drop */
	TAGS_UNSURE /* messages may have been missed: tags_verify first; without it no longer than the cap of L1 */
};

/**
 * On a hit: no I/O, two comparisons when nothing was purged since the last check. *stamp is raised when the verdict is TAGS_CURRENT.
 */
enum tags_verdict tags_check(const struct tags *t, struct tags_stamp *stamp, const uint32_t *slots, unsigned count);

/**
 * Compares with the numbers in Redis; `done` runs later, once, within TAGS_DEADLINE_MS. TAGS_UNSURE: Redis did not say. When
 * TAGS_CURRENT, `seq` is what the entry's stamp may be raised to (stamp.local stays). The names are copied.
 * Fails: ERR_UNAVAILABLE, ERR_BUSY: TAGS_UNSURE at once, `done` is not called.
 */
enum { TAGS_DEADLINE_MS = 10 };
typedef void tags_verified(void *arg, enum tags_verdict verdict, int64_t seq);
MUST_USE enum err tags_verify(
    struct tags *t, struct tags_stamp stamp, const struct str *names, unsigned count, tags_verified *done, void *arg);

/**
 * Purges: in this process before the call returns, in the others when Redis has told them. `done` (may be NULL) runs later, once:
 * when Redis has confirmed, or after TAGS_DEADLINE_MS; answer the writer then. What Redis did not take is tried again until it does.
 * Names that are not valid are left out.
 * Fails: ERR_UNAVAILABLE: there is nothing to wait for (no Redis at the moment), `done` is not called; the purge holds here all
 * the same.
 */
typedef void tags_purged(void *arg);
MUST_USE enum err tags_purge(struct tags *t, const struct str *names, unsigned count, tags_purged *done, void *arg);

/** Purges that Redis has not confirmed yet. */
unsigned tags_purges_pending(const struct tags *t);
/** False while messages may be missed. */
bool tags_in_step(const struct tags *t);

/* For l2.c: the connection for small commands (NULL without Redis), and "filled" messages. */
struct redis *tags_redis(struct tags *t);
void tags_on_filled(struct tags *t, void (*filled)(void *arg, struct str hash, bool stored), void *arg);
/** Of what stands in Redis: purges up to this number are in the table; an older stamp must be verified there. */
int64_t tags_floor(const struct tags *t);

#endif
