#ifndef COMMON_SERVICE_OTLP_H
#define COMMON_SERVICE_OTLP_H

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/net/loop.h"
#include "common/service/metrics.h"
#include "common/service/trace.h"

/*
 * Spans to a collector: OTLP/HTTP in its JSON encoding, attributes by OpenTelemetry's conventions for HTTP. One server span per request
 * of a sampled trace. A span is copied into a ring; each second, or when a batch is full, a batch leaves, one at a time. A collector
 * that is slow, dead or refuses costs spans (counted), never a request. Nothing of a person is in a span: templates, no paths.
 */
struct otlp;

enum {
	OTLP_SPANS_MAX = 2048,
	OTLP_BATCH_MAX = 512,
	OTLP_ROUTE_BYTES_MAX = 160,
	OTLP_OPERATION_BYTES_MAX = 64,
	OTLP_METHOD_BYTES_MAX = 7,
	OTLP_UUID_BYTES = 36
};

/** One span, whole in itself: what it was made from may be gone when it is sent. */
struct otlp_record {
	int64_t start_ns, end_ns; /* since 1970 */
	int status; /* 0: the client was gone */
	char trace_id[TRACE_ID_BYTES];
	char span_id[SPAN_ID_BYTES];
	char parent_id[SPAN_ID_BYTES];
	char request_id[OTLP_UUID_BYTES];
	unsigned char flags;
	bool continued, secure;
	unsigned char method_bytes, operation_bytes, route_bytes; /* 0: unknown, or none */
	char method[OTLP_METHOD_BYTES_MAX];
	char operation[OTLP_OPERATION_BYTES_MAX];
	char route[OTLP_ROUTE_BYTES_MAX];
};

/** Whose spans they are. */
struct otlp_resource {
	struct str service; /* "gateway", "donations" */
	char instance[OTLP_UUID_BYTES]; /* this process, this time */
	struct str address; /* server.address: a host, or the path of a Unix socket */
	int64_t port; /* 0: none */
};

struct otlp_config {
	struct loop *loop;
	struct metrics *metrics;
	struct str service;
	struct str address; /* "host:port", "unix:path", or an absolute URL: where the service is asked */
};

/**
 * Reads YG_OTLP_URL, YG_OTLP_SAMPLE and YG_OUTBOUND_CA. Without a URL *out is NULL and every other call takes NULL. Fails: ERR_CONFIG
 * (logged).
 */
MUST_USE enum err otlp_open(struct arena *boot, const struct otlp_config *config, struct otlp **out);
/** Whether a trace that begins here is sampled: by its random id, so that all who know the share agree. */
void otlp_sample(const struct otlp *o, struct trace *t);

/** A request that has ended. All borrowed. */
struct otlp_request {
	struct str method;
	struct str route; /* the template; absent: none was met */
	struct str operation;
	struct str request_id; /* a UUID */
	int status;
	int64_t duration_ns;
	bool secure;
};
void otlp_add(struct otlp *o, const struct trace *t, const struct otlp_request *r);

static inline bool otlp_wants(const struct otlp *o, const struct trace *t)
{
	return o && (t->flags & 1);
}

/** Sends what is left and calls `done`, once, after OTLP_FINISH_MS at the latest; at once with nothing to send. Nothing is added afterwards. */
enum { OTLP_FINISH_MS = 2000 };
void otlp_finish(struct otlp *o, void (*done)(void *arg), void *arg);
/** Before loop_free: what is on its way is given up. */
void otlp_stop(struct otlp *o);
/** After loop_free. */
void otlp_free(struct otlp *o);

/** The body of one export: `count` spans of the resource. */
void otlp_write(
    struct buf *out, const struct otlp_resource *resource, const struct otlp_record *records, unsigned count);
/** The share of traces, 0 to 1, as the least value of 56 random bits that is sampled. False: it is no such number. */
bool otlp_read_share(struct str text, uint64_t *threshold);

#endif
