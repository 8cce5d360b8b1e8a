#ifndef GATEWAY_OWN_H
#define GATEWAY_OWN_H

#include "common/contract/contract.h"

/* Operations that the gateway answers itself: their contract is proto/gateway.yaml, and all steps before are those of every other. */

static inline bool own_is(const struct operation *op)
{
	return str_eq(op->service, STR("gateway"));
}

/** False: the contract asks for what own.c does not have. */
bool own_has(struct str operation_id);

#endif
