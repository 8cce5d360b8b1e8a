/* The order of what was served, by sets of four. The oldest of a full set gives its place and leaves its time to the whole set. */
#include "gateway/cache/monotone.h"

#include <stdlib.h>

#include "common/core/check.h"

enum { SETS = 16384, WAYS = 4 };

struct served {
	uint64_t key; /* 0: free */
	int64_t response_time_us;
};

struct set {
	struct served ways[WAYS];
	int64_t forgotten_us; /* the newest that had to go */
};

struct monotone {
	struct set sets[SETS];
};

struct monotone *monotone_new(void)
{
	struct monotone *m = calloc(1, sizeof *m);
	CHECK(m != NULL);
	return m;
}

void monotone_free(struct monotone *m)
{
	free(m);
}

static struct served *find(struct set *set, uint64_t key)
{
	for (unsigned i = 0; i < WAYS; i++)
		if (set->ways[i].key == key) return &set->ways[i];
	return NULL;
}

/* A free place, or that of the oldest. */
static struct served *make_room(struct set *set)
{
	struct served *oldest = &set->ways[0];
	for (unsigned i = 0; i < WAYS; i++) {
		if (set->ways[i].key == 0) return &set->ways[i];
		if (set->ways[i].response_time_us < oldest->response_time_us) oldest = &set->ways[i];
	}
	if (oldest->response_time_us > set->forgotten_us) set->forgotten_us = oldest->response_time_us;
	return oldest;
}

bool monotone_pass(struct monotone *m, uint64_t key, int64_t response_time_us)
{
	if (key == 0) key = 1;
	struct set *set = &m->sets[key % SETS];
	struct served *s = find(set, key);
	if (response_time_us < (s ? s->response_time_us : set->forgotten_us)) return false;
	if (!s) s = make_room(set);
	*s = (struct served){ key, response_time_us };
	return true;
}
