/* Schema migrations: forward only, each file in a transaction of its own. One runner at a time (advisory lock); a file that was
 * applied and has changed since stops everything. The digest is PostgreSQL's sha256(), since crypto lies above this layer. */
#include "common/pg/migrate.h"

#include <dirent.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>

#include "common/core/buf.h"
#include "common/core/config.h"
#include "common/core/log.h"
#include "common/pg/conn_params.h"
#include "common/pg/sql_scan.h"

enum { MIGRATIONS_MAX = 1024, MIGRATION_BYTES_MAX = 4 * 1024 * 1024, DIGEST_TEXT_BYTES = 64 };

struct migration {
	struct str name; /* "<folder>/<file>": the last two parts of the path */
	const char *path;
};

struct migrator {
	struct arena *a;
	PGconn *conn;
	char *schema; /* quoted; libpq's memory */
};

static enum err failed(const struct migrator *m, const char *what, struct str name)
{
	log_begin(LOG_ERROR, "migration failed");
	log_str("step", str_of(what));
	log_str("file", name);
	log_str("message", str_trim(str_of(PQerrorMessage(m->conn))));
	log_end();
	return ERR_SQL;
}

static enum err run(const struct migrator *m, const char *sql, struct str name)
{
	PGresult *r = PQexec(m->conn, sql);
	ExecStatusType status = PQresultStatus(r);
	PQclear(r);
	/* COPY in a file would leave the connection waiting for rows. */
	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) return ERR_NONE;
	return failed(m, "statement", name);
}

/* A COMMIT of the file's own would let half of it stand without a record. Function bodies are quoted, so their words are not seen. */
static bool ends_transaction(struct str sql)
{
	struct sql_scan scan = { .text = sql };
	bool first = true;
	for (struct sql_token t; (t = sql_next_solid(&scan)).kind != SQL_END; first = sql_is_char(t, ';'))
		if (first && (sql_is_word(t, "commit") || sql_is_word(t, "rollback") || sql_is_word(t, "abort")))
			return true;
	return false;
}

/* One row with one column, as text in the arena; absent when there is no row. */
static enum err ask(
    const struct migrator *m, const char *sql, unsigned n, const char *const *values, struct str name, struct str *out)
{
	*out = STR_NONE;
	PGresult *r = PQexecParams(m->conn, sql, (int)n, NULL, values, NULL, NULL, 0);
	enum err e = ERR_NONE;
	if (PQresultStatus(r) == PGRES_TUPLES_OK) {
		if (PQntuples(r) == 1 && !PQgetisnull(r, 0, 0)) *out = arena_str(m->a, str_of(PQgetvalue(r, 0, 0)));
	} else if (PQresultStatus(r) != PGRES_COMMAND_OK) {
		e = failed(m, "bookkeeping", name);
	}
	PQclear(r);
	return e;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct migration *)a)->name, ((const struct migration *)b)->name);
}

static struct str last_part(struct str path)
{
	while (path.n > 1 && path.p[path.n - 1] == '/') path.n--;
	for (size_t i = path.n; i > 0; i--)
		if (path.p[i - 1] == '/') return str_from(path, i);
	return path;
}

/* "services/donations/migrations" is known as "donations". */
static struct str folder_name(const char *dir)
{
	struct str path = str_of(dir), last = last_part(path);
	if (!str_eq(last, STR("migrations")) || last.p == path.p) return last;
	return last_part(str_span(path.p, (size_t)(last.p - path.p) - 1));
}

static enum err list_folder(struct arena *a, const char *dir, struct migration *items, unsigned *count)
{
	DIR *d = opendir(dir);
	if (!d) {
		log_line(LOG_ERROR, "cannot read migrations", "%s: %s", dir, strerror(errno));
		return ERR_IO;
	}
	enum err e = ERR_NONE;
	struct str folder = folder_name(dir);
	*count = 0;
	for (struct dirent *entry; (entry = readdir(d));) {
		struct str file = str_of(entry->d_name);
		if (file.p[0] == '.' || !str_ends(file, STR(".sql"))) continue;
		if (*count == MIGRATIONS_MAX) {
			e = ERR_CONFIG;
			break;
		}
		items[(*count)++] = (struct migration){ .name = arena_printf(a, "%.*s/%s", STR_FMT(folder), file.p),
			.path = arena_printf(a, "%s/%s", dir, file.p).p };
	}
	closedir(d);
	qsort(items, *count, sizeof *items, by_name);
	return a->overflow ? ERR_CONFIG : e;
}

