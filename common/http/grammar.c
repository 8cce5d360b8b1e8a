/* The parts of HTTP/1's grammar that decide who is asked for what, and where a message ends: scanned and checked by hand, with
 * everything refused that another parser on the way might read differently. */
#include <arpa/inet.h>

#include "common/core/word.h"
#include "common/http/wire.h"

enum {
	IN_PATH = 1, /* pchar of RFC 3986 and '/' but '%' */
	IN_QUERY = 2, /* the same, '?' and what browsers leave unencoded there */
	IN_HOST = 4,
	IN_LINE = 8, /* anything but control bytes; tab is in */
	IN_TOKEN = 16,
};

#define ALNUM (IN_PATH | IN_QUERY | IN_HOST | IN_LINE | IN_TOKEN)
static const unsigned char classes[256] = {
	['\t'] = IN_LINE,
	[' '] = IN_LINE,
	['0' ... '9'] = ALNUM,
	['A' ... 'Z'] = ALNUM,
	['a' ... 'z'] = ALNUM,
	['-'] = ALNUM,
	['.'] = ALNUM,
	['_'] = ALNUM,
	['~'] = ALNUM,
	['!'] = IN_PATH | IN_QUERY | IN_LINE | IN_TOKEN,
	['$'] = IN_PATH | IN_QUERY | IN_LINE | IN_TOKEN,
	['&'] = IN_PATH | IN_QUERY | IN_LINE | IN_TOKEN,
	['\''] = IN_PATH | IN_QUERY | IN_LINE | IN_TOKEN,
	['('] = IN_PATH | IN_QUERY | IN_LINE,
	[')'] = IN_PATH | IN_QUERY | IN_LINE,
	['*'] = IN_PATH | IN_QUERY | IN_LINE | IN_TOKEN,
	['+'] = IN_PATH | IN_QUERY | IN_LINE | IN_TOKEN,
	[','] = IN_PATH | IN_QUERY | IN_LINE,
	[';'] = IN_PATH | IN_QUERY | IN_LINE,
	['='] = IN_PATH | IN_QUERY | IN_LINE,
	[':'] = IN_PATH | IN_QUERY | IN_LINE,
	['@'] = IN_PATH | IN_QUERY | IN_LINE,
	['/'] = IN_PATH | IN_QUERY | IN_LINE,
	['?'] = IN_QUERY | IN_LINE,
	['['] = IN_QUERY | IN_LINE,
	[']'] = IN_QUERY | IN_LINE,
	['{'] = IN_QUERY | IN_LINE,
	['}'] = IN_QUERY | IN_LINE,
	['|'] = IN_QUERY | IN_LINE | IN_TOKEN,
	['^'] = IN_QUERY | IN_LINE | IN_TOKEN,
	['`'] = IN_QUERY | IN_LINE | IN_TOKEN,
	['#'] = IN_LINE | IN_TOKEN,
	['%'] = IN_LINE | IN_TOKEN,
	['"'] = IN_LINE,
	['<'] = IN_LINE,
	['>'] = IN_LINE,
	['\\'] = IN_LINE,
	[0x80 ... 0xff] = IN_LINE,
};

static bool is_in(char c, unsigned class)
{
	return (classes[(unsigned char)c] & class) != 0;
}

static bool all_in(struct str s, unsigned class)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_in(s.p[i], class)) return false;
	return true;
}

/* The LF behind a CR. False when the head may not go on after it; *complete when it ends the head. */
static bool end_line(struct head_scan *s, bool *complete)
{
	bool is_empty = s->state == SCAN_EMPTY_CR;
	s->state = SCAN_LINE_START;
	s->at++;
	if (is_empty && s->first_line) {
		*complete = true;
		return true;
	}
	if (is_empty) {
		if (s->start) return false;
		s->start = s->at;
		return true;
	}
	s->lines++;
	if (!s->first_line) s->first_line = s->at;
	return true;
}

