/* The file of plain proxy routes: an operator's, but what is not right in it must be told, whatever it is. */
/* links: gateway */
#include "gateway/proxy/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct proxy_config config;
	struct arena a;
	struct buf report;
	arena_init(&a, 4096, 1024 * 1024);
	buf_init(&report, 64 * 1024);
	enum err e = proxy_config_read(&a, str_span((const char *)data, size), "fuzz", &config, &report);
	if (e == ERR_NONE) {
		CHECK(config.route_count > 0 && config.route_count <= PROXY_ROUTES_MAX);
		CHECK(config.listener_count <= PROXY_LISTENERS_MAX);
		for (unsigned i = 0; i < config.route_count; i++) {
			const struct proxy_route_config *r = &config.routes[i];
			CHECK(r->name.n && r->prefix.n && r->prefix.p[0] == '/');
			CHECK(r->origin_count > 0 && r->origin_count <= PROXY_ADDRESSES_MAX);
			for (unsigned k = 0; k < r->origin_count; k++) CHECK(r->origins[k].n > 0);
		}
	} else {
		CHECK(report.n > 0 || a.overflow);
	}
	buf_free(&report);
	arena_release(&a);
	return 0;
}
