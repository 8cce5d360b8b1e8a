/* The table of clients: bounded, one allocation per client, never a loop over all of it. */
#include "gateway/limit/buckets.h"

#include <stdlib.h>

#include "common/core/check.h"
#include "common/core/id.h"

enum { LOOK_BACK = 16 /* how many old ones are looked at for one that may go */ };

struct buckets {
	struct bucket **heads;
	size_t head_count; /* power of two */
	size_t count;
	size_t count_max;
	uint64_t shared;
	struct list used;
};

struct buckets *buckets_new(size_t count_max)
{
	struct buckets *b = calloc(1, sizeof *b);
	CHECK(b != NULL && count_max > 0);
	b->count_max = count_max;
	for (b->head_count = 16; b->head_count < count_max; b->head_count *= 2) continue;
	b->heads = calloc(b->head_count, sizeof(struct bucket *));
	CHECK(b->heads != NULL);
	list_init(&b->used);
	return b;
}

void buckets_free(struct buckets *b)
{
	if (!b) return;
	for (struct list *i; (i = list_shift(&b->used));) free(CONTAINER_OF(i, struct bucket, used));
	free(b->heads);
	free(b);
}

size_t buckets_count(const struct buckets *b)
{
	return b->count;
}

uint64_t buckets_shared(const struct buckets *b)
{
	return b->shared;
}

static struct bucket *find(struct buckets *b, uint64_t hash, uint64_t limit_hash, struct str client)
{
	struct bucket *one = b->heads[hash & (b->head_count - 1)];
	while (one && (one->hash != hash || one->limit_hash != limit_hash || one->client_bytes != client.n ||
			  memcmp(one->client, client.p, client.n) != 0))
		one = one->next;
	return one;
}

static void forget(struct buckets *b, struct bucket *one)
{
	struct bucket **at = &b->heads[one->hash & (b->head_count - 1)];
	while (*at != one) at = &(*at)->next;
	*at = one->next;
	list_remove(&one->used);
	free(one);
	b->count--;
}

static bool may_go(const struct bucket *one, int64_t now_ns, bool kept_elsewhere)
{
	if (one->asking || one->serving || one->wait_count) return false;
	if (kept_elsewhere && !one->owed) return true;
	for (unsigned i = 0; i < RATE_WINDOWS_MAX; i++)
		if (one->paid_at_ns[i] > now_ns) return false;
	return true;
}

/* True when there is room for one more. An old one in debt goes behind the others, so that each look finds others. */
static bool make_room(struct buckets *b, int64_t now_ns, bool kept_elsewhere)
{
	for (unsigned i = 0; i < LOOK_BACK && b->count >= b->count_max; i++) {
		struct bucket *oldest = CONTAINER_OF(b->used.next, struct bucket, used);
		if (may_go(oldest, now_ns, kept_elsewhere)) {
			forget(b, oldest);
			return true;
		}
		list_remove(&oldest->used);
		list_push(&b->used, &oldest->used);
	}
	return b->count < b->count_max;
}

static struct bucket *add(struct buckets *b, uint64_t hash, uint64_t limit_hash, struct str client)
{
	struct bucket *one = calloc(1, sizeof *one + client.n);
	CHECK(one != NULL);
	one->hash = hash;
	one->limit_hash = limit_hash;
	one->client_bytes = (unsigned char)client.n;
	memcpy(one->client, client.p, client.n);
	list_init(&one->waits);
	list_init(&one->busy);
	one->next = b->heads[hash & (b->head_count - 1)];
	b->heads[hash & (b->head_count - 1)] = one;
	list_push(&b->used, &one->used);
	b->count++;
	return one;
}

/* "~" and a number: no address and no id begins so. These few may go past the table's limit. */
static struct bucket *get_shared(struct buckets *b, uint64_t limit_hash, uint64_t hash)
{
	char name[2] = { '~', (char)('0' + hash % BUCKETS_SHARED) };
	struct str client = str_span(name, sizeof name);
	b->shared++;
	hash = limit_hash ^ id_hash(client);
	struct bucket *one = find(b, hash, limit_hash, client);
	return one ? one : add(b, hash, limit_hash, client);
}

struct bucket *buckets_get(
    struct buckets *b, const struct rate_limit *limit, struct str client, int64_t now_ns, bool kept_elsewhere)
{
	if (client.n > CLIENT_BYTES_MAX) client.n = CLIENT_BYTES_MAX;
	uint64_t hash = limit->hash ^ id_hash(client);
	struct bucket *one = find(b, hash, limit->hash, client);
	if (!one) {
		bool room = make_room(b, now_ns, kept_elsewhere);
		return room ? add(b, hash, limit->hash, client) : get_shared(b, limit->hash, hash);
	}
	list_remove(&one->used);
	list_push(&b->used, &one->used);
	return one;
}

static int64_t debt_ns(const struct bucket *b, unsigned window, int64_t now_ns)
{
	return b->paid_at_ns[window] > now_ns ? b->paid_at_ns[window] - now_ns : 0;
}

int64_t bucket_wait_ns(const struct bucket *b, const struct rate_window *windows, unsigned window, int64_t now_ns)
{
	const struct rate_window *w = &windows[window];
	int64_t over = debt_ns(b, window, now_ns) + w->interval_ns - w->quota * w->interval_ns;
	return over > 0 ? over : 0;
}

int64_t bucket_longest_wait_ns(const struct bucket *b, const struct rate_limit *limit, int64_t now_ns)
{
	int64_t longest = 0;
	for (unsigned i = 0; i < limit->window_count; i++) {
		int64_t wait = bucket_wait_ns(b, limit->windows, i, now_ns);
		if (wait > longest) longest = wait;
	}
	return longest;
}

void bucket_book(struct bucket *b, const struct rate_limit *limit, unsigned share, int64_t now_ns)
{
	for (unsigned i = 0; i < limit->window_count; i++)
		b->paid_at_ns[i] = now_ns + debt_ns(b, i, now_ns) + limit->windows[i].interval_ns * share;
}

int64_t bucket_left(const struct bucket *b, const struct rate_window *windows, unsigned window, int64_t now_ns)
{
	const struct rate_window *w = &windows[window];
	int64_t left = w->quota - (debt_ns(b, window, now_ns) + w->interval_ns - 1) / w->interval_ns + b->lease;
	if (left > w->quota) return w->quota;
	return left > 0 ? left : 0;
}
