#ifndef COMMON_PG_ROWS_H
#define COMMON_PG_ROWS_H

#include "common/json/json_write.h"
#include "common/pg/pool.h"

/* Rows to JSON, without a tree between. */

/** Turns a stored value into what is shown (field decryption, masking). Writes the JSON value itself. NULL fn: plain. */
struct row_filter {
	void (*fn)(void *arg, struct json_writer *w, struct str value);
	void *arg;
};

struct row_shape;

/** Compiles column aliases ("a.b" nests) of a described statement. Columns named "!…" or `ord` or "page.…" are not written. filters: one per column or NULL. */
MUST_USE enum err row_shape_compile(struct arena *boot, const struct pg_statement *s, const struct row_filter *filters,
    const struct row_shape **out, struct buf *report);
/** One row as an object: int/json raw, bool, timestamptz RFC 3339 +08:00, date, numeric as string, uuid/text escaped, NULL members left out. */
void row_write(const struct row_shape *shape, struct json_writer *w, const struct pg_result *r, unsigned row);

#endif
