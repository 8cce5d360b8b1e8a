#ifndef COMMON_CONTRACT_LOAD_H
#define COMMON_CONTRACT_LOAD_H

#include "common/contract/contract.h"
#include "common/contract/schema_node.h"

/* What the parts of the loader share. All of it notes faults and goes on, so that one report holds them all. */

struct document {
	struct document *next;
	struct str file; /* "donations.yaml" */
	struct str service; /* "donations" */
	const struct json *root;
};

/** A value and the document it stands in, references followed. */
struct located {
	const struct document *in;
	const struct json *node; /* NULL: a fault was noted */
};

/** A parameter whose default and form are checked when all schemas are whole. */
struct pending_parameter {
	struct pending_parameter *next;
	struct parameter *parameter;
	struct located at;
};

struct loader {
	struct arena *boot;
	struct arena passing; /* released when the contract stands */
	bool keeps_documents;
	struct buf *report;
	unsigned faults;
	struct document *documents; /* common.yaml first */
	struct schema_compiler compiler;
	struct contract *contract;
	struct operation *operations;
	const struct document **operations_in; /* the document of each */
	unsigned operation_count;
	struct map profiled[2]; /* schemas that the profile has seen, by enum profile */
	struct map problem_sources;
	struct pending_parameter *pending;
};

/* load_fault.c */
PRINTF_LIKE(4, 5)
void load_fault(struct loader *l, const struct json *root, const struct json *node, const char *fmt, ...);
/** Refuses members that are not in the NULL-terminated list; `what` names the object. */
void load_check_keys(struct loader *l, const struct document *in, const struct json *object, const char *what,
    const char *const *allowed);
/** Follows $ref of parameters, responses, bodies and headers. */
struct located load_resolve(struct loader *l, const struct document *in, const struct json *node);
const struct json *load_find_document(void *loader, struct str file);
/** [a-z][a-z0-9_]* */
bool load_is_snake_case(struct str s);
/** Member of type string, array…; absent or wrong gives NULL, and a fault when wrong (or missing and `must`). */
const struct json *load_member(struct loader *l, const struct document *in, const struct json *object, const char *name,
    enum json_type type, bool must);
/** An array of strings; *count is set. */
const struct str *load_strings(struct loader *l, const struct document *in, const struct json *list, unsigned *count);

/* load_audiences.c: x-audiences of common.yaml, and whether every scope stands there */
void load_audiences(struct loader *l, const struct document *in);
void load_check_audiences(struct loader *l, const struct document *in, const struct operation *op);

/* load_operation.c */
void load_paths(struct loader *l, const struct document *in);
size_t load_count_operations(const struct document *in);
/* load_parameters.c: path parameters first, in the order of the template. */
void load_parameters(struct loader *l, const struct document *in, struct operation *op, const struct json *path_item);
void load_check_parameters(struct loader *l);
/* load_exchange.c: request body and responses */
void load_body(struct loader *l, const struct document *in, struct operation *op);
void load_responses(struct loader *l, const struct document *in, struct operation *op);
/* load_policy.c: security and x- keys */
void load_policy(struct loader *l, const struct document *in, struct operation *op);
void load_check_policy(struct loader *l, const struct document *in, const struct operation *op);
/* tags.c */
void load_check_tags(struct loader *l, const struct document *in, const struct operation *op, const char *key,
    const struct str *tags, unsigned count);
void load_problems(struct loader *l, const struct document *in);

/* load_profile.c */
enum profile { PROFILE_ANY, PROFILE_REQUEST };
/** Checks our rules for a schema and all below it; needs the finished compiler. */
void load_profile(struct loader *l, const struct schema *s, enum profile profile);

/** The whole of contract_load on documents in memory, for tests and fuzzing: `texts` are file names and contents in turn. */
struct load_source {
	struct str file;
	struct str text;
};
MUST_USE enum err contract_load_sources(struct arena *boot, const struct load_source *sources, unsigned count,
    const struct contract **out, struct buf *report);

#endif
