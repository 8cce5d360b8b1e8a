/* The boot linker: contract, SQL files, schema and C flows are joined into one consistent set, or everything wrong is listed. */
#include "common/service/runtime.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/core/log.h"

enum { LINK_BYTES_MAX = 64 * 1024 * 1024, WAIT_TRIES = 120, WAIT_PAUSE_MS = 250 };

static enum err plan_make(
    struct link *l, const struct operation *op, const struct pg_statement *s, struct plan *out, struct buf *report)
{
	*out = (struct plan){
		.statement = s, .steering = { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 }, .raw_column = -1
	};
	TRY(bind_compile(l, op, s, &out->binds, report));
	if (s->shape != SHAPE_NONE && s->shape != SHAPE_RAW) {
		out->shape = map_get(&l->shapes, s->name);
		if (!out->shape) TRY(row_shape_compile(&l->arena, s, NULL, &out->shape, report));
		if (!map_set(&l->shapes, s->name, (void *)(uintptr_t)out->shape)) return ERR_MEMORY;
	}
	out->page_columns = arena_array(&l->arena, s->column_count ? s->column_count : 1, sizeof *out->page_columns);
	if (!out->page_columns) return ERR_MEMORY;
	static const struct {
		struct str name;
		size_t offset;
	} steering[] = {
		{ STR("!problem"), offsetof(struct steering, problem) },
		{ STR("!detail"), offsetof(struct steering, detail) },
		{ STR("!etag"), offsetof(struct steering, etag) },
		{ STR("!location"), offsetof(struct steering, location) },
		{ STR("!status"), offsetof(struct steering, status) },
		{ STR("!fingerprint"), offsetof(struct steering, fingerprint) },
		{ STR("!pending"), offsetof(struct steering, pending) },
		{ STR("!tags"), offsetof(struct steering, tags) },
		{ STR("!purge"), offsetof(struct steering, purge) },
		{ STR("!items"), offsetof(struct steering, items) },
		{ STR("!more"), offsetof(struct steering, more) },
	};
	for (unsigned i = 0; i < s->column_count; i++) {
		struct str name = s->columns[i].name;
		if (str_starts(name, STR("page."))) {
			out->page_columns[out->page_column_count++] = (int)i;
			continue;
		}
		if (name.n && name.p[0] != '!') {
			if (out->raw_column < 0) out->raw_column = (int)i;
			continue;
		}
		for (size_t k = 0; k < ARRAY_LEN(steering); k++)
			if (str_eq(name, steering[k].name))
				*(int *)(void *)((char *)&out->steering + steering[k].offset) = (int)i;
	}
	return ERR_NONE;
}

const struct flow *flow_find(const struct service_def *def, struct str name)
{
	for (unsigned i = 0; i < def->flow_count; i++)
		if (str_eq(str_of(def->flows[i].operation), name)) return &def->flows[i];
	return NULL;
}

/* Its steps only come before the plain operation. */
static bool ends_plain(const struct flow *flow)
{
	return flow->steps[flow->step_count - 1].run == request_go_plain;
}

/* Idempotent plain writes save their answers; makes their replays. */
static enum err save_answers(struct service *s, struct link *l, struct buf *report)
{
	for (unsigned i = 0; i < l->contract->operation_count; i++) {
		const struct operation *op = &l->contract->operations[i];
		struct pg_statement *statement = map_get(&l->statements.by_name, op->id), *replay = NULL;
		const struct flow *flow = flow_find(s->def, op->id);
		if (!statement || !statement->described || op->idempotency == IDEMPOTENCY_NONE ||
		    (flow && !ends_plain(flow)))
			continue;
		if (pg_statement_save_answer(&l->arena, statement, &replay, report) != ERR_NONE) continue;
		if (!pg_statement_set_add(&l->arena, &l->statements, replay)) return ERR_MEMORY;
	}
	return ERR_NONE;
}

