/* A private redis-server, which can be killed and started again, and a loop that runs until something is so. */
#ifndef TESTS_UNIT_CACHE_REDIS_SERVER_H
#define TESTS_UNIT_CACHE_REDIS_SERVER_H

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

static char fixture_dir[] = "/tmp/test_redis_XXXXXX";
static char fixture_socket[64];
static char fixture_address[96];
static struct loop *loop;
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

static inline bool is_true(void *arg)
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

/* Where it will be; once, before anything else. `most_s`: then a test that hangs is ended. */
static bool fixture_place(const char *name, unsigned most_s)
{
	signal(SIGPIPE, SIG_IGN);
	alarm(most_s); /* a failed test leaves its connections, and then the loop */
	if (!mkdtemp(fixture_dir)) return false;
	snprintf(fixture_socket, sizeof fixture_socket, "%s/s", fixture_dir);
	snprintf(fixture_address, sizeof fixture_address, "unix:%s", fixture_socket);
	log_init(name, LOG_ERROR);
	return true;
}

#endif
