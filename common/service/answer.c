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

static bool has_field(const struct request *r, struct str name)
{
	for (unsigned i = 0; i < r->field_count; i++)
		if (str_eq_ci(r->fields[i].name, name)) return true;
	return false;
}

/* Borrowed; a field too many is our own fault and must not cost more than itself. */
static void put_field(struct request *r, struct str name, struct str value)
{
	if (!value.p) return; /* the arena is full, which is noticed elsewhere */
	if (r->field_count == ANSWER_FIELDS_MAX)
		log_line(LOG_ERROR, "too many header fields", "%.*s left out", STR_FMT(name));
	else
		r->fields[r->field_count++] = (struct http_field){ name, value };
}

void request_add_header(struct request *r, struct str name, struct str value)
{
	put_field(r, name, arena_str(r->arena, value));
}

static void log_problem(const struct request *r)
{
	log_begin(LOG_WARN, "request failed");
	log_str("operation", r->linked ? r->linked->operation->id : STR("unmatched"));
	log_str("step", str_of(r->step_name ? r->step_name : ""));
	log_str("error", str_of(err_info(r->problem.err)->name));
	log_str("request_id", r->request_id);
	log_end();
}

void answer_problem(struct request *r)
{
	struct problem *p = &r->problem;
	struct buf *out = &r->service->scratch;
	if (p->err == ERR_NONE) p->err = ERR_INTERNAL;
	int status = problem_status(p);
	if (status >= 500 && log_wants(LOG_WARN)) log_problem(r);
	if (p->retry_after_s == 0 && status == 503) p->retry_after_s = RETRY_AFTER_DEFAULT_S;
	if (p->retry_after_s) put_field(r, STR("Retry-After"), arena_printf(r->arena, "%d", p->retry_after_s));
	/* RFC 9110 15.5.2; the gateway says more where it refuses by itself. */
	if (status == 401 && !has_field(r, STR("WWW-Authenticate")))
		put_field(r, STR("WWW-Authenticate"), STR("Bearer realm=\"yangguang\""));
	put_field(r, STR("Content-Language"), r->language == LANGUAGE_EN ? STR("en") : STR("zh-CN"));
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

struct str constraint_slug(struct str constraint, char slug[SLUG_BYTES_MAX])
{
	size_t n = constraint.n < SLUG_BYTES_MAX ? constraint.n : SLUG_BYTES_MAX - 1;
	for (size_t i = 0; i < n; i++) slug[i] = constraint.p[i] == '_' ? '-' : constraint.p[i];
	slug[n] = '\0';
	return str_span(slug, n);
}

static enum next refuse_constraint(struct request *r, struct str constraint)
{
	char text[SLUG_BYTES_MAX];
	struct str slug = constraint_slug(constraint, text);
	if (str_eq(constraint, STR("idempotency_pkey"))) return request_fail(r, ERR_IDEMPOTENCY_IN_PROGRESS, NULL);
	if (map_get(&r->link->contract->problems, slug) || err_by_slug(slug) != ERR_NONE)
		return request_refuse(r, text, NULL);
	log_line(LOG_WARN, "constraint without a problem", "%s", text);
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

bool etag_matches(struct str list, struct str tag)
{
	struct str item;
	while (str_cut(&list, ',', &item)) {
		item = str_trim(item);
		if (str_eq(item, STR("*"))) return true;
		if (str_starts(item, STR("W/"))) item = str_from(item, 2);
		if (item.n == tag.n + 2 && item.p[0] == '"' && item.p[item.n - 1] == '"' &&
		    memcmp(item.p + 1, tag.p, tag.n) == 0)
			return true;
	}
	return false;
}

/* "a b" as Cache-Tag has it: "a,b". The gateway reads it and keeps it to itself. */
static struct str tag_list(struct request *r, struct str tags)
{
	char *list = tags.n ? arena_alloc(r->arena, tags.n) : NULL;
	if (!list) return STR_NONE;
	for (size_t i = 0; i < tags.n; i++) list[i] = tags.p[i] == ' ' ? ',' : tags.p[i];
	return str_span(list, tags.n);
}

/* ETag, Location, caching and replay fields of a success. */
static void put_fields(
    struct request *r, const struct plan *plan, const struct pg_result *result, unsigned row, bool has_row)
{
	struct str etag = has_row ? steering_value(result, row, plan->steering.etag) : STR_NONE;
	struct str location = has_row ? steering_value(result, row, plan->steering.location) : STR_NONE;
	put_field(r, STR("Cache-Control"), r->linked->operation->cache_control);
	if (etag.p) put_field(r, STR("ETag"), arena_printf(r->arena, "\"%.*s\"", STR_FMT(etag)));
	if (location.p) request_add_header(r, STR("Location"), location);
	if (has_row) put_field(r, STR("Cache-Tag"), tag_list(r, steering_value(result, row, plan->steering.tags)));
	if (r->replayed) put_field(r, STR("Idempotency-Replayed"), STR("true"));
}

static bool not_modified(
    const struct request *r, const struct plan *plan, const struct pg_result *result, unsigned first, unsigned count)
{
	struct str etag = count ? steering_value(result, first, plan->steering.etag) : STR_NONE;
	bool get = str_eq(r->x->method, STR("GET")) || r->x->head;
	struct str list = get && etag.p ? http_get(r->x->fields, STR("if-none-match")) : STR_NONE;
	return list.p && etag_matches(list, etag);
}

/* A page that the database has put together: its one row has the items, whether more follow, and the last one's keys. */
static bool write_ready_items(struct request *r, struct json_writer *w, const struct plan *plan,
    const struct pg_result *result, unsigned first, unsigned count)
{
	struct str items = count ? steering_value(result, first, plan->steering.items) : STR_NONE;
	bool more = count && str_eq(steering_value(result, first, plan->steering.more), STR("t"));
	json_begin_object(w);
	json_put_key(w, STR("items"));
	json_begin_array(w);
	if (items.n) json_put_raw(w, items);
	json_end_array(w);
	bool good = page_write_end(r, w, plan, result, first, count, more);
	json_end_object(w);
	return good;
}

static bool write_items(struct request *r, struct json_writer *w, const struct plan *plan,
    const struct pg_result *result, unsigned first, unsigned count)
{
	bool page = plan->statement->shape == SHAPE_PAGE, good = true;
	unsigned shown = page && count > (uint64_t)r->page_limit ? (unsigned)r->page_limit : count;
	json_begin_object(w);
	json_put_key(w, STR("items"));
	json_begin_array(w);
	for (unsigned i = 0; i < shown; i++) row_write(plan->shape, w, result, first + i);
	json_end_array(w);
	if (page) good = page_write_end(r, w, plan, result, first, shown, count > shown);
	json_end_object(w);
	return good;
}

static bool write_body(struct request *r, struct buf *out, const struct plan *plan, const struct pg_result *result,
    unsigned first, unsigned count)
{
	struct json_writer w;
	bool good = true;
	buf_reset(out);
	json_write_init(&w, out);
	switch (plan->statement->shape) {
	case SHAPE_ONE:
		row_write(plan->shape, &w, result, first);
		break;
	case SHAPE_LIST:
	case SHAPE_PAGE:
		good = plan->steering.items < 0 ? write_items(r, &w, plan, result, first, count)
						: write_ready_items(r, &w, plan, result, first, count);
		break;
	case SHAPE_RAW:
		buf_str(out, pg_get(result, first, (unsigned)plan->raw_column));
		break;
	case SHAPE_NONE:
		break;
	}
	return good && buf_ok(out);
}

/* A refusal by the row ("!problem"), or no row where there must be one. */
static bool is_refused(
    struct request *r, const struct plan *plan, const struct pg_result *result, unsigned first, unsigned count)
{
	enum sql_shape shape = plan->statement->shape;
	struct str problem = count ? steering_value(result, first, plan->steering.problem) : STR_NONE;
	if (problem.p)
		request_refuse(r, arena_strz(r->arena, problem), "%.*s",
		    STR_FMT(steering_value(result, first, plan->steering.detail)));
	else if ((shape == SHAPE_ONE || shape == SHAPE_RAW) && count == 0)
		request_fail(r, ERR_NOT_FOUND, NULL);
	else if (shape == SHAPE_RAW && !pg_get(result, first, (unsigned)plan->raw_column).p)
		request_fail(r, ERR_NOT_FOUND, NULL);
	else
		return false;
	return true;
}

/* "!status", which must be one that the contract knows; else the operation's own. */
static const struct response *find_response(const struct operation *op, struct str given)
{
	int64_t status = op->success_status;
	if (given.p && (!str_to_i64(given, &status) || status < 200 || status > 399)) return NULL;
	const struct response *response = contract_response(op, (int)status);
	return response && response->status == status ? response : NULL;
}

enum next answer_result(
    struct request *r, const struct plan *plan, const struct pg_result *result, unsigned first, unsigned count)
{
	struct buf *out = &r->service->scratch;
	unsigned fields = r->field_count;
	if (is_refused(r, plan, result, first, count)) return NEXT_FAIL;
	purge_rows(r, plan, result, first, count);
	struct str given = count ? steering_value(result, first, plan->steering.status) : STR_NONE;
	const struct response *response = find_response(r->linked->operation, given);
	if (!response) return request_fail(r, ERR_INTERNAL, "\"!status\" is not in the contract");
	if (not_modified(r, plan, result, first, count)) {
		put_fields(r, plan, result, first, true);
		answer_send(r, 304, STR_NONE, STR_NONE);
		return NEXT_DONE;
	}
	if (!write_body(r, out, plan, result, first, count)) {
		r->field_count = fields;
		return request_fail(r, ERR_INTERNAL, "the answer is too large");
	}
	put_fields(r, plan, result, first, count > 0);
	bool bodiless = plan->statement->shape == SHAPE_NONE || !response->content_type.p;
	answer_send(
	    r, response->status, bodiless ? STR_NONE : response->content_type, bodiless ? STR_NONE : buf_view(out));
	return NEXT_DONE;
}
