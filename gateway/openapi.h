#ifndef GATEWAY_OPENAPI_H
#define GATEWAY_OPENAPI_H

#include "common/contract/contract.h"

/**
 * Writes one OpenAPI document of all contracts as an audience (bits of enum audience) sees them: the operations that it may call and
 * the components that they need, without x- keys, references between the files made local. The text lives in the arena.
 */
MUST_USE enum err openapi_write(
    struct arena *a, const struct contract *c, unsigned audience, struct str public_url, struct str *out);

#endif
