/* A private redis-server and a loop that runs until something is so; for the tests of the cache's second level. */
#ifndef TESTS_UNIT_GATEWAY_REDIS_FIXTURE_H
#define TESTS_UNIT_GATEWAY_REDIS_FIXTURE_H

#include "common/cache/redis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/service/metrics.h"

static char fixture_dir[] = "/tmp/test_cache_XXXXXX";
static char fixture_socket[64];
static char fixture_address[96];
static struct loop *loop;
static struct metrics *metrics;
static struct redis *control; /* of the test itself */
static pid_t server;

/* ---- the loop ---- */

struct until {
	bool (*is_so)(void *arg);
	void *arg;
	int64_t deadline_ms;
	bool seen;
};

static void until_poll(void *arg)
{
	struct until *u = arg;
	u->seen = u->is_so(u->arg);
	if (u->seen || clock_mono_ms() > u->deadline_ms) loop_stop(loop);
}

static bool run_until(bool (*is_so)(void *arg), void *arg, int64_t most_ms)
{
	struct until u = { is_so, arg, clock_mono_ms() + most_ms, false };
	struct timer *t = timer_new(loop, until_poll, &u);
	timer_start(t, 0, 1);
	loop_run(loop);
	timer_free(t);
	return u.seen;
}

static bool is_never(void *arg)
{
	(void)arg;
	return false;
}

static inline void run_for(int64_t ms)
{
	run_until(is_never, NULL, ms);
}

static bool is_true(void *arg)
{
	return *(bool *)arg;
}

static bool is_connected(void *arg)
{
	return redis_connected(arg);
}

/* ---- the server ---- */

static void server_start(const char *memory)
{
	unlink(fixture_socket);
	server = fork();
	assert_true(server >= 0);
	if (server == 0) {
		if (!freopen("/dev/null", "w", stdout)) _exit(1);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", fixture_socket, "--save", "",
		    "--appendonly", "no", "--dir", fixture_dir, "--maxmemory", memory, "--maxmemory-policy",
		    "noeviction", (char *)NULL);
		_exit(127);
	}
}

static void server_kill(void)
{
	if (server <= 0) return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = 0;
}

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
	signal(SIGPIPE, SIG_IGN);
	alarm(240); /* a failed test leaves its connections, and then the loop */
	if (!mkdtemp(fixture_dir)) return false;
	snprintf(fixture_socket, sizeof fixture_socket, "%s/s", fixture_dir);
	snprintf(fixture_address, sizeof fixture_address, "unix:%s", fixture_socket);
	log_init(name, LOG_ERROR);
	return true;
}

#endif
