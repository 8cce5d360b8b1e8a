/* A client's fields, one "name:value" per line: what Connection names is gone, and nothing passes that only the gateway may say. */
/* links: gateway */
#include <stdint.h>

#include "gateway/fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 64 };

/* Lower case, '_' as '-': how the most careless reader behind us may see a name. */
static struct str carelessly(struct arena *a, struct str name)
{
	char *p = arena_alloc(a, name.n + 1);
	CHECK(p != NULL);
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i] == '_' ? '-' : name.p[i];
		p[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return str_span(p, name.n);
}

static void check_passed(struct arena *a, struct str name)
{
	static const char *const never[] = { "host", "connection", "content-length", "transfer-encoding", "expect",
		"keep-alive", "authorization", "x-api-key", "x-request-id", "traceparent", "tracestate", "forwarded",
		"client-cert", "x-http-method-override", "proxy", "upgrade", "te", "trailer" };
	struct str seen = carelessly(a, name);
	for (size_t i = 0; i < ARRAY_LEN(never); i++) CHECK(!str_eq(seen, str_of(never[i])));
	CHECK(!str_starts(seen, STR("x-yangguang-")) && !str_starts(seen, STR("x-forwarded-")));
	CHECK(!str_starts(seen, STR("proxy-")) && !str_starts(seen, STR("client-cert")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_field items[FIELDS];
	struct http_fields all = { items, 0 };
	struct str rest = str_span((const char *)data, size), line, name;
	struct arena a;
	if (size && memchr(data, 0, size)) return 0; /* no head has one */
	while (all.count < FIELDS && str_cut(&rest, '\n', &line)) {
		if (!str_cut(&line, ':', &name) || !name.n) continue;
		items[all.count++] = (struct http_field){ name, str_trim(line) };
	}
	arena_init(&a, 4096, 1 << 20);
	struct http_fields kept = all;
	if (fields_drop_named(&a, &kept) == ERR_NONE) {
		CHECK(kept.count <= all.count);
		for (unsigned i = 0; i < kept.count; i++) {
			struct str kept_name = kept.items[i].name;
			/* "close" is the option of that name, and names no field */
			if (kept.count < all.count && !str_eq_ci(kept_name, STR("close")))
				CHECK(!http_list_has(all, STR("connection"), kept_name));
			if (fields_pass_request(kept_name, STR_NONE)) check_passed(&a, kept_name);
			(void)fields_pass_reply(kept_name, STR_NONE);
		}
	}
	arena_release(&a);
	return 0;
}
