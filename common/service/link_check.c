/* What the boot linker refuses: every way in which contract, SQL files, schema and C flows can disagree. All of it is listed at once. */
#include "common/service/runtime.h"

#include <stdio.h>

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

static bool kind_takes(enum schema_kind kind, const struct pg_column_info *c)
{
	unsigned type = c->type;
	switch (kind) {
	case KIND_ANY:
		return true;
	case KIND_INTEGER:
		return type == OID_INT8 || type == OID_INT4 || type == OID_INT2;
	case KIND_NUMBER:
		return type == OID_FLOAT8 || type == OID_FLOAT4 || type == OID_INT8 || type == OID_INT4 ||
		       type == OID_INT2;
	case KIND_BOOLEAN:
		return type == OID_BOOL;
	case KIND_DATE:
		return type == OID_DATE || type == OID_TEXT;
	case KIND_DATE_TIME:
		return type == OID_TIMESTAMPTZ;
	case KIND_OBJECT:
		return type == OID_JSON || type == OID_JSONB;
	case KIND_ARRAY:
		return type == OID_JSON || type == OID_JSONB || c->element != 0;
	case KIND_UUID:
		return type == OID_UUID || type == OID_TEXT;
	case KIND_STRING:
		break;
	}
	/* text, varchar, uuid, date, numeric, enums, domains: all that the row writer puts in quotes */
	return type != OID_BOOL && type != OID_INT8 && type != OID_INT4 && type != OID_INT2 && type != OID_JSON &&
	       type != OID_JSONB && type != OID_FLOAT4 && type != OID_FLOAT8 && type != OID_TIMESTAMPTZ &&
	       c->element == 0;
}

/* What a value of this kind may be bound to; text takes everything. */
static bool kind_binds(enum schema_kind kind, unsigned type)
{
	const struct pg_column_info as_column = { .type = type };
	if (type == OID_TEXT || type == OID_VARCHAR) return true;
	if (kind == KIND_INTEGER || kind == KIND_NUMBER) return kind_takes(kind, &as_column) || type == OID_NUMERIC;
	if (kind == KIND_STRING) /* e.g. a version in an entity tag */
		return kind_takes(kind, &as_column) || type == OID_INT8 || type == OID_INT4;
	return kind_takes(kind, &as_column);
}

static const struct schema *schema_at(const struct schema *s, struct str path)
{
	struct str part;
	while (s && str_cut(&path, '.', &part)) s = schema_property(s, part);
	return s;
}

static void check_page_bind(const struct pg_statement *s, struct str name, struct buf *report)
{
	if (str_eq(name, STR("page.limit"))) return;
	if (pg_statement_column(s, name) < 0)
		buf_printf(report, "%.*s: :%.*s has no column \"%.*s\" to come from\n", STR_FMT(s->file), STR_FMT(name),
		    STR_FMT(name));
}

void check_binds(const struct operation *op, const struct pg_statement *s, struct buf *report)
{
	for (unsigned i = 0; i < s->param_count; i++) {
		struct str name = s->params[i].name;
		int at = contract_parameter_index(op, name);
		const struct schema *schema = at >= 0 ? op->parameters[at].schema
					      : str_starts(name, STR("body.")) && op->body
						  ? schema_at(op->body, str_from(name, 5))
						  : NULL;
		if (str_starts(name, STR("page."))) check_page_bind(s, name, report);
		if (!schema) continue;
		if (schema_pii(schema) != PII_NONE)
			buf_printf(report,
			    "%.*s: :%.*s is personal (x-pii) and must be sealed by a flow before it is stored\n",
			    STR_FMT(s->file), STR_FMT(name));
		else if (!kind_binds(schema_kind(schema), s->params[i].type))
			buf_printf(report, "%.*s: :%.*s has SQL type %u, which the contract's type does not fit\n",
			    STR_FMT(s->file), STR_FMT(name), s->params[i].type);
	}
}

static bool is_steering(struct str column)
{
	return str_starts(column, STR("!")) || str_starts(column, STR("page.")) || str_eq(column, STR("ord"));
}

static void check_column(const struct operation *op, const struct pg_statement *s, const struct pg_column_info *c,
    const struct schema *member, struct buf *report)
{
	if (!member)
		buf_printf(report, "%.*s: column \"%.*s\" is not in the answer of %.*s\n", STR_FMT(s->file),
		    STR_FMT(c->name), STR_FMT(op->id));
	else if (c->type == OID_BYTEA || schema_pii(member) != PII_NONE)
		buf_printf(report,
		    "%.*s: column \"%.*s\" is sealed or personal (x-pii): only a flow can open and mask it\n",
		    STR_FMT(s->file), STR_FMT(c->name));
	else if (!kind_takes(schema_kind(member), c))
		buf_printf(report, "%.*s: column \"%.*s\" has SQL type %.*s, which the contract's type does not fit\n",
		    STR_FMT(s->file), STR_FMT(c->name), STR_FMT(c->type_name));
}