/* A file that is there but was refused has its own lines in the report. */
static bool has_file(const struct service *s, struct link *l, struct str id)
{
	struct str path = arena_printf(&l->arena, "%.*s/sql/%.*s.sql", STR_FMT(s->dir), STR_FMT(id));
	return path.p && access(path.p, F_OK) == 0;
}

static void link_plain(
    struct link *l, const struct operation *op, const struct pg_statement *statement, struct buf *report)
{
	struct linked_operation *linked = &l->operations[op->index];
	if (statement->described) {
		check_shape(op, statement, report);
		check_binds(op, statement, report);
		check_columns(op, statement, report);
	}
	char name[128];
	int n = snprintf(name, sizeof name, "%.*s__replay", STR_FMT(op->id));
	const struct pg_statement *replay = pg_statement_find(&l->statements, str_span(name, (size_t)n));
	if (plan_make(l, op, statement, &linked->plain, report) == ERR_NONE && replay) {
		enum err e = plan_make(l, op, replay, &linked->replay, report);
		if (e != ERR_NONE) buf_printf(report, "%s: not linked\n", name);
	}
}

static void link_operation(struct service *s, struct link *l, const struct operation *op, struct buf *report)
{
	struct linked_operation *linked = &l->operations[op->index];
	const struct pg_statement *statement = pg_statement_find(&l->statements, op->id);
	linked->operation = op;
	linked->flow = flow_find(s->def, op->id);
	check_operation(op, report);
	if (linked->flow && !ends_plain(linked->flow)) return;
	if (statement)
		link_plain(l, op, statement, report);
	else if (!has_file(s, l, op->id))
		buf_printf(report, "%.*s: no sql/%.*s.sql and no flow\n", STR_FMT(op->id), STR_FMT(op->id));
}

/* Steering columns are read as they come. */
static bool steers_by_text(const struct pg_statement *s)
{
	for (unsigned i = 0; i < s->column_count; i++) {
		const struct pg_column_info *c = &s->columns[i];
		if (str_starts(c->name, STR("!")) && !str_eq(c->type_name, STR("text"))) return false;
	}
	return true;
}

/* Plain reads take their rows in binary form: what they say is written by us anyway. */
static void choose_forms(struct service *s, struct link *l)
{
	for (unsigned i = 0; i < l->contract->operation_count; i++) {
		const struct operation *op = &l->contract->operations[i];
		struct pg_statement *statement = map_get(&l->statements.by_name, op->id);
		if (!statement || statement->tx != TX_READ || flow_find(s->def, op->id)) continue;
		bool rows =
		    statement->shape == SHAPE_ONE || statement->shape == SHAPE_LIST || statement->shape == SHAPE_PAGE;
		statement->binary = rows && pg_statement_may_be_binary(statement) && steers_by_text(statement);
	}
}

static enum err link_plans(struct link *l, struct buf *report)
{
	map_init(&l->plans_by_name, &l->arena);
	l->plans = arena_array(&l->arena, l->statements.count + 1, sizeof *l->plans);
	if (!l->plans) return ERR_MEMORY;
	for (unsigned i = 0; i < l->statements.count; i++) {
		const struct pg_statement *statement = l->statements.items[i];
		if (plan_make(l, NULL, statement, &l->plans[i], report) == ERR_MEMORY ||
		    !map_set(&l->plans_by_name, statement->name, &l->plans[i]))
			return ERR_MEMORY;
	}
	l->identity = link_plan(l, STR("identity_set"));
	if (!l->identity) buf_printf(report, "identity_set.sql is missing\n");
	return ERR_NONE;
}

