/* A file of rate policies: refused with a report, or every number in it is in its range. */
/* links: contract */
#include <stdlib.h>

#include "common/contract/load.h"
#include "common/contract/policies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct rate_limit *l)
{
	if (l->window_count > RATE_WINDOWS_MAX) abort();
	for (unsigned i = 0; i < l->window_count; i++)
		if (l->windows[i].quota < 1 || l->windows[i].interval_ns < 1 || l->windows[i].name.n == 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct contract none;
	const struct rate_policies *p;
	struct arena boot;
	struct buf report;
	arena_init(&boot, 1 << 14, 4 << 20);
	buf_init(&report, 1 << 16);
	enum err e = policies_read(&boot, str_span((const char *)data, size), "p.yaml", &none, &p, &report);
	if (e == ERR_NONE) {
		check(&p->address);
		for (unsigned i = 0; i < p->count; i++)
			for (unsigned c = 0; c < RATE_CLASS_COUNT; c++) check(&p->items[i].classes[c]);
	} else if (e != ERR_CONFIG && e != ERR_MEMORY) {
		abort();
	}
	arena_release(&boot);
	buf_free(&report);
	return 0;
}
