/* The second level against a real Redis: variants, stamps, order, leases, and every way in which Redis can be away. */
#include "gateway/cache/l2.h"

#include "redis_fixture.h"

enum { PROCESSES = 2, TTL_MS = 60000 };
static struct tags *tags[PROCESSES];
static struct l2 *l2s[PROCESSES];

static void process_start(int i)
{
	struct tags_config t = { .loop = loop, .redis = str_of(fixture_address), .metrics = metrics };
	tags[i] = tags_new(&t);
	assert_non_null(tags[i]);
	struct l2_config l = { .loop = loop, .redis = t.redis, .tags = tags[i], .metrics = metrics };
	l2s[i] = l2_new(&l);
	assert_non_null(l2s[i]);
}

static void process_stop(int i)
{
	l2_free(l2s[i]);
	tags_free(tags[i]);
}

static bool in_step(void *arg)
{
	return tags_in_step(arg);
}

static int setup(void **state)
{
	fixture_setup(state);
	for (int i = 0; i < PROCESSES; i++) process_start(i);
	for (int i = 0; i < PROCESSES; i++) assert_true(run_until(in_step, tags[i], 8000));
	run_for(30); /* the connections for fills */
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < PROCESSES; i++) process_stop(i);
	return fixture_teardown(state);
}

/* ---- a request: values by name ---- */

struct asked {
	const char *accept, *language;
	unsigned calls;
	char text[256];
};

static struct str variant_of(void *arg, struct str vary)
{
	struct asked *a = arg;
	struct str name;
	size_t n = 0;
	a->calls++;
	while (vary.n && str_cut(&vary, ',', &name)) {
		const char *value = str_eq(name, STR("accept"))            ? a->accept
				    : str_eq(name, STR("accept-language")) ? a->language
									   : "";
		n += (size_t)snprintf(a->text + n, sizeof a->text - n, "%.*s=%s;", STR_FMT(name), value ? value : "");
	}
	return str_span(a->text, n);
}

static struct asked plain = { .accept = "*/*", .language = "zh" };

struct got {
	struct asked *asked;
	int count;
	bool hit;
	size_t blob_bytes;
	char blob[64], vary[64], tag[TAG_BYTES_MAX + 1];
	unsigned tag_count;
	int64_t response_time_us;
	struct tags_stamp stamp;
};

static struct str variant_of_got(void *arg, struct str vary)
{
	const struct got *g = arg;
	return variant_of(g->asked ? g->asked : &plain, vary);
}

static void on_got(void *arg, const struct l2_hit *hit)
{
	struct got *g = arg;
	g->count++;
	g->hit = hit != NULL;
	if (!hit) return;
	g->blob_bytes = hit->blob.n;
	snprintf(g->blob, sizeof g->blob, "%.*s", (int)(hit->blob.n < 60 ? hit->blob.n : 60), hit->blob.p);
	snprintf(g->vary, sizeof g->vary, "%.*s", STR_FMT(hit->vary));
	if (hit->tag_count) snprintf(g->tag, sizeof g->tag, "%.*s", STR_FMT(hit->tags[0]));
	g->tag_count = hit->tag_count;
	g->response_time_us = hit->response_time_us;
	g->stamp = hit->stamp;
}

static bool has_got(void *arg)
{
	return ((struct got *)arg)->count > 0;
}

static struct got get_once(int i, const char *key, struct asked *asked)
{
	struct got g = { .asked = asked };
	if (l2_get(l2s[i], str_of(key), variant_of_got, INT64_MAX, on_got, &g, NULL) != ERR_NONE) return g;
	assert_int_equal(g.count, 0); /* never inside the call */
	assert_true(run_until(has_got, &g, 8000));
	assert_int_equal(g.count, 1);
	return g;
}

/* Ten milliseconds are short on a loaded machine: what should be a hit is asked for again. */
static struct got get_hit(int i, const char *key, struct asked *asked)
{
	struct got g = { .asked = asked };
	for (int n = 0; n < 50 && !g.hit; n++) {
		g = get_once(i, key, asked);
		if (!g.hit) run_for(10);
	}
	return g;
}

