#ifndef GATEWAY_OPENAPI_H
#define GATEWAY_OPENAPI_H

#include "common/contract/contract.h"

/**
 * Writes one OpenAPI document of all contracts as outsiders see them: without internal operations, without x- keys, references
 * between the files made local. The text lives in the arena.
 */
MUST_USE enum err openapi_write(struct arena *a, const struct contract *c, struct str public_url, struct str *out);

#endif
