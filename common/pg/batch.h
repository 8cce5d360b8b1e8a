#ifndef COMMON_PG_BATCH_H
#define COMMON_PG_BATCH_H

#include "common/pg/pool.h"

/*
 * Many requests, one statement, and for writes one commit. A batch statement (header "-- batch: N") reads its requests from the row source
 * `input` and answers with a column `ord` that says whose row it is. What gathers while the last commit runs is the next batch;
 * there is no timer. If a batch fails, its members are tried one by one, so that an error costs only its owner. Rows of one member
 * must stand together: end the statement with `order by ord` when a member can have several.
 */
struct pg_batch;

struct pg_batch *pg_batch_new(struct pg_pool *p, const struct pg_statement *s);
void pg_batch_free(struct pg_batch *b);

/** rows [first, first+count) of `result` belong to this member; outcome->err tells as in pg_send. */
typedef void pg_batch_done(
    void *arg, const struct pg_outcome *outcome, const struct pg_result *result, unsigned first, unsigned count);

/** Adds a member; values in the order of statement->params, copied. Fails: ERR_BUSY when queue_max wait, ERR_UNAVAILABLE. */
MUST_USE enum err pg_batch_add(
    struct pg_batch *b, const struct pg_value *values, int64_t deadline_ms, pg_batch_done *done, void *arg);

#endif
