#ifndef GATEWAY_CACHE_RULES_H
#define GATEWAY_CACHE_RULES_H

#include "common/core/buf.h"
#include "common/http/message.h"

/*
 * The rules of a shared cache: RFC 9111, 5861 (stale answers), 9213 (targeted control). Pure: fields in, decisions out. Times are
 * milliseconds since 1970 unless they say otherwise.
 */

/* ── Cache-Control ── */

enum directive {
	DIRECTIVE_MAX_AGE,
	DIRECTIVE_S_MAXAGE,
	DIRECTIVE_NO_STORE,
	DIRECTIVE_NO_CACHE,
	DIRECTIVE_PRIVATE,
	DIRECTIVE_PUBLIC,
	DIRECTIVE_MUST_REVALIDATE,
	DIRECTIVE_PROXY_REVALIDATE,
	DIRECTIVE_MUST_UNDERSTAND,
	DIRECTIVE_STALE_WHILE_REVALIDATE,
	DIRECTIVE_STALE_IF_ERROR,
	DIRECTIVE_MIN_FRESH,
	DIRECTIVE_MAX_STALE,
	DIRECTIVE_ONLY_IF_CACHED,
	DIRECTIVE_COUNT
};

/** The directives we know; of two with one name the first counts. */
struct directives {
	unsigned found; /* by bit */
	struct str values[DIRECTIVE_COUNT]; /* without quotes; absent: no argument */
};

static inline bool directive_has(const struct directives *d, enum directive which)
{
	return (d->found & 1u << which) != 0;
}

/** Adds what one line of a Cache-Control field says. */
void rules_directives_add(struct directives *d, struct str line);
/** All lines of the field `name`; *out is cleared first. */
void rules_directives(struct http_fields f, struct str name, struct directives *out);
/** delta-seconds, at most 2^31; anything else is 0: an answer that is never fresh. */
int64_t rules_seconds(struct str value);
/** CDN-Cache-Control (RFC 9213): a dictionary of RFC 9651, which parses as a whole or counts for nothing. False: absent or useless. */
bool rules_targeted(struct arena *a, struct http_fields f, struct directives *out);
/** The three forms of RFC 9110 5.6.7, strictly, but in any case. Seconds since 1970. `now_s` tells the century of two-digit years. */
bool rules_date(struct str text, int64_t now_s, int64_t *out);

/* ── what an answer says of itself ── */

struct policy {
	int64_t lifetime_ms;
	int64_t initial_age_ms; /* when it arrived */
	int64_t while_revalidate_ms;
	int64_t if_error_ms;
	struct str hidden; /* fields that no-cache="…" names: never sent from the store */
	bool explicit_lifetime;
	bool storable;
	bool for_authorized; /* RFC 9111 3.5: may be shared although the request had credentials */
	bool no_cache; /* never without asking */
	bool strict; /* never stale */
};

struct answer_times {
	int64_t asked_ms;
	int64_t got_ms;
};

/** `f`: end-to-end fields. Strings of *out point into them or lie in the arena. */
void rules_policy(struct arena *a, int status, struct http_fields f, struct answer_times t, struct policy *out);

/** True when a proxy passes the field on; `connection`: the members of all Connection fields. */
bool rules_is_end_to_end(struct str name, struct str connection);

/* ── Vary ── */

struct vary_names {
	struct http_fields fields;
	unsigned at;
	struct str rest;
};
/** Begins to walk the names in all Vary fields. */
void rules_vary_begin(struct vary_names *v, struct http_fields f);
bool rules_vary_next(struct vary_names *v, struct str *name);
/** "*" anywhere. */
bool rules_varies_by_all(struct http_fields f);
/** Appends the value of a selecting field in the form that is compared (RFC 9111 4.1). A field that is absent differs from an empty one. */
void rules_selecting(struct buf *out, struct http_fields asked, struct str name);

/* ── conditions ── */

/** True when If-None-Match, or else If-Modified-Since, says that the client has it. Absent tag and date are possible. */
bool rules_not_modified(struct http_fields asked, struct str etag, struct str last_modified, int64_t now_s);
/** One range of bytes of a whole answer. False: none is asked, or the whole is the right answer. */
bool rules_range(struct http_fields asked, struct str etag, size_t size, size_t *from, size_t *to);

/* ── keeping ── */

/** What a store allows beside the rules. */
struct keep_options {
	bool store_cookies; /* answers with Set-Cookie, when their lifetime is explicit */
	bool heuristics; /* lifetimes guessed from Last-Modified */
};

/** May the answer to `method` be kept? `asked`: the request's end-to-end fields. */
bool rules_keep(struct str method, int status, struct http_fields f, struct http_fields asked, const struct policy *p,
    const struct keep_options *options);
/**
 * A 304 (or an answer to HEAD) renews stored fields, but never what describes the stored body. The new list is in the arena,
 * its strings are borrowed. items is NULL when the arena is full.
 */
struct http_fields rules_renew(struct arena *a, struct http_fields stored, struct http_fields fresh);

#endif
