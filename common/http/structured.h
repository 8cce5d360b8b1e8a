#ifndef COMMON_HTTP_STRUCTURED_H
#define COMMON_HTTP_STRUCTURED_H

#include "common/core/buf.h"
#include "common/http/message.h"

/* Structured fields of RFC 9651 (RFC 8941 with dates and display strings): strict in both directions. */

enum sf_type {
	SF_INTEGER, /* number, within ±SF_INTEGER_MAX */
	SF_DECIMAL, /* number in thousandths, within ±SF_INTEGER_MAX */
	SF_STRING, /* text, printable ASCII */
	SF_TOKEN, /* text */
	SF_BYTES, /* text, any bytes */
	SF_BOOLEAN, /* number, 0 or 1 */
	SF_DATE, /* number, seconds since 1970 */
	SF_DISPLAY, /* text, UTF-8 */
	SF_INNER_LIST, /* items */
};

#define SF_INTEGER_MAX 999999999999999
/* What RFC 9651 asks every parser to take, and no more. */
enum { SF_MEMBERS_MAX = 1024, SF_INNER_MAX = 256, SF_PARAMETERS_MAX = 256 };

struct sf_value {
	enum sf_type type;
	int64_t number;
	struct str text;
};

struct sf_parameter {
	struct str key;
	struct sf_value value;
};

/** An item or an inner list, with its parameters. */
struct sf_item {
	struct sf_value value;
	const struct sf_item *items; /* of an inner list; these hold no inner lists */
	unsigned count;
	unsigned parameter_count;
	const struct sf_parameter *parameters;
};

struct sf_member {
	struct str key; /* absent in a list */
	struct sf_item item;
};

/** A list or a dictionary; an absent or empty field is one without members. */
struct sf_members {
	const struct sf_member *items;
	unsigned count;
};

/**
 * Reads a field's whole value (sf_combined). Results lie in the arena and in `text`.
 * Fails: ERR_SYNTAX, which means that the field is to be ignored or refused as a whole; ERR_MEMORY when the arena is full.
 * Base64 has its one right spelling (padding, no stray bits).
 */
MUST_USE enum err sf_parse_item(struct arena *a, struct str text, struct sf_item *out);
MUST_USE enum err sf_parse_list(struct arena *a, struct str text, struct sf_members *out);
MUST_USE enum err sf_parse_dictionary(struct arena *a, struct str text, struct sf_members *out);

/** All lines of the field joined by ", "; absent when there is none. Borrowed when there is one line. */
struct str sf_combined(struct arena *a, struct http_fields fields, struct str name);
/** Member of a dictionary by key, or NULL. */
const struct sf_item *sf_get(const struct sf_members *dictionary, struct str key);
/** Parameter by key, or NULL. */
const struct sf_value *sf_parameter(const struct sf_item *item, struct str key);

/** Appends the one canonical form. ERR_SYNTAX when a value, a key or a nesting cannot be written; the buffer's overflow is sticky as ever. */
MUST_USE enum err sf_write_value(struct buf *out, const struct sf_value *value);
MUST_USE enum err sf_write_item(struct buf *out, const struct sf_item *item);
MUST_USE enum err sf_write_list(struct buf *out, const struct sf_members *list);
MUST_USE enum err sf_write_dictionary(struct buf *out, const struct sf_members *dictionary);

/* For the two halves of the implementation. */
bool sf_is_token(struct str s);
bool sf_is_key(struct str s);

#endif
