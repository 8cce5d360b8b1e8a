#ifndef COMMON_PG_STATEMENT_H
#define COMMON_PG_STATEMENT_H

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/core/err.h"
#include "common/core/map.h"

/*
 * SQL files: one statement each, with a header comment and :names. See services' sql/ folders and ARCHITECTURE.md "SQL files".
 *
 * Order at boot: pg_statements_load, pg_describe (columns of what the files say), pg_statement_save_answer for the idempotent
 * writes, pg_statement_set_add for each replay, pg_describe again (types of the added parameters, and proof that PostgreSQL
 * takes the rewritten text), pg_pool_new.
 */

enum sql_shape { SHAPE_ONE, SHAPE_LIST, SHAPE_PAGE, SHAPE_NONE, SHAPE_RAW };
enum sql_tx { TX_READ, TX_WRITE };

enum { PG_STATEMENT_PARAMS_MAX = 128, PG_STATEMENT_BYTES_MAX = 64 * 1024, PG_BATCH_MAX = 1024 };

struct pg_param {
	struct str name; /* "body.amount_fen" */
	unsigned type; /* oid: from the file's cast or from Describe; of the element in a batch statement */
	struct str cast; /* type of the file's cast, as written ("uuid", "numeric(10,2)"); absent without one */
	bool nullable_cast;
};

struct pg_column_info {
	struct str name; /* alias: a JSON path, "payment.prepay_id" */
	unsigned type; /* oid */
	struct str type_name; /* format_type(oid, -1): "timestamp with time zone", "donations.gift_state" */
	unsigned element; /* array types: oid of the element, else 0 */
};

struct pg_statement {
	struct str name; /* file name without .sql */
	struct str file;
	struct str sql; /* with $1, $2 … */
	enum sql_shape shape;
	enum sql_tx tx;
	unsigned batch_max; /* 0: not a batch statement */
	struct pg_param *params;
	unsigned param_count;
	struct pg_column_info *columns; /* set by pg_describe */
	unsigned column_count;
	bool idempotent; /* the answer is saved in the same statement (see pg_statement_save_answer) */
	bool described;
	bool binary; /* results are asked for in binary form: see pg_statement_may_be_binary */
	/* The parts that `sql` is made of, names replaced: WITH list of the file (may be absent) and the statement behind it. */
	struct str with_list;
	struct str main_text;
	bool recursive;
};

struct pg_statement_set {
	struct pg_statement **items;
	unsigned count;
	struct map by_name;
	unsigned cap;
};

/**
 * Reads every *.sql of the folders (NULL-terminated list) and turns :names into $n ('::' casts, strings, comments and
 * dollar quotes are left alone). Faults go to `report`, one line each; ERR_CONFIG.
 */
MUST_USE enum err pg_statements_load(
    struct arena *boot, const char *const *dirs, struct pg_statement_set *out, struct buf *report);
/** One statement from text, as if it stood in <file>; for tests and the fuzzer. *out is NULL unless ERR_NONE. */
MUST_USE enum err pg_statement_parse(struct arena *boot, struct str name, struct str file, struct str text,
    struct pg_statement **out, struct buf *report);
void pg_statement_set_init(struct pg_statement_set *set, struct arena *boot);
/** Adds one (a replay, …); false when the name is taken. */
bool pg_statement_set_add(struct arena *boot, struct pg_statement_set *set, struct pg_statement *s);
const struct pg_statement *pg_statement_find(const struct pg_statement_set *set, struct str name);
int pg_statement_param(const struct pg_statement *s, struct str name); /* index, or -1 */
int pg_statement_column(const struct pg_statement *s, struct str name); /* index, or -1; after pg_describe */

/**
 * Rewrites a described write statement of shape one, none or raw so that it also saves its answer: the final SELECT/…RETURNING
 * becomes a CTE `effect`, whose row is stored as JSON in `idempotency` (see ARCHITECTURE.md "Idempotency") under the extra
 * parameters :idempotency.id and :idempotency.fingerprint (uuids made by the runtime), unless its "!problem" is set. No row, no
 * save. In a batch statement both are values per member; a NULL id saves nothing for that member.
 *
 * Also makes <name>__replay(idempotency.id), which reads the stored row back with the same columns in the same order and types
 * (so the row shape of `s` fits), followed by "!fingerprint" (uuid) and "!pending" (boolean: claimed, but no answer yet).
 * No row: the key was never used. Describe both afterwards.
 */
MUST_USE enum err pg_statement_save_answer(
    struct arena *boot, struct pg_statement *s, struct pg_statement **replay, struct buf *report);

/** True when every column of a described statement has a form that binary_form_text reads. Who sets `binary` reads with pg_get_text. */
bool pg_statement_may_be_binary(const struct pg_statement *s);

/**
 * Describes every statement on a blocking connection of its own (boot only): fills params[].type and columns, and reports what
 * PostgreSQL refuses. `constraints`, if given, receives the names of all primary key, check, unique, exclusion and foreign key
 * constraints and unique indexes of the schema that do not merely repeat a parent's (values: their kind as C string, "c" …).
 */
MUST_USE enum err pg_describe(
    struct arena *boot, struct str conninfo, struct pg_statement_set *set, struct map *constraints, struct buf *report);

#endif