/* Goes on after a fault as far as it makes sense, so that one report holds them all. */
static enum err link_sql(struct service *s, struct link *l, struct str conninfo, struct buf *report)
{
	struct map constraints;
	map_init(&constraints, &l->arena);
	struct str sql = arena_printf(&l->arena, "%.*s/sql", STR_FMT(s->dir));
	const char *const dirs[] = { "common/service/sql", sql.p, NULL };
	enum err loaded = pg_statements_load(&l->arena, dirs, &l->statements, report);
	enum err described = pg_describe(&l->arena, conninfo, &l->statements, &constraints, report);
	if (!l->contract) return ERR_CONFIG;
	TRY(save_answers(s, l, report));
	if (described == ERR_NONE) described = pg_describe(&l->arena, conninfo, &l->statements, NULL, report);
	check_constraints(l->contract, &constraints, report);
	choose_forms(s, l);
	TRY(link_plans(l, report));
	for (unsigned i = 0; i < l->contract->operation_count; i++)
		link_operation(s, l, &l->contract->operations[i], report);
	check_flows(s->def, l->contract, report);
	return loaded != ERR_NONE ? loaded : described;
}

void link_wait(struct str conninfo)
{
	struct arena arena;
	struct buf report;
	struct pg_statement_set none;
	const struct timespec pause = { .tv_nsec = WAIT_PAUSE_MS * 1000000L };
	arena_init(&arena, 4096, 64 * 1024);
	buf_init(&report, 16 * 1024);
	for (int i = 0; i < WAIT_TRIES; i++) {
		arena_reset(&arena);
		buf_reset(&report);
		pg_statement_set_init(&none, &arena);
		if (pg_describe(&arena, conninfo, &none, NULL, &report) != ERR_UNAVAILABLE) break;
		if (i == 0)
			log_line(LOG_WARN, "waiting for the database", "%.*s", STR_FMT(str_trim(buf_view(&report))));
		log_flush();
		nanosleep(&pause, NULL);
	}
	buf_free(&report);
	arena_release(&arena);
}

static struct link *link_new(struct service *s)
{
	struct arena arena;
	arena_init(&arena, 256 * 1024, LINK_BYTES_MAX);
	struct link *l = ARENA_NEW(&arena, struct link);
	CHECK(l != NULL);
	l->arena = arena; /* the arena lives inside what it holds; freed by link_release through a copy */
	l->service = s;
	map_init(&l->shapes, &l->arena);
	return l;
}

static struct link *link_done(struct link *l, enum err e, struct buf *report)
{
	if (e == ERR_NONE && l->arena.overflow) e = ERR_MEMORY;
	if (e == ERR_NONE && report->n == 0) return l;
	if (report->n == 0) buf_printf(report, "the link failed: %s\n", err_info(e)->name);
	link_release(l);
	return NULL;
}

struct link *link_load_runtime(struct service *s, struct str conninfo, struct buf *report)
{
	static const char *const dirs[] = { "common/service/sql", NULL };
	struct link *l = link_new(s);
	enum err e = pg_statements_load(&l->arena, dirs, &l->statements, report);
	if (e == ERR_NONE) e = pg_describe(&l->arena, conninfo, &l->statements, NULL, report);
	return link_done(l, e, report);
}

struct link *link_load(struct service *s, struct str conninfo, struct buf *report)
{
	struct link *l = link_new(s);
	const char *const services[] = { s->def->name, NULL };
	enum err e = contract_load(&l->arena, s->proto.p, services, &l->contract, report);
	if (e == ERR_NONE) {
		unsigned count = l->contract->operation_count;
		l->operations = arena_array(&l->arena, count + 1, sizeof *l->operations);
		l->metrics = arena_array(&l->arena, count + 1, sizeof *l->metrics);
		if (!l->operations || !l->metrics) e = ERR_MEMORY;
	} else {
		l->contract = NULL;
	}
	if (e != ERR_MEMORY) {
		enum err linked = link_sql(s, l, conninfo, report);
		if (e == ERR_NONE) e = linked;
	}
	return link_done(l, e, report);
}

void link_release(struct link *l)
{
	struct arena arena = l->arena;
	for (unsigned i = 0; l->plans && i < l->statements.count; i++)
		if (l->plans[i].batch) pg_batch_free(l->plans[i].batch);
	arena_release(&arena);
}

const struct plan *link_plan(const struct link *l, struct str statement)
{
	return map_get(&l->plans_by_name, statement);
}
