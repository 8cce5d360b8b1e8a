/*
 * Contracts → plan. Everything a request needs to know about its operation is found here at boot: which upstream, which
 * deadline, which counters. A plan lives until the last request that began under it has ended.
 */
#include "gateway/plan.h"

#include <stdlib.h>

#include "common/core/log.h"
#include "gateway/own.h"

enum {
	PLAN_BYTES_MAX = 256 * 1024 * 1024,
	REPORT_BYTES_MAX = 1024 * 1024,
	TIMEOUT_MS = 10000,
	TIMEOUT_EXCLUSIVE_MS = 60000
};

static void log_report(const char *msg, const struct buf *report)
{
	struct str rest = buf_view(report), line;
	while (str_cut(&rest, '\n', &line))
		if (line.n) log_line(LOG_ERROR, msg, "%.*s", STR_FMT(line));
}

static enum call_priority priority_of(enum priority p)
{
	switch (p) {
	case PRIORITY_CRITICAL:
		return CALL_CRITICAL;
	case PRIORITY_LOW:
		return CALL_LOW;
	case PRIORITY_NORMAL:
		break;
	}
	return CALL_NORMAL;
}

static enum err link_operations(
    struct plan *p, struct upstreams *upstreams, struct metrics *metrics, bool hears_purges, struct buf *report)
{
	unsigned count = p->contract->operation_count;
	p->operations = arena_array(&p->arena, count ? count : 1, sizeof *p->operations);
	if (!p->operations) return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++) {
		const struct operation *op = &p->contract->operations[i];
		struct operation_plan *to = &p->operations[op->index];
		if (op->access == ACCESS_INTERNAL) continue;
		/* Ids and templates have no byte that JSON escapes (the contract's loader checks both). */
		to->log_fields = arena_printf(
		    &p->arena, ",\"operation\":\"%.*s\",\"path\":\"%.*s\"", STR_FMT(op->id), STR_FMT(op->path));
		if (!to->log_fields.p) return ERR_MEMORY;
		if (own_is(op)) {
			to->timeout_ms = TIMEOUT_MS;
			if (!own_has(op->id))
				buf_printf(report, "%.*s: the gateway has no such operation\n", STR_FMT(op->id));
			continue;
		}
		bool slow = op->exclusive;
		bool hedged = !slow && op->cache_ttl_s > 0 && str_eq(op->method, STR("GET"));
		to->kind = (struct call_kind){ priority_of(op->priority), &to->base, hedged };
		to->upstream =
		    slow ? upstreams_exclusive(upstreams, op->service) : upstreams_shared(upstreams, op->service);
		TRY(cached_policy_read(&p->arena, op, hears_purges, &to->cached));
		to->timeout_ms = slow ? TIMEOUT_EXCLUSIVE_MS : TIMEOUT_MS;
		if (!to->upstream)
			buf_printf(
			    report, "%.*s: no upstream for service %.*s\n", STR_FMT(op->id), STR_FMT(op->service));
	}
	if (report->n) return ERR_CONFIG;
	for (unsigned i = 0; i < count; i++) { /* only now: a refused plan leaves no series behind */
		const struct operation *op = &p->contract->operations[i];
		if (op->access != ACCESS_INTERNAL)
			metrics_operation(metrics, op->id, op->method, &p->operations[op->index].metrics);
	}
	return ERR_NONE;
}

enum err plan_load(const char *proto, const char *policies, struct upstreams *upstreams, struct metrics *metrics,
    struct str public_url, bool hears_purges, struct plan **out)
{
	struct plan *p = calloc(1, sizeof *p);
	struct buf report;
	CHECK(p != NULL);
	p->references = 1;
	arena_init(&p->arena, 64 * 1024, PLAN_BYTES_MAX);
	buf_init(&report, REPORT_BYTES_MAX);
	enum err e = contract_load(&p->arena, proto, NULL, &p->contract, &report);
	if (e == ERR_NONE) e = policies_load(&p->arena, policies, p->contract, &p->policies, &report);
	if (e == ERR_NONE) e = link_operations(p, upstreams, metrics, hears_purges, &report);
	if (e == ERR_NONE) e = site_make(&p->arena, p->contract, public_url, &p->site);
	if (e != ERR_NONE) {
		log_report("contract is not usable", &report);
		plan_release(p);
	} else {
		*out = p;
	}
	buf_free(&report);
	return e;
}

struct plan *plan_share(struct plan *p)
{
	p->references++;
	return p;
}

void plan_release(struct plan *p)
{
	if (!p || --p->references) return;
	arena_release(&p->arena);
	free(p);
}

struct str plan_allowed_methods(const struct plan *p, struct arena *a, struct str path)
{
	static const char *const methods[] = { "DELETE", "GET", "PATCH", "POST", "PUT" };
	struct str allow = STR("");
	for (unsigned i = 0; i < ARRAY_LEN(methods); i++) {
		struct route route;
		if (contract_route(p->contract, a, str_of(methods[i]), path, &route) != ERR_NONE) continue;
		if (route.operation->access == ACCESS_INTERNAL) continue;
		bool get = str_eq(route.operation->method, STR("GET"));
		allow = arena_printf(a, "%.*s%s%s", STR_FMT(allow), methods[i], get ? ", HEAD, " : ", ");
	}
	return allow.n ? arena_printf(a, "%.*sOPTIONS", STR_FMT(allow)) : STR_NONE;
}
