#ifndef COMMON_CONTRACT_SCHEMA_RUN_H
#define COMMON_CONTRACT_SCHEMA_RUN_H

#include "common/contract/schema_node.h"

/* One validation. In quiet runs nothing is said and the first fault ends it: anyOf, oneOf, not, if and contains only try. */
struct run {
	struct violations *v;
	struct str pointer; /* of the value that validation began with; absent when parameter is set */
	struct str parameter;
	unsigned steps;
	bool quiet;
	bool spent; /* too much work: the value is refused */
};

/** Where the value stands below run->pointer; lives on the stack. */
struct path {
	const struct path *up; /* NULL: the value that validation began with */
	struct str name; /* absent: `index` of an array */
	size_t index;
};

/** Checks all that a schema says; false when something does not hold. */
bool run_schema(struct run *run, const struct path *path, const struct schema *s, const struct json *value);
/** schema_members.c: the groups for arrays and objects. */
bool run_array(struct run *run, const struct path *path, const struct array_rules *rules, const struct json *value);
bool run_object(struct run *run, const struct path *path, const struct object_rules *rules, const struct json *value);
/** True when the schema accepts the value; says nothing. */
bool run_quietly(struct run *run, const struct path *path, const struct schema *s, const struct json *value);
/** Adds a violation, unless the run is quiet; both formats take the same arguments. Always false. */
__attribute__((format(printf, 4, 6), format(printf, 5, 6))) bool run_fail(
    struct run *run, const struct path *path, const char *code, const char *en, const char *zh, ...);

/* schema_message.c */
bool run_fail_type(struct run *run, const struct path *path, unsigned types);
bool run_fail_format(struct run *run, const struct path *path, const struct schema_format *f);
bool run_fail_enum(struct run *run, const struct path *path, const struct json *values);

#endif
