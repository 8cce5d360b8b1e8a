/* Finding an operation: a trie by path segment. Literal segments are a sorted array per node, a parameter is one branch; a
 * literal is tried first and given up when nothing lies behind it. A last parameter that takes the rest (x-rest) is tried last. */
#include "common/contract/route.h"

#include "common/contract/uri.h"

enum method {
	METHOD_DELETE,
	METHOD_GET,
	METHOD_HEAD,
	METHOD_OPTIONS,
	METHOD_PATCH,
	METHOD_POST,
	METHOD_PUT,
	METHOD_COUNT
};

/* In the order of Allow. */
static const struct str method_names[METHOD_COUNT] = { STR("DELETE"), STR("GET"), STR("HEAD"), STR("OPTIONS"),
	STR("PATCH"), STR("POST"), STR("PUT") };

struct branch {
	struct str segment;
	uint64_t front; /* front_of(segment) */
	struct route_node *node;
};

struct route_node {
	struct branch *branches; /* sorted by segment */
	unsigned branch_count;
	unsigned branch_cap;
	struct route_node *parameter;
	struct route_node *rest; /* of the last parameter of x-rest: no more segments */
	const struct operation *operations[METHOD_COUNT];
	bool is_path;
	struct str allow;
};

struct route_table {
	struct arena *boot;
	struct route_node root;
};

static int method_of(struct str name)
{
	for (int i = 0; i < METHOD_COUNT; i++)
		if (str_eq(method_names[i], name)) return i;
	return -1;
}

bool route_method_known(struct str method)
{
	int m = method_of(method);
	return m >= 0 && m != METHOD_HEAD && m != METHOD_OPTIONS;
}

struct route_table *route_table_new(struct arena *boot)
{
	struct route_table *t = ARENA_NEW(boot, struct route_table);
	if (t) t->boot = boot;
	return t;
}

/* The first eight bytes in the order that str_cmp has; shorter ones are filled with NUL, which no segment holds. */
static inline uint64_t front_of(struct str s)
{
	unsigned char bytes[8] = { 0 };
	if (s.n) memcpy(bytes, s.p, s.n < sizeof bytes ? s.n : sizeof bytes);
	uint64_t v;
	memcpy(&v, bytes, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

/* Index of the segment, or of the place where it belongs. */
static unsigned find_branch(const struct route_node *n, struct str segment, bool *found)
{
	unsigned low = 0, high = n->branch_count;
	uint64_t front = front_of(segment);
	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct branch *b = &n->branches[middle];
		int c = b->front < front ? -1 : b->front > front ? 1 : str_cmp(b->segment, segment);
		if (c == 0) return (*found = true, middle);
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = false;
	return low;
}

static struct route_node *add_branch(struct arena *boot, struct route_node *n, struct str segment)
{
	bool found;
	unsigned at = find_branch(n, segment, &found);
	if (found) return n->branches[at].node;
	if (n->branch_count == n->branch_cap) {
		unsigned cap = n->branch_cap ? n->branch_cap * 2 : 4;
		struct branch *wider = arena_array(boot, cap, sizeof *wider);
		if (!wider) return NULL;
		if (n->branch_count) memcpy(wider, n->branches, n->branch_count * sizeof *wider);
		n->branches = wider;
		n->branch_cap = cap;
	}
	struct route_node *node = ARENA_NEW(boot, struct route_node);
	if (!node) return NULL;
	memmove(n->branches + at + 1, n->branches + at, (n->branch_count - at) * sizeof *n->branches);
	n->branches[at] = (struct branch){ segment, front_of(segment), node };
	n->branch_count++;
	return node;
}

enum err route_table_add(struct route_table *t, const struct operation *op)
{
	struct route_node *n = &t->root;
	struct str rest = str_from(op->path, 1), segment;
	int method = method_of(op->method);
	CHECK(method >= 0);
	while (str_cut(&rest, '/', &segment)) {
		if (op->rest && !rest.p) {
			if (!n->rest) n->rest = ARENA_NEW(t->boot, struct route_node);
			n = n->rest;
		} else if (segment.n && segment.p[0] == '{') {
			if (!n->parameter) n->parameter = ARENA_NEW(t->boot, struct route_node);
			n = n->parameter;
		} else {
			n = add_branch(t->boot, n, segment);
		}
		if (!n) return ERR_MEMORY;
	}
	if (n->operations[method]) return ERR_DUPLICATE;
	n->operations[method] = op;
	n->is_path = true;
	return ERR_NONE;
}

static enum err finish_node(struct arena *boot, struct route_node *n)
{
	char allow[64];
	size_t length = 0;
	for (int i = 0; i < METHOD_COUNT && n->is_path; i++) {
		bool allowed = n->operations[i == METHOD_HEAD ? METHOD_GET : i] || i == METHOD_OPTIONS;
		if (!allowed) continue;
		if (length) length += (memcpy(allow + length, ", ", 2), 2);
		memcpy(allow + length, method_names[i].p, method_names[i].n);
		length += method_names[i].n;
	}
	if (n->is_path && !(n->allow = arena_str(boot, str_span(allow, length))).p) return ERR_MEMORY;
	for (unsigned i = 0; i < n->branch_count; i++) TRY(finish_node(boot, n->branches[i].node));
	if (n->rest) TRY(finish_node(boot, n->rest));
	return n->parameter ? finish_node(boot, n->parameter) : ERR_NONE;
}

enum err route_table_finish(struct route_table *t)
{
	return finish_node(t->boot, &t->root);
}

struct search {
	struct str values[PATH_PARAMETERS_MAX]; /* still encoded */
	unsigned count;
};

/* `rest` is what stands behind the slash of this node; absent at the end of the path. */
static const struct route_node *search(const struct route_node *n, struct str rest, struct search *s)
{
	struct str whole = rest, segment;
	bool found;
	if (!str_cut(&rest, '/', &segment)) return n->is_path ? n : NULL;
	unsigned at = find_branch(n, segment, &found);
	const struct route_node *hit = found ? search(n->branches[at].node, rest, s) : NULL;
	if (hit || segment.n == 0 || s->count == PATH_PARAMETERS_MAX) return hit;
	unsigned count = s->count++;
	if (n->parameter) {
		s->values[count] = segment;
		if ((hit = search(n->parameter, rest, s))) return hit;
	}
	s->values[count] = whole;
	s->count = n->rest ? count + 1 : count;
	return n->rest;
}

enum err contract_route(
    const struct contract *c, struct arena *a, struct str method, struct str path, struct route *out)
{
	struct search s = { .count = 0 };
	*out = (struct route){ 0 };
	if (path.n == 0 || path.p[0] != '/') return ERR_NOT_FOUND;
	const struct route_node *n = search(&c->routes->root, str_span(path.p + 1, path.n - 1), &s);
	if (!n) return ERR_NOT_FOUND;
	int m = method_of(method);
	out->path_known = true;
	out->allow = n->allow;
	out->operation = m < 0 ? NULL : n->operations[m == METHOD_HEAD ? METHOD_GET : m];
	if (!out->operation) return ERR_METHOD_NOT_ALLOWED;
	out->path_value_count = s.count;
	for (unsigned i = 0; i < s.count; i++)
		if (!uri_decode(a, s.values[i], URI_PATH, &out->path_values[i]))
			return a->overflow ? ERR_MEMORY : ERR_NOT_FOUND;
	return ERR_NONE;
}