static uint64_t fills(const char *outcome)
{
	struct metric_label label = { "outcome", str_of(outcome) };
	return *metrics_counter(metrics, "yg_cache_l2_fills_total", "", &label, 1);
}

static bool fill_is_over(void *arg)
{
	const uint64_t *before = arg;
	return fills("stored") + fills("outdated") + fills("refused") > *before;
}

struct fill {
	int process;
	const char *key, *blob, *tag, *vary;
	int64_t response_time_us;
	int64_t ttl_ms;
	struct tags_stamp stamp;
};

static bool put(const struct fill *f, struct asked *asked)
{
	struct str names[2] = { STR("gifts"), str_of(f->tag) };
	struct l2_fill fill = { .key = str_of(f->key),
		.vary = str_of(f->vary ? f->vary : ""),
		.variant = variant_of,
		.arg = asked,
		.blob = str_of(f->blob),
		.response_time_us = f->response_time_us ? f->response_time_us : 1700000000000000,
		.ttl_ms = f->ttl_ms ? f->ttl_ms : TTL_MS,
		.stamp = f->stamp.seq ? f->stamp : tags_now(tags[f->process]),
		.tags = f->tag ? names + 1 : names,
		.tag_count = 1 };
	return l2_put(l2s[f->process], &fill);
}

/* Puts, and waits for what Redis says of it. */
static bool put_waited(const struct fill *f, struct asked *asked)
{
	uint64_t before = fills("stored") + fills("outdated") + fills("refused"), stored = fills("stored");
	if (!put(f, asked)) return false;
	assert_true(run_until(fill_is_over, &before, 8000));
	return fills("stored") == stored + 1;
}

static bool purge_waits_done;
static void on_purged(void *arg)
{
	(void)arg;
	purge_waits_done = true;
}

static void purge(int i, const char *tag)
{
	struct str name = str_of(tag);
	purge_waits_done = false;
	assert_int_equal(tags_purge(tags[i], &name, 1, on_purged, NULL), ERR_NONE);
	assert_true(run_until(is_true, &purge_waits_done, 8000));
	run_for(20); /* the others have heard of it */
}

/* ---- getting and putting ---- */

static void test_shared(void **state)
{
	(void)state;
	assert_false(get_once(0, "k1", &plain).hit);
	assert_true(put_waited(&(struct fill){ .key = "k1", .blob = "hello", .tag = "gift:A" }, &plain));
	for (int i = 0; i < PROCESSES; i++) {
		struct got g = get_hit(i, "k1", &plain);
		assert_true(g.hit);
		assert_string_equal(g.blob, "hello");
		assert_string_equal(g.tag, "gift:A");
		assert_string_equal(g.vary, "");
		assert_int_equal(g.tag_count, 1);
		assert_int_equal(g.response_time_us, 1700000000000000);
		assert_true(g.stamp.seq == tags_now(tags[i]).seq);
	}
	assert_false(get_once(1, "k2", &plain).hit);
	int64_t left_ms = tell_redis("EVAL return(redis.call('pttl',redis.call('keys','yg:v:*')[1])) 0").integer;
	assert_true(left_ms > TTL_MS / 10 * 8 && left_ms <= TTL_MS / 10 * 11);
}

static void test_variants(void **state)
{
	struct asked json = { .accept = "json", .language = "zh" }, csv = { .accept = "csv", .language = "zh" };
	struct asked english = { .accept = "json", .language = "en" };
	(void)state;
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "json", .vary = "accept" }, &json));
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "csv", .vary = "accept" }, &csv));
	assert_string_equal(get_hit(1, "k", &json).blob, "json"); /* wrong guess first, then right */
	json.calls = 0;
	assert_string_equal(get_hit(1, "k", &json).blob, "json");
	assert_string_equal(get_hit(1, "k", &csv).blob, "csv");
	assert_string_equal(get_hit(1, "k", &csv).vary, "accept");
	/* an answer that varies by more: both names count from then on; the other process learns it from Redis */
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "en", .vary = "accept-language" }, &english));
	assert_string_equal(get_hit(1, "k", &english).blob, "en");
	assert_string_equal(get_hit(1, "k", &english).vary, "accept,accept-language");
	assert_false(get_once(1, "k", &csv).hit);
	/* a process that does not know of the union yet: dropped once, right afterwards */
	tell_redis("EVAL redis.call('set',redis.call('keys','yg:m:*')[1],'accept,accept-language,x') 0");
	assert_false(put_waited(&(struct fill){ .key = "k", .blob = "csv2", .vary = "accept" }, &csv));
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "csv3", .vary = "accept" }, &csv));
	assert_string_equal(get_hit(1, "k", &csv).blob, "csv3");
}

