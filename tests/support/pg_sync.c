/* See pg_sync.h. Linked by inclusion, as pg_fixture.c. */
#include "tests/support/pg_sync.h"

#include <stdio.h>
#include <stdlib.h>

enum { GUARD_MS = 60000 };

static void on_guard(void *arg)
{
	(void)arg;
	fprintf(stderr, "pg_sync: nothing happened for a minute\n");
	abort();
}

static void on_pause(void *arg)
{
	loop_stop(arg);
}

void pg_sync_start(struct pg_sync *s, const struct pg_pool_config *config, const struct pg_statement_set *set)
{
	*s = (struct pg_sync){ .loop = loop_new() };
	s->guard = timer_new(s->loop, on_guard, s);
	s->pause = timer_new(s->loop, on_pause, s->loop);
	s->pool = pg_pool_new(s->loop, config, set);
}

void pg_sync_stop(struct pg_sync *s)
{
	pg_pool_free(s->pool);
	timer_free(s->guard);
	timer_free(s->pause);
	loop_free(s->loop);
}

void pg_sync_sleep(struct pg_sync *s, int64_t ms)
{
	timer_start(s->guard, GUARD_MS, 0);
	timer_start(s->pause, ms, 0);
	loop_run(s->loop);
	timer_stop(s->guard);
}

void pg_sync_ready(struct pg_sync *s)
{
	for (unsigned i = 0; i < 3000; i++) {
		struct pg_stats st = pg_pool_stats(s->pool);
		if (pg_pool_ready(s->pool) && st.connected == st.lanes) return;
		pg_sync_sleep(s, 5);
	}
	on_guard(s);
}

void pg_sync_wait(struct pg_sync *s)
{
	timer_start(s->guard, GUARD_MS, 0);
	while (s->pending) loop_run(s->loop);
	timer_stop(s->guard);
}

void pg_sync_done(void *arg, const struct pg_outcome *o)
{
	struct pg_answer *a = arg;
	a->calls++;
	a->err = o->err;
	a->results = o->result_count;
	snprintf(a->sqlstate, sizeof a->sqlstate, "%s", o->sqlstate);
	snprintf(a->constraint, sizeof a->constraint, "%.*s", STR_FMT(o->constraint));
	const struct pg_result *r = o->result_count ? o->results[o->result_count - 1] : NULL;
	if (r) {
		a->rows = pg_rows(r);
		a->affected = pg_affected(r);
		if (a->rows && pg_columns(r)) snprintf(a->text, sizeof a->text, "%.*s", STR_FMT(pg_get(r, 0, 0)));
	}
	if (a->look) a->look(a->arg, o);
	if (--a->owner->pending == 0) loop_stop(a->owner->loop);
}

enum err pg_sync_send(struct pg_sync *s, struct pg_answer *answer, enum pg_group_kind kind,
    const struct pg_statement *st, const char *const *values, int64_t timeout_ms)
{
	struct pg_value v[PG_STATEMENT_PARAMS_MAX];
	for (unsigned i = 0; i < st->param_count; i++) v[i].text = str_of(values[i]);
	struct pg_call call = { st, v };
	answer->owner = s;
	enum err e = pg_send(s->pool, kind, &call, 1, loop_now_ms(s->loop) + timeout_ms, pg_sync_done, answer);
	if (!e) s->pending++;
	return e;
}

const struct pg_statement *pg_sync_find(const struct pg_statement_set *set, const char *name)
{
	const struct pg_statement *s = pg_statement_find(set, str_of(name));
	CHECK(s != NULL);
	return s;
}

void pg_sync_set(struct arena *a, struct pg_statement_set *set, const char *const *pairs)
{
	struct buf report;
	buf_init(&report, 65536);
	pg_statement_set_init(set, a);
	for (; *pairs; pairs += 2) {
		struct pg_statement *s;
		enum err e = pg_statement_parse(a, str_of(pairs[0]), str_of(pairs[0]), str_of(pairs[1]), &s, &report);
		if (e) fprintf(stderr, "%.*s", STR_FMT(buf_view(&report)));
		CHECK(e == ERR_NONE && pg_statement_set_add(a, set, s));
	}
	buf_free(&report);
}
