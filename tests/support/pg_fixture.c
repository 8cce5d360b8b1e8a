/* A private PostgreSQL for tests that need a server. Unit tests are linked from one object, so they include this file. */
#include "tests/support/pg_fixture.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/check.h"

#define PG_BIN "/usr/lib/postgresql/15/bin/"

static char fixture_dir[64];
static char fixture_conninfo[160];
static pid_t fixture_owner;

/* PostgreSQL refuses to run as root. */
static int as_postgres(const char *command)
{
	char line[1024];
	const char *prefix = geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups " : "";
	snprintf(line, sizeof line, "cd / && %s%s >>%s/setup.log 2>&1", prefix, command, fixture_dir);
	return system(line);
}

static void must(int status, const char *what)
{
	if (status == 0) return;
	fprintf(stderr, "pg_fixture: %s failed, see %s\n", what, fixture_dir);
	exit(1);
}

static void run_tool(const char *what, const char *format)
{
	char command[512];
	snprintf(command, sizeof command, "%s%s", PG_BIN, format);
	must(as_postgres(command), what);
}

void pg_fixture_up(void)
{
	char tool[400];
	snprintf(tool, sizeof tool,
	    "pg_ctl -D %s/data -w -l %s/server.log -o \"-k %s -c listen_addresses='' -c fsync=off -c "
	    "max_connections=40\" start",
	    fixture_dir, fixture_dir, fixture_dir);
	run_tool("start", tool);
}

void pg_fixture_kill(void)
{
	char tool[200];
	snprintf(tool, sizeof tool, "pg_ctl -D %s/data -w -m immediate stop", fixture_dir);
	run_tool("stop", tool);
}

void pg_fixture_restart(void)
{
	pg_fixture_kill();
	pg_fixture_up();
}

static void fixture_end(void)
{
	char command[256];
	if (getpid() != fixture_owner) return;
	snprintf(command, sizeof command, PG_BIN "pg_ctl -D %s/data -w -m immediate stop", fixture_dir);
	(void)!as_postgres(command);
	snprintf(command, sizeof command, "rm -rf %s", fixture_dir);
	(void)!system(command);
}

struct str pg_fixture_start(void)
{
	char tool[256];
	if (fixture_conninfo[0]) return str_of(fixture_conninfo);
	snprintf(fixture_dir, sizeof fixture_dir, "/tmp/yg-pg-XXXXXX");
	CHECK(mkdtemp(fixture_dir) != NULL);
	fixture_owner = getpid();
	must(chmod(fixture_dir, 0777), "chmod");
	atexit(fixture_end);
	snprintf(tool, sizeof tool, "initdb -D %s/data -A trust -U postgres -E UTF8 --locale=C --no-sync", fixture_dir);
	run_tool("initdb", tool);
	pg_fixture_up();
	snprintf(fixture_conninfo, sizeof fixture_conninfo, "host=%s user=postgres dbname=postgres", fixture_dir);
	return str_of(fixture_conninfo);
}

static PGresult *fixture_exec(PGconn **conn, const char *sql)
{
	*conn = PQconnectdb(fixture_conninfo);
	PGresult *r = PQexec(*conn, sql);
	ExecStatusType status = PQresultStatus(r);
	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return r;
	fprintf(stderr, "pg_fixture: %s\n%s\n", PQerrorMessage(*conn), sql);
	exit(1);
}

void pg_fixture_sql(const char *sql)
{
	PGconn *conn;
	PQclear(fixture_exec(&conn, sql));
	PQfinish(conn);
}

const char *pg_fixture_value(const char *sql)
{
	static char value[4096];
	PGconn *conn;
	PGresult *r = fixture_exec(&conn, sql);
	snprintf(value, sizeof value, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	PQfinish(conn);
	return value;
}