/* Where the run of IN_LINE bytes that holds bytes.p[at] ends. A tab, which is one of them, is stepped over. */
static size_t end_of_run(struct str bytes, size_t at)
{
	for (;;) {
		at += word_run(bytes.p + at, bytes.n - at, 0x1f, 0x7f);
		size_t end = bytes.n - at < 8 ? bytes.n : at + 8;
		while (at < end && is_in(bytes.p[at], IN_LINE)) at++;
		if (at < end || at == bytes.n) return at;
	}
}

enum head_state head_scan(struct head_scan *s, struct str bytes)
{
	bool complete = false;
	while (s->at < bytes.n) {
		char c = bytes.p[s->at];
		if (s->state == SCAN_CR || s->state == SCAN_EMPTY_CR) {
			if (c != '\n' || !end_line(s, &complete)) return HEAD_BAD;
			if (complete) return HEAD_COMPLETE;
			continue;
		}
		if (c == '\r') {
			s->state = s->state == SCAN_LINE_START ? SCAN_EMPTY_CR : SCAN_CR;
			s->at++;
			continue;
		}
		if (s->state == SCAN_LINE_START && (c == ' ' || c == '\t')) return HEAD_BAD;
		if (!is_in(c, IN_LINE)) return HEAD_BAD;
		s->state = SCAN_IN_LINE;
		s->at = end_of_run(bytes, s->at + 1);
	}
	return HEAD_MORE;
}

/* "HTTP/1.1" or "HTTP/1.0". */
static enum err parse_version(struct str s, bool *http_1_0)
{
	if (s.n != 8 || memcmp(s.p, "HTTP/", 5) || s.p[5] < '0' || s.p[5] > '9' || s.p[6] != '.' || s.p[7] < '0' ||
	    s.p[7] > '9')
		return ERR_MALFORMED_REQUEST;
	if (s.p[5] != '1' || s.p[7] > '1') return ERR_VERSION_NOT_SUPPORTED;
	*http_1_0 = s.p[7] == '0';
	return ERR_NONE;
}

enum err request_line_parse(struct str line, struct request_line *out)
{
	ptrdiff_t first = str_index(line, ' ');
	if (first < 1) return ERR_MALFORMED_REQUEST;
	out->method = str_span(line.p, (size_t)first);
	if (!all_in(out->method, IN_TOKEN)) return ERR_MALFORMED_REQUEST;
	struct str rest = str_from(line, (size_t)first + 1);
	ptrdiff_t second = str_index(rest, ' ');
	if (second < 1) return ERR_MALFORMED_REQUEST;
	out->target = str_span(rest.p, (size_t)second);
	TRY(parse_version(str_from(rest, (size_t)second + 1), &out->http_1_0));
	/* We tunnel nothing, and llhttp would take what follows for another protocol. */
	return str_eq(out->method, STR("CONNECT")) ? ERR_NOT_IMPLEMENTED : ERR_NONE;
}

enum err status_line_parse(struct str line, struct status_line *out)
{
	if (line.n < 12 || parse_version(str_span(line.p, 8), &out->http_1_0) || line.p[8] != ' ')
		return ERR_MALFORMED_REQUEST;
	out->status = 0;
	for (size_t i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9') return ERR_MALFORMED_REQUEST;
		out->status = out->status * 10 + (line.p[i] - '0');
	}
	if (line.n > 12 && line.p[12] != ' ') return ERR_MALFORMED_REQUEST;
	return out->status < 100 || (out->status > 599 && out->status != 999) ? ERR_MALFORMED_REQUEST : ERR_NONE;
}

bool wire_is_token(char c)
{
	return is_in(c, IN_TOKEN);
}

bool wire_is_text(char c)
{
	return is_in(c, IN_LINE);
}

