/* The gateway's process: alone, or the parent of YG_WORKERS. */
#include "common/core/config.h"
#include "common/net/workers.h"
#include "gateway/gateway.h"

int main(void)
{
	struct settings settings;
	struct arena arena;
	arena_init(&arena, 4096, 64 * 1024);
	settings_read(&arena, &settings);
	log_init("gateway", settings.log);
	unsigned workers = settings.workers;
	arena_release(&arena);
	return workers > 1 ? workers_run(workers, gateway_run, NULL) : gateway_run(0);
}
