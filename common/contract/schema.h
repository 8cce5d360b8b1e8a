#ifndef COMMON_CONTRACT_SCHEMA_H
#define COMMON_CONTRACT_SCHEMA_H

#include "common/core/buf.h"
#include "common/core/problem.h"
#include "common/json/json.h"

/* JSON Schema 2020-12, the part our contracts use. A keyword outside it is refused at compile time, never ignored. */
struct schema;

enum pii_class {
	PII_NONE,
	PII_NAME,
	PII_PHONE,
	PII_ID_NUMBER,
	PII_EMAIL,
	PII_ADDRESS,
	PII_BANK,
	PII_HEALTH,
	PII_OPENID
};

/** The root of another document that a $ref names ("common.yaml" of "common.yaml#/…"); NULL when unknown. */
typedef const struct json *schema_resolver(void *arg, struct str document);

/**
 * Compiles the schema at `node` of `root` (local $refs are resolved against root). Recursion is allowed.
 * Fails: ERR_CONFIG, with one line per fault in `report` (pointer: text), unsupported keywords among them.
 */
MUST_USE enum err schema_compile(struct arena *boot, const struct json *root, const struct json *node,
    schema_resolver *resolve, void *arg, const struct schema **out, struct buf *report);

/** Validates; every violation is added with its JSON Pointer (below `pointer`). True when there was none. */
bool schema_validate(const struct schema *s, const struct json *value, struct str pointer, struct violations *v);
/**
 * Validates a parameter's text: converted by the schema's type first (whole numbers only as plain digits, lists as "a,b").
 * Violations carry `parameter`.
 */
bool schema_validate_text(const struct schema *s, struct str text, struct str parameter, struct violations *v);

/** What a column or a bind must be: for linking SQL. */
enum schema_kind {
	KIND_ANY,
	KIND_STRING,
	KIND_UUID,
	KIND_DATE,
	KIND_DATE_TIME,
	KIND_INTEGER,
	KIND_NUMBER,
	KIND_BOOLEAN,
	KIND_OBJECT,
	KIND_ARRAY
};
enum schema_kind schema_kind(const struct schema *s);
bool schema_nullable(const struct schema *s);
enum pii_class schema_pii(const struct schema *s); /* x-pii */
/** Property of an object schema (through $ref and allOf), or NULL. */
const struct schema *schema_property(const struct schema *s, struct str name);
bool schema_property_required(const struct schema *s, struct str name);
/** Items of an array schema, or NULL. */
const struct schema *schema_items(const struct schema *s);
/** Names of the properties, in order; *count is set. Boot lifetime. */
const struct str *schema_property_names(const struct schema *s, unsigned *count);
/** Keywords that this compiler refuses, comma-separated, for documents and the conformance report. */
struct str schema_unsupported_keywords(void);

#endif
