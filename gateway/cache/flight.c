/* Flights by key, in a small table. News are told from the leader's own completion, to each waiter once; a waiter may join or lead
 * another flight while it is told, so a flight is taken out of the table before anybody hears of it. */
#include "gateway/cache/flight.h"

#include <stdlib.h>

enum { BUCKETS = 1024, APART_SLOTS = 4096, TICK_MS = 50 };

struct flight {
	struct list link; /* in its bucket; alone once it has ended */
	struct flights *flights;
	uint64_t hash;
	struct list waits;
	unsigned wait_count;
	bool is_second; /* its first leader failed */
	size_t key_n;
	char key[];
};

struct apart {
	uint64_t hash;
	int64_t until_ms;
};

struct flights {
	struct loop *loop;
	struct timer *tick;
	bool ticking;
	struct list buckets[BUCKETS];
	struct apart apart[APART_SLOTS]; /* by hash: a collision costs only a shared flight */
	struct flight_stats stats;
};

static void on_tick(void *arg)
{
	struct flights *f = arg;
	int64_t now_ms = loop_now_ms(f->loop);
	struct list late;
	list_init(&late);
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct list *i = f->buckets[b].next; i != &f->buckets[b]; i = i->next) {
			struct flight *flight = CONTAINER_OF(i, struct flight, link);
			for (struct list *w = flight->waits.next, *next; w != &flight->waits; w = next) {
				next = w->next;
				if (now_ms < CONTAINER_OF(w, struct flight_wait, link)->deadline_ms) continue;
				list_remove(w);
				list_push(&late, w);
				flight->wait_count--;
				f->stats.waiting--;
			}
		}
	for (struct list *w; (w = list_shift(&late));) {
		struct flight_wait *wait = CONTAINER_OF(w, struct flight_wait, link);
		wait->told(wait, FLIGHT_LATE, NULL, NULL);
	}
	if (!f->stats.waiting) {
		timer_stop(f->tick);
		f->ticking = false;
	}
}

struct flights *flights_new(struct loop *l)
{
	struct flights *f = calloc(1, sizeof *f);
	CHECK(f != NULL);
	f->loop = l;
	f->tick = timer_new(l, on_tick, f);
	for (unsigned b = 0; b < BUCKETS; b++) list_init(&f->buckets[b]);
	return f;
}

void flights_stop(struct flights *f)
{
	timer_free(f->tick);
	f->tick = NULL;
}

void flights_free(struct flights *f)
{
	free(f);
}

static struct flight *find(struct flights *f, uint64_t hash, struct str key)
{
	struct list *bucket = &f->buckets[hash % BUCKETS];
	for (struct list *i = bucket->next; i != bucket; i = i->next) {
		struct flight *flight = CONTAINER_OF(i, struct flight, link);
		if (flight->hash == hash && str_eq(str_span(flight->key, flight->key_n), key)) return flight;
	}
	return NULL;
}

static struct flight *take_off(struct flights *f, uint64_t hash, struct str key)
{
	struct flight *flight = calloc(1, sizeof *flight + key.n);
	CHECK(flight != NULL);
	flight->flights = f;
	flight->hash = hash;
	flight->key_n = key.n;
	memcpy(flight->key, key.p, key.n);
	list_init(&flight->waits);
	list_push(&f->buckets[hash % BUCKETS], &flight->link);
	f->stats.led++;
	return flight;
}

static struct apart *apart_of(struct flights *f, uint64_t hash)
{
	return &f->apart[hash >> 16 & (APART_SLOTS - 1)];
}

enum flight_place flight_join(
    struct flights *f, uint64_t hash, struct str key, struct flight_wait *w, struct flight **flight)
{
	const struct apart *apart = apart_of(f, hash);
	if (apart->hash == hash && loop_now_ms(f->loop) < apart->until_ms) return FLIGHT_PLACE_APART;
	struct flight *there = find(f, hash, key);
	if (!there) {
		*flight = take_off(f, hash, key);
		return FLIGHT_PLACE_LEAD;
	}
	if (there->wait_count >= FLIGHT_WAITS_MAX) return FLIGHT_PLACE_FULL;
	list_push(&there->waits, &w->link);
	there->wait_count++;
	f->stats.joined++;
	f->stats.waiting++;
	if (!f->ticking && f->tick) timer_start(f->tick, TICK_MS, TICK_MS);
	f->ticking = true;
	return FLIGHT_PLACE_WAIT;
}

bool flight_lead(struct flights *f, uint64_t hash, struct str key, struct flight **flight)
{
	if (find(f, hash, key)) return false;
	*flight = take_off(f, hash, key);
	return true;
}

static void tell_all(struct flight *flight, enum flight_news news, struct entry *e)
{
	struct flights *f = flight->flights;
	list_remove(&flight->link);
	f->stats.waiting -= flight->wait_count;
	for (struct list *i; (i = list_shift(&flight->waits));) {
		struct flight_wait *w = CONTAINER_OF(i, struct flight_wait, link);
		w->told(w, news, e, NULL);
	}
	free(flight);
}

void flight_land(struct flight *flight, struct entry *e)
{
	if (e) (void)entry_share(e); /* whoever is told may drop it from the store */
	tell_all(flight, e ? FLIGHT_LANDED : FLIGHT_APART, e);
	entry_release(e);
}

void flight_scatter(struct flight *flight)
{
	struct flights *f = flight->flights;
	*apart_of(f, flight->hash) = (struct apart){ flight->hash, loop_now_ms(f->loop) + FLIGHT_APART_MS };
	f->stats.scattered++;
	tell_all(flight, FLIGHT_APART, NULL);
}

void flight_fail(struct flight *flight)
{
	struct flights *f = flight->flights;
	struct list *first = list_shift(&flight->waits);
	f->stats.failed++;
	if (!first) {
		tell_all(flight, FLIGHT_FAILED, NULL);
		return;
	}
	struct flight_wait *w = CONTAINER_OF(first, struct flight_wait, link);
	flight->wait_count--;
	f->stats.waiting--;
	if (flight->is_second) {
		w->told(w, FLIGHT_FAILED, NULL, NULL);
		tell_all(flight, FLIGHT_FAILED, NULL);
		return;
	}
	flight->is_second = true;
	w->told(w, FLIGHT_LEAD, NULL, flight);
}

struct flight_stats flights_stats(const struct flights *f)
{
	return f->stats;
}