int wire_hex(char c)
{
	if (c >= '0' && c <= '9') return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes of the class, one of those that hold letters, or percent-encoded; an encoded NUL has no honest use. */
static bool is_encoded(struct str s, unsigned class)
{
	for (size_t i = word_name_run(s.p, s.n, true); i < s.n; i++) {
		if (is_in(s.p[i], class)) continue;
		if (s.p[i] != '%' || i + 2 >= s.n || wire_hex(s.p[i + 1]) < 0 || wire_hex(s.p[i + 2]) < 0) return false;
		if (s.p[i + 1] == '0' && s.p[i + 2] == '0') return false;
		i += 2;
	}
	return true;
}

bool host_is_valid(struct str host)
{
	char z[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	size_t end = 0;
	if (host.n == 0 || host.n > 255 + 6) return false;
	if (host.p[0] == '[') {
		ptrdiff_t close = str_index(host, ']');
		if (close < 1 || (size_t)close > sizeof z) return false;
		memcpy(z, host.p + 1, (size_t)close - 1);
		z[close - 1] = 0;
		if (inet_pton(AF_INET6, z, &v6) != 1) return false;
		end = (size_t)close + 1;
	} else {
		while (end < host.n && is_in(host.p[end], IN_HOST)) end++;
		if (end == 0) return false;
	}
	if (end == host.n) return true;
	uint64_t port;
	struct str digits = str_from(host, end + 1);
	return host.p[end] == ':' && digits.n > 0 && digits.n <= 5 && str_to_u64(digits, &port) && port <= 65535;
}

static size_t scheme_bytes(struct str text)
{
	if (text.n >= 7 && str_eq_ci(str_span(text.p, 7), STR("http://"))) return 7;
	if (text.n >= 8 && str_eq_ci(str_span(text.p, 8), STR("https://"))) return 8;
	return 0;
}

enum err target_parse(struct str method, struct str text, struct target *out)
{
	*out = (struct target){ .path = text };
	if (str_eq(text, STR("*"))) return str_eq(method, STR("OPTIONS")) ? ERR_NONE : ERR_MALFORMED_REQUEST;
	if (text.p[0] != '/') {
		size_t scheme = scheme_bytes(text);
		if (!scheme) return ERR_MALFORMED_REQUEST;
		size_t end = scheme;
		while (end < text.n && text.p[end] != '/' && text.p[end] != '?') end++;
		out->authority = str_span(text.p + scheme, end - scheme);
		if (!host_is_valid(out->authority)) return ERR_MALFORMED_REQUEST;
		out->path = str_from(text, end);
	}
	ptrdiff_t mark = str_index(out->path, '?');
	if (mark >= 0) {
		out->query = str_from(out->path, (size_t)mark + 1);
		if (!out->query.p) out->query = STR("");
		out->path.n = (size_t)mark;
	}
	if (out->path.n == 0) out->path = STR("/");
	return is_encoded(out->path, IN_PATH) && is_encoded(out->query, IN_QUERY) ? ERR_NONE : ERR_MALFORMED_REQUEST;
}

static enum err parse_length(struct str value, struct framing *f)
{
	/* A leading zero is octal to some. */
	if (f->has_length || value.n == 0 || value.n > 18 || (value.n > 1 && value.p[0] == '0') ||
	    !str_to_u64(value, &f->length))
		return ERR_MALFORMED_REQUEST;
	f->has_length = true;
	return ERR_NONE;
}

enum err framing_parse(struct http_fields fields, bool http_1_0, struct framing *out)
{
	*out = (struct framing){ 0 };
	for (unsigned i = 0; i < fields.count; i++) {
		struct str name = fields.items[i].name, value = fields.items[i].value;
		switch (name.n) {
		case 4:
			if (!str_eq_ci(name, STR("host"))) break;
			out->hosts++;
			out->host = value;
			break;
		case 6:
			if (!str_eq_ci(name, STR("expect"))) break;
			/* RFC 9110 10.1.1: from an HTTP/1.0 client it is ignored. */
			if (!http_1_0 && !str_eq_ci(value, STR("100-continue"))) return ERR_EXPECTATION_FAILED;
			out->expects_continue = !http_1_0;
			break;
		case 14:
			if (str_eq_ci(name, STR("content-length"))) TRY(parse_length(value, out));
			break;
		case 17:
			if (!str_eq_ci(name, STR("transfer-encoding"))) break;
			if (out->chunked || http_1_0 || !str_eq_ci(value, STR("chunked"))) return ERR_MALFORMED_REQUEST;
			out->chunked = true;
			break;
		default:
			break;
		}
	}
	return out->chunked && out->has_length ? ERR_MALFORMED_REQUEST : ERR_NONE;
}
