/*
 * Polling GET /internal/revocations?after=<seq>; a page that brought something is followed at once by the next one. Numbers may be
 * committed out of order, so each round begins some seconds back: an entry that shows up late behind a greater number is still
 * seen. Entries read twice do no harm.
 */
#include "gateway/revocations.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/auth/token.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/json/json.h"
#include "gateway/closed.h"

enum { POLL_MS = 1000, REPLY_BYTES_MAX = 4 * 1024 * 1024, LATE_MS = 10000 };

struct revocations {
	struct internal *internal;
	struct timer *timer;
	struct closed sessions;
	uint64_t after; /* of the page asked for next */
	uint64_t settled; /* where rounds begin: LATE_MS old at least */
	uint64_t mark; /* becomes `settled` */
	int64_t mark_ms;
	int64_t read_ms; /* 0: never */
	uint64_t *read_failures;
};

static double read_count(void *arg)
{
	return (double)closed_count(&((struct revocations *)arg)->sessions);
}

static double read_forgotten(void *arg)
{
	return (double)((struct revocations *)arg)->sessions.forgotten;
}

/* RFC 3339 or, if the service prefers, Unix seconds. */
static int64_t read_time(const struct json *item, const char *member, int64_t otherwise)
{
	const struct json *v = json_get(item, str_of(member));
	int64_t at = 0;
	if (v && json_int64(v, &at)) return at;
	return v && clock_parse_rfc3339(json_string(v), &at) ? at / 1000000 + 1 : otherwise;
}

static void add(struct revocations *r, const struct json *item, int64_t now_s)
{
	struct str session = json_get_str(item, "session");
	int64_t revoked_s = read_time(item, "revoked_at", now_s);
	if (session.n)
		closed_add(&r->sessions, session, revoked_s,
		    read_time(item, "expires_at", now_s + 2 * ACCESS_TOKEN_TTL_S), now_s);
}

static bool read_cursor(struct revocations *r, const struct json *v)
{
	struct str text = !v ? STR_NONE : json_type(v) == JSON_NUMBER ? json_number(v) : json_string(v);
	uint64_t seq;
	if (!str_to_u64(text, &seq) || seq <= r->after) return false;
	r->after = seq;
	return true;
}

static void end_round(struct revocations *r)
{
	int64_t now_ms = loop_now_ms(r->internal->loop);
	if (now_ms - r->mark_ms >= LATE_MS) {
		r->settled = r->mark;
		r->mark = r->after;
		r->mark_ms = now_ms;
	}
	r->after = r->settled;
}

/* How many entries the page had; -1 when it was not readable. */
static int read_page(struct revocations *r, struct str body)
{
	struct arena a;
	struct json_error error;
	const struct json *page;
	int count = -1;
	int64_t now_s = clock_wall_s();
	arena_init(&a, 4096, 2 * REPLY_BYTES_MAX);
	if (json_read(&a, body, JSON_DEPTH_MAX, &page, &error) == ERR_NONE) {
		const struct json *items = json_get(page, STR("items")), *after = json_get(page, STR("next_after"));
		if (items && json_type(items) == JSON_ARRAY && (json_count(items) == 0 || read_cursor(r, after))) {
			count = 0;
			for (const struct json *i = json_first(items); i; i = json_next(i), count++) add(r, i, now_s);
		}
	}
	arena_release(&a);
	return count;
}

static void fetched(void *arg, enum err status, const struct http_reply *reply)
{
	struct revocations *r = arg;
	int count = status == ERR_NONE && reply->status == 200 ? read_page(r, reply->body) : -1;
	if (count < 0) ++*r->read_failures;
	if (count == 0) {
		r->read_ms = loop_now_ms(r->internal->loop);
		end_round(r);
		closed_tidy(&r->sessions, clock_wall_s());
	}
	timer_start(r->timer, count > 0 ? 1 : POLL_MS, 0);
}

static void poll_due(void *arg)
{
	struct revocations *r = arg;
	char target[64];
	int n = snprintf(target, sizeof target, "/internal/revocations?after=%llu", (unsigned long long)r->after);
	if (internal_send(r->internal, STR("GET"), str_span(target, (size_t)n), STR_NONE, fetched, r) == ERR_NONE)
		return;
	++*r->read_failures;
	timer_start(r->timer, POLL_MS, 0);
}

struct revocations *revocations_new(struct internal *internal, struct metrics *metrics)
{
	struct revocations *r = calloc(1, sizeof *r);
	CHECK(r != NULL);
	r->internal = internal;
	closed_init(&r->sessions, REVOCATIONS_MAX);
	r->timer = timer_new(internal->loop, poll_due, r);
	r->read_failures =
	    metrics_counter(metrics, "yg_revocations_read_failures_total", "Polls that brought no list.", NULL, 0);
	metrics_gauge_fn(metrics, "yg_revocations", "Closed sessions held.", NULL, 0, read_count, r);
	metrics_gauge_fn(metrics, "yg_revocations_forgotten",
	    "Closed sessions dropped for want of room; tokens from before are refused.", NULL, 0, read_forgotten, r);
	timer_start(r->timer, 1, 0);
	return r;
}

void revocations_free(struct revocations *r)
{
	if (!r) return;
	timer_free(r->timer);
	closed_free(&r->sessions);
	free(r);
}

enum err revocations_check(struct revocations *r, struct str session, int64_t issued_s, int64_t now_s)
{
	if (!r->read_ms) return ERR_UNAVAILABLE;
	switch (closed_check(&r->sessions, session, issued_s, now_s)) {
	case CLOSED_YES:
		return ERR_TOKEN_INVALID;
	case CLOSED_UNSURE:
		return ERR_TOKEN_EXPIRED;
	case CLOSED_NO:
		break;
	}
	return ERR_NONE;
}

int64_t revocations_age_s(const struct revocations *r)
{
	return r->read_ms ? (loop_now_ms(r->internal->loop) - r->read_ms) / 1000 : INT64_MAX;
}
