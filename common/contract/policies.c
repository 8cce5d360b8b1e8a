/* proto/policies.yaml: read strictly, every fault told with its line, and tied to the operations. What the numbers do is the gateway's. */
#include "common/contract/policies.h"

#include "common/contract/yaml.h"
#include "common/core/config.h"
#include "common/core/id.h"

enum { FILE_BYTES_MAX = 256 * 1024, NAME_BYTES_MAX = 32, WINDOW_MOST_S = 31 * 86400 };
static const int64_t QUOTA_MOST = 1000000000;
static const int64_t NS_PER_S = 1000000000;

struct reader {
	struct arena *boot;
	struct yaml_faults faults;
	struct rate_policies *out;
	struct rate_policy *policies;
};

struct str rate_class_name(enum rate_class c)
{
	static const struct str names[RATE_CLASS_COUNT] = { STR("anonymous"), STR("citizen"), STR("staff"),
		STR("partner") };
	return names[c];
}

static bool is_name(struct str s)
{
	if (s.n == 0 || s.n > NAME_BYTES_MAX || s.p[0] < 'a' || s.p[0] > 'z') return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_'))
			return false;
	return true;
}

/* A whole number of `object`, in [1, most]. */
static int64_t need_number(struct reader *r, const struct json *object, const char *key, int64_t most)
{
	const struct json *v = json_get(object, str_of(key));
	int64_t n;
	if (v && json_int64(v, &n) && n >= 1 && n <= most) return n;
	yaml_fault(&r->faults, object, "%s must be a whole number from 1 to %lld", key, (long long)most);
	return 1;
}

static void read_window(struct reader *r, const struct json *node, struct str policy, struct rate_limit *limit)
{
	if (limit->window_count == RATE_WINDOWS_MAX) {
		yaml_fault(&r->faults, node, "more than %d windows", RATE_WINDOWS_MAX);
		return;
	}
	if (!is_name(json_key(node)) || json_type(node) != JSON_OBJECT || json_count(node) != 2) {
		yaml_fault(&r->faults, node, "a window is name: {quota: n, window_s: n}");
		return;
	}
	struct rate_window *w = &limit->windows[limit->window_count++];
	w->name = arena_printf(r->boot, "%.*s-%.*s", STR_FMT(policy), STR_FMT(json_key(node)));
	w->quota = need_number(r, node, "quota", QUOTA_MOST);
	w->window_s = need_number(r, node, "window_s", WINDOW_MOST_S);
	w->interval_ns = w->window_s * NS_PER_S / w->quota;
	const char *comma = limit->window_count > 1 ? ", " : "";
	limit->field = arena_printf(r->boot, "%.*s%s\"%.*s\";q=%lld;w=%lld", STR_FMT(limit->field), comma,
	    STR_FMT(w->name), (long long)w->quota, (long long)w->window_s);
}

/* Windows of one class, or the word "unlimited". */
static void read_limit(struct reader *r, const struct json *node, struct str policy, struct rate_limit *limit)
{
	if (str_eq(json_string(node), STR("unlimited"))) return;
	if (json_type(node) != JSON_OBJECT || json_count(node) == 0) {
		yaml_fault(&r->faults, node, "give windows, or unlimited");
		return;
	}
	limit->field = STR("");
	for (const struct json *m = json_first(node); m; m = json_next(m)) read_window(r, m, policy, limit);
	limit->hash = id_hash(arena_printf(r->boot, "%.*s %.*s", STR_FMT(limit->id), STR_FMT(limit->field)));
}

static void read_policy(struct reader *r, const struct json *node)
{
	struct str name = json_key(node);
	if (r->out->count == RATE_POLICIES_MAX || !is_name(name) || json_type(node) != JSON_OBJECT) {
		yaml_fault(&r->faults, node, "a policy is name: {class: …}, at most %d of them", RATE_POLICIES_MAX);
		return;
	}
	struct rate_policy *p = &r->policies[r->out->count++];
	p->name = name;
	if (json_count(node) != RATE_CLASS_COUNT)
		yaml_fault(&r->faults, node, "policy %.*s must name each class once", STR_FMT(name));
	for (enum rate_class c = RATE_ANONYMOUS; c < RATE_CLASS_COUNT; c++) {
		const struct json *limit = json_get(node, rate_class_name(c));
		p->classes[c].id = arena_printf(r->boot, "%.*s.%.*s", STR_FMT(name), STR_FMT(rate_class_name(c)));
		if (limit)
			read_limit(r, limit, name, &p->classes[c]);
		else
			yaml_fault(&r->faults, node, "policy %.*s says nothing of %.*s", STR_FMT(name),
			    STR_FMT(rate_class_name(c)));
	}
}