static void test_purged(void **state)
{
	(void)state;
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "old", .tag = "gift:A" }, &plain));
	assert_true(get_hit(1, "k", &plain).hit);
	purge(0, "gift:A");
	assert_false(get_once(0, "k", &plain).hit);
	assert_false(get_once(1, "k", &plain).hit);
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "new", .tag = "gift:A" }, &plain));
	assert_string_equal(get_hit(1, "k", &plain).blob, "new");
	/* seen in this process before Redis has said anything */
	struct str name = STR("gift:A");
	assert_int_equal(tags_purge(tags[0], &name, 1, NULL, NULL), ERR_NONE);
	struct got g = get_once(0, "k", &plain);
	assert_false(g.hit);
}

/* The fetch began before the purge: whoever stores its answer is refused, here or in Redis. */
static void test_fill_race(void **state)
{
	(void)state;
	struct tags_stamp before = tags_now(tags[1]);
	purge(0, "gift:A");
	struct fill late = { .process = 1, .key = "k", .blob = "old", .tag = "gift:A", .stamp = before };
	assert_false(put(&late, &plain)); /* this process has heard of it */
	/* one that has not heard of it, nor of anything */
	process_stop(1);
	process_start(1);
	assert_true(run_until(in_step, tags[1], 8000));
	run_for(50);
	assert_false(put_waited(&late, &plain));
	assert_int_equal(fills("refused"), 0);
	assert_false(get_once(1, "k", &plain).hit);
	late.stamp = tags_now(tags[1]);
	assert_true(put_waited(&late, &plain));
	/* a tag without a number may have been purged and forgotten: what was stamped before now is dropped */
	before = tags_now(tags[1]);
	purge(0, "something:else");
	assert_false(put_waited(
	    &(struct fill){ .process = 1, .key = "k9", .blob = "x", .tag = "gift:new", .stamp = before }, &plain));
	assert_true(put_waited(&(struct fill){ .process = 1, .key = "k9", .blob = "x", .tag = "gift:new" }, &plain));
}

static void test_newer_stays(void **state)
{
	struct fill f = { .key = "k", .blob = "newer", .response_time_us = 2000 };
	(void)state;
	assert_true(put_waited(&f, &plain));
	f.blob = "older";
	f.response_time_us = 1000;
	assert_false(put_waited(&f, &plain));
	assert_string_equal(get_hit(0, "k", &plain).blob, "newer");
	f.blob = "newest";
	f.response_time_us = 3000;
	assert_true(put_waited(&f, &plain));
	assert_string_equal(get_hit(0, "k", &plain).blob, "newest");
}

/* A process that starts later finds what the others stored, and asks Redis whether it was purged meanwhile. */
static void test_later_process(void **state)
{
	(void)state;
	assert_true(put_waited(&(struct fill){ .key = "kept", .blob = "kept", .tag = "gift:A" }, &plain));
	assert_true(put_waited(&(struct fill){ .key = "gone", .blob = "gone", .tag = "gift:B" }, &plain));
	purge(0, "gift:B");
	process_stop(1);
	process_start(1);
	assert_true(run_until(in_step, tags[1], 8000));
	assert_string_equal(get_hit(1, "kept", &plain).blob, "kept");
	assert_false(get_once(1, "gone", &plain).hit);
	tell_redis("DEL yg:g:gift:A"); /* evicted: reads as purged */
	assert_false(get_once(1, "kept", &plain).hit);
}

