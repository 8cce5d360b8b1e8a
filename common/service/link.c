/* The boot linker: contract, SQL files, schema and C flows are joined into one consistent set, or everything wrong is listed. */
#include "common/service/runtime.h"

#include <stdio.h>

enum { LINK_BYTES_MAX = 64 * 1024 * 1024 };

/* PostgreSQL's fixed type oids (pg_type.dat); enums and domains have others. */
enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_JSON = 114,
	OID_FLOAT4 = 700,
	OID_FLOAT8 = 701,
	OID_VARCHAR = 1043,
	OID_DATE = 1082,
	OID_TIMESTAMPTZ = 1184,
	OID_NUMERIC = 1700,
	OID_UUID = 2950,
	OID_JSONB = 3802
};

static bool kind_takes(enum schema_kind kind, unsigned type)
{
	switch (kind) {
	case KIND_ANY:
		return true;
	case KIND_INTEGER:
		return type == OID_INT8 || type == OID_INT4 || type == OID_INT2;
	case KIND_NUMBER:
		return type == OID_FLOAT8 || type == OID_FLOAT4 || type == OID_INT8 || type == OID_INT4 ||
		       type == OID_NUMERIC;
	case KIND_BOOLEAN:
		return type == OID_BOOL;
	case KIND_DATE:
		return type == OID_DATE || type == OID_TEXT;
	case KIND_DATE_TIME:
		return type == OID_TIMESTAMPTZ;
	case KIND_OBJECT:
	case KIND_ARRAY:
		return type == OID_JSON || type == OID_JSONB;
	case KIND_UUID:
		return type == OID_UUID || type == OID_TEXT;
	case KIND_STRING:
		break;
	}
	/* text, varchar, uuid, numeric, enums, domains, sealed bytea: all that reads as a string */
	return type != OID_BOOL && type != OID_INT8 && type != OID_INT4 && type != OID_JSON && type != OID_JSONB &&
	       type != OID_TIMESTAMPTZ;
}

/* What a value of this kind may be bound to; text takes everything. */
static bool kind_binds(enum schema_kind kind, unsigned type)
{
	if (type == OID_TEXT || type == OID_VARCHAR) return true;
	if (kind == KIND_INTEGER) return kind_takes(kind, type) || type == OID_NUMERIC;
	if (kind == KIND_STRING)
		return kind_takes(kind, type) || type == OID_INT8 ||
		       type == OID_INT4; /* e.g. a version in an entity tag */
	return kind_takes(kind, type);
}

static const struct schema *schema_at(const struct schema *s, struct str path)
{
	struct str part;
	while (s && str_cut(&path, '.', &part)) s = schema_property(s, part);
	return s;
}

static void check_binds(struct link *l, const struct operation *op, const struct pg_statement *s, struct buf *report)
{
	(void)l;
	for (unsigned i = 0; i < s->param_count; i++) {
		struct str name = s->params[i].name;
		int at = contract_parameter_index(op, name);
		const struct schema *schema = at >= 0 ? op->parameters[at].schema
					      : str_starts(name, STR("body.")) && op->body
						  ? schema_at(op->body, str_from(name, 5))
						  : NULL;
		if (schema && !kind_binds(schema_kind(schema), s->params[i].type) && schema_pii(schema) == PII_NONE)
			buf_printf(report, "%.*s: :%.*s has SQL type %u, which the contract's type does not fit\n",
			    STR_FMT(s->file), STR_FMT(name), s->params[i].type);
	}
}

static bool is_steering(struct str column)
{
	return str_starts(column, STR("!")) || str_starts(column, STR("page.")) || str_eq(column, STR("ord"));
}

