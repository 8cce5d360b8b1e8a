#ifndef TESTS_SUPPORT_PG_FIXTURE_H
#define TESTS_SUPPORT_PG_FIXTURE_H

#include "common/core/str.h"

/** Starts a private PostgreSQL in a new folder under /tmp (once per process; stopped and removed at exit) and returns its connection string. Ends the process when that fails. */
struct str pg_fixture_start(void);
/** Runs SQL on a connection of its own; ends the process with the message when it fails. */
void pg_fixture_sql(const char *sql);
/** First column of the first row, in static memory; "" for none. */
const char *pg_fixture_value(const char *sql);
/** Stops at once (as a crash would) and starts again. */
void pg_fixture_restart(void);
void pg_fixture_kill(void);
void pg_fixture_up(void);

#endif
