/* The cache as a whole: made and freed, and its figures. */
#include "gateway/cache/cache.h"

#include <stdlib.h>

static double read_bytes(void *arg)
{
	return (double)store_stats(((struct cache *)arg)->store).bytes;
}

static double read_entries(void *arg)
{
	return (double)store_stats(((struct cache *)arg)->store).entries;
}

static double read_evictions(void *arg)
{
	return (double)store_stats(((struct cache *)arg)->store).evictions;
}

static double read_stored(void *arg)
{
	return (double)store_stats(((struct cache *)arg)->store).stored;
}

static double read_led(void *arg)
{
	return (double)flights_stats(((struct cache *)arg)->flights).led;
}

static double read_joined(void *arg)
{
	return (double)flights_stats(((struct cache *)arg)->flights).joined;
}

static double read_waiting(void *arg)
{
	return flights_stats(((struct cache *)arg)->flights).waiting;
}

struct str cache_outcome_name(enum cache_outcome outcome)
{
	static const char *const names[CACHE_OUTCOMES] = { [CACHE_HIT] = "hit",
		[CACHE_HIT_SHARED] = "hit_shared",
		[CACHE_STALE] = "stale",
		[CACHE_RENEWED] = "renewed",
		[CACHE_COLLAPSED] = "collapsed",
		[CACHE_MISS] = "miss",
		[CACHE_BYPASS] = "bypass" };
	return str_of(names[outcome]);
}

static void register_figures(struct cache *c, struct metrics *m)
{
	for (unsigned i = 0; i < CACHE_OUTCOMES; i++) {
		struct metric_label l = { "outcome", cache_outcome_name((enum cache_outcome)i) };
		c->outcomes[i] =
		    metrics_counter(m, "yg_cache_requests_total", "Requests of routes with a cache.", &l, 1);
	}
	c->hit_bytes =
	    metrics_counter(m, "yg_cache_hit_bytes_total", "Bytes of bodies answered from the cache.", NULL, 0);
	metrics_gauge_fn(m, "yg_cache_bytes", "Memory of kept answers.", NULL, 0, read_bytes, c);
	metrics_gauge_fn(m, "yg_cache_entries", "Kept answers.", NULL, 0, read_entries, c);
	metrics_counter_fn(m, "yg_cache_stored_total", "Answers kept.", NULL, 0, read_stored, c);
	metrics_counter_fn(m, "yg_cache_evictions_total", "Answers that had to make room.", NULL, 0, read_evictions, c);
	metrics_counter_fn(
	    m, "yg_cache_flights_total", "Questions asked on behalf of all who wait.", NULL, 0, read_led, c);
	metrics_counter_fn(
	    m, "yg_cache_joined_total", "Requests that waited for another's question.", NULL, 0, read_joined, c);
	metrics_gauge_fn(m, "yg_cache_waiting", "Requests that wait for another's question.", NULL, 0, read_waiting, c);
}

struct cache *cache_new(const struct cache_config *config)
{
	struct cache *c = calloc(1, sizeof *c);
	CHECK(c != NULL);
	c->loop = config->loop;
	c->tags =
	    tags_new(&(struct tags_config){ .loop = config->loop, .redis = config->redis, .metrics = config->metrics });
	if (c->tags && config->redis.p && config->shared)
		c->l2 = l2_new(&(struct l2_config){
		    .loop = config->loop, .redis = config->redis, .tags = c->tags, .metrics = config->metrics });
	c->store = store_new(config->bytes_max, 0);
	c->keeps = config->bytes_max > 0 || c->l2;
	c->flights = flights_new(config->loop);
	c->monotone = monotone_new();
	if (!c->tags || (config->redis.p && config->shared && !c->l2)) {
		cache_stop(c);
		cache_free(c);
		return NULL;
	}
	register_figures(c, config->metrics);
	return c;
}

void cache_stop(struct cache *c)
{
	if (!c) return;
	l2_free(c->l2);
	tags_free(c->tags);
	flights_stop(c->flights);
	c->l2 = NULL;
	c->tags = NULL;
}

void cache_free(struct cache *c)
{
	if (!c) return;
	flights_free(c->flights);
	store_free(c->store);
	monotone_free(c->monotone);
	free(c);
}