/* Every column fits the documented answer, every required member has a column. */
static void check_columns(const struct operation *op, const struct pg_statement *s, struct buf *report)
{
	const struct schema *schema = op->success_schema;
	if (s->shape == SHAPE_NONE || s->shape == SHAPE_RAW) return;
	if (!schema) {
		buf_printf(report, "%.*s: gives rows, but %.*s documents no body\n", STR_FMT(s->file), STR_FMT(op->id));
		return;
	}
	if (s->shape != SHAPE_ONE) schema = schema_property(schema, STR("items"));
	if (schema && s->shape != SHAPE_ONE) schema = schema_items(schema);
	if (!schema) {
		buf_printf(report, "%.*s: the answer of %.*s has no items\n", STR_FMT(s->file), STR_FMT(op->id));
		return;
	}
	for (unsigned i = 0; i < s->column_count; i++) {
		struct str name = s->columns[i].name;
		const struct schema *member = is_steering(name) ? NULL : schema_at(schema, name);
		if (is_steering(name)) continue;
		if (!member)
			buf_printf(report, "%.*s: column \"%.*s\" is not in the answer of %.*s\n", STR_FMT(s->file),
			    STR_FMT(name), STR_FMT(op->id));
		else if (!kind_takes(schema_kind(member), s->columns[i].type))
			buf_printf(report,
			    "%.*s: column \"%.*s\" has SQL type %u, which the contract's type does not fit\n",
			    STR_FMT(s->file), STR_FMT(name), s->columns[i].type);
	}
	unsigned count;
	const struct str *names = schema_property_names(schema, &count);
	for (unsigned i = 0; i < count; i++) {
		bool found = !schema_property_required(schema, names[i]);
		for (unsigned c = 0; !found && c < s->column_count; c++) {
			struct str column = s->columns[c].name;
			found = str_eq(column, names[i]) ||
				(str_starts(column, names[i]) && column.n > names[i].n && column.p[names[i].n] == '.');
		}
		if (!found)
			buf_printf(report, "%.*s: required member \"%.*s\" of the answer of %.*s has no column\n",
			    STR_FMT(s->file), STR_FMT(names[i]), STR_FMT(op->id));
	}
}

static void check_shape(const struct operation *op, const struct pg_statement *s, struct buf *report)
{
	if (op->list != (s->shape == SHAPE_PAGE))
		buf_printf(report, "%.*s: shape %s, but x-page of %.*s says otherwise\n", STR_FMT(s->file),
		    s->shape == SHAPE_PAGE ? "page" : "not page", STR_FMT(op->id));
	if (str_eq(op->method, STR("GET")) && s->tx == TX_WRITE)
		buf_printf(report, "%.*s: writes, but %.*s is a GET\n", STR_FMT(s->file), STR_FMT(op->id));
	if (op->idempotency != IDEMPOTENCY_NONE && s->tx != TX_WRITE)
		buf_printf(report, "%.*s: %.*s has x-idempotency but the statement only reads\n", STR_FMT(s->file),
		    STR_FMT(op->id));
}

static enum err plan_make(
    struct link *l, const struct operation *op, const struct pg_statement *s, struct plan *out, struct buf *report)
{
	*out = (struct plan){ .statement = s, .steering = { -1, -1, -1, -1, -1, -1, -1 } };
	TRY(bind_compile(l, op, s, &out->binds, report));
	if (s->shape != SHAPE_NONE && s->shape != SHAPE_RAW)
		TRY(row_shape_compile(&l->arena, s, NULL, &out->shape, report));
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
	};
	for (unsigned i = 0; i < s->column_count; i++) {
		struct str name = s->columns[i].name;
		if (str_starts(name, STR("page."))) out->page_columns[out->page_column_count++] = (int)i;
		for (size_t k = 0; k < ARRAY_LEN(steering); k++)
			if (str_eq(name, steering[k].name))
				*(int *)(void *)((char *)&out->steering + steering[k].offset) = (int)i;
	}
	return ERR_NONE;
}

static const struct flow *flow_find(const struct service_def *def, struct str name)
{
	for (unsigned i = 0; i < def->flow_count; i++)
		if (str_eq(str_of(def->flows[i].operation), name)) return &def->flows[i];
	return NULL;
}

/* Each flow must be an operation or a job. */
static void check_flows(const struct service_def *def, const struct contract *c, struct buf *report)
{
	for (unsigned i = 0; i < def->flow_count; i++) {
		bool used = map_get(&c->operations_by_id, str_of(def->flows[i].operation)) != NULL;
		for (unsigned j = 0; j < def->job_count && !used; j++)
			used = strcmp(def->jobs[j].name, def->flows[i].operation) == 0;
		if (!used) buf_printf(report, "flow %s is neither an operation nor a job\n", def->flows[i].operation);
	}
}

/* Constraint names are problem slugs: each must be explained in the contract's x-problems. The runtime's own tables are exempt. */
static void check_constraints(const struct contract *c, const struct map *constraints, struct buf *report)
{
	struct map_entry entry;
	for (size_t at = 0; map_each(constraints, &at, &entry);) {
		char slug[128];
		struct str name = entry.key;
		if (str_ends(name, STR("_pkey")) || str_starts(name, STR("outbox_")) || str_starts(name, STR("relay_")))
			continue;
		if (name.n >= sizeof slug) continue;
		for (size_t i = 0; i < name.n; i++) slug[i] = name.p[i] == '_' ? '-' : name.p[i];
		if (!map_get(&c->problems, str_span(slug, name.n)))
			buf_printf(report, "constraint %.*s has no entry %.*s in x-problems\n", STR_FMT(name),
			    (int)name.n, slug);
	}
}

