/*
 * What the names of an origin stand for, looked up every `interval_ms` (the resolver does not say how long its word holds), a failure
 * again after a second. A name that cannot be looked up keeps what it stood for; an origin without any address lets its calls wait for
 * the first answer, and no longer.
 */
#include "gateway/proxy/names.h"

#include <stdlib.h>

#include "common/core/log.h"
#include "gateway/proxy/config.h"

enum { RETRY_MS = 1000, ALL_MAX = PROXY_ADDRESSES_MAX * NAME_ADDRESSES_MAX };

struct name {
	struct names *names;
	struct str address; /* as configured */
	struct name_lookup *lookup; /* under way */
	bool fixed; /* stands for itself */
	bool failing; /* was told in the log */
	unsigned count; /* of what it stands for */
	char texts[NAME_ADDRESSES_MAX][NAME_TEXT_BYTES];
};

struct names {
	struct loop *loop;
	struct origin *origin;
	struct str name;
	struct timer *timer;
	int64_t interval_ms;
	unsigned under_way;
	bool changed;
	unsigned count;
	struct name items[]; /* one for each address */
};

bool names_among(const struct str *addresses, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (address_kind_of(addresses[i]) == ADDRESS_NAMED) return true;
	return false;
}

static void use(struct names *n)
{
	struct str all[ALL_MAX];
	unsigned count = 0;
	for (unsigned i = 0; i < n->count; i++) {
		const struct name *item = &n->items[i];
		if (item->fixed) all[count++] = item->address;
		for (unsigned k = 0; k < item->count; k++) all[count++] = str_of(item->texts[k]);
	}
	log_line(LOG_INFO, "origin found", "%.*s: %u addresses", STR_FMT(n->name), count);
	origin_use(n->origin, all, count);
	n->changed = false;
}

/* All have been heard. */
static void end_round(struct names *n)
{
	int64_t next_ms = n->interval_ms;
	for (unsigned i = 0; i < n->count; i++)
		if (n->items[i].failing && next_ms > RETRY_MS) next_ms = RETRY_MS;
	if (n->changed) use(n);
	origin_give_up(n->origin);
	timer_start(n->timer, next_ms, 0);
}

/* In another order it is the same: resolvers turn their answers. */
static bool is_same(const struct name *item, const struct str *addresses, unsigned count)
{
	bool same = item->count == count;
	for (unsigned i = 0; same && i < count; i++) {
		same = false;
		for (unsigned k = 0; k < item->count; k++) same |= str_eq(str_of(item->texts[k]), addresses[i]);
	}
	return same;
}

static void on_found(void *arg, const struct str *addresses, unsigned count)
{
	struct name *item = arg;
	struct names *n = item->names;
	item->lookup = NULL;
	if (!count && !item->failing)
		log_line(LOG_WARN, "origin not found", "%.*s: %.*s", STR_FMT(n->name), STR_FMT(item->address));
	item->failing = !count;
	if (count && !is_same(item, addresses, count)) {
		for (unsigned i = 0; i < count; i++) {
			memcpy(item->texts[i], addresses[i].p, addresses[i].n);
			item->texts[i][addresses[i].n] = 0;
		}
		item->count = count;
		n->changed = true;
	}
	if (!--n->under_way) end_round(n);
}

static void begin_round(void *arg)
{
	struct names *n = arg;
	for (unsigned i = 0; i < n->count; i++) {
		struct name *item = &n->items[i];
		if (item->fixed) continue;
		item->lookup = name_look_up(n->loop, item->address, on_found, item);
		if (item->lookup) n->under_way++;
	}
	if (!n->under_way) timer_start(n->timer, RETRY_MS, 0);
}

struct names *names_new(
    struct loop *l, struct origin *o, struct str name, const struct str *addresses, unsigned count, int64_t interval_ms)
{
	struct names *n = calloc(1, sizeof *n + count * sizeof n->items[0]);
	CHECK(n != NULL);
	n->loop = l;
	n->origin = o;
	n->name = name;
	n->interval_ms = interval_ms;
	n->timer = timer_new(l, begin_round, n);
	n->count = count;
	for (unsigned i = 0; i < count; i++) {
		bool fixed = address_kind_of(addresses[i]) == ADDRESS_FIXED;
		n->items[i] = (struct name){ .names = n, .address = addresses[i], .fixed = fixed };
		n->changed |= fixed; /* those are used from the first round on */
	}
	begin_round(n);
	return n;
}

void names_free(struct names *n)
{
	if (!n) return;
	for (unsigned i = 0; i < n->count; i++) name_forget(n->items[i].lookup);
	timer_free(n->timer);
	free(n);
}