/* What stands under a name and is not ours, or another key's, is a miss. */
static void test_strange_values(void **state)
{
	(void)state;
	assert_true(put_waited(&(struct fill){ .key = "a", .blob = "a's" }, &plain));
	assert_true(put_waited(&(struct fill){ .key = "b", .blob = "b's" }, &plain));
	assert_true(get_hit(0, "a", &plain).hit);
	/* as if their hashes were the same: exchange the values */
	struct told t = tell_redis("EVAL "
				   "local\tk=redis.call('keys','yg:v:*')local\tx,y=redis.call('get',k[1]),redis.call('"
				   "get',k[2])redis.call('set',k[1],y)redis.call('set',k[2],x)return\t#k 0");
	assert_int_equal(t.integer, 2);
	assert_false(get_once(0, "a", &plain).hit);
	assert_false(get_once(0, "b", &plain).hit);
	tell_redis(
	    "EVAL local\tk=redis.call('keys','yg:v:*')for\ti=1,#k\tdo\tredis.call('set',k[i],'YG2nonsense')end 0");
	assert_false(get_once(0, "a", &plain).hit);
	tell_redis("EVAL "
		   "local\tk=redis.call('keys','yg:v:*')for\ti=1,#k\tdo\tredis.call('del',k[i])redis.call('lpush',k[i],"
		   "'x')end 0");
	assert_false(get_once(0, "a", &plain).hit);
}

static void test_limits(void **state)
{
	(void)state;
	char *big = malloc(L2_BLOB_BYTES_MAX + 2);
	assert_non_null(big);
	memset(big, 'x', L2_BLOB_BYTES_MAX + 1);
	big[L2_BLOB_BYTES_MAX + 1] = '\0';
	assert_false(put(&(struct fill){ .key = "big", .blob = big }, &plain));
	big[L2_BLOB_BYTES_MAX] = '\0';
	assert_true(put_waited(&(struct fill){ .key = "big", .blob = big }, &plain));
	assert_int_equal(get_hit(1, "big", &plain).blob_bytes, L2_BLOB_BYTES_MAX);
	/* more at once than may wait */
	uint64_t dropped = fills("dropped");
	unsigned taken = 0;
	for (int i = 0; i < 64; i++) taken += put(&(struct fill){ .key = "big", .blob = big }, &plain);
	assert_true(taken < 64 && fills("dropped") - dropped == 64 - taken);
	dropped = fills("dropped");
	taken = 0;
	for (int i = 0; i < 1500; i++) taken += put(&(struct fill){ .key = "s", .blob = "x" }, &plain);
	assert_true(taken <= 1000 && fills("dropped") - dropped == 1500 - taken);
	free(big);
	run_for(300);
}

/* ---- Redis away ---- */

/* However Redis is, a look-up ends soon, as a miss; most are spared the wait. */
static int64_t look_up_many(unsigned count)
{
	int64_t start_ms = clock_mono_ms();
	for (unsigned i = 0; i < count; i++) assert_false(get_once(0, "k", &plain).hit);
	return clock_mono_ms() - start_ms;
}

static void test_stopped(void **state)
{
	(void)state;
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "x" }, &plain));
	kill(server, SIGSTOP);
	int64_t start_ms = clock_mono_ms(), took_ms = look_up_many(200);
	printf("# 200 look-ups in a mute Redis took %lld ms in all\n", (long long)took_ms);
	(void)put(&(struct fill){ .key = "k2", .blob = "x" }, &plain);
	int64_t left_ms = 5000 - (clock_mono_ms() - start_ms);
	if (left_ms > 0) run_for(left_ms);
	look_up_many(50);
	kill(server, SIGCONT);
	assert_true(run_until(in_step, tags[0], 20000));
	assert_true(get_hit(0, "k", &plain).hit);
}

