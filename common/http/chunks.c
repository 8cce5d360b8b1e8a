/* Decodes chunked content. By hand, since what lenient decoders let pass here (signs, blanks, bare CR and LF, sizes read by their
 * longest prefix, rubbish for trailers) is what requests are smuggled with. */
#include "common/http/chunks.h"

#include "common/http/wire.h"

enum {
	SIZE_DIGITS_MAX = 16,
	/* Chunk lines, extensions and trailers may be at most this much, plus this many bytes for each byte of content. */
	OVERHEAD_BYTES = 8192,
	OVERHEAD_RATIO = 8,
};

#define NAME(lit)                                                                                                      \
	{                                                                                                              \
		lit, sizeof lit - 1                                                                                    \
	}

/* RFC 9110 6.5.1: framing, routing, modifiers, credentials, and what tells how to read the content. */
static bool is_forbidden(struct str name)
{
	static const struct str names[] = { NAME("authorization"), NAME("cache-control"), NAME("connection"),
		NAME("content-encoding"), NAME("content-length"), NAME("content-range"), NAME("content-type"),
		NAME("cookie"), NAME("expect"), NAME("forwarded"), NAME("host"), NAME("idempotency-key"),
		NAME("keep-alive"), NAME("max-forwards"), NAME("origin"), NAME("range"), NAME("set-cookie"), NAME("te"),
		NAME("trailer"), NAME("transfer-encoding"), NAME("upgrade"), NAME("www-authenticate"),
		NAME("x-api-key"), NAME("x-http-method-override") };
	static const struct str prefixes[] = { NAME("if-"), NAME("proxy-"), NAME("x-forwarded-"),
		NAME("x-yangguang-") };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(name, names[i])) return true;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(name, prefixes[i])) return true;
	return false;
}

static bool take_size(struct chunks *c, char byte)
{
	int digit = wire_hex(byte);
	if (digit >= 0) {
		c->left = c->left << 4 | (unsigned)digit;
		return ++c->digits <= SIZE_DIGITS_MAX;
	}
	c->state = byte == '\r' ? CHUNK_LINE_LF : CHUNK_EXTENSION;
	return c->digits > 0 && (byte == '\r' || byte == ';');
}

static bool take_extension(struct chunks *c, char byte)
{
	switch ((int)c->state) {
	case CHUNK_ESCAPED:
		c->state = CHUNK_QUOTED;
		break;
	case CHUNK_QUOTED:
		if (byte == '"') c->state = CHUNK_EXTENSION;
		if (byte == '\\') c->state = CHUNK_ESCAPED;
		break;
	default:
		if (byte == '"') c->state = CHUNK_QUOTED;
		if (byte != '\r') break;
		c->state = CHUNK_LINE_LF;
		return true;
	}
	return wire_is_text(byte);
}

static bool take_trailer_name(struct chunks *c, char byte)
{
	if (byte == ':') {
		c->state = TRAILER_VALUE;
		return c->name_bytes > 0 && !is_forbidden(str_span(c->name, c->name_bytes));
	}
	if (!wire_is_token(byte)) return false;
	/* '_' counts as '-', since some who read names make no difference. */
	if (byte == '_') byte = '-';
	if (byte >= 'A' && byte <= 'Z') byte |= 0x20;
	if (c->name_bytes < TRAILER_NAME_BYTES) c->name[c->name_bytes++] = byte;
	return true;
}

static bool take_trailer(struct chunks *c, char byte)
{
	switch ((int)c->state) {
	case TRAILER_START:
		c->name_bytes = 0;
		c->state = byte == '\r' ? CHUNKS_LF : TRAILER_NAME;
		return byte == '\r' || take_trailer_name(c, byte);
	case TRAILER_NAME:
		return take_trailer_name(c, byte);
	case TRAILER_VALUE:
		if (byte != '\r') return wire_is_text(byte);
		c->state = TRAILER_LF;
		return true;
	case TRAILER_LF:
		c->state = TRAILER_START;
		return byte == '\n';
	default:
		c->state = CHUNKS_COMPLETE;
		return byte == '\n';
	}
}

/* A byte that is no content. */
static bool take_byte(struct chunks *c, char byte)
{
	switch ((int)c->state) {
	case CHUNK_SIZE:
		return take_size(c, byte);
	case CHUNK_EXTENSION:
	case CHUNK_QUOTED:
	case CHUNK_ESCAPED:
		return take_extension(c, byte);
	case CHUNK_LINE_LF:
		c->state = c->left ? CHUNK_DATA : TRAILER_START;
		c->digits = 0;
		return byte == '\n';
	case CHUNK_DATA_CR:
		c->state = CHUNK_DATA_LF;
		return byte == '\r';
	case CHUNK_DATA_LF:
		c->state = CHUNK_SIZE;
		return byte == '\n';
	default:
		return take_trailer(c, byte);
	}
}

static enum err take_data(struct chunks *c, struct str *bytes, struct buf *body)
{
	size_t n = c->left < bytes->n ? (size_t)c->left : bytes->n;
	buf_append(body, bytes->p, n);
	*bytes = str_from(*bytes, n);
	c->left -= n;
	if (!c->left) c->state = CHUNK_DATA_CR;
	return buf_ok(body) ? ERR_NONE : ERR_PAYLOAD_TOO_LARGE;
}

enum err chunks_take(struct chunks *c, struct str *bytes, struct buf *body, size_t bytes_max)
{
	while (bytes->n && c->state != CHUNKS_COMPLETE) {
		if (c->state == CHUNK_DATA) {
			TRY(take_data(c, bytes, body));
			continue;
		}
		if (!take_byte(c, bytes->p[0])) return ERR_MALFORMED_REQUEST;
		*bytes = str_from(*bytes, 1);
		if (c->state == CHUNK_DATA && c->left > bytes_max - body->n) return ERR_PAYLOAD_TOO_LARGE;
		if (++c->overhead > OVERHEAD_BYTES + OVERHEAD_RATIO * body->n) return ERR_PAYLOAD_TOO_LARGE;
	}
	return ERR_NONE;
}
