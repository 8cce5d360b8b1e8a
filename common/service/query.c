/* Statements of a request: the plain operation's two steps, and what flows call. */
#include "common/service/runtime.h"

#include "common/core/log.h"
#include "common/http/problem.h"
#include "common/pg/binary_form.h"

enum { GROUP_CALLS_MAX = 8, APART_MS = 60000 };

static enum next plain_execute(struct request *r);
static enum next plain_unreached(struct request *r);

const struct step plain_steps[] = {
	{ "query", plain_execute },
	{ "shape", plain_unreached },
};
const unsigned plain_step_count = ARRAY_LEN(plain_steps);

static enum next plain_unreached(struct request *r)
{
	return request_fail(r, ERR_INTERNAL, NULL);
}

static void replay_done(void *arg, const struct pg_outcome *o);

/*
 * A refusal under an Idempotency-Key may be the echo of this very request's first success (the refund is made, the state has
 * changed, the name is taken by itself): the saved answer comes before the refusal.
 */
static enum next seek_saved_answer(struct request *r)
{
	const struct plan *plan = &r->linked->replay;
	struct pg_value *values;
	r->sought = true;
	enum err e = bind_values(r, plan, &values);
	struct pg_call call = { plan->statement, values };
	if (e == ERR_NONE) e = pg_send(r->service->pool, PG_READ, &call, 1, r->deadline_ms, replay_done, r);
	return e == ERR_NONE ? NEXT_WAIT : request_fail(r, e, NULL);
}

static void after_plain(struct request *r, enum next next)
{
	bool may_echo = r->idempotency_id.p && r->linked->replay.statement && !r->sought;
	if (next == NEXT_FAIL && may_echo && problem_status(&r->problem) < 500) next = seek_saved_answer(r);
	if (next == NEXT_FAIL) answer_problem(r);
}

static void replay_done(void *arg, const struct pg_outcome *o)
{
	struct request *r = arg;
	const struct plan *plan = &r->linked->replay;
	enum next next = NEXT_FAIL;
	if (o->err != ERR_NONE) {
		after_plain(r, answer_outcome(r, o));
		return;
	}
	const struct pg_result *result = o->results[o->result_count - 1];
	if (pg_rows(result) == 0) {
		/* The refusal stands; or the claim was there and is gone again (its transaction was undone, or it was pruned). */
		if (r->problem.err == ERR_IDEMPOTENCY_IN_PROGRESS) next = request_fail(r, ERR_RETRY, NULL);
	} else if (!str_eq(pg_get(result, 0, (unsigned)plan->steering.fingerprint), r->idempotency_fingerprint)) {
		next = request_fail(r, ERR_IDEMPOTENCY_KEY_REUSED, NULL);
	} else if (str_eq(pg_get(result, 0, (unsigned)plan->steering.pending), STR("t"))) {
		next = request_fail(r, ERR_IDEMPOTENCY_IN_PROGRESS, NULL);
	} else {
		r->replayed = true;
		r->problem = (struct problem){ .err = ERR_NONE };
		next = answer_result(r, &r->linked->plain, result, 0, pg_rows(result));
	}
	after_plain(r, next);
}

static void plain_done(void *arg, const struct pg_outcome *o)
{
	struct request *r = arg;
	const struct pg_result *result = o->err == ERR_NONE ? o->results[o->result_count - 1] : NULL;
	after_plain(r, result ? answer_result(r, &r->linked->plain, result, 0, pg_rows(result)) : answer_outcome(r, o));
}

static void plain_batch_done(
    void *arg, const struct pg_outcome *o, const struct pg_result *result, unsigned first, unsigned count)
{
	struct request *r = arg;
	after_plain(
	    r, o->err == ERR_NONE ? answer_result(r, &r->linked->plain, result, first, count) : answer_outcome(r, o));
}

/* identity_set, when policies need to know who asks: without it nothing may be sent. *count becomes 0 or 1. */
static enum err identity_call(struct request *r, struct pg_call *call, unsigned *count)
{
	struct pg_value *values;
	const struct plan *plan = r->link->identity;
	*count = 0;
	if (!r->linked || r->linked->operation->rows == ROWS_ALL) return ERR_NONE;
	TRY(bind_values(r, plan, &values));
	*call = (struct pg_call){ plan->statement, values };
	*count = 1;
	return ERR_NONE;
}