static void test_killed(void **state)
{
	(void)state;
	struct got g[20] = { 0 };
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "x" }, &plain));
	unsigned sent = 0;
	for (int i = 0; i < 20; i++)
		sent += l2_get(l2s[0], STR("k"), variant_of_got, INT64_MAX, on_got, &g[i], NULL) == ERR_NONE;
	assert_int_equal(sent, 20);
	redis_free(control);
	server_kill();
	for (int i = 0; i < 20; i++) assert_true(run_until(has_got, &g[i], 8000));
	look_up_many(100);
	server_start("0");
	control = control_open();
	assert_true(run_until(in_step, tags[0], 20000));
	run_for(100);
	assert_false(get_once(0, "k", &plain).hit); /* it came back empty */
	bool stored = false;
	for (int i = 0; i < 100 && !stored; i++) { /* the connection for fills comes back by itself too */
		run_for(100);
		stored = put_waited(&(struct fill){ .key = "k", .blob = "x" }, &plain);
	}
	assert_true(stored);
	assert_true(get_hit(0, "k", &plain).hit);
}

static void test_full(void **state)
{
	(void)state;
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "x" }, &plain));
	tell_redis("CONFIG SET maxmemory 1");
	/* longer than the tags live: these will have to live on, which must not open the door */
	assert_false(put_waited(&(struct fill){ .key = "k2", .blob = "x", .ttl_ms = 2 * TTL_MS }, &plain));
	assert_true(fills("refused") > 0);
	assert_true(get_hit(0, "k", &plain).hit); /* what is there can be read */
	assert_false(
	    put(&(struct fill){ .key = "k2", .blob = "x" }, &plain)); /* and Redis is left in peace for a while */
	tell_redis("CONFIG SET maxmemory 0");
	run_for(1100);
	assert_true(put_waited(&(struct fill){ .key = "k2", .blob = "x" }, &plain));
}

static void test_emptied(void **state)
{
	(void)state;
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "x" }, &plain));
	tell_redis("FLUSHALL");
	assert_false(get_once(0, "k", &plain).hit);
	assert_false(
	    put_waited(&(struct fill){ .key = "k", .blob = "x" }, &plain)); /* numbers are unknown for a moment */
	bool stored = false;
	for (int i = 0; i < 100 && !stored; i++) {
		run_for(100);
		stored = put_waited(&(struct fill){ .key = "k", .blob = "y" }, &plain);
	}
	assert_true(stored);
	assert_string_equal(get_hit(1, "k", &plain).blob, "y");
}

static void test_cancelled_and_freed(void **state)
{
	(void)state;
	struct got g[3] = { 0 };
	struct l2_call *call;
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = "x" }, &plain));
	assert_int_equal(l2_get(l2s[0], STR("k"), variant_of_got, INT64_MAX, on_got, &g[0], &call), ERR_NONE);
	l2_cancel(call);
	run_for(30);
	assert_int_equal(g[0].count, 0);
	assert_int_equal(
	    l2_get(l2s[0], STR("k"), variant_of_got, 0, on_got, &g[1], NULL), ERR_NONE); /* its time is over */
	assert_true(run_until(has_got, &g[1], 8000));
	assert_int_equal(l2_get(l2s[1], STR("k"), variant_of_got, INT64_MAX, on_got, &g[2], NULL), ERR_NONE);
	put(&(struct fill){ .process = 1, .key = "k", .blob = "x" }, &plain);
	process_stop(1);
	assert_true(g[2].count == 1 && !g[2].hit);
	run_for(30);
	process_start(1);
}

/* ---- leases ---- */

struct leased {
	bool done;
	enum l2_lease outcome;
	uint64_t token;
};

static void on_leased(void *arg, enum l2_lease outcome, uint64_t token)
{
	struct leased *l = arg;
	assert_false(l->done);
	*l = (struct leased){ true, outcome, token };
}

static void lease_begin(int i, struct leased *l)
{
	*l = (struct leased){ 0 };
	assert_int_equal(l2_lease_take(l2s[i], STR("dear"), 5000, on_leased, l, NULL), ERR_NONE);
	assert_false(l->done);
}

