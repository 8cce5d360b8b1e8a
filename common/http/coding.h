#ifndef COMMON_HTTP_CODING_H
#define COMMON_HTTP_CODING_H

#include "common/core/arena.h"
#include "common/core/err.h"

/* Content codings (RFC 9110 8.4): gzip and brotli in both directions, which one a client likes best, what is worth it. Pure: any thread. */

/** In order of preference: with equal weights the later one is taken. */
enum coding { CODING_IDENTITY, CODING_GZIP, CODING_BR, CODING_COUNT };

enum {
	CODING_BYTES_MIN = 1024, /* smaller answers stay as they are */
	CODING_INLINE_BYTES_MAX = 32 * 1024, /* larger ones belong in the thread pool: about a millisecond and up */
	CODING_RATIO_MAX =
	    100, /* what a decoded body may be of its coded size, past the first CODING_RATIO_FREE bytes */
	CODING_RATIO_FREE = 64 * 1024,
};

/** "identity", "gzip", "br". */
struct str coding_name(enum coding c);
/** By the name in Content-Encoding, in any case; "x-gzip" is gzip, absent or empty is identity. False: unknown, or several. */
bool coding_parse(struct str name, enum coding *out);
/** The best coding for the whole value of Accept-Encoding (all lines joined); identity when it is absent, or when nothing we have is liked. */
enum coding coding_choose(struct str accept_encoding);
/** True for a media type that shrinks and is not a stream of events. */
bool coding_suits(struct str content_type);

/**
 * Codes into `out`, which has room for body.n bytes. Returns the size; 0 when that would not make it smaller. Equal bodies give
 * equal bytes. CODING_IDENTITY: always 0.
 */
size_t coding_compress_into(enum coding c, struct str body, char *out);
/** As above, in the arena; absent when it would not be smaller or the arena is full. */
struct str coding_compress(struct arena *a, enum coding c, struct str body);
/**
 * Decodes; the result is released with the arena but not counted in it. Fails: ERR_PAYLOAD_TOO_LARGE past bytes_max or the ratio,
 * ERR_MALFORMED_REQUEST when it is not in that coding, ends too early or is followed by something.
 */
MUST_USE enum err coding_decompress(struct arena *a, enum coding c, struct str body, size_t bytes_max, struct str *out);

/* Each coding of an answer has its own strong entity tag: "v1" is "v1~gzip" or "v1~br". Services never see the suffix. */

/** The tag of the coded answer; the same tag for identity. */
struct str coding_etag(struct arena *a, struct str etag, enum coding c);
/** An If-Match or If-None-Match value without suffixes; borrowed when there is none. */
struct str coding_etags_plain(struct arena *a, struct str etags);
/** The member of an If-None-Match list that is `etag` in some coding, as the client wrote it; absent when there is none. */
struct str coding_etag_match(struct str etags, struct str etag);

#endif