static enum err apply(const struct migrator *m, const struct migration *f, const char *sql, struct str digest)
{
	struct str done;
	const char *values[] = { f->name.p, digest.p };
	/* pg_temp is named, and last, or tables of a session's own would come first in functions that are made "from current". */
	struct str begin = arena_printf(m->a, "begin; set local search_path to %s, public, pg_temp", m->schema);
	struct str record = arena_printf(m->a, "insert into %s.migration (name, sha256) values ($1, $2)", m->schema);
	if (!begin.p || !record.p) return ERR_CONFIG;
	bool ends = ends_transaction(str_of(sql));
	enum err e = ends ? ERR_NONE : run(m, begin.p, f->name);
	if (!ends && !e) e = run(m, sql, f->name);
	if (ends || (!e && PQtransactionStatus(m->conn) != PQTRANS_INTRANS)) {
		log_line(LOG_ERROR, "migration must not end its transaction", "%.*s", STR_FMT(f->name));
		e = ERR_CONFIG;
	}
	if (!e) e = ask(m, record.p, 2, values, f->name, &done);
	if (!e) e = run(m, "commit", f->name);
	if (!e)
		log_line(LOG_INFO, "migration applied", "%.*s", STR_FMT(f->name));
	else if (PQtransactionStatus(m->conn) != PQTRANS_IDLE)
		PQclear(PQexec(m->conn, "rollback"));
	return e;
}

static enum err migrate_file(const struct migrator *m, const struct migration *f)
{
	struct str sql, digest, before;
	TRY(config_read_file(m->a, f->path, MIGRATION_BYTES_MAX, &sql));
	const char *text = arena_strz(m->a, sql);
	if (!text || memchr(sql.p, 0, sql.n)) return ERR_CONFIG;
	const char *content[] = { text }, *name[] = { f->name.p };
	TRY(ask(m, "select encode(sha256(convert_to($1::text, 'UTF8')), 'hex')", 1, content, f->name, &digest));
	struct str query = arena_printf(m->a, "select sha256 from %s.migration where name = $1", m->schema);
	if (!query.p || digest.n != DIGEST_TEXT_BYTES) return ERR_CONFIG;
	TRY(ask(m, query.p, 1, name, f->name, &before));
	if (!before.p) return apply(m, f, text, digest);
	if (str_eq(before, digest)) return ERR_NONE;
	log_line(LOG_ERROR, "an applied migration has changed", "%.*s", STR_FMT(f->name));
	return ERR_CONFIG;
}

/* Makes what is missing only: once the schema stands, its owner may lack CREATE on the database. */
static enum err make_table(const struct migrator *m)
{
	struct str found, name = STR("bookkeeping");
	struct str find_schema = arena_printf(m->a, "select to_regnamespace('%s')::text", m->schema);
	struct str find_table = arena_printf(m->a, "select to_regclass('%s.migration')::text", m->schema);
	struct str make_schema = arena_printf(m->a, "create schema %s", m->schema);
	struct str make = arena_printf(m->a,
	    "create table %s.migration (name text primary key, sha256 text not null, applied_at timestamptz not null "
	    "default now())",
	    m->schema);
	if (m->a->overflow) return ERR_CONFIG;
	TRY(ask(m, find_schema.p, 0, NULL, name, &found));
	if (!found.p) TRY(run(m, make_schema.p, name));
	TRY(ask(m, find_table.p, 0, NULL, name, &found));
	return found.p ? ERR_NONE : run(m, make.p, name);
}

static enum err migrate_all(const struct migrator *m, const char *const *dirs)
{
	struct migration *items = arena_array(m->a, MIGRATIONS_MAX, sizeof *items);
	if (!items) return ERR_CONFIG;
	TRY(run(m, "set client_min_messages to warning", STR("start")));
	TRY(run(m, "select pg_advisory_lock(hashtextextended('yangguang migration', 0))", STR("lock")));
	TRY(make_table(m));
	for (; *dirs; dirs++) {
		unsigned count = 0;
		TRY(list_folder(m->a, *dirs, items, &count));
		for (unsigned i = 0; i < count; i++) TRY(migrate_file(m, &items[i]));
	}
	return ERR_NONE;
}

enum err pg_migrate(struct arena *a, struct str conninfo, struct str schema, const char *const *dirs)
{
	struct conn_params params;
	struct conn_settings settings = { .application_name = "migrate" };
	struct migrator m = { .a = a };
	for (size_t i = 0; i < schema.n; i++) { /* it is spelled into SQL: our own names only */
		char c = schema.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9' && i) || c == '_')) return ERR_CONFIG;
	}
	if (!schema.n) return ERR_CONFIG;
	TRY(conn_params_make(a, conninfo, &settings, &params));
	m.conn = PQconnectdbParams(params.keywords, params.values, 0);
	if (m.conn) conn_quiet(m.conn);
	if (PQstatus(m.conn) != CONNECTION_OK) {
		enum err e = failed(&m, "connect", STR_NONE);
		PQfinish(m.conn);
		return e == ERR_SQL ? ERR_UNAVAILABLE : e;
	}
	m.schema = PQescapeIdentifier(m.conn, schema.p, schema.n);
	enum err e = m.schema ? migrate_all(&m, dirs) : ERR_CONFIG;
	PQfreemem(m.schema);
	PQfinish(m.conn); /* gives the lock back */
	return e;
}
