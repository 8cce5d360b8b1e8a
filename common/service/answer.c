/* Results to answers: steering columns, rows as JSON, pages, entity tags, problems. */
#include "common/service/runtime.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/core/log.h"
#include "common/http/problem.h"

enum { RETRY_AFTER_DEFAULT_S = 1 };

void answer_send(struct request *r, int status, struct str content_type, struct str body)
{
	r->status = status;
	struct http_response response = { .status = status,
		.content_type = content_type,
		.fields = r->fields,
		.field_count = r->field_count,
		.body = body };
	http_respond(r->x, &response);
}

void request_add_header(struct request *r, struct str name, struct str value)
{
	CHECK(r->field_count < ANSWER_FIELDS_MAX);
	r->fields[r->field_count++] = (struct http_field){ name, arena_str(r->arena, value) };
}

void answer_problem(struct request *r)
{
	struct problem *p = &r->problem;
	struct buf *out = &r->service->scratch;
	if (p->err == ERR_NONE) p->err = ERR_INTERNAL;
	int status = problem_status(p);
	if (status >= 500 && log_wants(LOG_WARN)) {
		log_begin(LOG_WARN, "request failed");
		log_str("operation", r->linked ? r->linked->operation->id : STR("unmatched"));
		log_str("step", str_of(r->step_name ? r->step_name : ""));
		log_str("error", str_of(err_info(p->err)->name));
		log_str("request_id", r->request_id);
		log_end();
	}
	if (p->retry_after_s == 0 && status == 503) p->retry_after_s = RETRY_AFTER_DEFAULT_S;
	if (p->retry_after_s && r->field_count < ANSWER_FIELDS_MAX)
		request_add_header(r, STR("Retry-After"), arena_printf(r->arena, "%d", p->retry_after_s));
	buf_reset(out);
	problem_write(out, p, r->language, r->request_id);
	answer_send(r, status, STR("application/problem+json"), buf_view(out));
}

__attribute__((format(printf, 2, 0))) static struct str format_detail(struct request *r, const char *fmt, va_list args)
{
	char text[512];
	int n = fmt ? vsnprintf(text, sizeof text, fmt, args) : 0;
	size_t bytes = n <= 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	return bytes ? arena_str(r->arena, str_span(text, bytes)) : STR_NONE;
}

enum next request_fail(struct request *r, enum err e, const char *detail_fmt, ...)
{
	va_list args;
	va_start(args, detail_fmt);
	r->problem.err = e;
	r->problem.detail = format_detail(r, detail_fmt, args);
	va_end(args);
	return NEXT_FAIL;
}

enum next request_refuse(struct request *r, const char *slug, const char *detail_fmt, ...)
{
	va_list args;
	const struct problem_type *type = map_get(&r->link->contract->problems, str_of(slug));
	enum err known = err_by_slug(str_of(slug));
	va_start(args, detail_fmt);
	r->problem.detail = format_detail(r, detail_fmt, args);
	va_end(args);
	if (type) {
		r->problem.err = ERR_CONSTRAINT;
		r->problem.status = type->status;
		r->problem.slug = type->slug;
		r->problem.title[0] = type->title[0];
		r->problem.title[1] = type->title[1];
	} else {
		if (known == ERR_NONE) log_line(LOG_ERROR, "unknown problem slug", "%s", slug);
		r->problem.err = known == ERR_NONE ? ERR_INTERNAL : known;
	}
	return NEXT_FAIL;
}

void request_retry_after(struct request *r, int seconds)
{
	r->problem.retry_after_s = seconds;
}

/* Constraint names are slugs with underscores. */
static enum next refuse_constraint(struct request *r, struct str constraint)
{
	char slug[128];
	size_t n = constraint.n < sizeof slug ? constraint.n : sizeof slug - 1;
	for (size_t i = 0; i < n; i++) slug[i] = constraint.p[i] == '_' ? '-' : constraint.p[i];
	slug[n] = '\0';
	if (map_get(&r->link->contract->problems, str_span(slug, n)) || err_by_slug(str_span(slug, n)) != ERR_NONE)
		return request_refuse(r, slug, NULL);
	log_line(LOG_WARN, "constraint without a problem", "%s", slug);
	return request_fail(r, ERR_CONFLICT, NULL);
}

/* A database refusal as a problem; its text goes to the log only. */
enum next answer_outcome(struct request *r, const struct pg_outcome *o)
{
	if (o->err == ERR_CONSTRAINT) return refuse_constraint(r, o->constraint);
	if (memcmp(o->sqlstate, "42501", 5) == 0 && r->linked && r->linked->operation->rows != ROWS_ALL)
		return request_fail(r, ERR_INSUFFICIENT_SCOPE, NULL); /* row-level security refused the row */
	if (o->err == ERR_SQL)
		log_line(LOG_ERROR, "statement failed", "%s: %s %.*s", r->step_name, o->sqlstate, STR_FMT(o->message));
	if (o->err == ERR_RETRY || o->err == ERR_UNAVAILABLE) r->problem.retry_after_s = RETRY_AFTER_DEFAULT_S;
	return request_fail(r, o->err, NULL);
}

