/* Groups: allocation, values, outcome. */
#include "common/pg/group.h"

#include <stdlib.h>

#include "common/pg/text_form.h"

enum { SINGLE_MAX = 16 * 1024 * 1024 };

/* Values of a batch statement sent outside a batch become arrays of one. */
static size_t value_bytes(const struct pg_call *c, unsigned i)
{
	struct str v = c->values[i].text;
	if (!c->statement->batch_max) return v.p ? v.n + 1 : 0;
	return v.p ? v.n * 2 + 5 : sizeof "{NULL}";
}

static char *put_value(char *at, const struct pg_call *c, unsigned i, const char **slot)
{
	struct str v = c->values[i].text;
	*slot = NULL;
	if (c->statement->batch_max) {
		struct buf b;
		buf_init(&b, SINGLE_MAX * 2);
		array_begin(&b);
		array_add(&b, v);
		array_end(&b);
		CHECK(buf_ok(&b));
		*slot = at;
		memcpy(at, b.p, b.n);
		at += b.n;
		buf_free(&b);
	} else if (v.p) {
		*slot = at;
		if (v.n) memcpy(at, v.p, v.n);
		at += v.n;
	} else {
		return at;
	}
	*at++ = '\0';
	return at;
}

static enum err measure(const struct pg_call *calls, unsigned count, unsigned *values, size_t *bytes)
{
	for (unsigned c = 0; c < count; c++) {
		*values += calls[c].statement->param_count;
		for (unsigned i = 0; i < calls[c].statement->param_count; i++) {
			struct str v = calls[c].values[i].text;
			/* The protocol's text values end at a NUL; anything behind it would vanish silently. */
			if (v.n && memchr(v.p, 0, v.n)) return ERR_VALIDATION_FAILED;
			if (v.n > SINGLE_MAX) return ERR_PAYLOAD_TOO_LARGE;
			*bytes += value_bytes(&calls[c], i);
		}
	}
	return ERR_NONE;
}

static struct pg_group *allocate(unsigned calls, unsigned values, size_t bytes, const char ***slots, char **text)
{
	size_t head = sizeof(struct pg_group) + calls * (sizeof(struct group_call) + sizeof(PGresult *)) +
		      values * sizeof(char *);
	char *block = malloc(head + bytes);
	CHECK(block != NULL);
	memset(block, 0, head);
	struct pg_group *g = (struct pg_group *)(void *)block;
	list_init(&g->link);
	g->call_count = calls;
	g->results = (PGresult **)(void *)&g->calls[calls];
	*slots = (const char **)(void *)(g->results + calls);
	*text = block + head;
	return g;
}

enum err group_new(const struct pg_call *calls, unsigned count, const char *begin, struct pg_group **out)
{
	unsigned values = 0, first = begin ? 1 : 0;
	size_t bytes = 0;
	const char **slots;
	char *text;
	CHECK(count > 0 && count <= GROUP_CALLS_MAX);
	TRY(measure(calls, count, &values, &bytes));
	struct pg_group *g = allocate(count + first, values, bytes, &slots, &text);
	g->hidden = first;
	if (begin) g->calls[0].sql = begin;
	for (unsigned c = 0; c < count; c++) {
		struct group_call *call = &g->calls[c + first];
		call->statement = calls[c].statement;
		call->values = slots;
		call->value_count = calls[c].statement->param_count;
		for (unsigned i = 0; i < call->value_count; i++) text = put_value(text, &calls[c], i, slots++);
	}
	*out = g;
	return ERR_NONE;
}

struct pg_group *group_control(const char *sql, pg_done *done, void *arg)
{
	const char **slots;
	char *text;
	struct pg_group *g = allocate(sql ? 1 : 0, 0, 0, &slots, &text);
	g->kind = PG_WRITE;
	g->deadline_ms = INT64_MAX;
	g->done = done;
	g->arg = arg;
	if (sql) g->calls[0].sql = sql;
	return g;
}

void group_clear(struct pg_group *g)
{
	for (unsigned i = 0; i < g->call_count; i++) {
		PQclear(g->results[i]);
		g->results[i] = NULL;
	}
	PQclear(g->error);
	g->error = NULL;
	g->err = ERR_NONE;
	g->answered = 0;
}

void group_free(struct pg_group *g)
{
	group_clear(g);
	free(g);
}

void group_deliver(struct pg_group *g)
{
	if (!g->done) return;
	struct pg_outcome o = { .err = g->err };
	if (g->error) {
		const char *state = PQresultErrorField(g->error, PG_DIAG_SQLSTATE);
		if (state) snprintf(o.sqlstate, sizeof o.sqlstate, "%s", state);
		o.constraint = str_of(PQresultErrorField(g->error, PG_DIAG_CONSTRAINT_NAME));
		const char *message = PQresultErrorField(g->error, PG_DIAG_MESSAGE_PRIMARY);
		o.message = str_of(message ? message : PQresultErrorMessage(g->error));
	}
	if (!g->err) {
		o.results = (const struct pg_result *const *)(const void *)(g->results + g->hidden);
		o.result_count = g->call_count - g->hidden;
	}
	pg_done *done = g->done;
	g->done = NULL;
	done(g->arg, &o);
}
