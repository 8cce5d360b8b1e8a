#ifndef GATEWAY_CACHE_PARSE_H
#define GATEWAY_CACHE_PARSE_H

#include "gateway/cache/rules.h"

/* Between rules.c and parse.c. */

/** Remembers a directive if it is one of ours and the first of its name. */
void rules_directive_put(struct directives *d, struct str name, struct str value);

#endif
