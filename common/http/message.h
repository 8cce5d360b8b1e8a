#ifndef COMMON_HTTP_MESSAGE_H
#define COMMON_HTTP_MESSAGE_H

#include "common/core/arena.h"
#include "common/core/err.h"

/* What a message is, free of how HTTP/1 writes it. Field names are kept as received and compared without case. */
struct http_field {
	struct str name;
	struct str value;
};

struct http_fields {
	const struct http_field *items;
	unsigned count;
};

/** Names a call between our own processes, whose answers may come in any order (server.h, client.h). */
#define CALL_FIELD "X-Yangguang-Call"

/** First value of the field, or absent. `name` in any case. */
struct str http_get(struct http_fields f, struct str name);
unsigned http_count(struct http_fields f, struct str name);
/** A member of a list without its parameters and white space. */
struct str http_bare_member(struct str member);
/** True when a comma-separated list field has the member (case-insensitive, parameters ignored). */
bool http_list_has(struct http_fields f, struct str name, struct str member);
/** English if Accept-Language prefers it over Chinese; Chinese by default. */
enum language http_language(struct http_fields f);
/** True when the media type of a Content-Type is `type`, whatever its parameters. */
bool http_is_type(struct str content_type, struct str type);
/** Bodies are UTF-8: false when a charset parameter says something else. */
bool http_is_utf8(struct str content_type);
/** Reason phrase; "" when unknown. */
struct str http_reason(int status);
/** True for a field that must not be passed on by a proxy: Connection, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade, and those that `connection` names. */
bool http_is_hop_by_hop(struct str name, struct str connection);

#endif
