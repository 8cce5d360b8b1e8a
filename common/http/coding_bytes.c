/* gzip (RFC 1952) by zlib and brotli (RFC 7932) by its own library. Decoding stops at the first byte too many, whatever the body claims. */
#include <brotli/decode.h>
#include <brotli/encode.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#include "common/core/buf.h"
#include "common/http/coding.h"

/* A good answer in about a millisecond per 32 KiB; more effort wins little on JSON. */
enum {
	GZIP_LEVEL = 6,
	GZIP_WINDOW = 15 + 16 /* with gzip's frame */,
	GZIP_MEMORY = 8,
	BR_QUALITY = 5,
	CHUNK_BYTES = 16 * 1024
};

static size_t gzip_into(struct str body, char *out)
{
	z_stream z = { 0 };
	if (body.n > UINT32_MAX) return 0;
	if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
	z.next_in = (const Bytef *)body.p;
	z.avail_in = (uInt)body.n;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)body.n;
	int status = deflate(&z, Z_FINISH);
	size_t n = z.total_out;
	deflateEnd(&z);
	return status == Z_STREAM_END && n < body.n ? n : 0;
}

static size_t br_into(struct str body, char *out)
{
	size_t n = body.n;
	if (!BrotliEncoderCompress(BR_QUALITY, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, body.n, (const uint8_t *)body.p,
		&n, (uint8_t *)out))
		return 0;
	return n < body.n ? n : 0;
}

size_t coding_compress_into(enum coding c, struct str body, char *out)
{
	if (body.n == 0) return 0;
	if (c == CODING_GZIP) return gzip_into(body, out);
	return c == CODING_BR ? br_into(body, out) : 0;
}

struct str coding_compress(struct arena *a, enum coding c, struct str body)
{
	char *room = c == CODING_IDENTITY ? NULL : malloc(body.n + 1);
	if (!room) return STR_NONE;
	size_t n = coding_compress_into(c, body, room);
	struct str out = n ? arena_str(a, str_span(room, n)) : STR_NONE;
	free(room);
	return out;
}

/* ── decoding ── */

/* The most that may come out of `coded` bytes. */
static size_t decoded_max(size_t coded, size_t bytes_max)
{
	size_t by_ratio =
	    CODING_RATIO_FREE + (coded > SIZE_MAX / CODING_RATIO_MAX / 2 ? SIZE_MAX / 2 : coded * CODING_RATIO_MAX);
	return by_ratio < bytes_max ? by_ratio : bytes_max;
}

/* Several members behind each other are one body (RFC 1952 2.2). */
static enum err inflate_all(z_stream *z, struct buf *out)
{
	char chunk[CHUNK_BYTES];
	for (;;) {
		z->next_out = (Bytef *)chunk;
		z->avail_out = sizeof chunk;
		int status = inflate(z, Z_NO_FLUSH);
		size_t n = sizeof chunk - z->avail_out;
		buf_append(out, chunk, n);
		if (!buf_ok(out)) return ERR_PAYLOAD_TOO_LARGE;
		if (status == Z_STREAM_END) {
			if (z->avail_in == 0) return ERR_NONE;
			if (inflateReset(z) != Z_OK) return ERR_MALFORMED_REQUEST;
			continue;
		}
		if (status != Z_OK || (n == 0 && z->avail_in == 0)) return ERR_MALFORMED_REQUEST;
	}
}

static enum err gunzip(struct str body, struct buf *out)
{
	z_stream z = { .next_in = (const Bytef *)body.p, .avail_in = (uInt)body.n };
	if (body.n > UINT32_MAX) return ERR_PAYLOAD_TOO_LARGE;
	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK) return ERR_MEMORY;
	enum err e = inflate_all(&z, out);
	inflateEnd(&z);
	return e;
}

static enum err unbrotli_all(BrotliDecoderState *state, struct str body, struct buf *out)
{
	uint8_t chunk[CHUNK_BYTES];
	const uint8_t *in = (const uint8_t *)body.p;
	size_t in_left = body.n;
	for (;;) {
		uint8_t *to = chunk;
		size_t room = sizeof chunk;
		BrotliDecoderResult result = BrotliDecoderDecompressStream(state, &in_left, &in, &room, &to, NULL);
		buf_append(out, (const char *)chunk, sizeof chunk - room);
		if (!buf_ok(out)) return ERR_PAYLOAD_TOO_LARGE;
		if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) continue;
		return result == BROTLI_DECODER_RESULT_SUCCESS && in_left == 0 ? ERR_NONE : ERR_MALFORMED_REQUEST;
	}
}

static enum err unbrotli(struct str body, struct buf *out)
{
	BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	if (!state) return ERR_MEMORY;
	enum err e = unbrotli_all(state, body, out);
	BrotliDecoderDestroyInstance(state);
	return e;
}

enum err coding_decompress(struct arena *a, enum coding c, struct str body, size_t bytes_max, struct str *out)
{
	struct buf decoded;
	*out = STR_NONE;
	if (c == CODING_IDENTITY) {
		*out = body;
		return body.n > bytes_max ? ERR_PAYLOAD_TOO_LARGE : ERR_NONE;
	}
	if (body.n == 0) return ERR_MALFORMED_REQUEST;
	buf_init(&decoded, decoded_max(body.n, bytes_max));
	enum err e = c == CODING_GZIP ? gunzip(body, &decoded) : unbrotli(body, &decoded);
	if (e != ERR_NONE) {
		buf_free(&decoded);
		return e;
	}
	*out = decoded.n ? buf_view(&decoded) : STR("");
	arena_on_release(a, free, decoded.p); /* at once, when the arena is full */
	return a->overflow ? ERR_MEMORY : ERR_NONE;
}