static const struct rate_policy *find(const struct reader *r, struct str name)
{
	for (unsigned i = 0; i < r->out->count; i++)
		if (str_eq(r->policies[i].name, name)) return &r->policies[i];
	return NULL;
}

static void check_defaults(struct reader *r, const struct json *defaults)
{
	static const struct str methods = STR("GET POST PUT PATCH DELETE");
	for (const struct json *m = json_first(defaults); m; m = json_next(m))
		if (!str_list_has(methods, ' ', json_key(m)) || !find(r, json_string(m)))
			yaml_fault(&r->faults, m, "a default is METHOD: the name of a policy");
	if (json_count(defaults) != 5)
		yaml_fault(&r->faults, defaults, "give a default for each of %.*s", STR_FMT(methods));
}

static void tie_operations(struct reader *r, const struct contract *c, const struct json *defaults)
{
	const struct rate_policy **table = arena_array(r->boot, c->operation_count + 1, sizeof(*table));
	if (!table) return;
	for (unsigned i = 0; i < c->operation_count; i++) {
		const struct operation *op = &c->operations[i];
		struct str name = op->rate_policy.p ? op->rate_policy : json_string(json_get(defaults, op->method));
		table[op->index] = find(r, name);
		if (!table[op->index])
			yaml_fault(&r->faults, NULL, "operation %.*s has an unknown x-rate-policy %.*s",
			    STR_FMT(op->id), STR_FMT(name));
	}
	r->out->by_operation = table;
}

static void read_root(struct reader *r, const struct json *root, const struct contract *c)
{
	const struct json *defaults = json_get(root, STR("defaults")), *policies = json_get(root, STR("policies")),
			  *address = json_get(root, STR("address"));
	if (!defaults || !policies || !address || json_count(root) != 3 || json_type(defaults) != JSON_OBJECT ||
	    json_type(policies) != JSON_OBJECT) {
		yaml_fault(&r->faults, root, "the file has defaults, address and policies, nothing else");
		return;
	}
	r->out->address.id = STR("address");
	read_limit(r, address, STR("address"), &r->out->address);
	for (const struct json *m = json_first(policies); m; m = json_next(m)) read_policy(r, m);
	check_defaults(r, defaults);
	if (!r->faults.count) tie_operations(r, c, defaults);
}

enum err policies_read(struct arena *boot, struct str text, const char *name, const struct contract *c,
    const struct rate_policies **out, struct buf *report)
{
	struct reader r = { .boot = boot, .faults = { name, report, 0 } };
	const struct json *root;
	*out = NULL;
	r.out = ARENA_NEW(boot, struct rate_policies);
	r.policies = arena_array(boot, RATE_POLICIES_MAX, sizeof *r.policies);
	if (!r.out || !r.policies) return ERR_MEMORY;
	r.out->items = r.policies;
	TRY(yaml_read(boot, text, name, &root, report));
	if (json_type(root) != JSON_OBJECT)
		yaml_fault(&r.faults, root, "the file must be an object");
	else
		read_root(&r, root, c);
	if (boot->overflow) return ERR_MEMORY;
	if (r.faults.count) return ERR_CONFIG;
	*out = r.out;
	return ERR_NONE;
}

enum err policies_load(struct arena *boot, const char *path, const struct contract *c, const struct rate_policies **out,
    struct buf *report)
{
	struct str text;
	*out = NULL;
	if (config_read_file(boot, path, FILE_BYTES_MAX, &text) != ERR_NONE) {
		buf_printf(report, "%s:1: cannot be read\n", path);
		return ERR_CONFIG;
	}
	return policies_read(boot, text, path, c, out, report);
}
