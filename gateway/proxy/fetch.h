#ifndef GATEWAY_PROXY_FETCH_H
#define GATEWAY_PROXY_FETCH_H

#include "gateway/proxy/proxy.h"

/* Inside gateway/proxy: one question to the origin and what it brought. */

/** An origin's answer without what belongs to the connection. */
struct answer {
	int status;
	struct str reason;
	struct http_fields fields;
	struct str body;
	struct answer_times times; /* wall clock */
	int64_t got_ms; /* monotonic */
};

struct fetch {
	struct proxy_route *route;
	struct arena *arena; /* for the answer's fields */
	struct str key;
	struct str method;
	struct str target;
	struct str host; /* when the request has none */
	struct http_fields asked; /* end to end */
	struct str body;
	const struct entry *conditional; /* asks whether it is still good, in place of the client's own conditions */
	struct str offer; /* more entity tags to be asked about; absent: none */
	int64_t deadline_ms;
	struct tags_stamp stamp; /* before it was sent */
	int64_t asked_wall_ms;
	void (*interim)(void *arg, int status, struct http_fields fields);
	/** Later, once. answer NULL: there is none. */
	void (*done)(struct fetch *f, enum err status, const struct answer *answer);
};

/** Fields that go on to the other side, in the arena. */
struct http_fields fetch_end_to_end(struct arena *a, struct http_fields all);

/** Fails as origin_send, and ERR_HEADERS_TOO_LARGE. */
MUST_USE enum err fetch_send(struct fetch *f);

/** Keeps the answer if it may be kept; the entry is shared with the caller. NULL: it may not. */
struct entry *fetch_keep(const struct fetch *f, const struct answer *a, struct str method);
/** Does the answer to HEAD speak of what is kept? Each validator that it has, and its length, must be the entry's (RFC 9111 4.3.5). */
bool fetch_is_of(const struct entry *e, const struct answer *a);
/** The entry with what a 304 (or an answer to HEAD) said, in the old one's place; shared with the caller. NULL: it may not be kept any more. */
struct entry *fetch_renew(const struct fetch *f, struct entry *old, const struct answer *a);
/** What an answer to an unsafe method makes invalid. */
void fetch_invalidate(const struct fetch *f, const struct answer *a);
/** The key of a target on a host. */
struct str fetch_key(struct arena *a, struct proxy_route *route, struct str host, struct str path, struct str query);

/** Renews the entry with nobody waiting. */
void fetch_refresh(const struct fetch *like, struct entry *e);

#endif
