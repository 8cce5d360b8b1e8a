/* Reading results, and what a failed one means to us. */
#include <libpq-fe.h>

#include "common/pg/binary_form.h"
#include "common/pg/group.h"

static const PGresult *native(const struct pg_result *r)
{
	return (const PGresult *)(const void *)r;
}

unsigned pg_rows(const struct pg_result *r)
{
	return (unsigned)PQntuples(native(r));
}

unsigned pg_columns(const struct pg_result *r)
{
	return (unsigned)PQnfields(native(r));
}

bool pg_is_null(const struct pg_result *r, unsigned row, unsigned column)
{
	return PQgetisnull(native(r), (int)row, (int)column) != 0;
}

struct str pg_get(const struct pg_result *r, unsigned row, unsigned column)
{
	const PGresult *n = native(r);
	int bytes = PQgetlength(n, (int)row, (int)column); /* 0 for NULL too */
	if (bytes == 0 && PQgetisnull(n, (int)row, (int)column)) return STR_NONE;
	return str_span(PQgetvalue(n, (int)row, (int)column), (size_t)bytes);
}

struct str pg_get_text(const struct pg_result *r, unsigned row, unsigned column, char scratch[BINARY_TEXT_BYTES])
{
	struct str v = pg_get(r, row, column);
	if (!v.p || PQfformat(native(r), (int)column) == 0) return v;
	return binary_form_text(pg_column_type(r, column), v, scratch);
}

int64_t pg_get_i64(const struct pg_result *r, unsigned row, unsigned column, int64_t fallback)
{
	int64_t v;
	char scratch[BINARY_TEXT_BYTES];
	return str_to_i64(pg_get_text(r, row, column, scratch), &v) ? v : fallback;
}

/* Not PQfnumber: it folds case and strips quotes. */
int pg_column(const struct pg_result *r, const char *name)
{
	for (int i = 0; i < PQnfields(native(r)); i++)
		if (strcmp(PQfname(native(r), i), name) == 0) return i;
	return -1;
}

struct str pg_column_name(const struct pg_result *r, unsigned column)
{
	return str_of(PQfname(native(r), (int)column));
}

unsigned pg_column_type(const struct pg_result *r, unsigned column)
{
	return PQftype(native(r), (int)column);
}

int64_t pg_affected(const struct pg_result *r)
{
	/* PQcmdTuples wants a non-const pointer, but does not write. */
	int64_t n;
	return str_to_i64(str_of(PQcmdTuples((PGresult *)(uintptr_t)r)), &n) ? n : 0;
}

static bool is_class(const char *sqlstate, const char *prefix)
{
	return strncmp(sqlstate, prefix, strlen(prefix)) == 0;
}

enum err sqlstate_err(const char *sqlstate)
{
	if (!sqlstate || !*sqlstate) return ERR_UNAVAILABLE; /* libpq's own: the connection is gone */
	/* Serialization, deadlock, lock_timeout. */
	if (is_class(sqlstate, "40001") || is_class(sqlstate, "40P01") || is_class(sqlstate, "55P03")) return ERR_RETRY;
	if (is_class(sqlstate, "57014")) return ERR_TIMEOUT;
	if (is_class(sqlstate, "23")) return ERR_CONSTRAINT;
	/* Shutdown, crash of another backend, not yet started; connection exceptions; too many connections. */
	if (is_class(sqlstate, "57P") || is_class(sqlstate, "08") || is_class(sqlstate, "53300"))
		return ERR_UNAVAILABLE;
	/* idle_in_transaction_session_timeout ended the session; a primary that became a standby: look for the new one. */
	if (is_class(sqlstate, "25P03") || is_class(sqlstate, "25006")) return ERR_UNAVAILABLE;
	return ERR_SQL;
}
