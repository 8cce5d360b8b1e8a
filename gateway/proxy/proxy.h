#ifndef GATEWAY_PROXY_PROXY_H
#define GATEWAY_PROXY_PROXY_H

#include "common/http/origin.h"
#include "common/http/server.h"
#include "gateway/cache/cache.h"
#include "gateway/proxy/config.h"

/*
 * Plain proxy routes: a prefix of paths goes to an origin as it came, and answers are kept as the origin's own Cache-Control allows
 * (RFC 9111, 5861, 9213). No contract, no credentials of ours, no retries.
 */
struct gateway;
struct request;
struct proxies;

struct proxy_route {
	struct proxy_route_config config;
	struct origin *origin;
	struct cache *cache; /* NULL: off */
	struct loop *loop;
	struct operation_metrics metrics;
	unsigned refreshes; /* going on in the background */
};

/** Opens the routes' origins and their listeners. `config` must outlive it. Fails: ERR_IO, ERR_CONFIG (logged). */
MUST_USE enum err proxies_open(
    struct gateway *g, const struct proxy_config *config, bool reuse_port, struct proxies **out);
/** Ends each call to an origin; listeners go later, with proxies_close. */
void proxies_stop(struct proxies *p);
void proxies_close(struct proxies *p);
/** After the loop has ended. NULL is fine. */
void proxies_free(struct proxies *p);
/** No new connections; `drained` once none is left (at once, later, when there is no listener). */
void proxies_drain(struct proxies *p, void (*drained)(void *arg), void *arg);

/** The route of a path: the longest prefix, by whole segments. NULL. */
struct proxy_route *proxies_find(struct proxies *p, struct str path, bool on_public);

#endif