static void test_leases(void **state)
{
	struct leased ours, waits, third;
	(void)state;
	lease_begin(0, &ours);
	assert_true(run_until(is_true, &ours.done, 8000));
	assert_int_equal(ours.outcome, L2_LEASE_OURS);
	/* the other waits, and hears that it was stored */
	lease_begin(1, &waits);
	run_for(5);
	assert_false(waits.done);
	assert_true(put_waited(&(struct fill){ .key = "dear", .blob = "x" }, &plain));
	assert_true(run_until(is_true, &waits.done, 8000));
	assert_int_equal(waits.outcome, L2_LEASE_FILLED);
	assert_true(get_hit(1, "dear", &plain).hit);
	/* stored: the lease is over */
	lease_begin(1, &ours);
	assert_true(run_until(is_true, &ours.done, 8000));
	assert_int_equal(ours.outcome, L2_LEASE_OURS);
	lease_begin(0, &waits);
	lease_begin(0, &third);
	l2_lease_end(l2s[1], STR("dear"), ours.token + 1); /* not the holder */
	run_for(20);
	assert_false(waits.done);
	l2_lease_end(l2s[1], STR("dear"), ours.token);
	assert_true(run_until(is_true, &waits.done, 8000));
	assert_true(run_until(is_true, &third.done, 8000));
	assert_true(waits.outcome == L2_LEASE_NONE && third.outcome == L2_LEASE_NONE);
	/* a holder that says nothing: nobody waits for ever */
	lease_begin(0, &ours);
	assert_true(run_until(is_true, &ours.done, 8000));
	lease_begin(1, &waits);
	int64_t start_ms = clock_mono_ms();
	assert_true(run_until(is_true, &waits.done, 8000));
	printf("# waited %lld ms for a silent holder\n", (long long)(clock_mono_ms() - start_ms));
	assert_int_equal(waits.outcome, L2_LEASE_NONE);
	/* nor for a Redis that is gone */
	kill(server, SIGSTOP);
	if (l2_lease_take(l2s[0], STR("dear"), 5000, on_leased, &third, NULL) == ERR_NONE) {
		third.done = false;
		assert_true(run_until(is_true, &third.done, 8000));
		assert_int_equal(third.outcome, L2_LEASE_NONE);
	}
	kill(server, SIGCONT);
	run_for(100);
}

/* ---- how fast ---- */

static unsigned answered;
static void on_counted(void *arg, const struct l2_hit *hit)
{
	(void)arg;
	answered += hit != NULL;
}

static struct str no_variant(void *arg, struct str vary)
{
	(void)arg;
	(void)vary;
	return STR("");
}

static bool are_answered(void *arg)
{
	return answered == *(unsigned *)arg;
}

static void test_rate(void **state)
{
	unsigned rounds = 200, at_once = 50;
	char kilobyte[1024 + 1];
	(void)state;
	memset(kilobyte, 'x', 1024);
	kilobyte[1024] = '\0';
	assert_true(put_waited(&(struct fill){ .key = "k", .blob = kilobyte }, &plain));
	int64_t start_ns = clock_mono_ns();
	unsigned hits = 0;
	for (unsigned round = 0; round < rounds; round++) {
		answered = 0;
		for (unsigned i = 0; i < at_once; i++)
			if (l2_get(l2s[0], STR("k"), no_variant, INT64_MAX, on_counted, NULL, NULL) != ERR_NONE) break;
		run_until(are_answered, &at_once, 30);
		hits += answered;
	}
	double seconds = (double)(clock_mono_ns() - start_ns) / 1e9;
	printf("# %u hits of 1 KiB, %u at a time: %.0f a second\n", hits, at_once, hits / seconds);
	assert_true(hits > 0);
}

int main(void)
{
#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests_[] = {
		WITH_REDIS(test_shared),
		WITH_REDIS(test_variants),
		WITH_REDIS(test_purged),
		WITH_REDIS(test_fill_race),
		WITH_REDIS(test_newer_stays),
		WITH_REDIS(test_later_process),
		WITH_REDIS(test_strange_values),
		WITH_REDIS(test_limits),
		WITH_REDIS(test_stopped),
		WITH_REDIS(test_killed),
		WITH_REDIS(test_full),
		WITH_REDIS(test_emptied),
		WITH_REDIS(test_cancelled_and_freed),
		WITH_REDIS(test_leases),
		WITH_REDIS(test_rate),
	};
	if (!fixture_open("test_l2")) return 1;
	int failed = cmocka_run_group_tests(tests_, NULL, NULL);
	rmdir(fixture_dir);
	return failed;
}