static enum pg_group_kind group_kind(const struct pg_statement *s)
{
	return s->tx == TX_READ ? PG_READ : PG_WRITE;
}

static enum next sent(struct request *r, enum err e)
{
	if (e == ERR_NONE) return NEXT_WAIT;
	r->problem.retry_after_s = 1;
	return request_fail(r, e, NULL);
}

static enum next plain_execute(struct request *r)
{
	const struct plan *plan = &r->linked->plain;
	struct pg_value *values;
	struct pg_call calls[2];
	enum err e = bind_values(r, plan, &values);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	if (plan->batch) return sent(r, pg_batch_add(plan->batch, values, r->deadline_ms, plain_batch_done, r));
	unsigned count;
	if ((e = identity_call(r, calls, &count)) != ERR_NONE) return request_fail(r, e, NULL);
	calls[count++] = (struct pg_call){ plan->statement, values };
	struct pg_pool *pool = r->service->pool;
	return sent(r, r->linked->operation->exclusive
			   ? pg_send_apart(pool, calls, count, r->deadline_ms, plain_done, r)
			   : pg_send(pool, group_kind(plan->statement), calls, count, r->deadline_ms, plain_done, r));
}

/* ── for flows ── */

static bool copy_rows(struct request *r, struct rows *out, const struct plan *plan, const struct pg_result *result,
    unsigned first, unsigned count)
{
	const struct pg_statement *s = plan->statement;
	unsigned columns = pg_columns(result);
	char scratch[BINARY_TEXT_BYTES];
	*out = (struct rows){ .row_count = count, .column_count = columns, .plan = plan, .owner = r };
	out->names = arena_array(r->arena, columns ? columns : 1, sizeof *out->names);
	out->cells = arena_array(r->arena, (size_t)columns * count + 1, sizeof *out->cells);
	if (!out->names || !out->cells) return false;
	for (unsigned c = 0; c < columns; c++) /* the link outlives the request */
		out->names[c] =
		    c < s->column_count ? s->columns[c].name : arena_str(r->arena, pg_column_name(result, c));
	for (unsigned i = 0; i < count; i++)
		for (unsigned c = 0; c < columns; c++)
			out->cells[(size_t)i * columns + c] =
			    arena_str(r->arena, pg_get_text(result, first + i, c, scratch));
	return !r->arena->overflow;
}

/* A "!problem" of the first row refuses the request, unless the flow wants to see it. */
static bool refused_by_row(
    struct request *r, const struct plan *plan, const struct pg_result *result, unsigned first, unsigned count)
{
	if (count == 0 || plan->steering.problem < 0 || r->tolerant) return false;
	struct str slug = pg_get(result, first, (unsigned)plan->steering.problem);
	if (!slug.p) return false;
	struct str detail =
	    plan->steering.detail < 0 ? STR_NONE : pg_get(result, first, (unsigned)plan->steering.detail);
	request_refuse(r, arena_strz(r->arena, slug), "%.*s", STR_FMT(detail));
	return true;
}

/* Ends the wait: the next step runs, or the request fails. Only the database's refusals are tolerated, not our lack of memory. */
static void go_on(struct request *r, bool failed)
{
	if (failed && (!r->tolerant || r->outcome == ERR_NONE)) {
		request_end(r, NEXT_FAIL);
		return;
	}
	r->problem = (struct problem){ .err = ERR_NONE };
	request_run(r);
}

static void flow_done(void *arg, const struct pg_outcome *o)
{
	struct request *r = arg;
	bool failed = o->err != ERR_NONE;
	r->outcome = o->err;
	r->constraint = arena_str(r->arena, o->constraint);
	if (failed) answer_outcome(r, o);
	unsigned skip = o->result_count > r->rows_count ? o->result_count - r->rows_count : 0;
	for (unsigned i = 0; !failed && i < r->rows_count; i++) {
		const struct pg_result *result = o->results[skip + i];
		const struct plan *plan = r->rows[i].plan;
		if (!copy_rows(r, &r->rows[i], plan, result, 0, pg_rows(result)))
			failed = true, request_fail(r, ERR_MEMORY, NULL);
		else if (refused_by_row(r, plan, result, 0, pg_rows(result)))
			failed = true;
		purge_rows(r, plan, result, 0, pg_rows(result));
	}
	go_on(r, failed);
}

