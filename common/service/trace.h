#ifndef COMMON_SERVICE_TRACE_H
#define COMMON_SERVICE_TRACE_H

#include "common/http/message.h"

/* W3C Trace Context: the place of one request in a trace that crosses processes. */
enum { TRACE_ID_BYTES = 32, SPAN_ID_BYTES = 16, TRACEPARENT_BYTES = 55, TRACESTATE_BYTES_MAX = 512 };

struct trace {
	char trace_id[TRACE_ID_BYTES]; /* lower-case hexadecimal */
	char parent_id[SPAN_ID_BYTES]; /* the caller's span; zeros when the trace begins here */
	char span_id[SPAN_ID_BYTES]; /* ours */
	unsigned char flags; /* only what version 00 defines: sampled (1) and random (2) are kept */
	bool continued; /* the caller's trace goes on */
	struct str state; /* tracestate to pass on, in the arena or borrowed; absent: none */
};

/**
 * Goes on with the caller's trace, with a span id of our own; begins a new one when traceparent is absent, given twice, malformed or
 * all zero. tracestate is kept only with a valid traceparent, when it follows its grammar; whole members past
 * TRACESTATE_BYTES_MAX are cut off.
 */
void trace_begin(struct trace *t, struct arena *a, struct http_fields fields);
/** The traceparent for the next hop: version 00, our span as parent. */
void trace_format(const struct trace *t, char out[TRACEPARENT_BYTES]);

#endif