enum { MEMBER_PATH_BYTES_MAX = 256 };

struct coverage {
	const struct operation *op;
	const struct pg_statement *statement;
	struct buf *report;
};

/* Every required member has a column; objects made of dotted columns are looked into. */
static void check_required(const struct coverage *c, const struct schema *schema, struct str prefix)
{
	const struct pg_statement *s = c->statement;
	unsigned count;
	const struct str *names = schema_property_names(schema, &count);
	for (unsigned i = 0; i < count; i++) {
		char text[MEMBER_PATH_BYTES_MAX];
		int n = snprintf(text, sizeof text, "%.*s%.*s.", STR_FMT(prefix), STR_FMT(names[i]));
		if (n < 0 || (size_t)n >= sizeof text) continue;
		struct str below = str_span(text, (size_t)n), whole = str_span(text, (size_t)n - 1);
		bool inside = false;
		for (unsigned k = 0; k < s->column_count && !inside; k++)
			inside = str_starts(s->columns[k].name, below);
		if (pg_statement_column(s, whole) >= 0) continue;
		if (inside)
			check_required(c, schema_property(schema, names[i]), below);
		else if (schema_property_required(schema, names[i]))
			buf_printf(c->report, "%.*s: required member \"%.*s\" of the answer of %.*s has no column\n",
			    STR_FMT(s->file), STR_FMT(whole), STR_FMT(c->op->id));
	}
}

/* The schema of one row, or NULL when there is none. */
static const struct schema *row_schema(const struct operation *op, const struct pg_statement *s)
{
	const struct schema *schema = op->success_schema;
	if (!schema || s->shape == SHAPE_ONE) return schema;
	schema = schema_property(schema, STR("items"));
	return schema ? schema_items(schema) : NULL;
}

static void check_bodiless(const struct operation *op, const struct pg_statement *s, struct buf *report)
{
	unsigned visible = 0;
	for (unsigned i = 0; i < s->column_count; i++) visible += !is_steering(s->columns[i].name);
	if (s->shape == SHAPE_NONE && op->success_schema)
		buf_printf(report, "%.*s: shape none, but %.*s documents a body\n", STR_FMT(s->file), STR_FMT(op->id));
	if (s->shape == SHAPE_RAW && visible != 1)
		buf_printf(report, "%.*s: shape raw wants one column, not %u\n", STR_FMT(s->file), visible);
	if (s->shape == SHAPE_RAW && !op->success_schema)
		buf_printf(report, "%.*s: gives a body, but %.*s documents none\n", STR_FMT(s->file), STR_FMT(op->id));
}

/* Items that the database has written itself cannot be compared with the schema here: the contract tests do it. */
static void check_ready_items(const struct operation *op, const struct pg_statement *s, struct buf *report)
{
	unsigned visible = 0;
	for (unsigned i = 0; i < s->column_count; i++) visible += !is_steering(s->columns[i].name);
	if (s->shape != SHAPE_PAGE || visible || pg_statement_column(s, STR("!more")) < 0)
		buf_printf(report, "%.*s: \"!items\" of %.*s wants shape page, \"!more\" and no column to be shown\n",
		    STR_FMT(s->file), STR_FMT(op->id));
}

void check_columns(const struct operation *op, const struct pg_statement *s, struct buf *report)
{
	if (s->shape == SHAPE_NONE || s->shape == SHAPE_RAW) {
		check_bodiless(op, s, report);
		return;
	}
	if (!op->success_schema) {
		buf_printf(report, "%.*s: gives rows, but %.*s documents no body\n", STR_FMT(s->file), STR_FMT(op->id));
		return;
	}
	const struct schema *schema = row_schema(op, s);
	if (!schema) {
		buf_printf(report, "%.*s: the answer of %.*s has no items\n", STR_FMT(s->file), STR_FMT(op->id));
		return;
	}
	if (pg_statement_column(s, STR("!items")) >= 0) {
		check_ready_items(op, s, report);
		return;
	}
	for (unsigned i = 0; i < s->column_count; i++)
		if (!is_steering(s->columns[i].name))
			check_column(op, s, &s->columns[i], schema_at(schema, s->columns[i].name), report);
	struct coverage c = { op, s, report };
	check_required(&c, schema, STR(""));
}

