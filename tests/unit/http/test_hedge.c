/* Reads asked at two addresses: whichever way they end, each is answered once, by one of them, and with its own answer. */
#include <unistd.h>

#include "common/http/client.h"
#include "common/http/capacity.h"
#include "common/http/server.h"
#include "tests/unit/http/peer.h"

enum { CALLS = 400, SERVERS = 2 };

static char addresses[SERVERS][64];
static struct loop *loop;
static struct http_server *servers[SERVERS];
static struct upstream *upstream;
static struct latency_base base;
static unsigned seed, seen[SERVERS], answered, failed;

static unsigned dice(unsigned sides)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % sides;
}

/* ---- the services: what they do stands in the query ---- */

struct later {
	struct timer *timer;
	struct http_exchange *x;
	bool close;
};

static void respond(struct http_exchange *x, bool close)
{
	http_respond(x, &(struct http_response){ .status = 200, .body = x->path, .close = close });
}

static void on_later(void *arg)
{
	struct later *l = arg;
	respond(l->x, l->close);
	timer_free(l->timer);
	free(l);
}

static void on_request(void *arg, struct http_exchange *x)
{
	unsigned *mine = arg;
	unsigned what = str_eq(x->query, STR("quick")) ? 0 : str_eq(x->query, STR("mixed")) ? dice(10) : 9;
	++*mine;
	if (what < 4) {
		respond(x, false);
		return;
	}
	struct later *l = calloc(1, sizeof *l);
	assert_non_null(l);
	*l = (struct later){ timer_new(loop, on_later, l), x, what == 8 };
	timer_start(l->timer, what == 9 ? 1500 : 10 + dice(90), 0);
}

static void open_server(unsigned i)
{
	struct http_server_config config = { .on_request = on_request, .arg = &seen[i], .any_order = true };
	assert_int_equal(http_server_open(loop, str_of(addresses[i]), false, &config, &servers[i]), ERR_NONE);
}

/* ---- the callers ---- */

struct caller {
	char path[32];
	struct upstream_call *call;
	bool done;
	bool cancelled;
};

static void on_done(void *arg, enum err status, const struct http_reply *reply)
{
	struct caller *c = arg;
	assert_false(c->done || c->cancelled);
	c->done = true;
	answered++;
	if (status)
		failed++;
	else
		assert_true(str_eq(reply->body, str_of(c->path)));
}

static void ask(struct caller *c, unsigned number, const char *query, int64_t timeout_ms)
{
	char head[128];
	snprintf(c->path, sizeof c->path, "/%u", number);
	int n = snprintf(head, sizeof head, "GET %s?%s HTTP/1.1\r\nHost: a\r\n\r\n", c->path, query);
	struct call_kind kind = { CALL_NORMAL, &base, true };
	assert_int_equal(upstream_send_as(upstream, kind, str_span(head, (size_t)n), STR_NONE, false, true,
			     loop_now_ms(loop) + timeout_ms, on_done, c, &c->call),
	    ERR_NONE);
}

static void start(void)
{
	static struct str list[SERVERS];
	loop = loop_new();
	seed = 1;
	answered = failed = 0;
	memset(seen, 0, sizeof seen);
	base = (struct latency_base){ .best_us = 1000, .p95_us = 1000, .answers = LATENCY_ANSWERS_ENOUGH };
	for (unsigned i = 0; i < SERVERS; i++) {
		open_server(i);
		list[i] = str_of(addresses[i]);
	}
	struct upstream_config config = {
		.name = STR("two"), .addresses = list, .address_count = SERVERS, .any_order = true
	};
	upstream = upstream_new(loop, &config);
	bool now = true;
	while (!upstream_usable(upstream) || upstream_stats(upstream).connections < 4) run_until(loop, &now);
}

static void stop(void)
{
	upstream_free(upstream);
	for (unsigned i = 0; i < SERVERS; i++) http_server_free(servers[i]);
	loop_free(loop);
}

