#ifndef COMMON_PG_TEXT_FORM_H
#define COMMON_PG_TEXT_FORM_H

#include "common/core/buf.h"

/* PostgreSQL's text forms that need more than copying: arrays and timestamps. Pure. */

/** Array literals are built as array_begin, array_add …, array_end. NULL and "" stay different. */
void array_begin(struct buf *b);
void array_add(struct buf *b, struct str value); /* absent is NULL */
void array_end(struct buf *b);

enum { ARRAY_DEPTH_MAX = 6 }; /* PostgreSQL's own MAXDIM */

enum array_event { ARRAY_OPEN, ARRAY_CLOSE, ARRAY_VALUE, ARRAY_NULL, ARRAY_END, ARRAY_BROKEN };

struct array_scan {
	struct str text;
	size_t at;
	unsigned depth;
	bool after_item;
	bool done;
};

void array_scan_init(struct array_scan *s, struct str literal);
/** The next event; `value` (ARRAY_VALUE) may point into `scratch`, valid until the next call. */
enum array_event array_next(struct array_scan *s, struct buf *scratch, struct str *value);

enum { TIMESTAMP_BYTES = 48 };
/**
 * "2026-11-24 08:30:00.123+08" → "2026-11-24T08:30:00.123+08:00"; returns its length, 0 for what RFC 3339 cannot say
 * (infinity, BC, years past 9999) or is no timestamp. Offsets with seconds (local mean time before 1901) are shifted to +08:00.
 */
size_t timestamptz_rfc3339(struct str text, char out[TIMESTAMP_BYTES]);
/** "2026-11-24 08:30:00" → "2026-11-24T08:30:00"; as above. */
size_t timestamp_iso(struct str text, char out[TIMESTAMP_BYTES]);

#endif
