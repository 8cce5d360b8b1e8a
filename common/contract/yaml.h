#ifndef COMMON_CONTRACT_YAML_H
#define COMMON_CONTRACT_YAML_H

#include "common/core/buf.h"
#include "common/json/json.h"

/**
 * Reads one strict YAML document as a JSON tree (core schema for plain scalars); json_line tells where values stood.
 * No anchors, aliases, tags, merge keys or duplicate keys; numbers as JSON writes them; at most JSON_DEPTH_MAX deep.
 * Fails: ERR_CONFIG with "name:line: text" in `report`.
 */
MUST_USE enum err yaml_read(
    struct arena *boot, struct str text, const char *name, const struct json **out, struct buf *report);
/** As yaml_read, the tree's nodes in `nodes` and only its texts in `boot`. */
MUST_USE enum err yaml_read_apart(struct arena *nodes, struct arena *boot, struct str text, const char *name,
    const struct json **out, struct buf *report);

/** What is wrong with a file of settings that was read: all of it is told at once. */
struct yaml_faults {
	const char *file;
	struct buf *report;
	unsigned count;
};

/** Adds "file:line: text" to the report; `at`: the value that is meant, NULL for the whole file. */
PRINTF_LIKE(3, 4) void yaml_fault(struct yaml_faults *f, const struct json *at, const char *fmt, ...);

#endif
