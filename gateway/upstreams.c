/* The map from service to its upstreams, read from YG_UPSTREAMS, and their gauges. */
#include "gateway/upstreams.h"

#include "common/core/log.h"
#include "common/net/names.h"

enum { EXCLUSIVE_CONNECTIONS = 16, EXCLUSIVE_QUEUE_MAX = 256, CONNECT_TIMEOUT_MS = 1000, HEALTH_INTERVAL_MS = 2000 };

struct entry {
	struct str name;
	struct str addresses[UPSTREAM_ADDRESSES_MAX];
	unsigned address_count;
	struct upstream *shared;
	struct upstream *exclusive;
};

struct upstreams {
	struct loop *loop;
	struct metrics *metrics;
	struct entry items[UPSTREAMS_MAX];
	unsigned count;
};

static double read_in_flight(void *arg)
{
	return (double)upstream_stats(arg).in_flight;
}

static double read_connections(void *arg)
{
	return (double)upstream_stats(arg).connections;
}

static double read_queued(void *arg)
{
	return (double)upstream_stats(arg).queued;
}

static double read_usable(void *arg)
{
	return upstream_usable(arg) ? 1 : 0;
}

static double read_failed(void *arg)
{
	return (double)upstream_stats(arg).failed;
}

static double read_retried(void *arg)
{
	return (double)upstream_stats(arg).retried;
}

static double read_timed_out(void *arg)
{
	return (double)upstream_stats(arg).timed_out;
}

static double read_limit(void *arg)
{
	return (double)upstream_stats(arg).limit;
}

static double read_open(void *arg)
{
	return (double)upstream_stats(arg).open;
}

static double read_opened(void *arg)
{
	return (double)upstream_stats(arg).opened;
}

static double read_ejected(void *arg)
{
	return (double)upstream_stats(arg).ejected;
}

static double read_unrepeated(void *arg)
{
	return (double)upstream_stats(arg).unrepeated;
}

static double read_hedged(void *arg)
{
	return (double)upstream_stats(arg).hedged;
}

static double read_hedges_won(void *arg)
{
	return (double)upstream_stats(arg).hedges_won;
}

static double read_shed_normal(void *arg)
{
	return (double)upstream_stats(arg).shed[CALL_NORMAL];
}

static double read_shed_critical(void *arg)
{
	return (double)upstream_stats(arg).shed[CALL_CRITICAL];
}

static double read_shed_low(void *arg)
{
	return (double)upstream_stats(arg).shed[CALL_LOW];
}

struct reading {
	const char *name;
	const char *help;
	metrics_read *read;
};

static void register_gauges(struct metrics *m, struct str service, struct str lane, struct upstream *u)
{
	static const struct reading gauges[] = {
		{ "yg_upstream_usable", "1 when an address can take requests.", read_usable },
		{ "yg_upstream_connections", "Open connections.", read_connections },
		{ "yg_upstream_in_flight", "Requests sent and not answered yet.", read_in_flight },
		{ "yg_upstream_limit", "Most requests that may be in flight now.", read_limit },
		{ "yg_upstream_queued", "Requests that wait for a connection or for their turn.", read_queued },
		{ "yg_upstream_open_circuits", "Addresses that the circuit breaker keeps requests from.", read_open },
	};
	static const struct reading counters[] = {
		{ "yg_upstream_failed_total", "Requests that ended without a usable answer.", read_failed },
		{ "yg_upstream_retried_total", "Requests sent again.", read_retried },
		{ "yg_upstream_unrepeated_total", "Requests not sent again: over the budget.", read_unrepeated },
		{ "yg_upstream_hedged_total", "Slow reads asked at another address too.", read_hedged },
		{ "yg_upstream_hedges_won_total", "Of these, answered by that one first.", read_hedges_won },
		{ "yg_upstream_timed_out_total", "Requests that met their deadline.", read_timed_out },
		{ "yg_upstream_circuits_opened_total", "Times that the circuit breaker opened.", read_opened },
		{ "yg_upstream_ejected_total", "Times that an address was worse than its neighbours.", read_ejected },
	};
	static const struct {
		struct str priority;
		metrics_read *read;
	} shed[] = { { STR("critical"), read_shed_critical }, { STR("normal"), read_shed_normal },
		{ STR("low"), read_shed_low } };
	struct metric_label l[3] = { { "upstream", service }, { "lane", lane }, { "priority", STR_NONE } };
	for (unsigned i = 0; i < ARRAY_LEN(gauges); i++)
		metrics_gauge_fn(m, gauges[i].name, gauges[i].help, l, 2, gauges[i].read, u);
	for (unsigned i = 0; i < ARRAY_LEN(counters); i++)
		metrics_counter_fn(m, counters[i].name, counters[i].help, l, 2, counters[i].read, u);
	for (unsigned i = 0; i < ARRAY_LEN(shed); i++) {
		l[2].value = shed[i].priority;
		metrics_counter_fn(
		    m, "yg_upstream_shed_total", "Requests turned away: too much to do.", l, 3, shed[i].read, u);
	}
}

