#ifndef COMMON_CORE_PROBLEM_H
#define COMMON_CORE_PROBLEM_H

#include "common/core/arena.h"
#include "common/core/err.h"

enum { VIOLATIONS_MAX = 32 };

/** One thing wrong with a request. `pointer` is a JSON Pointer into the body, or else `parameter` names a parameter or header. */
struct violation {
	struct violation *next;
	struct str pointer; /* "/items/3/amount_fen"; "" is the whole body; absent when `parameter` is set */
	struct str parameter; /* "query.limit", "path.id", "header.idempotency-key" */
	struct str code; /* the keyword that failed: "maximum", "required", "format", ... */
	struct str detail[2]; /* by enum language */
};

struct violations {
	struct arena *arena;
	struct violation *first;
	struct violation *last;
	unsigned count; /* all found; only VIOLATIONS_MAX are kept */
};

/** Everything that an RFC 9457 answer says. Zeroed means "no problem". Strings live in the request's arena. */
struct problem {
	enum err err;
	int status; /* 0: that of err */
	struct str slug; /* absent: that of err */
	struct str title[2]; /* absent: that of err */
	struct str detail; /* for people, never from the database or another's secret */
	struct violation *violations;
	int retry_after_s; /* 0: no Retry-After */
	const struct str *violated_policies; /* of quota-exceeded */
	unsigned violated_count;
};

void violations_init(struct violations *v, struct arena *a);
/** Adds one; en and zh are copied. Past VIOLATIONS_MAX only the count rises. */
void violations_add(
    struct violations *v, struct str pointer, struct str parameter, const char *code, struct str en, struct str zh);

#endif
