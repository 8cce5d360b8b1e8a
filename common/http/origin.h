#ifndef COMMON_HTTP_ORIGIN_H
#define COMMON_HTTP_ORIGIN_H

#include "common/http/client.h"

/*
 * HTTP/1.1 client side toward somebody else's server, of whom nothing is expected: connections on demand with one request at a time,
 * none kept that said a byte too much, and nothing ever sent twice once a byte of it may have arrived. (upstream: our own services.)
 */
struct origin;

struct origin_config {
	struct str name;
	const struct str *addresses; /* tried in turn when one cannot be connected to; copied */
	unsigned address_count; /* 0: calls wait until there are some (origin_use) */
	unsigned connections_max; /* default 256; more calls wait */
	unsigned idle_max; /* connections kept without a request, default 32 */
	size_t queue_max; /* waiting for a connection; more fail with ERR_BUSY; default 1024 */
	size_t reply_bytes_max; /* default 8 MiB */
	int64_t connect_timeout_ms; /* default 1 s */
	int64_t idle_ms; /* default 2 s: less than servers wait, so that a request rarely meets a closing connection */
};

struct origin *origin_new(struct loop *l, const struct origin_config *config);
/** Calls still open end with ERR_ABORTED, inside this call. NULL is fine. */
void origin_free(struct origin *o);

/** From now on it is there. Connections to where it is no longer end with the answer that they carry. */
void origin_use(struct origin *o, const struct str *addresses, unsigned count);
/** No address can be told: calls that wait for one end with ERR_SAFE_RETRY_LATER. */
void origin_give_up(struct origin *o);

struct origin_request {
	struct str head; /* whole, with the empty line; copied */
	struct str body; /* copied */
	bool head_request;
	int64_t deadline_ms; /* absolute, loop_now_ms */
	/** Answers before the answer; may be NULL. */
	void (*interim)(void *arg, int status, struct http_fields fields);
	/** As upstream_done. ERR_SAFE_RETRY_LATER: no address could be connected to. ERR_CLOSED: sent, and no answer came. */
	upstream_done *done;
	void *arg;
};
/** Ends with exactly one `done`, from PHASE_RUN, never inside this call. Fails: ERR_BUSY, ERR_PAYLOAD_TOO_LARGE (STREAM_PENDING_MAX); then done is not called. */
MUST_USE enum err origin_send(struct origin *o, const struct origin_request *r);
struct origin_stats {
	unsigned connections;
	unsigned in_flight;
	unsigned queued;
	unsigned addresses;
	uint64_t sent, failed, timed_out, spoiled; /* spoiled: bytes behind an answer */
};
struct origin_stats origin_stats(const struct origin *o);

#endif