static enum err parse_entry(struct entry *e, struct str text)
{
	struct str rest = text, address;
	if (!str_cut(&rest, '=', &e->name)) return ERR_CONFIG;
	e->name = str_trim(e->name);
	while (str_cut(&rest, '|', &address)) {
		address = str_trim(address);
		if (address_kind_of(address) != ADDRESS_FIXED || e->address_count == UPSTREAM_ADDRESSES_MAX)
			return ERR_CONFIG;
		e->addresses[e->address_count++] = address;
	}
	return e->name.n && e->address_count ? ERR_NONE : ERR_CONFIG;
}

static struct upstream *open_shared(struct upstreams *u, const struct entry *e)
{
	struct upstream_config config = {
		.name = e->name,
		.addresses = e->addresses,
		.address_count = e->address_count,
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
		.health_interval_ms = HEALTH_INTERVAL_MS,
		.health_path = STR("/livez"),
		.any_order = true,
	};
	struct upstream *made = upstream_new(u->loop, &config);
	register_gauges(u->metrics, e->name, STR("shared"), made);
	return made;
}

static struct entry *find_entry(struct upstreams *u, struct str service)
{
	for (unsigned i = 0; i < u->count; i++)
		if (str_eq(u->items[i].name, service)) return &u->items[i];
	return NULL;
}

enum err upstreams_open(
    struct loop *l, struct arena *boot, struct str map, struct metrics *metrics, struct upstreams **out)
{
	struct upstreams *u = ARENA_NEW(boot, struct upstreams);
	struct str rest = map, part;
	CHECK(u != NULL);
	u->loop = l;
	u->metrics = metrics;
	while (str_cut(&rest, ',', &part)) {
		struct entry e = { 0 };
		part = str_trim(part);
		if (!part.n) continue;
		if (u->count == UPSTREAMS_MAX || parse_entry(&e, part) != ERR_NONE || find_entry(u, e.name)) {
			log_line(LOG_ERROR, "YG_UPSTREAMS is not valid", "near \"%.*s\"", STR_FMT(part));
			upstreams_free(u);
			return ERR_CONFIG;
		}
		e.shared = open_shared(u, &e);
		u->items[u->count++] = e;
	}
	*out = u;
	return ERR_NONE;
}

void upstreams_free(struct upstreams *u)
{
	for (unsigned i = 0; u && i < u->count; i++) {
		upstream_free(u->items[i].shared);
		if (u->items[i].exclusive) upstream_free(u->items[i].exclusive);
	}
	if (u) u->count = 0;
}

struct upstream *upstreams_shared(struct upstreams *u, struct str service)
{
	struct entry *e = find_entry(u, service);
	return e ? e->shared : NULL;
}

struct upstream *upstreams_exclusive(struct upstreams *u, struct str service)
{
	struct entry *e = find_entry(u, service);
	if (!e || e->exclusive) return e ? e->exclusive : NULL;
	struct upstream_config config = {
		.name = e->name,
		.addresses = e->addresses,
		.address_count = e->address_count,
		.connections = EXCLUSIVE_CONNECTIONS,
		.pipeline_max = 1,
		.fixed = true,
		.queue_max = EXCLUSIVE_QUEUE_MAX,
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
	};
	e->exclusive = upstream_new(u->loop, &config);
	register_gauges(u->metrics, e->name, STR("exclusive"), e->exclusive);
	return e->exclusive;
}

unsigned upstreams_count(const struct upstreams *u)
{
	return u->count;
}

struct str upstreams_name(const struct upstreams *u, unsigned index)
{
	return u->items[index].name;
}

bool upstreams_usable(const struct upstreams *u, unsigned index)
{
	return upstream_usable(u->items[index].shared);
}
