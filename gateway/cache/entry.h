#ifndef GATEWAY_CACHE_ENTRY_H
#define GATEWAY_CACHE_ENTRY_H

#include "common/core/list.h"
#include "common/http/coding.h"
#include "gateway/cache/rules.h"
#include "gateway/cache/tags.h"

/*
 * One kept answer: immutable, shared by count, ready to be sent. What belongs to a single answer (Age, Cache-Status, request id,
 * CORS) is not in it.
 */

enum { ENTRY_VARY_MAX = 16, ENTRY_FIELDS_MAX = 256 };

/** Bytes shared by count. */
struct entry_body {
	unsigned references;
	size_t n;
	char bytes[];
};

/** A request field that selected the answer, and its value in comparable form. */
struct entry_vary {
	struct str name;
	struct str value;
};

/** The store's part of an entry (store.c); nobody else looks at it. */
struct entry_place {
	struct entry *next; /* in its bucket */
	struct list queue;
	unsigned char uses;
	bool stored;
	bool is_main;
};

struct entry {
	unsigned references;
	uint64_t hash; /* of the key */
	struct str key;
	int status;
	struct str reason; /* of an origin; absent: the usual one */
	struct http_fields fields; /* end to end, as they came */
	struct str
	    lines; /* the same, ready to be sent, without Age and what no-cache="…" hides; Content-Length is the last line */
	size_t lines_brief_n; /* of a 304: without what describes content, which stands behind the rest */
	size_t lines_bare_n; /* without that last line */
	unsigned lines_have; /* HTTP_LINES_… */
	struct entry_body *body;
	const struct entry_vary *vary;
	unsigned vary_count;
	const struct str *tags; /* what it was made from */
	const uint32_t *slots; /* of the tags (tags_slot) */
	unsigned tag_count;
	struct str etag;
	struct str last_modified;
	struct str modified; /* for If-Modified-Since: without Last-Modified it is Date (RFC 9111 4.3.2) */
	struct policy policy; /* `hidden` is the entry's own copy */
	int64_t born_ms; /* monotonic: now - born_ms is its age */
	int64_t got_wall_us;
	bool may_be_coded;
	size_t bytes; /* what it costs */
	/* Not part of the answer, and not immutable: */
	struct tags_stamp stamp; /* purges up to here happened before it was asked for */
	int64_t checked_ms; /* monotonic: the tags were compared with Redis, or were current */
	int64_t refresh_at_ms; /* monotonic: no earlier than this */
	unsigned refresh_failures;
	bool refreshing;
	struct entry *coded[CODING_COUNT]; /* the same answer in a coding, once somebody has wanted it; owned */
	unsigned codings_tried; /* by bit: made, being made, or not worth it */
	struct entry_place place;
};

/** What an entry is made from; all borrowed. */
struct entry_source {
	struct str key;
	int status;
	struct str reason;
	struct http_fields fields;
	struct str body; /* copied, unless `share` is given */
	struct entry_body *share;
	struct http_fields asked; /* what Vary selects from */
	const struct str *tags;
	unsigned tag_count;
	struct tags_stamp stamp;
	const struct policy *policy;
	int64_t got_ms; /* monotonic */
	int64_t got_wall_us;
	bool may_be_coded; /* by us, and so it varies by Accept-Encoding; if its kind and size are worth it */
};

/** With one reference. NULL: more fields, tags or names in Vary than an entry may have, or a field that could break a message. */
struct entry *entry_new(const struct entry_source *s);
struct entry *entry_share(struct entry *e);
void entry_release(struct entry *e);

static inline struct str entry_body(const struct entry *e)
{
	return str_span(e->body->bytes, e->body->n);
}

/* entry_coded.c. Its cost is in the entry's from the beginning, so that nothing has to be counted again. */
/** True when the caller is to code the body now: once per entry and coding. */
bool entry_wants_coding(struct entry *e, enum coding c);
/** Keeps the coded body: a complete answer with its own fields and tag. Nothing is kept when it is not small enough, or absent. */
void entry_set_coded(struct entry *e, enum coding c, struct str body);
/** The answer in that coding, or the entry itself. Borrowed. */
static inline struct entry *entry_in_coding(struct entry *e, enum coding c)
{
	return e->coded[c] ? e->coded[c] : e;
}

/** True when no-cache="…" of the answer names the field: it is kept for the next validation, and goes nowhere. */
bool entry_hides(const struct policy *p, struct str name);
/** True when the request asks for just this variant. */
bool entry_selects(const struct entry *e, struct http_fields asked);
static inline int64_t entry_age_ms(const struct entry *e, int64_t now_ms)
{
	return now_ms - e->born_ms;
}

/**
 * For the second level: the entry with its full key, in a versioned form of our own. Tags and stamp are not in it: the second level
 * keeps them beside it.
 */
void entry_write(const struct entry *e, int64_t now_ms, int64_t now_wall_ms, struct buf *out);
struct entry_found {
	const struct str *tags;
	unsigned tag_count;
	struct tags_stamp stamp;
	int64_t response_time_us;
};
/** Reads it back, trusting nothing. NULL: not ours, another version, cut, or for another key. */
struct entry *entry_read(
    struct str bytes, struct str key, const struct entry_found *found, int64_t now_ms, int64_t now_wall_ms);

#endif