static void on_tick(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void run_for(int64_t ms)
{
	struct timer *t = timer_new(loop, on_tick, NULL);
	timer_start(t, ms, 0);
	loop_run(loop);
	timer_free(t);
}

/* ---- tests ---- */

static void test_the_first_answer_counts(void **state)
{
	struct caller some[100];
	(void)state;
	start();
	memset(some, 0, sizeof some);
	for (unsigned i = 0; i < 100; i++) ask(&some[i], i, "quick", 5000);
	run_for(100);
	assert_int_equal(answered, 100);
	assert_int_equal(upstream_stats(upstream).hedged, 0);
	/* A tenth is forgotten at the one, and not at the other. */
	struct caller slow = { .done = false };
	ask(&slow, 1000, "slow", 5000);
	run_for(300);
	assert_int_equal(upstream_stats(upstream).hedged, 1);
	assert_int_equal(seen[0] + seen[1], 102);
	assert_false(slow.done);
	run_for(1600);
	assert_true(slow.done);
	assert_int_equal(failed, 0);
	stop();
}

static void test_the_deadline_is_that_of_both(void **state)
{
	struct caller some[100], slow = { .done = false };
	(void)state;
	start();
	memset(some, 0, sizeof some);
	for (unsigned i = 0; i < 100; i++) ask(&some[i], i, "quick", 5000);
	run_for(100);
	ask(&slow, 1000, "slow", 200);
	run_for(400);
	assert_int_equal(upstream_stats(upstream).hedged, 1);
	assert_true(slow.done);
	assert_int_equal(failed, 1);
	assert_int_equal(upstream_stats(upstream).timed_out, 1);
	run_for(1600); /* the late answers are nobody's */
	assert_int_equal(answered, 101);
	stop();
}

/* Answers early, late and never in time, connections that end, a service that is started anew, callers that go. */
static void test_whatever_happens(void **state)
{
	static struct caller all[CALLS];
	unsigned cancelled = 0;
	(void)state;
	start();
	memset(all, 0, sizeof all);
	for (unsigned i = 0; i < CALLS; i++) {
		ask(&all[i], i, dice(2) ? "mixed" : "quick", 1000 + dice(2000));
		if (i % 4 == 0) run_for(3);
		unsigned other = dice(i + 1);
		if (dice(10) == 0 && !all[other].done && !all[other].cancelled) {
			all[other].cancelled = true;
			cancelled++;
			upstream_cancel(all[other].call);
		}
		if (i % 100 == 99) {
			unsigned which = dice(SERVERS);
			http_server_free(servers[which]);
			open_server(which);
		}
	}
	run_for(5000);
	assert_int_equal(answered + cancelled, CALLS);
	assert_true(upstream_stats(upstream).hedged > 10 && upstream_stats(upstream).hedges_won > 3);
	assert_true(failed < CALLS / 2);
	assert_int_equal(upstream_stats(upstream).in_flight, 0);
	stop();
}

static void test_free_with_two_out(void **state)
{
	struct caller some[100], slow[10];
	(void)state;
	start();
	memset(some, 0, sizeof some);
	memset(slow, 0, sizeof slow);
	for (unsigned i = 0; i < 100; i++) ask(&some[i], i, "quick", 5000);
	run_for(100);
	for (unsigned i = 0; i < 10; i++) ask(&slow[i], 1000 + i, "slow", 5000);
	run_for(200);
	assert_int_equal(upstream_stats(upstream).hedged, 10);
	stop();
	assert_int_equal(answered, 110);
	assert_int_equal(failed, 10);
}

int main(void)
{
	for (unsigned i = 0; i < SERVERS; i++)
		snprintf(addresses[i], sizeof addresses[i], "unix:/tmp/test_hedge_%d_%u.sock", (int)getpid(), i);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_answer_counts),
		cmocka_unit_test(test_the_deadline_is_that_of_both),
		cmocka_unit_test(test_whatever_happens),
		cmocka_unit_test(test_free_with_two_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
