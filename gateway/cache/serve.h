#ifndef GATEWAY_CACHE_SERVE_H
#define GATEWAY_CACHE_SERVE_H

#include "common/http/server.h"
#include "gateway/cache/entry.h"

/* From a kept answer to one on the wire. */

enum { SERVE_TEXT_BYTES = 256 };

/** What one answer says beside what is kept; lives until http_respond returns. */
struct serve {
	struct http_response response; /* its tail is the text */
	char text[SERVE_TEXT_BYTES]; /* the lines of Age, Cache-Status, Content-Range */
	size_t text_n;
};

/**
 * The entry's answer to this request: whole, 304, or a range of bytes. `how` is what Cache-Status says ("hit").
 */
void serve_entry(
    struct serve *s, const struct entry *e, const struct http_exchange *x, int64_t now_ms, const char *how);

#endif
