#ifndef GATEWAY_LIMIT_CONNECTIONS_H
#define GATEWAY_LIMIT_CONNECTIONS_H

#include "common/http/client_address.h"

/* How many connections each address holds, so that one client cannot take them all. IPv6 counts by /64; our own proxies do not. */
struct connections;

struct connections *connections_new(unsigned per_address_max, const struct trusted_proxies *proxies);
void connections_free(struct connections *c);
/** False: this address has its share already. Otherwise it is counted until connections_gone. */
bool connections_come(struct connections *c, struct str peer);
void connections_gone(struct connections *c, struct str peer);
uint64_t connections_refused(const struct connections *c);

#endif