static void flow_batch_done(
    void *arg, const struct pg_outcome *o, const struct pg_result *result, unsigned first, unsigned count)
{
	struct request *r = arg;
	bool failed = o->err != ERR_NONE;
	const struct plan *plan = r->rows[0].plan;
	r->outcome = o->err;
	r->constraint = arena_str(r->arena, o->constraint);
	if (!failed) purge_rows(r, plan, result, first, count);
	if (failed)
		answer_outcome(r, o);
	else if (!copy_rows(r, &r->rows[0], plan, result, first, count))
		failed = true, request_fail(r, ERR_MEMORY, NULL);
	else
		failed = refused_by_row(r, plan, result, first, count);
	go_on(r, failed);
}

/* The link cannot know what C asks for; a file that went away between two links must not take the process along. */
static enum next no_such(struct request *r, const char *what, const char *name)
{
	log_line(LOG_ERROR, "SQL does not have what the flow asks for", "%s %s at %s", what, name, r->step_name);
	r->broken = true;
	return request_fail(r, ERR_INTERNAL, NULL);
}

static enum next start_queries(struct request *r, const char *const *names, unsigned count, bool tolerant, bool apart)
{
	struct pg_call calls[GROUP_CALLS_MAX];
	struct pg_value *values;
	unsigned n;
	CHECK(count > 0 && count < GROUP_CALLS_MAX);
	if (r->broken) return request_fail(r, ERR_INTERNAL, NULL);
	r->tolerant = tolerant;
	r->rows = arena_array(r->arena, count, sizeof *r->rows);
	r->rows_count = count;
	if (!r->rows) return request_fail(r, ERR_MEMORY, NULL);
	enum err e = identity_call(r, calls, &n);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	enum pg_group_kind kind = PG_READ;
	for (unsigned i = 0; i < count; i++) {
		const struct plan *plan = link_plan(r->link, str_of(names[i]));
		if (!plan) return no_such(r, "statement", names[i]);
		r->rows[i].plan = plan;
		e = bind_values(r, plan, &values);
		if (e != ERR_NONE) return request_fail(r, e, NULL);
		if (plan->batch && count == 1 && !apart &&
		    n == 0) /* with row security it goes alone: who asks is the transaction's */
			return sent(r, pg_batch_add(plan->batch, values, r->deadline_ms, flow_batch_done, r));
		calls[n++] = (struct pg_call){ plan->statement, values };
		if (plan->statement->tx == TX_WRITE) kind = PG_WRITE;
	}
	struct pg_pool *pool = r->service->pool;
	if (!apart) return sent(r, pg_send(pool, kind, calls, n, r->deadline_ms, flow_done, r));
	return sent(r, pg_send_apart(pool, calls, n, loop_now_ms(r->service->loop) + APART_MS, flow_done, r));
}

enum next request_query(struct request *r, const char *statement)
{
	return start_queries(r, &statement, 1, false, false);
}

enum next request_try_query(struct request *r, const char *statement)
{
	return start_queries(r, &statement, 1, true, false);
}

enum next request_query_all(struct request *r, const char *const *statements, unsigned count)
{
	return start_queries(r, statements, count, false, false);
}

enum next request_query_apart(struct request *r, const char *statement)
{
	return start_queries(r, &statement, 1, false, true);
}

enum err request_outcome(const struct request *r)
{
	return r->outcome;
}

struct str request_constraint(const struct request *r)
{
	return r->constraint;
}

unsigned request_rows_at(const struct request *r, unsigned statement)
{
	return statement < r->rows_count ? r->rows[statement].row_count : 0;
}

unsigned request_rows(const struct request *r)
{
	return request_rows_at(r, 0);
}

struct str request_column_at(const struct request *r, unsigned statement, unsigned row, const char *name)
{
	CHECK(statement < r->rows_count);
	const struct rows *rows = &r->rows[statement];
	if (row >= rows->row_count) return STR_NONE;
	for (unsigned c = 0; c < rows->column_count; c++)
		if (str_eq(rows->names[c], str_of(name))) return rows->cells[(size_t)row * rows->column_count + c];
	no_such(rows->owner, "column", name);
	return STR_NONE;
}

struct str request_column(const struct request *r, unsigned row, const char *name)
{
	return request_column_at(r, 0, row, name);
}

int64_t request_column_i64(const struct request *r, unsigned row, const char *name, int64_t fallback)
{
	int64_t v;
	return str_to_i64(request_column(r, row, name), &v) ? v : fallback;
}
