#ifndef GATEWAY_PROXY_NAMES_H
#define GATEWAY_PROXY_NAMES_H

#include "common/http/origin.h"
#include "common/net/names.h"

/* Inside gateway/proxy: an origin some of whose addresses are names. They are asked for at once, and then again and again. */
struct names;

/** True when one of the addresses is a name. */
bool names_among(const struct str *addresses, unsigned count);
/** `name` and `addresses` (as configured) are borrowed until names_free. The origin gets what they stand for. */
struct names *names_new(struct loop *l, struct origin *o, struct str name, const struct str *addresses, unsigned count,
    int64_t interval_ms);
/** Before its origin goes. NULL is fine. */
void names_free(struct names *n);

#endif
