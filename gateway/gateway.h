#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "common/http/server.h"
#include "common/service/otlp.h"
#include "common/service/private_listener.h"
#include "gateway/cache/cache.h"
#include "gateway/cors.h"
#include "gateway/credentials.h"
#include "gateway/handover.h"
#include "gateway/limit/limit_steps.h"
#include "gateway/nonces.h"
#include "gateway/plan.h"
#include "gateway/proof.h"
#include "gateway/settings.h"
#include "gateway/signing_keys.h"

struct docs;
struct proxies;
struct proxy_table;

/** What a process is given by its parent, or by main. */
struct gateway_process {
	struct listeners *listeners;
	int ready_fd; /* of a worker: a byte for the parent once it serves; -1: this is the main process */
};

/** One gateway process: what all its requests share. */
struct gateway {
	const struct gateway_process *process;
	struct handover handover; /* to the gateway that replaces this one */
	struct timer *handover_timer;
	struct timer *serve_timer; /* of a successor that is not ready yet */
	int64_t serve_at_ms;
	struct tls *tls; /* NULL: no TLS */
	struct timer *tls_timer;
	unsigned worker;
	struct settings settings;
	struct arena boot;
	struct loop *loop;
	struct metrics *metrics;
	struct otlp *otlp; /* NULL: no traces are exported */
	struct private_listener *private_listener;
	struct http_server *server;
	struct upstreams *upstreams;
	struct docs *docs; /* NULL: the plain list only */
	struct plan *plan; /* the present one; each request holds a share of the one it began under */
	struct cors cors;
	struct arena seal_arena;
	struct str seal_key;
	struct internal internal;
	struct keyring *keyring;
	struct revocations *revocations;
	struct credentials *credentials;
	struct signing_keys *signing_keys;
	struct nonces *nonces;
	struct public_url public_url;
	uint64_t *signatures[PROOF_OUTCOMES]; /* counters */
	struct limiting limiting;
	struct address_rules *address_rules; /* NULL: everybody is served */
	uint64_t *denied; /* by them */
	struct cache *cache;
	unsigned refreshes; /* answers that are renewed with nobody waiting */
	struct proxy_table *proxy_table; /* before `proxies` has it */
	struct proxies *proxies; /* NULL: no plain proxy routes */
	bool public_https; /* the platform's address is https: HSTS (RFC 6797) */
	struct str forwarded_proto;
	struct buf scratch; /* for one head or one problem at a time */
	struct timer *drain_timer;
	struct operation_metrics unmatched; /* requests that met no operation */
	struct operation_metrics pages; /* the gateway's own */
	int64_t *in_flight;
	uint64_t *bytes_in;
	uint64_t *bytes_out;
	bool draining;
	unsigned drains; /* listeners that still have connections */
	bool stopped; /* upstreams are going: nothing more is sent */
};

/** What clients may take of each listener: connections, time and memory, as set. */
struct http_server_config gateway_limits(const struct gateway *g);
/** Contracts, keys, certificates and plain proxy routes anew, all or nothing (SIGHUP). */
void gateway_reload(void *gateway, int signo);
/** What the process is to be able to do, from the contracts as they are now. */
/** YG_ADDRESS_RULES, whose names are the plan's and the routes'. *out is NULL without one. */
MUST_USE enum err gateway_load_address_rules(
    const struct gateway *g, const struct plan *plan, const struct proxy_table *routes, struct address_rules **out);
MUST_USE enum err gateway_load_plan(struct gateway *g, struct plan **out);

/**
 * Serves until SIGTERM or SIGINT has drained it, SIGQUIT has retired it (its sockets are another's now), or SIGUSR2 another gateway
 * has taken over. Worker 0 alone, or one of several that share the port. Returns the exit status.
 */
int gateway_run(const struct gateway_process *process, unsigned worker);

#endif
