#ifndef COMMON_HTTP_INTAKE_H
#define COMMON_HTTP_INTAKE_H

#include "common/http/server.h"
#include "common/http/wire.h"

/* Inside common/http: bytes in, requests out. Knows nothing of sockets, so that it can be tested and fuzzed alone. */

enum { REQUEST_LINE_REST_BYTES = 64 }; /* what a request line may hold beside the target */

/** Where the bytes of one request are gathered: the exchange's memory, recycled with it. */
struct intake {
	struct http_exchange *x;
	struct buf raw; /* a head that came in several reads */
	struct buf body; /* content that came in several reads, or chunked */
	struct head_scan scan;
	struct framing framing;
	size_t body_bytes_max;
	bool line_known; /* the first line has been parsed: method and version stand */
	bool in_body;
	bool http_1_0;
	bool keep_alive;
};

enum intake_step {
	INTAKE_MORE, /* all bytes used, the request goes on */
	INTAKE_HEAD, /* the head is complete: call intake_begin_body, then go on */
	INTAKE_DONE, /* the request is complete */
	INTAKE_REFUSE /* *why says so; nothing behind this point can be read */
};

/** Prepares for a new request into x, whose arena is empty. The two buffers must have been made by buf_init once. */
void intake_begin(struct intake *in, struct http_exchange *x);
/** True once a byte of the request has been seen. */
bool intake_has_begun(const struct intake *in);
/** Takes from the front of *bytes what belongs to the request. */
enum intake_step intake_step(
    struct intake *in, struct wire *wire, const struct http_server_config *limits, struct str *bytes, enum err *why);
/** Sets the limit of the body: ERR_PAYLOAD_TOO_LARGE when more was declared. */
MUST_USE enum err intake_begin_body(struct intake *in, size_t body_bytes_max);

#endif
