#ifndef COMMON_CONTRACT_SCHEMA_NODE_H
#define COMMON_CONTRACT_SCHEMA_NODE_H

#include "common/contract/schema.h"
#include "common/core/map.h"
#include "common/json/decimal.h"

/* The compiled form, private to common/contract. A schema holds only the groups of rules that it has keywords for. */

enum type_bit {
	TYPE_NULL = 1,
	TYPE_BOOL = 2,
	TYPE_NUMBER = 4,
	TYPE_STRING = 8,
	TYPE_ARRAY = 16,
	TYPE_OBJECT = 32,
	TYPE_INTEGER = 64
};

struct bound {
	bool set;
	bool exclusive;
	bool is_int64;
	int64_t i;
	struct decimal d;
	struct str literal;
};

struct number_rules {
	struct bound least, least_exclusive, most, most_exclusive;
	struct bound multiple_of;
};

struct pattern; /* a compiled regular expression */

struct string_rules {
	size_t length_min;
	size_t length_max; /* SIZE_MAX: none */
	const struct pattern *pattern;
	struct str pattern_text;
};

struct schema_list {
	const struct schema **at;
	unsigned count;
};

struct array_rules {
	struct schema_list prefix;
	const struct schema *items;
	size_t items_min;
	size_t items_max; /* SIZE_MAX: none */
	bool unique;
	const struct schema *contains;
	size_t contains_min;
	size_t contains_max;
};

struct property {
	struct str name;
	const struct schema *schema; /* NULL: named only by `required` */
	bool required;
};

struct pattern_property {
	const struct pattern *pattern;
	const struct schema *schema;
};

struct dependent {
	struct str trigger;
	const struct str *names; /* dependentRequired */
	unsigned name_count;
	const struct schema *schema; /* dependentSchemas */
};

enum { PROPERTIES_MAX = 256 };

struct object_rules {
	struct property *properties; /* in the order of the document, then those only required */
	unsigned property_count;
	unsigned required_count;
	uint16_t *slots; /* open addressing: 1 + index into properties, 0 free */
	unsigned slot_mask;
	struct pattern_property *patterns;
	unsigned pattern_count;
	const struct schema *additional;
	const struct schema *names;
	size_t members_min;
	size_t members_max; /* SIZE_MAX: none */
	struct dependent *dependents;
	unsigned dependent_count;
};

struct combine_rules {
	struct schema_list all_of, any_of, one_of;
	const struct schema * not ;
	const struct schema *condition, *then, *otherwise;
};

struct schema_format;

struct schema {
	bool reject; /* the schema `false` */
	unsigned types; /* of enum type_bit; 0: any */
	const struct schema *ref;
	const struct json *constant;
	const struct json *values; /* the array of enum */
	const struct schema_format *format;
	struct number_rules *number;
	struct string_rules *string;
	struct array_rules *array;
	struct object_rules *object;
	struct combine_rules *combine;
	enum pii_class pii;
	unsigned char cycle_mark; /* while compiling: 1 on the way, 2 seen */
	bool shaped;
	unsigned effective_types; /* with $ref, allOf and the alternatives; 0: nothing says */
	const struct json *node;
	const struct json *root; /* document that node stands in */
	const struct str *names; /* of properties, through $ref and allOf */
	unsigned name_count;
	struct schema *next; /* all schemas of a compiler */
};

/** Tells a fault: `node` is the schema or keyword value where it is, in the document `root`. */
typedef void schema_fault(void *arg, const struct json *root, const struct json *node, struct str text);

/** Compiles many schemas that share definitions; each source node is compiled once. */
struct schema_compiler {
	struct arena *boot;
	struct arena *passing; /* what is needed until the finish only */
	bool copies; /* the source will not outlast the schemas: values of enum and const are copied */
	struct map done; /* address of a source node → struct schema * */
	struct schema *all;
	schema_resolver *resolve;
	void *resolve_arg;
	schema_fault *fault;
	void *fault_arg;
	unsigned faults;
	unsigned depth;
};

void schema_compiler_init(struct schema_compiler *c, struct arena *boot, struct arena *passing);
/** The compiled schema at `node` of document `root`; NULL after a fault. References may stay unresolved until the finish. */
const struct schema *schema_compiler_add(struct schema_compiler *c, const struct json *root, const struct json *node);
/** Refuses endless references and lists property names. Call once, after everything is added. */
void schema_compiler_finish(struct schema_compiler *c);
PRINTF_LIKE(4, 5)
void schema_compiler_fault(
    struct schema_compiler *c, const struct json *root, const struct json *node, const char *fmt, ...);

/* schema_keywords.c: fills the group of rules that a keyword belongs to; unknown and unsupported ones are faults. */
void schema_compile_keyword(struct schema_compiler *c, struct schema *s, const struct json *value);
/* schema_object.c: all keywords about members together, since they share one table. */
void schema_compile_object(struct schema_compiler *c, struct schema *s);
const struct property *schema_find_property(const struct object_rules *rules, struct str name);

/* schema_pattern.c */
const struct pattern *pattern_compile(struct arena *boot, struct str text, const char **why);
bool pattern_matches(const struct pattern *p, struct str text);
/** True when what the expression matches is bounded in length: anchored, and no open-ended repetition. */
bool pattern_is_bounded(struct str text);

/* schema_format.c */
struct schema_format {
	struct str name;
	enum schema_kind kind;
	bool bounded; /* values cannot be long */
	bool (*string)(struct str text);
	bool (*number)(int64_t v); /* for integers */
	const char *en;
	const char *zh;
};
const struct schema_format *schema_format_find(struct str name);

/* schema_shape.c */
/** Notes types and property names of every schema of the compiler. */
void schema_shape_all(struct schema_compiler *c);
/** Union of the types that the schema allows, looking through $ref, allOf and alternatives; 0 when nothing says. */
unsigned schema_types(const struct schema *s);
/** The alternative of anyOf/oneOf that is not just null, when there is one only; else NULL. */
const struct schema *schema_only_alternative(const struct schema *s);
const struct schema_format *schema_format_of(const struct schema *s);

#endif
