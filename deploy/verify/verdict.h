#ifndef DEPLOY_VERIFY_VERDICT_H
#define DEPLOY_VERIFY_VERDICT_H

#include "common/core/check.h"
#include "common/core/str.h"

/* What a check comes to. The names of checks are stable: README.md lists them. */

enum verdict_kind {
	VERDICT_YES,
	VERDICT_NO /* what was published is not right */,
	VERDICT_CANNOT /* a file is missing or cannot be read, so nothing can be said */
};

struct verdict {
	enum verdict_kind kind;
	const char *check; /* static; the one that failed */
	char text[640];
};

/** These return false, so that a check can end with them. */
PRINTF_LIKE(3, 4) bool verdict_no(struct verdict *v, const char *check, const char *fmt, ...);
PRINTF_LIKE(2, 3) bool verdict_cannot(struct verdict *v, const char *fmt, ...);
/** This returns true. */
PRINTF_LIKE(2, 3) bool verdict_yes(struct verdict *v, const char *fmt, ...);

#endif
