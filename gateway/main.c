/* The gateway's process: alone, or the parent of YG_WORKERS. `--config FILE` is YG_CONFIG by another way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/core/config.h"
#include "common/net/workers.h"
#include "gateway/gateway.h"

/* As many descriptors as the system lets us have: the usual soft limit of 1024 is for programs that use select(). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit)) return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit)) log_line(LOG_WARN, "descriptor limit not raised", "setrlimit failed");
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
	enum { USAGE_STATUS = 64 };
	struct settings settings;
	struct arena arena;
	if (!read_arguments(argc, argv)) return USAGE_STATUS;
	arena_init(&arena, 4096, 64 * 1024);
	settings_read(&arena, &settings);
	log_init("gateway", settings.log);
	unsigned workers = settings.workers;
	arena_release(&arena);
	raise_descriptor_limit();
	return workers > 1 ? workers_run(workers, gateway_run, NULL) : gateway_run(0);
}
