/* The file of address rules. All faults are told at once, with their lines, as those of contracts are. */
#include "gateway/limit/address_rules.h"

#include <stdlib.h>

#include "common/contract/yaml.h"
#include "common/core/config.h"
#include "common/core/log.h"

enum { FILE_BYTES_MAX = 4 * 1024 * 1024, RULES_BYTES_MAX = 64 * 1024 * 1024, REPORT_BYTES_MAX = 64 * 1024 };

struct reader {
	struct arena *arena;
	struct yaml_faults faults;
	struct address_names names;
};

static void read_networks(struct reader *r, const struct json *list, struct networks *out)
{
	if (json_type(list) != JSON_ARRAY || json_count(list) > ADDRESS_NETWORKS_MAX) {
		yaml_fault(&r->faults, list, "give a list of at most %d networks", ADDRESS_NETWORKS_MAX);
		return;
	}
	if (!networks_open(out, r->arena, (unsigned)json_count(list))) return;
	for (const struct json *v = json_first(list); v; v = json_next(v))
		if (!networks_add(out, json_string(v)))
			yaml_fault(
			    &r->faults, v, "a network is 10.0.0.0/8, 2001:db8::/32, an address, unix or unknown");
	networks_close(out);
}

static void read_places(struct reader *r, const struct json *only, struct address_rules *out)
{
	unsigned count = json_type(only) == JSON_OBJECT ? (unsigned)json_count(only) : 0;
	if (!count || count > ADDRESS_PLACES_MAX) {
		yaml_fault(&r->faults, only, "only is name: [network, …], 1 to %d of them", ADDRESS_PLACES_MAX);
		return;
	}
	out->places = arena_array(r->arena, count, sizeof *out->places);
	for (const struct json *m = json_first(only); m && out->places; m = json_next(m)) {
		struct address_place *place = &out->places[out->place_count++];
		*place = (struct address_place){ .name = arena_str(r->arena, json_key(m)) };
		if (!r->names.has(r->names.arg, json_key(m)))
			yaml_fault(
			    &r->faults, m, "%.*s is no operation and no plain proxy route", STR_FMT(json_key(m)));
		read_networks(r, m, &place->only);
	}
}

static void read_root(struct reader *r, const struct json *root, struct address_rules *out)
{
	if (json_type(root) != JSON_OBJECT) {
		yaml_fault(&r->faults, root, "give deny, only, or both");
		return;
	}
	for (const struct json *m = json_first(root); m; m = json_next(m)) {
		if (str_eq(json_key(m), STR("deny")))
			read_networks(r, m, &out->deny);
		else if (str_eq(json_key(m), STR("only")))
			read_places(r, m, out);
		else
			yaml_fault(&r->faults, m, "key %.*s is not known", STR_FMT(json_key(m)));
	}
}

enum err address_rules_read(struct arena *a, struct str text, const char *name, struct address_names names,
    struct address_rules *out, struct buf *report)
{
	struct reader r = { .arena = a, .faults = { name, report, 0 }, .names = names };
	const struct json *root;
	TRY(yaml_read(a, text, name, &root, report));
	read_root(&r, root, out);
	if (a->overflow) return ERR_MEMORY;
	return r.faults.count ? ERR_CONFIG : ERR_NONE;
}

enum err address_rules_load(const char *path, struct address_names names, struct address_rules **out)
{
	struct buf report;
	struct str text, line;
	struct address_rules *r = calloc(1, sizeof *r);
	CHECK(r != NULL);
	arena_init(&r->arena, 16 * 1024, RULES_BYTES_MAX);
	buf_init(&report, REPORT_BYTES_MAX);
	enum err e = config_read_file(&r->arena, path, FILE_BYTES_MAX, &text);
	if (!e) e = address_rules_read(&r->arena, text, path, names, r, &report);
	struct str rest = buf_view(&report);
	while (str_cut(&rest, '\n', &line))
		if (line.n) log_line(LOG_ERROR, "address rules are not usable", "%.*s", STR_FMT(line));
	buf_free(&report);
	if (e) {
		address_rules_free(r);
		return e;
	}
	*out = r;
	return ERR_NONE;
}

void address_rules_free(struct address_rules *r)
{
	if (!r) return;
	arena_release(&r->arena);
	free(r);
}

bool address_rules_allow(const struct address_rules *r, struct str place, struct str address)
{
	if (networks_have(&r->deny, address)) return false;
	for (unsigned i = 0; place.p && i < r->place_count; i++)
		if (str_eq(r->places[i].name, place)) return networks_have(&r->places[i].only, address);
	return true;
}
