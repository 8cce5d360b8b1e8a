#ifndef COMMON_PG_GROUP_H
#define COMMON_PG_GROUP_H

#include <libpq-fe.h>

#include "common/core/list.h"
#include "common/pg/pool.h"

enum { GROUP_TRIES_MAX = 4 /* the first and three more */, GROUP_LOSSES_MAX = 3, GROUP_CALLS_MAX = 32 };

struct group_call {
	const struct pg_statement *statement; /* prepared, or else `sql` */
	const char *sql;
	const char **values;
	unsigned value_count;
};

/** Statements that travel together, and who wants to know. One malloc; lives from pg_send until its `done` returned. */
struct pg_group {
	struct list link; /* in lane->waiting, lane->retries, bundle->groups or pool->finished */
	enum pg_group_kind kind;
	bool solo; /* a sync of its own, since it was bundled with a failing neighbour */
	bool ends_session;
	bool apart; /* all there is of its session: a transaction of its own, as on a shared lane */
	unsigned char tries;
	unsigned char losses; /* connections that broke under it */
	unsigned hidden; /* leading results that are ours (BEGIN, `limit`) */
	char limit[72]; /* of a group apart: the statement that says how long the others may take */
	int64_t deadline_ms;
	int64_t due_ms; /* of the next try */
	pg_done *done; /* NULL: nobody waits any more */
	void *arg;
	struct pg_session *session; /* NULL outside sessions */
	enum err err;
	PGresult *error; /* the result that failed */
	unsigned answered; /* calls whose result is here */
	unsigned call_count;
	PGresult **results; /* call_count of them */
	struct group_call calls[];
};

/** Copies calls and values. With `begin` an internal BEGIN goes first. Fails: ERR_VALIDATION_FAILED for a value with a NUL byte. */
MUST_USE enum err group_new(const struct pg_call *calls, unsigned count, const char *begin, struct pg_group **out);
/** A group without statements, or with one internal statement (COMMIT). */
struct pg_group *group_control(const char *sql, pg_done *done, void *arg);
void group_free(struct pg_group *g);
/** Forgets results and error, for another try. */
void group_clear(struct pg_group *g);
/** Calls done. */
void group_deliver(struct pg_group *g);

/** What an SQLSTATE means to us; NULL or "" is a lost connection. */
enum err sqlstate_err(const char *sqlstate);

#endif