/* Idempotent plain writes save their answers; makes their replays. */
static enum err save_answers(struct service *s, struct link *l, struct buf *report)
{
	for (unsigned i = 0; i < l->contract->operation_count; i++) {
		const struct operation *op = &l->contract->operations[i];
		struct pg_statement *statement = map_get(&l->statements.by_name, op->id), *replay = NULL;
		if (!statement || op->idempotency == IDEMPOTENCY_NONE || flow_find(s->def, op->id)) continue;
		if (pg_statement_save_answer(&l->arena, statement, &replay, report) != ERR_NONE) continue;
		if (!pg_statement_set_add(&l->arena, &l->statements, replay)) return ERR_MEMORY;
	}
	return ERR_NONE;
}

static void link_operation(struct service *s, struct link *l, const struct operation *op, struct buf *report)
{
	struct linked_operation *linked = &l->operations[op->index];
	const struct pg_statement *statement = pg_statement_find(&l->statements, op->id);
	linked->operation = op;
	linked->flow = flow_find(s->def, op->id);
	if (!statement && !linked->flow) {
		buf_printf(report, "%.*s: no sql/%.*s.sql and no flow\n", STR_FMT(op->id), STR_FMT(op->id));
		return;
	}
	if (!statement || linked->flow) return;
	check_shape(op, statement, report);
	check_binds(l, op, statement, report);
	check_columns(op, statement, report);
	char name[128];
	int n = snprintf(name, sizeof name, "%.*s__replay", STR_FMT(op->id));
	const struct pg_statement *replay = pg_statement_find(&l->statements, str_span(name, (size_t)n));
	if (plan_make(l, op, statement, &linked->plain, report) == ERR_NONE && replay) {
		enum err e = plan_make(l, op, replay, &linked->replay, report);
		if (e != ERR_NONE) buf_printf(report, "%s: not linked\n", name);
	}
}

static enum err link_sql(struct service *s, struct link *l, struct str conninfo, struct buf *report)
{
	struct map constraints;
	map_init(&constraints, &l->arena);
	struct str sql = arena_printf(&l->arena, "%.*s/sql", STR_FMT(s->dir));
	const char *const dirs[] = { "common/service/sql", sql.p, NULL };
	TRY(pg_statements_load(&l->arena, dirs, &l->statements, report));
	TRY(pg_describe(&l->arena, conninfo, &l->statements, &constraints, report));
	TRY(save_answers(s, l, report));
	TRY(pg_describe(&l->arena, conninfo, &l->statements, NULL, report));
	check_constraints(l->contract, &constraints, report);
	l->plans = arena_array(&l->arena, l->statements.count, sizeof *l->plans);
	if (!l->plans) return ERR_MEMORY;
	for (unsigned i = 0; i < l->statements.count; i++)
		TRY(plan_make(l, NULL, l->statements.items[i], &l->plans[i], report));
	l->identity_set = pg_statement_find(&l->statements, STR("identity_set"));
	return l->identity_set ? ERR_NONE : ERR_CONFIG;
}

struct link *link_load(struct service *s, struct str conninfo, struct buf *report)
{
	struct arena arena;
	arena_init(&arena, 256 * 1024, LINK_BYTES_MAX);
	struct link *l = ARENA_NEW(&arena, struct link);
	CHECK(l != NULL);
	l->arena = arena; /* the arena lives inside what it holds; freed by link_release through a copy */
	l->service = s;
	const char *const services[] = { s->def->name, NULL };
	enum err e = contract_load(&l->arena, s->proto.p, services, &l->contract, report);
	if (e == ERR_NONE) {
		l->operations = arena_array(&l->arena, l->contract->operation_count, sizeof *l->operations);
		e = l->operations ? link_sql(s, l, conninfo, report) : ERR_MEMORY;
	}
	if (e == ERR_NONE) {
		for (unsigned i = 0; i < l->contract->operation_count; i++)
			link_operation(s, l, &l->contract->operations[i], report);
		check_flows(s->def, l->contract, report);
	}
	if (e == ERR_NONE && report->n == 0) return l;
	if (report->n == 0) buf_printf(report, "the link failed: %s\n", err_info(e)->name);
	link_release(l);
	return NULL;
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
	const struct pg_statement *s = pg_statement_find(&l->statements, statement);
	for (unsigned i = 0; s && i < l->statements.count; i++)
		if (l->statements.items[i] == s) return &l->plans[i];
	return NULL;
}
