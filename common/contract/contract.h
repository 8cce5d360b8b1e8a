#ifndef COMMON_CONTRACT_CONTRACT_H
#define COMMON_CONTRACT_CONTRACT_H

#include "common/core/buf.h"
#include "common/core/map.h"
#include "common/core/problem.h"
#include "common/contract/schema.h"

/* The contracts of proto/: read at boot, immutable afterwards. Keys are documented in proto/README.md. */

enum access {
	ACCESS_PUBLIC,
	ACCESS_TOKEN,
	ACCESS_INTERNAL
}; /* internal: callable only by the platform itself, never routed by the gateway */
/** How a caller may show who he is, as bits. A token stands for an API key too. */
enum scheme { SCHEME_TOKEN = 1, SCHEME_SIGNATURE = 2 };
enum row_scope { ROWS_ALL, ROWS_OWN, ROWS_ORGANIZATION };
enum idempotency { IDEMPOTENCY_NONE, IDEMPOTENCY_OPTIONAL, IDEMPOTENCY_REQUIRED };
enum priority { PRIORITY_NORMAL, PRIORITY_CRITICAL, PRIORITY_LOW };
enum parameter_in { IN_PATH, IN_QUERY, IN_HEADER };

struct parameter {
	enum parameter_in in;
	struct str name; /* as on the wire; header names in lower case */
	struct str bind; /* "path.id", "query.limit", "header.if_match" ('-' becomes '_') */
	bool required;
	const struct schema *schema;
	struct str fallback; /* default, or absent */
	unsigned segment; /* IN_PATH: index of the path segment */
};

struct response {
	int status; /* 404; 4 is 4XX, 5 is 5XX, 0 is default */
	struct str content_type; /* absent: no body */
	const struct schema *schema; /* NULL: no body */
};

struct operation {
	unsigned index; /* dense, in load order: for tables per operation */
	struct str id; /* operationId: SQL file, statement, metric label, cache tag, log field */
	struct str service;
	struct str method; /* "GET" */
	struct str path; /* template: "/v1/campaigns/{id}" */
	struct str summary;
	const struct parameter *parameters; /* those of the path first, in the order of the template */
	unsigned parameter_count;
	bool rest; /* x-rest: the path's last parameter takes all that is left, slashes included */
	const struct schema *body; /* NULL: no body allowed */
	struct str
	    body_type; /* "application/json", "application/x-www-form-urlencoded"; absent: no body; "*": raw bytes, unparsed */
	bool body_required;
	size_t body_bytes_max; /* x-body-bytes-max, default 64 KiB */
	const struct response *responses;
	unsigned response_count;
	int success_status; /* first 2xx documented, else first 3xx */
	const struct schema *success_schema;
	struct str success_type;
	enum access access;
	unsigned schemes; /* enum scheme; none for a public operation */
	const struct str *scopes; /* any one of them suffices; none: any authenticated caller */
	unsigned scope_count;
	enum row_scope rows;
	bool exclusive; /* runs on a database connection of its own: it may take or wait for seconds */
	enum idempotency idempotency;
	bool list; /* x-page: cursor list; page_limit_* from the `limit` parameter */
	bool if_match_required; /* x-if-match */
	struct str cache_control; /* x-cache.control, literal value of Cache-Control; absent: private, no-store */
	int64_t cache_ttl_s; /* x-cache.ttl_s; 0: not cached by the gateway */
	bool
	    collapse_platform; /* x-cache.collapse: one process of the platform asks at a time, not one of each process */
	const struct str *cache_tags; /* templates: contract_tag */
	unsigned cache_tag_count;
	const struct str *purges; /* templates too */
	unsigned purge_count;
	struct str rate_policy; /* x-rate-policy; absent: that of the method (policies.h) */
	enum priority priority; /* x-priority: who is turned away last and first when there is too much */
	struct str event; /* x-event: type of the outbox event a success writes; absent: none */
	struct str leaf; /* x-log */
	const struct json *node; /* the whole operation object; NULL without documents */
};

/** A problem of a service's own: x-problems in its contract; also every named constraint of its schema. */
struct problem_type {
	struct str slug;
	int status;
	struct str title[2]; /* by enum language */
};

