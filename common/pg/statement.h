#ifndef COMMON_PG_STATEMENT_H
#define COMMON_PG_STATEMENT_H

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/core/err.h"
#include "common/core/map.h"

/* SQL files: one statement each, with a header comment and :names.  See services' sql/ folders and ARCHITECTURE.md "SQL files". */

enum sql_shape { SHAPE_ONE, SHAPE_LIST, SHAPE_PAGE, SHAPE_NONE, SHAPE_RAW };
enum sql_tx { TX_READ, TX_WRITE };

struct pg_param {
	struct str name;   /* "body.amount_fen" */
	unsigned type;     /* oid: from the file's cast or from Describe */
	bool nullable_cast;
};

struct pg_column_info {
	struct str name;   /* alias: a JSON path, "payment.prepay_id" */
	unsigned type;     /* oid */
};

struct pg_statement {
	struct str name;   /* file name without .sql */
	struct str file;
	struct str sql;    /* with $1, $2 … */
	enum sql_shape shape;
	enum sql_tx tx;
	unsigned batch_max; /* 0: not a batch statement */
	struct pg_param *params;
	unsigned param_count;
	struct pg_column_info *columns; /* set by pg_describe */
	unsigned column_count;
	bool idempotent;   /* the answer is saved in the same statement (see statement_save_answer) */
};

struct pg_statement_set {
	struct pg_statement **items;
	unsigned count;
	struct map by_name;
};

/**
 * Reads every *.sql of the folders (NULL-terminated list) and turns :names into $n ('::' casts, strings, comments and
 * dollar quotes are left alone). Faults go to `report`, one line each; ERR_CONFIG.
 */
MUST_USE enum err pg_statements_load(struct arena *boot, const char *const *dirs, struct pg_statement_set *out, struct buf *report);
const struct pg_statement *pg_statement_find(const struct pg_statement_set *set, struct str name);
int pg_statement_param(const struct pg_statement *s, struct str name); /* index, or -1 */

/**
 * Rewrites a write statement so that it also saves its answer: the final SELECT/…RETURNING becomes a CTE `effect`, whose rows are
 * stored as JSON in `idempotency` (see ARCHITECTURE.md "Idempotency") under the extra parameters
 * :idempotency.id and :idempotency.fingerprint (uuids made by the runtime).
 * Also makes <name>__replay, which reads the stored row back with the same column types.
 */
MUST_USE enum err pg_statement_save_answer(struct arena *boot, struct pg_statement *s, struct pg_statement **replay, struct buf *report);

/**
 * Describes every statement on a blocking connection of its own (boot only): fills params[].type and columns, and reports what
 * PostgreSQL refuses. `constraints`, if given, receives the names of all check, unique, exclusion and foreign key constraints of the schema.
 */
MUST_USE enum err pg_describe(struct arena *boot, struct str conninfo, struct pg_statement_set *set, struct map *constraints, struct buf *report);

#endif