static void check_page(const struct operation *op, const struct pg_statement *s, struct buf *report)
{
	unsigned keys = 0;
	for (unsigned i = 0; i < s->column_count; i++) keys += str_starts(s->columns[i].name, STR("page."));
	if (op->list != (s->shape == SHAPE_PAGE))
		buf_printf(report, "%.*s: shape %s, but x-page of %.*s says otherwise\n", STR_FMT(s->file),
		    s->shape == SHAPE_PAGE ? "page" : "not page", STR_FMT(op->id));
	if (s->shape != SHAPE_PAGE) return;
	if (keys == 0 || keys > PAGE_KEYS_MAX)
		buf_printf(report, "%.*s: a page wants 1 to %d columns \"page.…\"\n", STR_FMT(s->file), PAGE_KEYS_MAX);
	if (pg_statement_param(s, STR("page.limit")) < 0)
		buf_printf(report, "%.*s: a page wants limit :page.limit\n", STR_FMT(s->file));
}

void check_shape(const struct operation *op, const struct pg_statement *s, struct buf *report)
{
	check_page(op, s, report);
	if (str_eq(op->method, STR("GET")) && s->tx == TX_WRITE)
		buf_printf(report, "%.*s: writes, but %.*s is a GET\n", STR_FMT(s->file), STR_FMT(op->id));
	if (op->idempotency != IDEMPOTENCY_NONE && s->tx != TX_WRITE)
		buf_printf(report, "%.*s: %.*s has x-idempotency but the statement only reads\n", STR_FMT(s->file),
		    STR_FMT(op->id));
	if (s->batch_max && s->shape == SHAPE_PAGE && pg_statement_column(s, STR("!items")) < 0)
		buf_printf(report, "%.*s: a page that is a batch wants \"!items\": one row for each request\n",
		    STR_FMT(s->file));
	if (s->batch_max && op->rows != ROWS_ALL)
		buf_printf(report, "%.*s: a batch mixes callers, so %.*s cannot have x-rows\n", STR_FMT(s->file),
		    STR_FMT(op->id));
	if (op->if_match_required && pg_statement_param(s, STR("header.if_match")) < 0)
		buf_printf(report, "%.*s: %.*s has x-if-match, but :header.if_match is not compared\n",
		    STR_FMT(s->file), STR_FMT(op->id));
	if (op->success_status == 201 && str_eq(op->method, STR("POST")) &&
	    pg_statement_column(s, STR("!location")) < 0)
		buf_printf(report, "%.*s: %.*s answers 201, but there is no column \"!location\"\n", STR_FMT(s->file),
		    STR_FMT(op->id));
}

void check_operation(const struct operation *op, struct buf *report)
{
	if (op->idempotency != IDEMPOTENCY_NONE && op->access == ACCESS_PUBLIC)
		buf_printf(report, "%.*s: x-idempotency needs a caller: keys of nobody would be everybody's\n",
		    STR_FMT(op->id));
	if (op->body_bytes_max > BODY_BYTES_MAX)
		buf_printf(report, "%.*s: x-body-bytes-max is more than %d\n", STR_FMT(op->id), BODY_BYTES_MAX);
}

/* Each flow must be an operation or a job, each job a flow. */
void check_flows(const struct service_def *def, const struct contract *c, struct buf *report)
{
	for (unsigned i = 0; i < def->flow_count; i++) {
		bool used = map_get(&c->operations_by_id, str_of(def->flows[i].operation)) != NULL;
		for (unsigned j = 0; j < def->job_count && !used; j++)
			used = strcmp(def->jobs[j].name, def->flows[i].operation) == 0;
		if (!used) buf_printf(report, "flow %s is neither an operation nor a job\n", def->flows[i].operation);
	}
	for (unsigned j = 0; j < def->job_count; j++)
		if (!flow_find(def, str_of(def->jobs[j].name)))
			buf_printf(report, "job %s has no flow\n", def->jobs[j].name);
}

/* Constraint names are problem slugs: each must be explained in the contract's x-problems. The runtime's own tables are exempt. */
void check_constraints(const struct contract *c, const struct map *constraints, struct buf *report)
{
	struct map_entry entry;
	for (size_t at = 0; map_each(constraints, &at, &entry);) {
		char slug[SLUG_BYTES_MAX];
		struct str name = entry.key;
		if (str_ends(name, STR("_pkey")) || str_starts(name, STR("outbox_")) || str_starts(name, STR("relay_")))
			continue;
		struct str known = constraint_slug(name, slug);
		if (!map_get(&c->problems, known) && err_by_slug(known) == ERR_NONE)
			buf_printf(
			    report, "constraint %.*s has no entry %.*s in x-problems\n", STR_FMT(name), STR_FMT(known));
	}
}
