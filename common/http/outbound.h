#ifndef COMMON_HTTP_OUTBOUND_H
#define COMMON_HTTP_OUTBOUND_H

#include "common/http/message.h"
#include "common/net/loop.h"

/* HTTPS to the outside world (WeChat, WeChat Pay, …): libcurl's multi interface on our loop. With curl_library.h the only place of <curl/curl.h>. */
struct outbound;

struct outbound_config {
	struct str ca_file; /* absent: the system's */
	unsigned connections_max; /* default 32 */
	size_t reply_bytes_max; /* default 4 MiB */
	bool allow_http; /* plain http:// is refused unless set (tests) */
};

struct outbound_request {
	const char *method;
	struct str url;
	const struct http_field *fields;
	unsigned field_count;
	struct str body;
	int64_t timeout_ms;
};

/** status ERR_NONE: an HTTP answer of any status arrived. Else ERR_TIMEOUT, ERR_IO (connect, TLS, reset; reason logged), ERR_PAYLOAD_TOO_LARGE. All borrowed. */
typedef void outbound_done(void *arg, enum err status, int http_status, struct http_fields fields, struct str body);

/** Lazy: no curl handle exists before the first request, to keep idle memory small. */
struct outbound *outbound_new(struct loop *l, const struct outbound_config *config);
/** Requests still open end with ERR_ABORTED, later. */
void outbound_free(struct outbound *o);
/**
 * Verifies peer and host name; follows no redirects; at most OUTBOUND_QUEUE_MAX waiting. done runs later, exactly once. Everything is copied.
 * Fails: ERR_BUSY (queue), ERR_MALFORMED_REQUEST (control bytes, no time), ERR_PAYLOAD_TOO_LARGE, ERR_UNAVAILABLE (no libcurl); then done is not called.
 */
enum { OUTBOUND_QUEUE_MAX = 1024 };
MUST_USE enum err outbound_send(
    struct outbound *o, const struct outbound_request *request, outbound_done *done, void *arg);

#endif
