/*
 * Closed sessions as 64-bit keyed hashes in open addressing, 16 bytes each: two sessions with one hash (one in 10^13 at the most that
 * fits) would make one refused in vain, never one accepted. Nothing is taken out of a slice, so there are no holes to care for.
 */
#include "gateway/closed.h"

#include <stdlib.h>

#include "common/auth/token.h"
#include "common/core/check.h"
#include "common/core/id.h"

enum {
	SLOTS_FIRST = 256,
	LIFETIME_S = ACCESS_TOKEN_TTL_S + 60, /* of an entry, as the identity service gives it */
	SKEW_S = 10 /* between the clocks of a revocation and of a token */
};

struct closed_slot {
	uint64_t hash;
	int64_t expires_s; /* 0: free */
};

/* The slot of the hash, or the free one where it would stand. */
static struct closed_slot *slot_of(const struct closed_slice *s, uint64_t hash)
{
	size_t mask = s->slot_count - 1, at = hash & mask;
	while (s->slots[at].expires_s && s->slots[at].hash != hash) at = (at + 1) & mask;
	return &s->slots[at];
}

static bool slice_has(const struct closed_slice *s, uint64_t hash, int64_t now_s)
{
	return s->count && slot_of(s, hash)->expires_s >= now_s;
}

static void slice_grow(struct closed_slice *s)
{
	struct closed_slice old = *s;
	s->slot_count = old.slot_count ? 2 * old.slot_count : SLOTS_FIRST;
	s->slots = calloc(s->slot_count, sizeof *s->slots);
	CHECK(s->slots != NULL);
	for (size_t i = 0; i < old.slot_count; i++)
		if (old.slots[i].expires_s) *slot_of(s, old.slots[i].hash) = old.slots[i];
	free(old.slots);
}

static void slice_drop(struct closed_slice *s)
{
	free(s->slots);
	*s = (struct closed_slice){ .count = 0 };
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void turn(struct closed *c, int64_t now_s)
{
	if (c->before.count && c->before.expires_s >= now_s) {
		c->watermark_s = later(c->watermark_s, c->before.revoked_s + SKEW_S);
		c->forgotten += c->before.count;
	}
	slice_drop(&c->before);
	c->before = c->now;
	c->now = (struct closed_slice){ .count = 0 };
}

void closed_init(struct closed *c, size_t count_max)
{
	*c = (struct closed){ .count_max = count_max, .watermark_s = INT64_MIN };
}

void closed_free(struct closed *c)
{
	slice_drop(&c->now);
	slice_drop(&c->before);
}

void closed_add(struct closed *c, struct str session, int64_t revoked_s, int64_t expires_s, int64_t now_s)
{
	struct closed_slice *s = &c->now;
	uint64_t hash = id_hash(session);
	if (expires_s < now_s || expires_s <= 0 || slice_has(&c->now, hash, now_s) ||
	    slice_has(&c->before, hash, now_s))
		return;
	if (s->count >= c->count_max || (s->count && now_s - s->first_s > LIFETIME_S)) turn(c, now_s);
	if (4 * (s->count + 1) > 3 * s->slot_count) slice_grow(s);
	if (s->count == 0) s->first_s = now_s;
	struct closed_slot *slot = slot_of(s, hash);
	s->count += slot->expires_s == 0;
	*slot = (struct closed_slot){ hash, later(slot->expires_s, expires_s) };
	s->revoked_s = later(s->revoked_s, revoked_s);
	s->expires_s = later(s->expires_s, expires_s);
}

enum closed_verdict closed_check(const struct closed *c, struct str session, int64_t issued_s, int64_t now_s)
{
	if (!session.n) return CLOSED_NO;
	if (c->now.count || c->before.count) {
		uint64_t hash = id_hash(session);
		if (slice_has(&c->now, hash, now_s) || slice_has(&c->before, hash, now_s)) return CLOSED_YES;
	}
	return issued_s <= c->watermark_s ? CLOSED_UNSURE : CLOSED_NO;
}

void closed_tidy(struct closed *c, int64_t now_s)
{
	if (c->before.expires_s < now_s) slice_drop(&c->before);
	if (c->now.expires_s < now_s) slice_drop(&c->now);
}

size_t closed_count(const struct closed *c)
{
	return c->now.count + c->before.count;
}
