#ifndef COMMON_HTTP_WIRE_H
#define COMMON_HTTP_WIRE_H

#include "common/core/buf.h"
#include "common/http/message.h"

/* Inside common/http: how HTTP/1 writes a message. llhttp parses; what it leaves to its caller is checked here. */

/** Looks for the end of a head, byte by byte and resumable, so that a head means the same however it was cut into reads. */
struct head_scan {
	size_t at; /* bytes looked at */
	size_t start; /* 2 when an empty line stood before the message (RFC 9112 2.2) */
	size_t first_line; /* offset behind the first line; 0: not complete */
	unsigned lines; /* complete lines, the first included */
	enum { SCAN_LINE_START, SCAN_IN_LINE, SCAN_CR, SCAN_EMPTY_CR } state;
};

enum head_state { HEAD_MORE, HEAD_COMPLETE, HEAD_BAD };

/**
 * `bytes` begins where the message begins and grows between calls. HEAD_COMPLETE: the head is bytes [start, at).
 * HEAD_BAD: a control byte, a bare CR or LF, or a folded line at `at`.
 */
enum head_state head_scan(struct head_scan *s, struct str bytes);

/** What the first line of a request says. */
struct request_line {
	struct str method;
	struct str target;
	bool http_1_0;
};
/** `line` without CRLF. Fails: ERR_MALFORMED_REQUEST, ERR_VERSION_NOT_SUPPORTED, ERR_NOT_IMPLEMENTED (CONNECT). */
MUST_USE enum err request_line_parse(struct str line, struct request_line *out);

struct status_line {
	int status;
	bool http_1_0;
};
MUST_USE enum err status_line_parse(struct str line, struct status_line *out);

/** The target's path and query, its authority if it has one; refuses everything ambiguous. */
struct target {
	struct str path;
	struct str query;
	struct str authority; /* of an absolute-form target; else absent */
};
MUST_USE enum err target_parse(struct str method, struct str text, struct target *out);
/** uri-host [ ":" port ] of RFC 9110 7.2, strictly. */
bool host_is_valid(struct str host);

/** Bytes of a token, of a value (no control bytes; tab is in), and the value of a hexadecimal digit or -1. */
bool wire_is_token(char c);
bool wire_is_text(char c);
int wire_hex(char c);

/** What the fields say about where the message ends. */
struct framing {
	bool chunked;
	bool has_length;
	bool expects_continue;
	uint64_t length;
	unsigned hosts;
	struct str host;
};
/** Fails on anything that two parsers might read differently. */
MUST_USE enum err framing_parse(struct http_fields f, bool http_1_0, struct framing *out);

struct wire;
enum wire_kind { WIRE_REQUEST, WIRE_REPLY };
struct wire *wire_new(void);
void wire_free(struct wire *w);
/**
 * Parses a whole head, which head_scan has found complete, into at most *count items, whose strings point into `head`.
 * Fails: ERR_MALFORMED_REQUEST, ERR_NOT_IMPLEMENTED (method), ERR_HEADERS_TOO_LARGE (too many).
 */
MUST_USE enum err wire_head(
    struct wire *w, enum wire_kind kind, struct str head, struct http_field *items, unsigned *count);
/** Of the head parsed last. */
bool wire_keep_alive(const struct wire *w);
/**
 * Decodes chunked content behind that head: appends to body, moves *bytes behind what was used, sets *complete at the end.
 * See chunks.h. Fails: ERR_MALFORMED_REQUEST, ERR_PAYLOAD_TOO_LARGE past bytes_max.
 */
MUST_USE enum err wire_chunked(struct wire *w, struct str *bytes, struct buf *body, size_t bytes_max, bool *complete);

#endif
