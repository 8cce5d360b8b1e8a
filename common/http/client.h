#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include "common/http/message.h"
#include "common/net/stream.h"

/* HTTP/1.1 client side between our own processes: few connections, many requests in flight on each, health, time-outs. */
struct upstream;
struct upstream_call;

struct http_reply {
	int status;
	struct str reason;
	struct http_fields fields; /* borrowed until done returns */
	struct str body;
};

/** status ERR_NONE: reply is set. ERR_SAFE_RETRY_LATER: not sent, or safe and failed on every try. ERR_TIMEOUT. ERR_BAD_UPSTREAM: broken answer. ERR_CLOSED: sent, connection lost, not safe to repeat. */
typedef void upstream_done(void *arg, enum err status, const struct http_reply *reply);

/** Who is turned away last and first when there is more to do than the service can. */
enum call_priority { CALL_NORMAL, CALL_CRITICAL, CALL_LOW, CALL_PRIORITIES };

struct latency_base;
struct call_kind {
	enum call_priority priority;
	struct latency_base *
	    base; /* of the operation (capacity.h); NULL: not measured. Must live until the call ends or is cancelled */
	bool
	    hedged; /* a read that changes nothing: when it takes longer than most, another address is asked too, within the budget */
};

struct upstream_config {
	struct str name;
	const struct str *addresses;
	unsigned address_count;
	unsigned connections; /* per address; default 2 */
	unsigned
	    pipeline_max; /* in flight per connection; default 512, 2048 in any order; 1: no pipelining (slow operations) */
	bool
	    any_order; /* the peer is a service of ours: each call says CALL_FIELD, and its answer need not wait for those before it */
	size_t reply_bytes_max; /* default 8 MiB */
	unsigned in_flight_min; /* the limit of calls in flight adapts to latency, never below this; default 32 */
	bool fixed; /* it does not adapt: connections × pipeline_max */
	size_t queue_max; /* waiting for a connection; more fail with ERR_BUSY; default 4096 */
	int64_t connect_timeout_ms;
	int64_t health_interval_ms; /* GET health_path on an idle or failed address; 0: passive only */
	struct str health_path;
};

struct upstream *upstream_new(struct loop *l, const struct upstream_config *config);
/** Calls still open end with ERR_ABORTED, inside this call. */
void upstream_free(struct upstream *u);
/**
 * Sends one request. `head` is the whole head including the final empty line (the caller wrote Content-Length); both are copied.
 * `safe`: may be repeated on another connection if no answer arrived (GET, HEAD, or carrying an Idempotency-Key).
 * The call ends with exactly one `done`, from PHASE_RUN, never inside upstream_send. deadline_ms is absolute (loop_now_ms).
 * Fails: ERR_BUSY when the queue is full, ERR_SAFE_RETRY_LATER when no address is usable; then done is not called.
 */
MUST_USE enum err upstream_send(struct upstream *u, struct str head, struct str body, bool head_request, bool safe,
    int64_t deadline_ms, upstream_done *done, void *arg, struct upstream_call **out);
/** As upstream_send, which is for normal calls of no kind. Fails also: ERR_REDUCED_CAPACITY, told here or to `done`: too much to do. */
MUST_USE enum err upstream_send_as(struct upstream *u, struct call_kind kind, struct str head, struct str body,
    bool head_request, bool safe, int64_t deadline_ms, upstream_done *done, void *arg, struct upstream_call **out);
/** The caller no longer wants the answer: done will not be called. Neighbours on the connection are not hurt. */
void upstream_cancel(struct upstream_call *call);
bool upstream_usable(const struct upstream *u);

struct upstream_stats {
	unsigned connections;
	unsigned in_flight;
	unsigned queued;
	uint64_t sent, failed, retried, timed_out;
	unsigned limit; /* of calls in flight, now */
	unsigned open; /* addresses that the breaker keeps calls from */
	uint64_t opened, ejected;
	uint64_t shed[CALL_PRIORITIES];
	uint64_t unrepeated; /* over the retry budget */
	uint64_t hedged, hedges_won; /* asked at another address too; answered by that one */
};
struct upstream_stats upstream_stats(const struct upstream *u);

#endif
