#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "common/http/server.h"
#include "common/service/private_listener.h"
#include "gateway/cors.h"
#include "gateway/credentials.h"
#include "gateway/nonces.h"
#include "gateway/plan.h"
#include "gateway/proof.h"
#include "gateway/settings.h"
#include "gateway/signing_keys.h"

/** One gateway process: what all its requests share. */
struct gateway {
	struct settings settings;
	struct arena boot;
	struct loop *loop;
	struct metrics *metrics;
	struct private_listener *private_listener;
	struct http_server *server;
	struct upstreams *upstreams;
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
	struct str forwarded_proto;
	struct buf scratch; /* for one head or one problem at a time */
	struct loop_task log_flush;
	struct timer *drain_timer;
	struct operation_metrics unmatched; /* requests that met no operation */
	struct operation_metrics pages; /* the gateway's own */
	int64_t *in_flight;
	uint64_t *bytes_in;
	uint64_t *bytes_out;
	bool draining;
	bool stopped; /* upstreams are going: nothing more is sent */
};

/** Serves until SIGTERM or SIGINT has drained it. Worker 0 alone, or one of several that share the port. Returns the exit status. */
int gateway_run(unsigned worker);

#endif
