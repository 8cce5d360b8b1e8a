#ifndef GATEWAY_UPSTREAMS_H
#define GATEWAY_UPSTREAMS_H

#include "common/core/arena.h"
#include "common/http/client.h"
#include "common/service/metrics.h"

/*
 * The services behind the gateway, by name. Each has a shared upstream (few connections, many requests in flight on each) and,
 * when first asked for, an exclusive one for slow operations (one request per connection), so that a slow answer delays nobody.
 */
enum { UPSTREAMS_MAX = 32, UPSTREAM_ADDRESSES_MAX = 16 };

struct upstreams;

/** Parses "identity=unix:/a,donations=127.0.0.1:1|127.0.0.1:2" and opens the shared ones. Fails: ERR_CONFIG (logged). */
MUST_USE enum err upstreams_open(
    struct loop *l, struct arena *boot, struct str map, struct metrics *metrics, struct upstreams **out);
void upstreams_free(struct upstreams *u);

struct upstream *upstreams_shared(struct upstreams *u, struct str service); /* NULL: no such service */
struct upstream *upstreams_exclusive(struct upstreams *u, struct str service); /* made on first use */

unsigned upstreams_count(const struct upstreams *u);
struct str upstreams_name(const struct upstreams *u, unsigned index);
bool upstreams_usable(const struct upstreams *u, unsigned index);

#endif
