#ifndef SERVICES_DONATIONS_RULES_H
#define SERVICES_DONATIONS_RULES_H

#include "common/core/arena.h"

/* Pure rules of giving. */

struct gift_names {
	struct str disclosure; /* ANONYMOUS when absent */
	struct str alias, real_name;
};

/**
 * What the public will read instead of the donor's name: absent for ANONYMOUS (shown as 爱心人士), the alias, or the masked name.
 * Returns the slug of the problem, or NULL.
 */
const char *rules_shown_name(struct arena *a, const struct gift_names *n, struct str *shown);

#endif
