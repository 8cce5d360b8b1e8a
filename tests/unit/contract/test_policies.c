/* The file of rate policies: what it gives, and that each fault in it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/contract/load.h"
#include "common/contract/policies.h"

static const char *const good =
    "defaults: { GET: read, POST: write, PUT: write, PATCH: write, DELETE: write }\n"
    "address: { burst: { quota: 600, window_s: 60 } }\n"
    "policies:\n"
    "  read:\n"
    "    anonymous: { burst: { quota: 100, window_s: 60 }, day: { quota: 10000, window_s: 86400 } }\n"
    "    citizen: unlimited\n"
    "    staff: unlimited\n"
    "    partner: unlimited\n"
    "  write: { anonymous: unlimited, citizen: unlimited, staff: unlimited, partner: { x: { quota: 3, window_s: 1 } } "
    "}\n"
    "  slow: { anonymous: unlimited, citizen: unlimited, staff: unlimited, partner: unlimited }\n";

static const char *const contract_text =
    "openapi: 3.1.0\ninfo: {}\npaths:\n"
    "  /v1/a:\n"
    "    get: { operationId: a_get, summary: s, security: [], x-priority: low, responses: { 200: { description: d }, "
    "404: { description: d } } }\n"
    "    delete: { operationId: a_delete, summary: s, security: [], x-rate-policy: slow, x-priority: critical, "
    "responses: { 204: { description: d }, 404: { description: d } } }\n";

static struct arena boot;
static struct buf report;

static enum err read_all(const char *text, const struct rate_policies **out)
{
	static const struct contract *c;
	arena_reset(&boot);
	buf_reset(&report);
	struct load_source source = { STR("x.yaml"), str_of(contract_text) };
	assert_int_equal(contract_load_sources(&boot, &source, 1, &c, &report), ERR_NONE);
	const struct operation *get = map_get(&c->operations_by_id, STR("a_get"));
	assert_int_equal(get->priority, PRIORITY_LOW);
	return policies_read(&boot, str_of(text), "p.yaml", c, out, &report);
}

static void each_operation_has_its_policy(void **unused)
{
	(void)unused;
	const struct rate_policies *p;
	assert_int_equal(read_all(good, &p), ERR_NONE);
	assert_int_equal(p->count, 3);
	assert_true(str_eq(p->by_operation[0]->name, STR("read")));
	assert_true(str_eq(p->by_operation[1]->name, STR("slow")));
	const struct rate_limit *l = &p->by_operation[0]->classes[RATE_ANONYMOUS];
	assert_int_equal(l->window_count, 2);
	assert_true(str_eq(l->field, STR("\"read-burst\";q=100;w=60, \"read-day\";q=10000;w=86400")));
	assert_int_equal(l->windows[0].interval_ns, 600000000);
	assert_true(l->hash != 0 && l->hash != p->address.hash);
	assert_int_equal(p->by_operation[0]->classes[RATE_STAFF].window_count, 0);
	assert_int_equal(p->address.windows[0].quota, 600);
}

static void faulty(const char *from, const char *to, const char *said)
{
	const struct rate_policies *p;
	struct buf text;
	const char *at = strstr(good, from);
	assert_non_null(at);
	buf_init(&text, 1 << 16);
	buf_append(&text, good, (size_t)(at - good));
	buf_str(&text, str_of(to));
	buf_str(&text, str_of(at + strlen(from)));
	buf_char(&text, 0);
	enum err e = read_all(text.p, &p);
	if (e != ERR_CONFIG || !str_contains(buf_view(&report), str_of(said)))
		fail_msg("%s → %s: %.*s", from, to, STR_FMT(buf_view(&report)));
	assert_null(p);
	buf_free(&text);
}

static void every_fault_is_told(void **unused)
{
	(void)unused;
	const struct rate_policies *p;
	faulty("quota: 100,", "quota: 0,", "p.yaml:5: quota must be");
	faulty("quota: 100,", "quota: 1.5,", "quota must be");
	faulty("window_s: 86400", "window_s: 99999999", "window_s must be");
	faulty("quota: 100, window_s: 60", "quota: 100", "a window is name");
	faulty("day: {", "b: { quota: 1, window_s: 1 }, c: { quota: 1, window_s: 1 }, day: {", "more than 3 windows");
	faulty("citizen: unlimited", "citizen: no", "give windows, or unlimited");
	faulty("citizen: unlimited", "citizens: unlimited", "says nothing of citizen");
	faulty("GET: read", "GET: reed", "a default is METHOD");
	faulty("GET: read, ", "", "give a default for each");
	faulty("  slow:", "  Slow:", "a policy is name");
	faulty("  slow:", "  fast:", "operation a_delete has an unknown x-rate-policy slow");
	faulty("address:", "addresses:", "nothing else");
	assert_int_equal(read_all("[]", &p), ERR_CONFIG);
	assert_int_equal(read_all("a: &b c", &p), ERR_CONFIG);
	assert_int_equal(policies_load(&boot, "/nonexistent", NULL, &p, &report), ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operation_has_its_policy),
		cmocka_unit_test(every_fault_is_told),
	};
	arena_init(&boot, 1 << 16, 16 << 20);
	buf_init(&report, 1 << 16);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&boot);
	buf_free(&report);
	return failed;
}