/** Kinds of outsiders that a description is for, as bits; who is given which scope stands in x-audiences of common.yaml. */
enum audience {
	AUDIENCE_PUBLIC = 1,
	AUDIENCE_CITIZEN = 2,
	AUDIENCE_PARTNER = 4,
	AUDIENCE_STAFF = 8,
	AUDIENCE_ALL = 15
};

struct contract {
	const struct operation *operations;
	unsigned operation_count;
	struct map operations_by_id; /* → const struct operation * */
	struct map problems; /* slug → const struct problem_type * */
	struct map audiences; /* scope → bits of enum audience, as a number; empty: not said */
	struct map schemas; /* "Gift" of any loaded file → const struct json * (the source); empty without documents */
	struct route_table *routes;
	const struct json
	    *documents; /* object: file name → whole document with $refs as written; NULL: see contract_load */
};

/**
 * Loads `dir`/common.yaml and the contracts of `services` (NULL-terminated; NULL: every *.yaml in dir but common.yaml and policies.yaml).
 * A service's contract may be in several files: <service>.yaml, <service>.<subject>.yaml. The documents themselves are kept only when
 * all are loaded (the gateway publishes them): to a service they would be a megabyte that nobody reads.
 * Everything wrong is written to `report`, one line each (file:line: text), and ERR_CONFIG is returned; nothing half-loaded is given out.
 */
MUST_USE enum err contract_load(
    struct arena *boot, const char *dir, const char *const *services, const struct contract **out, struct buf *report);

/** The audiences that may call an operation, as bits; 0: the platform itself only. A scope that nobody is named for is the staff's. */
unsigned contract_audiences(const struct contract *c, const struct operation *op);

enum { PATH_PARAMETERS_MAX = 6 };

struct route {
	const struct operation *operation; /* NULL: see `path_known` */
	struct str path_values[PATH_PARAMETERS_MAX]; /* percent-decoded, by order of {names} in the template; arena */
	unsigned path_value_count;
	bool path_known; /* the path exists but not with this method: 405 */
	struct str allow; /* methods of the path, "GET, HEAD, OPTIONS, POST"; boot lifetime */
};

/**
 * Finds the operation of a method and a normalised, still percent-encoded path (contract_normalize_path). HEAD finds GET.
 * A literal segment wins over a parameter. Fails: ERR_NOT_FOUND, ERR_METHOD_NOT_ALLOWED (route->allow is set).
 */
MUST_USE enum err contract_route(
    const struct contract *c, struct arena *a, struct str method, struct str path, struct route *out);

/** Refuses bad %-escapes, %00, '\\', control bytes; resolves dot segments (RFC 3986 5.2.4); keeps %2F apart from '/'. ERR_MALFORMED_REQUEST. */
MUST_USE enum err contract_normalize_path(struct arena *a, struct str raw, struct str *out);

/** The values of one request by bind name, in the order of operation->parameters; absent value = not given and no default. */
struct bound_parameters {
	const struct str *values;
};

/** Looks a header up by lower-case name; absent when it is not there. */
typedef struct str header_lookup(const void *request, struct str name);

/**
 * Decodes and validates path, query and header parameters. All violations are added to `v`; an unknown or repeated query
 * parameter is one too (code "unknown"/"repeated"). Only memory fails it.
 */
MUST_USE enum err contract_bind_parameters(const struct operation *op, struct arena *a, const struct route *route,
    struct str query, header_lookup *header, const void *request, struct bound_parameters *out, struct violations *v);

/** Index into values of the parameter with this bind name, or -1. */
int contract_parameter_index(const struct operation *op, struct str bind);

/**
 * A tag of x-cache or x-purges with the values of this request's path in it: "campaign:{id}". UUIDs in lower case. Absent when a value
 * cannot stand in a tag: what would have it must not be cached. Borrowed from the template, or written to `out`.
 */
enum { CONTRACT_TAG_BYTES_MAX = 96 };
struct str contract_tag(const struct operation *op, struct str template, const struct str *path_values, unsigned count,
    char out[CONTRACT_TAG_BYTES_MAX]);

/** Reads a form body (application/x-www-form-urlencoded) into a JSON object of strings. ERR_SYNTAX on repeated keys or bad escapes. */
MUST_USE enum err contract_read_form(struct arena *a, struct str body, const struct json **out);

/** The response documented for `status` (exact, else "4XX"/"5XX"/default), or NULL. */
const struct response *contract_response(const struct operation *op, int status);

#endif
