#ifndef GATEWAY_LIMIT_BUCKETS_H
#define GATEWAY_LIMIT_BUCKETS_H

#include "common/contract/policies.h"
#include "common/core/list.h"

/*
 * What this process knows of each client under each limit: its debt in every window, and a lease, which is a few requests that Redis
 * has granted already. Debt is kept as GCRA does: the time at which it will all be paid back. Pure: the caller tells the time.
 */

struct limits;

struct bucket {
	struct bucket *next; /* of its hash */
	struct list used; /* the least recently used first */
	struct list waits; /* who waits for Redis's answer */
	struct list busy; /* among those that Redis owes an answer */
	struct limits *limits;
	uint64_t hash;
	uint64_t limit_hash;
	int64_t paid_at_ns[RATE_WINDOWS_MAX];
	int64_t lease_until_ms;
	int64_t asked_at_ns;
	uint32_t lease; /* requests that need nobody's leave */
	uint32_t lease_size; /* of the next one; 0: none was used up lately */
	uint32_t owed; /* requests let through without Redis, which it has not been told of */
	uint32_t owed_asked; /* how many of them it was told of last */
	unsigned wait_count;
	bool overdue; /* its answer takes too long: nobody waits for it */
	bool asking; /* Redis owes an answer: the bucket stays */
	bool serving; /* those who waited are being told: it stays too */
	unsigned char client_bytes;
	char client[];
};

struct buckets;

enum {
	BUCKETS_SHARED = 64, /* per limit, for newcomers when the table is full of debts */
	CLIENT_BYTES_MAX = 128
};

struct buckets *buckets_new(size_t count_max);
void buckets_free(struct buckets *b);
size_t buckets_count(const struct buckets *b);
/** Newcomers that were put into a common bucket. */
uint64_t buckets_shared(const struct buckets *b);
/**
 * The bucket of a client, made if need be. When the table is full, the least recently used ones without a debt make room; debts are
 * never forgotten unless `kept_elsewhere` (Redis knows them too). If there is no room, newcomers share one of BUCKETS_SHARED
 * common buckets of the limit: a flood of new clients limits itself, not those who were here before.
 */
struct bucket *buckets_get(
    struct buckets *b, const struct rate_limit *limit, struct str client, int64_t now_ns, bool kept_elsewhere);
/** Nanoseconds until `window` has room for one more; 0: it has. */
int64_t bucket_wait_ns(const struct bucket *b, const struct rate_window *windows, unsigned window, int64_t now_ns);
/** The longest of all windows. */
int64_t bucket_longest_wait_ns(const struct bucket *b, const struct rate_limit *limit, int64_t now_ns);
/** Books one request in each window. Each process of `share` gets that part of the rate. */
void bucket_book(struct bucket *b, const struct rate_limit *limit, unsigned share, int64_t now_ns);
/** Requests left in `window`, the lease included. */
int64_t bucket_left(const struct bucket *b, const struct rate_window *windows, unsigned window, int64_t now_ns);

#endif
