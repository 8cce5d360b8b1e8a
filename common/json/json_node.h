#ifndef COMMON_JSON_JSON_NODE_H
#define COMMON_JSON_JSON_NODE_H

#include <cjson/cJSON.h>

#include "common/json/json.h"

/*
 * Inside common/json a struct json is a cJSON item, with these changes of meaning:
 *   number: valuestring is the literal text, valueint its length
 *   string: valueint is the length of valuestring
 *   array, object: valueint is the count of children; child->prev is the last child
 *   all but numbers: valuedouble is the line of the source, 0 unless set
 */
static inline const cJSON *json_node(const struct json *v)
{
	return (const cJSON *)(const void *)v;
}

static inline cJSON *json_node_mutable(struct json *v)
{
	return (cJSON *)(void *)v;
}

static inline const struct json *json_of(const cJSON *node)
{
	return (const struct json *)(const void *)node;
}

/** Checks the whole text against the grammar and our limits; iterative parsers behind it may trust it. */
MUST_USE enum err json_scan(struct str text, unsigned depth_max, struct json_error *error);
/** True for the bytes that numbers are made of. */
static inline bool json_is_number_byte(char c)
{
	return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || (c | 32) == 'e';
}

/** End of the string literal that starts at `at` in scanned text: behind its closing quote. */
size_t json_scan_string_end(struct str text, size_t at);

#endif
