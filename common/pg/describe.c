/* Asks PostgreSQL, at boot and re-link, what each statement takes and gives. Blocking, on a connection of its own with the service's
 * login role, so that missing grants show here as well. All refusals are reported, not only the first. */
#include <libpq-fe.h>
#include <stdlib.h>

#include "common/pg/conn_params.h"
#include "common/pg/statement.h"

enum { DESCRIBE_TIMEOUT_MS = 30000, MESSAGE_BYTES_MAX = 400 };

struct type_info {
	struct str name;
	unsigned element;
};

struct describer {
	struct arena *boot;
	PGconn *conn;
	struct buf *report;
	struct map types; /* text of the oid → type_info */
	bool failed;
};

/* A message of the server on one line. */
static void complain(struct describer *d, struct str file, struct str message)
{
	d->failed = true;
	struct str text = str_trim(message);
	buf_printf(d->report, "%.*s: ", STR_FMT(file));
	for (size_t i = 0; i < text.n && i < MESSAGE_BYTES_MAX; i++)
		buf_char(d->report, text.p[i] == '\n' ? ' ' : text.p[i]);
	buf_char(d->report, '\n');
}

static struct str message_of(const PGresult *r, PGconn *conn)
{
	const char *primary = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *whole = r ? PQresultErrorMessage(r) : PQerrorMessage(conn);
	return str_of(primary && !PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION) ? primary : whole);
}

static unsigned oid_at(const PGresult *r, int row, int column)
{
	return (unsigned)strtoul(PQgetvalue(r, row, column), NULL, 10);
}

static const struct type_info *find_type(struct describer *d, unsigned oid)
{
	char text[16];
	snprintf(text, sizeof text, "%u", oid);
	struct type_info *known = map_get(&d->types, str_of(text));
	if (known) return known;
	const char *values[] = { text };
	PGresult *r = PQexecParams(d->conn,
	    "select format_type(oid, -1), case when typcategory = 'A' then typelem else 0 end from pg_type where oid = "
	    "$1",
	    1, NULL, values, NULL, NULL, 0);
	known = ARENA_NEW(d->boot, struct type_info);
	if (known && PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1) {
		known->name = arena_str(d->boot, str_of(PQgetvalue(r, 0, 0)));
		known->element = oid_at(r, 0, 1);
	}
	PQclear(r);
	struct str key = arena_str(d->boot, str_of(text));
	if (!known || !known->name.p || !key.p || !map_set(&d->types, key, known)) return NULL;
	return known;
}

static bool fill_columns(struct describer *d, struct pg_statement *s, const PGresult *r)
{
	s->column_count = (unsigned)PQnfields(r);
	s->columns = arena_array(d->boot, s->column_count ? s->column_count : 1, sizeof *s->columns);
	if (!s->columns) return false;
	for (unsigned i = 0; i < s->column_count; i++) {
		struct pg_column_info *c = &s->columns[i];
		c->name = arena_str(d->boot, str_of(PQfname(r, (int)i)));
		c->type = PQftype(r, (int)i);
		const struct type_info *t = find_type(d, c->type);
		if (!t || !c->name.p) return false;
		c->type_name = t->name;
		c->element = t->element;
	}
	return true;
}

static bool fill_params(struct describer *d, struct pg_statement *s, const PGresult *r)
{
	if ((unsigned)PQnparams(r) != s->param_count) return false;
	for (unsigned i = 0; i < s->param_count; i++) {
		const struct type_info *t = find_type(d, PQparamtype(r, (int)i));
		if (!t) return false;
		s->params[i].type = s->batch_max ? t->element : PQparamtype(r, (int)i);
	}
	return true;
}

static void describe_one(struct describer *d, struct pg_statement *s)
{
	PGresult *r = PQprepare(d->conn, s->name.p, s->sql.p, 0, NULL);
	if (PQresultStatus(r) == PGRES_COMMAND_OK) {
		PQclear(r);
		r = PQdescribePrepared(d->conn, s->name.p);
	}
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		complain(d, s->file, message_of(r, d->conn));
	else if (!fill_columns(d, s, r) || !fill_params(d, s, r))
		complain(d, s->file, STR("its types could not be read"));
	else if (s->batch_max && pg_statement_column(s, STR("ord")) < 0)
		complain(d, s->file, STR("a batch statement must have a column ord"));
	else
		s->described = true;
	PQclear(r);
}

static void read_constraints(struct describer *d, struct map *out)
{
	PGresult *r = PQexec(d->conn,
	    "select conname::text, contype::text from pg_constraint where connamespace = current_schema()::regnamespace"
	    " and contype in ('p', 'c', 'u', 'x', 'f') and conparentid = 0 and (conislocal or contype <> 'c')"
	    " union select c.relname::text, 'u' from pg_index i join pg_class c on c.oid = i.indexrelid"
	    " where c.relnamespace = current_schema()::regnamespace and i.indisunique and not c.relispartition"
	    " and not exists (select from pg_constraint k where k.conindid = i.indexrelid)");
	if (PQresultStatus(r) != PGRES_TUPLES_OK) complain(d, STR("constraints"), message_of(r, d->conn));
	for (int i = 0; i < PQntuples(r); i++) {
		struct str name = arena_str(d->boot, str_of(PQgetvalue(r, i, 0)));
		struct str kind = arena_str(d->boot, str_of(PQgetvalue(r, i, 1)));
		if (!name.p || !kind.p || !map_set(out, name, (void *)(uintptr_t)kind.p)) d->failed = true;
	}
	PQclear(r);
}

/* It may run in a thread, where nothing may be logged. */
static void ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

enum err pg_describe(
    struct arena *boot, struct str conninfo, struct pg_statement_set *set, struct map *constraints, struct buf *report)
{
	struct arena scratch;
	struct conn_params params;
	struct describer d = { .boot = boot, .report = report };
	map_init(&d.types, boot);
	arena_init(&scratch, 4096, 256 * 1024);
	struct conn_settings settings = { .statement_timeout_ms = DESCRIBE_TIMEOUT_MS, .application_name = "describe" };
	if (conn_params_make(&scratch, conninfo, &settings, &params)) {
		BUF_LIT(report, "the database connection string is not valid\n");
		arena_release(&scratch);
		return ERR_CONFIG;
	}
	d.conn = PQconnectdbParams(params.keywords, params.values, 0);
	arena_release(&scratch);
	if (d.conn) PQsetNoticeProcessor(d.conn, ignore_notice, NULL);
	if (PQstatus(d.conn) != CONNECTION_OK) {
		complain(&d, STR("database"), str_of(PQerrorMessage(d.conn)));
		PQfinish(d.conn);
		return ERR_UNAVAILABLE;
	}
	for (unsigned i = 0; i < set->count; i++) describe_one(&d, set->items[i]);
	if (constraints) read_constraints(&d, constraints);
	PQfinish(d.conn);
	return d.failed || boot->overflow ? ERR_CONFIG : ERR_NONE;
}