static struct str steering_value(const struct pg_result *result, unsigned row, int column)
{
	return column < 0 ? STR_NONE : pg_get(result, row, (unsigned)column);
}

/* True when If-None-Match names the entity tag (weak comparison, RFC 9110 13.1.2). */
static bool etag_matches(struct str list, struct str tag)
{
	struct str item;
	while (str_cut(&list, ',', &item)) {
		item = str_trim(item);
		if (str_eq(item, STR("*"))) return true;
		if (str_starts(item, STR("W/"))) item = str_from(item, 2);
		if (item.n == tag.n + 2 && memcmp(item.p + 1, tag.p, tag.n) == 0) return true;
	}
	return false;
}

/* ETag, Location, caching and replay fields. True when the answer is 304. */
static bool put_fields(
    struct request *r, const struct plan *plan, const struct pg_result *result, unsigned row, bool has_row)
{
	const struct operation *op = r->linked->operation;
	struct str etag = has_row ? steering_value(result, row, plan->steering.etag) : STR_NONE;
	struct str location = has_row ? steering_value(result, row, plan->steering.location) : STR_NONE;
	if (op->cache_control.p)
		r->fields[r->field_count++] = (struct http_field){ STR("Cache-Control"), op->cache_control };
	if (etag.p) request_add_header(r, STR("ETag"), arena_printf(r->arena, "\"%.*s\"", STR_FMT(etag)));
	if (location.p) request_add_header(r, STR("Location"), location);
	if (r->replayed) r->fields[r->field_count++] = (struct http_field){ STR("Idempotency-Replayed"), STR("true") };
	bool get = str_eq(r->x->method, STR("GET")) || r->x->head;
	struct str none_match = get && etag.p ? http_get(r->x->fields, STR("if-none-match")) : STR_NONE;
	return none_match.p && etag_matches(none_match, etag);
}

static void write_items(struct request *r, struct json_writer *w, const struct plan *plan,
    const struct pg_result *result, unsigned first, unsigned count)
{
	bool page = plan->statement->shape == SHAPE_PAGE;
	unsigned shown = page && count > (uint64_t)r->page_limit ? (unsigned)r->page_limit : count;
	json_begin_object(w);
	json_put_key(w, STR("items"));
	json_begin_array(w);
	for (unsigned i = 0; i < shown; i++) row_write(plan->shape, w, result, first + i);
	json_end_array(w);
	if (page) page_write_end(r, w, plan, result, first, shown, count > shown);
	json_end_object(w);
}

enum next answer_result(
    struct request *r, const struct plan *plan, const struct pg_result *result, unsigned first, unsigned count)
{
	const struct operation *op = r->linked->operation;
	struct buf *out = &r->service->scratch;
	enum sql_shape shape = plan->statement->shape;
	struct str problem = count ? steering_value(result, first, plan->steering.problem) : STR_NONE;
	if (problem.p)
		return request_refuse(r, arena_strz(r->arena, problem), "%.*s",
		    STR_FMT(steering_value(result, first, plan->steering.detail)));
	if ((shape == SHAPE_ONE || shape == SHAPE_RAW) && count == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	int64_t status = op->success_status;
	struct str given = count ? steering_value(result, first, plan->steering.status) : STR_NONE;
	if (given.p && !str_to_i64(given, &status)) return request_fail(r, ERR_INTERNAL, "!status");
	if (put_fields(r, plan, result, first, count > 0)) {
		answer_send(r, 304, STR_NONE, STR_NONE);
		return NEXT_DONE;
	}
	struct json_writer w;
	buf_reset(out);
	json_write_init(&w, out);
	switch (shape) {
	case SHAPE_ONE:
		row_write(plan->shape, &w, result, first);
		break;
	case SHAPE_LIST:
	case SHAPE_PAGE:
		write_items(r, &w, plan, result, first, count);
		break;
	case SHAPE_RAW:
		buf_str(out, pg_get(result, first, 0));
		break;
	case SHAPE_NONE:
		break;
	}
	if (!buf_ok(out)) return request_fail(r, ERR_INTERNAL, "the answer is too large");
	answer_send(r, (int)status,
	    shape == SHAPE_NONE  ? STR_NONE
	    : op->success_type.p ? op->success_type
				 : STR("application/json"),
	    buf_view(out));
	return NEXT_DONE;
}
