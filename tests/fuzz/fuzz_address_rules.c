/* A file of address rules: refused with a report, or a sorted set in which every network of the list is found, and nothing beside. */
/* links: gateway */
#include <arpa/inet.h>
#include <stdlib.h>

#include "common/contract/yaml.h"
#include "common/http/client_address.h"
#include "gateway/limit/address_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_name(void *arg, struct str name)
{
	(void)arg;
	return name.n > 0 && name.p[0] == 'n';
}

/* The slow way, straight from the text. */
static bool stands_in(const struct json *list, const unsigned char at[16])
{
	for (const struct json *v = json_first(list); v; v = json_next(v)) {
		struct proxy_range r;
		if (!proxy_range_read(json_string(v), &r)) continue;
		unsigned same = 0;
		while (same < 128 && !((r.bytes[same / 8] ^ at[same / 8]) >> (7 - same % 8) & 1)) same++;
		if (same >= r.bits) return true;
	}
	return false;
}

static void probe(const struct networks *n, const struct json *list, unsigned char at[16], int step)
{
	char text[INET6_ADDRSTRLEN];
	for (int i = 15; step && i >= 0; i--) { /* the neighbour */
		at[i] = (unsigned char)(at[i] + step);
		if (at[i] != (step > 0 ? 0 : 0xff)) break;
	}
	CHECK(inet_ntop(AF_INET6, at, text, sizeof text) != NULL);
	CHECK(networks_have(n, str_of(text)) == stands_in(list, at));
}

static void check(const struct networks *n, const struct json *list)
{
	for (unsigned i = 0; i < n->count; i++) {
		struct network edge = n->items[i];
		CHECK(memcmp(edge.first, edge.last, 16) <= 0);
		CHECK(!i || memcmp(n->items[i - 1].last, edge.first, 16) < 0);
		probe(n, list, edge.first, 0);
		probe(n, list, edge.last, 0);
		probe(n, list, edge.first, -1);
		probe(n, list, edge.last, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_span((const char *)data, size);
	struct address_rules rules = { 0 };
	const struct json *root;
	struct arena a;
	struct buf report;
	if (size > 4096) return 0;
	arena_init(&a, 1 << 14, 8 << 20);
	buf_init(&report, 1 << 16);
	enum err e = address_rules_read(&a, text, "a.yaml", (struct address_names){ is_name, NULL }, &rules, &report);
	if (e == ERR_NONE && yaml_read(&a, text, "a.yaml", &root, &report) == ERR_NONE) {
		const struct json *deny = json_get(root, STR("deny")), *only = json_get(root, STR("only"));
		if (deny) check(&rules.deny, deny);
		unsigned at = 0;
		for (const struct json *m = only ? json_first(only) : NULL; m; m = json_next(m))
			check(&rules.places[at++].only, m);
		CHECK(at == rules.place_count);
	} else if (e != ERR_CONFIG && e != ERR_MEMORY && e != ERR_NONE) {
		abort();
	}
	arena_release(&a);
	buf_free(&report);
	return 0;
}
