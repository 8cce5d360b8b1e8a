/* The gateway's process: alone, or the parent of YG_WORKERS. It opens the listening sockets first, or takes them over. `--config FILE`
 * is YG_CONFIG by another way. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/core/config.h"
#include "common/net/workers.h"
#include "gateway/gateway.h"
#include "gateway/proxy/proxy.h"

enum { EXIT_CONFIG_STATUS = 78, USAGE_STATUS = 64 };

/* What the parent of several workers keeps. */
static struct {
	struct settings settings;
	struct listeners listeners;
	struct gateway_process process;
	struct handover handover;
	struct workers_hooks hooks;
	int ready_fd; /* our end of the workers' */
	unsigned ready; /* bytes that came */
	bool told; /* that all are ready */
} parent;

static int run_worker(unsigned worker)
{
	return gateway_run(&parent.process, worker);
}

static void stopping(void)
{
	handover_cancel(&parent.handover);
	listeners_close(&parent.listeners);
}

static void hand_over(void)
{
	if (handover_begin(&parent.handover, &parent.listeners) != ERR_NONE)
		log_line(LOG_WARN, "no hand-over", "one is under way, or it failed");
}

static bool other_child(pid_t pid, int status)
{
	return handover_ended(&parent.handover, pid, status);
}

/* Counts who serves; once all do, those who wait for us are told. Then: is the next gateway ready? */
static int turn(void)
{
	char bytes[WORKERS_MAX];
	ssize_t n = parent.told ? 0 : read(parent.ready_fd, bytes, sizeof bytes);
	if (n > 0) parent.ready += (unsigned)n;
	if (!parent.told && parent.ready >= parent.settings.workers) {
		parent.told = true;
		handover_tell_ready(parent.settings.pid_file);
	}
	bool done = handover_check(&parent.handover) == HANDOVER_DONE;
	parent.hooks.hurried = !parent.told || parent.handover.pid;
	return done ? SIGQUIT : 0;
}

static int run_workers(void)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) return EXIT_CONFIG_STATUS;
	parent.ready_fd = ends[0];
	parent.process.ready_fd = ends[1];
	parent.hooks = (struct workers_hooks){
		.stopping = stopping, .hand_over = hand_over, .other_child = other_child, .turn = turn, .hurried = true
	};
	return workers_run(parent.settings.workers, run_worker, &parent.hooks);
}

/* As many descriptors as the system lets us have: the usual soft limit of 1024 is for programs that use select(). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit)) return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit)) log_line(LOG_WARN, "descriptor limit not raised", "setrlimit failed");
}

/* Opens what is listened at. The routes themselves are read by each process that serves. */
static enum err open_listeners(void)
{
	struct proxy_table *routes = NULL;
	if (parent.settings.config.p) TRY(proxy_table_load(parent.settings.config.p, &routes));
	enum err e = listeners_open(&parent.listeners, &parent.settings, routes ? proxy_table_config(routes) : NULL);
	proxy_table_free(routes);
	return e;
}

static bool read_arguments(int argc, char **argv)
{
	if (argc == 1) return true;
	if (argc == 3 && strcmp(argv[1], "--config") == 0) return setenv("YG_CONFIG", argv[2], 1) == 0;
	fprintf(stderr, "usage: %s [--config FILE]\n", argv[0]);
	return false;
}

int main(int argc, char **argv)
{
	struct arena arena;
	int status = EXIT_CONFIG_STATUS;
	if (!read_arguments(argc, argv)) return USAGE_STATUS;
	signal(SIGPIPE, SIG_IGN);
	handover_init();
	arena_init(&arena, 4096, 64 * 1024);
	settings_read(&arena, &parent.settings);
	log_init("gateway", parent.settings.log);
	raise_descriptor_limit();
	parent.process = (struct gateway_process){ .listeners = &parent.listeners, .ready_fd = -1 };
	if (open_listeners() == ERR_NONE)
		status = parent.settings.workers > 1 ? run_workers() : gateway_run(&parent.process, 0);
	arena_release(&arena);
	log_flush();
	return status;
}
