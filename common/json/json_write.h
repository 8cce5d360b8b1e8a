#ifndef COMMON_JSON_JSON_WRITE_H
#define COMMON_JSON_JSON_WRITE_H

#include "common/core/buf.h"

struct json;

enum { JSON_WRITE_DEPTH_MAX = 40 }; /* deeper output fails the buffer */

/** Streams JSON text into a buffer: commas, keys and escapes are its business. Sticky like the buffer: check buf_ok once. */
struct json_writer {
	struct buf *out;
	uint64_t has_item; /* bit per depth: something was written at this level */
	unsigned depth;
	bool after_key;
};

void json_write_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_put_key(struct json_writer *w, struct str key);
/** A key escaped once for many rows: json_ready_key appends `,"key":` to `out`, json_put_ready_key writes such a text. */
void json_ready_key(struct buf *out, struct str key);
void json_put_ready_key(struct json_writer *w, struct str ready);
void json_put_str(struct json_writer *w, struct str s); /* invalid UTF-8 bytes become U+FFFD; absent becomes null */
/** As json_put_str for text known to be valid UTF-8 (PostgreSQL's): escaped, not checked. */
void json_put_utf8(struct json_writer *w, struct str s);
/** As json_put_str for text that needs no escape at all (uuid, date, decimal): quoted, not looked at. */
void json_put_plain(struct json_writer *w, struct str s);
void json_put_i64(struct json_writer *w, int64_t v);
void json_put_bool(struct json_writer *w, bool b);
void json_put_null(struct json_writer *w);
/** Text that is JSON already. */
void json_put_raw(struct json_writer *w, struct str json);
/** A whole tree, numbers as their literals. */
void json_put_tree(struct json_writer *w, const struct json *v);
/** key + value in one call. */
void json_put_member_str(struct json_writer *w, const char *key, struct str s);
void json_put_member_i64(struct json_writer *w, const char *key, int64_t v);
void json_put_member_bool(struct json_writer *w, const char *key, bool b);

#endif
