#ifndef COMMON_CONTRACT_POLICIES_H
#define COMMON_CONTRACT_POLICIES_H

#include "common/contract/contract.h"

/* The rate policies of proto/policies.yaml (proto/README.md): named by x-rate-policy, by default after the method. */

enum rate_class { RATE_ANONYMOUS, RATE_CITIZEN, RATE_STAFF, RATE_PARTNER, RATE_CLASS_COUNT };
enum { RATE_WINDOWS_MAX = 3, RATE_POLICIES_MAX = 32 };

struct rate_window {
	struct str name; /* "read-burst": unique over all policies for clients that read the fields */
	int64_t quota;
	int64_t window_s;
	int64_t interval_ns; /* one request's share of the window */
};

/** What one class of client may do under one policy. No windows: it is not limited. */
struct rate_limit {
	struct str id; /* "read.anonymous" */
	uint64_t hash; /* of id and field: the same after a reload that did not change it */
	struct rate_window windows[RATE_WINDOWS_MAX];
	unsigned window_count;
	struct str field; /* value of RateLimit-Policy */
};

struct rate_policy {
	struct str name;
	struct rate_limit classes[RATE_CLASS_COUNT];
};

struct rate_policies {
	const struct rate_policy *items;
	unsigned count;
	struct rate_limit address; /* for everything that comes from one address */
	const struct rate_policy *const *by_operation; /* by operation->index; NULL: not limited */
};

struct str rate_class_name(enum rate_class c);

/**
 * Reads the text of a policy file and finds the policy of each operation of `c`. All faults go to `report` (file:line: text).
 * Fails: ERR_CONFIG, ERR_MEMORY.
 */
MUST_USE enum err policies_read(struct arena *boot, struct str text, const char *name, const struct contract *c,
    const struct rate_policies **out, struct buf *report);
/** As policies_read, from a file. */
MUST_USE enum err policies_load(struct arena *boot, const char *path, const struct contract *c,
    const struct rate_policies **out, struct buf *report);

#endif
