#ifndef COMMON_JSON_JSON_H
#define COMMON_JSON_JSON_H

#include "common/core/arena.h"
#include "common/core/err.h"

/* The only place that knows cJSON. Trees live in an arena and are never freed one by one. */
struct json;

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum { JSON_DEPTH_MAX = 32, JSON_DEPTH_LIMIT = 128 }; /* what requests may have; what json_read can be asked for */

struct json_error {
	const char
	    *code; /* static: "utf8", "depth", "duplicate-key", "number", "syntax", "trailing", "nul", "memory" */
	size_t offset; /* byte where it was found */
};

/**
 * Strict scan (RFC 8259 grammar, UTF-8, no \u0000, depth, no duplicate keys, nothing after the value), then cJSON in the arena.
 * Numbers have at most 63 bytes, an exponent within ±999 and a finite double. `text` is not referred to afterwards.
 * Units: a scalar has depth 0, [] has depth 1; depth_max ≤ JSON_DEPTH_LIMIT. `error` may be NULL.
 * Fails: ERR_MALFORMED_JSON, ERR_JSON_TOO_DEEP, ERR_JSON_DUPLICATE_KEY with *error filled; ERR_MEMORY when the arena is full.
 */
MUST_USE enum err json_read(
    struct arena *a, struct str text, unsigned depth_max, const struct json **out, struct json_error *error);

enum json_type json_type(const struct json *v);
bool json_bool(const struct json *v);
/** The bytes of a string; absent for other types. Borrowed from the arena. */
struct str json_string(const struct json *v);
/** The literal text of a number as it stood in the document: never through a double. */
struct str json_number(const struct json *v);
/** True when the number is a whole number within int64 (1, 1.0 and 1e2 are whole: JSON Schema 6.1.1). */
bool json_int64(const struct json *v, int64_t *out);
double json_double(const struct json *v);
/** Members of an object, items of an array; 0 for others. */
size_t json_count(const struct json *v);
/** Member by name, or NULL. */
const struct json *json_get(const struct json *object, struct str name);
/** Item by index, or NULL. */
const struct json *json_at(const struct json *array, size_t index);
/** First child (member or item), or NULL; then json_next; json_key names a member. */
const struct json *json_first(const struct json *v);
const struct json *json_next(const struct json *v);
struct str json_key(const struct json *member);
/** JSON Schema equality: numbers by value, objects without order. */
bool json_equal(const struct json *a, const struct json *b);
/** Equal values have equal hashes; keyed per process. */
uint64_t json_hash(const struct json *v);
/** Member as string / int64 / bool with a fallback when it is missing or of another type. */
struct str json_get_str(const struct json *object, const char *name);
int64_t json_get_i64(const struct json *object, const char *name, int64_t fallback);
bool json_get_bool(const struct json *object, const char *name, bool fallback);
/** Follows a JSON Pointer (RFC 6901); NULL when nothing is there. */
const struct json *json_pointer(const struct json *root, struct str pointer);

/* Building, for readers of other notations (YAML, forms). Strings are copied and must be UTF-8 without NUL; a literal must be a JSON
 * number. NULL when the arena is full; NULL parts are ignored, so that the arena's overflow can be checked once. */
struct json *json_new_object(struct arena *a);
struct json *json_new_array(struct arena *a);
struct json *json_new_string(struct arena *a, struct str s);
struct json *json_new_number(struct arena *a, struct str literal);
/** The same, the bytes in another arena than the node: who reads a document once may keep its texts and give up its nodes. */
struct json *json_new_string_apart(struct arena *a, struct arena *texts, struct str s);
struct json *json_new_number_apart(struct arena *a, struct arena *texts, struct str literal);
struct json *json_new_bool(struct arena *a, bool b);
struct json *json_new_null(struct arena *a);
/** Adds at the end; O(1). */
void json_append(struct json *array, struct json *item);
/** Adds a member; the caller has made sure that it is not there yet. */
void json_add(struct arena *a, struct json *object, struct str name, struct json *value);
/** As json_add; `name` ends with NUL and is borrowed: one name may serve many members. */
void json_add_named(struct json *object, char *name, struct json *value);
/** The whole tree anew; at most JSON_DEPTH_LIMIT deep, as what json_read and yaml_read give out is. */
struct json *json_copy(struct arena *a, const struct json *v);
/** Where a value stood in its source, for reports; ignored for numbers. 0 when the reader did not say. */
void json_set_line(struct json *v, unsigned line);
unsigned json_line(const struct json *v);

#endif
