#ifndef COMMON_HTTP_CHUNKS_H
#define COMMON_HTTP_CHUNKS_H

#include "common/core/buf.h"

/* Inside common/http: chunked content (RFC 9112 7.1), byte by byte, so that it means the same however it was cut into reads. */

enum { TRAILER_NAME_BYTES = 32 };

struct chunks {
	enum {
		CHUNK_SIZE,
		CHUNK_EXTENSION,
		CHUNK_QUOTED, /* inside a quoted string of an extension */
		CHUNK_ESCAPED, /* behind a backslash in it */
		CHUNK_LINE_LF,
		CHUNK_DATA,
		CHUNK_DATA_CR,
		CHUNK_DATA_LF,
		TRAILER_START,
		TRAILER_NAME,
		TRAILER_VALUE,
		TRAILER_LF,
		CHUNKS_LF,
		CHUNKS_COMPLETE
	} state;
	unsigned digits; /* of the size that is being read */
	uint64_t left; /* of the chunk */
	size_t overhead; /* bytes that were no content */
	unsigned name_bytes;
	char name[TRAILER_NAME_BYTES]; /* of the trailer field that is being read, in lower case */
};

/**
 * Appends content to body and moves *bytes behind what was used. Trailers and extensions are checked, bounded and dropped; trailers
 * that could change how the message is read, or who sent it, are refused. A chunk that would not fit into bytes_max is refused by
 * its size, before it comes. Fails: ERR_MALFORMED_REQUEST, ERR_PAYLOAD_TOO_LARGE.
 */
MUST_USE enum err chunks_take(struct chunks *c, struct str *bytes, struct buf *body, size_t bytes_max);

#endif
