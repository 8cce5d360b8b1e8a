#ifndef COMMON_CONTRACT_ROUTE_H
#define COMMON_CONTRACT_ROUTE_H

#include "common/contract/contract.h"

struct route_table;

struct route_table *route_table_new(struct arena *boot);
/** Adds an operation by its method and path template; ERR_DUPLICATE when they are taken, ERR_MEMORY. */
MUST_USE enum err route_table_add(struct route_table *t, const struct operation *op);
/** Writes the Allow values; call once after everything is added. */
MUST_USE enum err route_table_finish(struct route_table *t);
/** True for a method that contracts may use ("GET"). */
bool route_method_known(struct str method);

#endif
