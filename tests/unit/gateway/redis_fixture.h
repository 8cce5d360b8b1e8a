/* The Redis of the tests of the cache's second level, with a connection of the test's own. */
#ifndef TESTS_UNIT_GATEWAY_REDIS_FIXTURE_H
#define TESTS_UNIT_GATEWAY_REDIS_FIXTURE_H

#include "tests/unit/cache/redis_server.h"

#include "common/service/metrics.h"

static struct metrics *metrics;
static struct redis *control; /* of the test itself */

static struct redis *control_open(void)
{
	struct redis_config config = { .address = str_of(fixture_address), .command_timeout_ms = 8000 };
	struct redis *r = redis_new(loop, &config);
	assert_non_null(r);
	assert_true(run_until(is_connected, r, 8000));
	return r;
}

struct told {
	bool done;
	enum redis_type type;
	int64_t integer;
	char text[256];
};

static void on_told(void *arg, enum err status, const struct redis_reply *reply)
{
	struct told *a = arg;
	a->done = true;
	assert_int_equal(status, ERR_NONE);
	a->type = reply->type;
	a->integer = reply->integer;
	snprintf(a->text, sizeof a->text, "%.*s", STR_FMT(reply->text));
}

/* A command of the test's own, words separated by spaces. */
static inline struct told tell_redis(const char *words)
{
	struct told a = { 0 };
	struct str args[16], rest = str_of(words);
	unsigned n = 0;
	while (n < 16 && str_cut(&rest, ' ', &args[n])) n++;
	assert_int_equal(redis_send(control, args, n, on_told, &a), ERR_NONE);
	assert_true(run_until(is_true, &a.done, 8000));
	return a;
}

static inline int64_t ask_number(const char *words)
{
	struct told a = tell_redis(words);
	int64_t n = 0;
	assert_int_equal(a.type, REDIS_STRING);
	assert_true(str_to_i64(str_of(a.text), &n));
	return n;
}

/* ---- a test's beginning and end ---- */

static int fixture_setup(void **state)
{
	(void)state;
	server_start("0");
	loop = loop_new();
	metrics = metrics_new();
	control = control_open();
	return 0;
}

static int fixture_teardown(void **state)
{
	(void)state;
	redis_free(control);
	run_for(2);
	loop_free(loop);
	metrics_free(metrics);
	server_kill();
	unlink(fixture_socket);
	return 0;
}

static bool fixture_open(const char *name)
{
	return fixture_place(name, 240);
}

#endif
