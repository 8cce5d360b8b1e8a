/*
 * code answer: gzip or brotli for answers that anybody may see. What is private, authenticated or not to be stored is never coded,
 * since its length would tell of secrets that stand beside what a client may choose (BREACH); nor what is small, or coded already.
 * Kept answers are coded once each. Large bodies are coded in the thread pool. Every coding has its own entity tag.
 */
#include "gateway/request.h"

#include <stdlib.h>

enum { ENCODE_BYTES_MAX = 4 * 1024 * 1024 };

/* Who answers: the service, or the gateway itself. */
struct draft {
	int status;
	struct str type, body;
	struct http_fields fields;
};

struct job {
	struct request *r;
	enum coding coding;
	struct str body;
	char *out;
	size_t n;
};

static struct draft draft_of(const struct request *r)
{
	const struct http_response *own = &r->answer;
	if (!r->reply)
		return (struct draft){ own->status, own->content_type, own->body, { own->fields, own->field_count } };
	struct draft d = { r->reply->status, STR_NONE, r->reply->body, r->reply->fields };
	d.type = http_get(d.fields, STR("content-type"));
	return d;
}

/* All members of one Cache-Control field; *public is set by the one that says so. */
static bool lets_transform(struct str value, bool *public)
{
	static const struct str forbidding[] = { { "no-store", 8 }, { "private", 7 }, { "no-transform", 12 } };
	struct str member;
	while (str_cut(&value, ',', &member)) {
		struct str name = http_bare_member(member);
		if (str_eq_ci(name, STR("public"))) *public = true;
		for (size_t i = 0; i < ARRAY_LEN(forbidding); i++)
			if (str_eq_ci(name, forbidding[i])) return false;
	}
	return true;
}

/* Says that it is for everybody, and nothing against it; looked at once, for each answer that goes out. */
static bool is_public(struct http_fields fields)
{
	bool public = false;
	for (unsigned i = 0; i < fields.count; i++) {
		const struct http_field *f = &fields.items[i];
		if (str_eq_ci(f->name, STR("cache-control")) && !lets_transform(f->value, &public)) return false;
		if (str_eq_ci(f->name, STR("content-encoding")) || str_eq_ci(f->name, STR("set-cookie")) ||
		    str_eq_ci(f->name, STR("content-range")))
			return false;
	}
	return public;
}

/* The operation is anybody's, and so does the answer say. */
static bool is_for_all(const struct request *r, const struct draft *d)
{
	if (r->operation && r->operation->access != ACCESS_PUBLIC) return false;
	struct str type = d->type;
	if (d->status == 304)
		type = r->operation ? r->operation->success_type : STR("application/json"); /* it has none */
	return is_public(d->fields) && coding_suits(type);
}

/* What a client has is confirmed under the name by which it has it. */
static void keep_tag(struct request *r, const struct draft *d)
{
	struct str mine = http_get(r->x->fields, STR("if-none-match")), etag = http_get(d->fields, STR("etag"));
	struct str met = coding_etag_match(mine, etag);
	if (met.p && met.n != etag.n) r->etag = met;
}

/* Of the answer that is not kept. */
static void take_coded(struct request *r, enum coding c, struct str coded)
{
	struct draft d = draft_of(r);
	struct str etag = http_get(d.fields, STR("etag"));
	if (!coded.p) return;
	r->coding = c;
	r->coded = coded;
	if (etag.p) r->etag = coding_etag(&r->x->arena, etag, c);
}

static void take_entry(struct request *r, enum coding c)
{
	struct entry *e = entry_share(entry_in_coding(r->cache.entry, c));
	entry_release(r->cache.entry);
	r->cache.entry = e;
}

/* ── in the thread pool ── */

static struct str put_str(char **to, struct str s)
{
	char *at = *to;
	if (!s.p) return s;
	if (s.n) memcpy(at, s.p, s.n);
	*to += s.n;
	return str_span(at, s.n);
}

/* The reply is only borrowed for this turn: all of it in one piece that goes with the request. False: no memory for it. */
static bool keep_reply(struct request *r)
{
	const struct http_reply *from = r->reply;
	size_t count = from->fields.count, bytes = from->body.n;
	for (size_t i = 0; i < count; i++) bytes += from->fields.items[i].name.n + from->fields.items[i].value.n;
	struct http_reply *copy = malloc(sizeof *copy + count * sizeof(struct http_field) + bytes + 1);
	if (!copy) return false;
	struct http_field *items = (struct http_field *)(void *)(copy + 1);
	char *to = (char *)(items + count);
	for (size_t i = 0; i < count; i++) {
		items[i].name = put_str(&to, from->fields.items[i].name);
		items[i].value = put_str(&to, from->fields.items[i].value);
	}
	*copy = (struct http_reply){ .status = from->status, .fields = { items, from->fields.count } };
	copy->body = put_str(&to, from->body);
	r->reply = copy;
	arena_on_release(&r->x->arena, free, copy);
	return true;
}

static void run_job(void *arg)
{
	struct job *j = arg;
	j->n = coding_compress_into(j->coding, j->body, j->out);
}

static void job_done(void *arg, enum err status)
{
	struct job *j = arg;
	struct request *r = j->r;
	struct str coded = status == ERR_NONE && j->n ? str_span(j->out, j->n) : STR_NONE;
	if (r->cache.entry) {
		entry_set_coded(r->cache.entry, j->coding, coded);
		take_entry(r, j->coding);
	} else {
		take_coded(r, j->coding, coded);
	}
	steps_run(r, AT_ANSWER);
}

/* NEXT_STEP: it cannot be done at the moment, and need not. */
static enum next encode_aside(struct request *r, enum coding c, struct str body)
{
	struct arena *a = &r->x->arena;
	struct job *j = ARENA_NEW(a, struct job);
	char *out = malloc(body.n);
	if (!j || !out) {
		free(out);
		return NEXT_STEP;
	}
	*j = (struct job){ .r = r, .coding = c, .body = body, .out = out };
	arena_on_release(a, free, out);
	return work_submit(r->gateway->loop, run_job, job_done, j) == ERR_NONE ? NEXT_WAIT : NEXT_STEP;
}

/* ── the step ── */

static enum coding wanted(const struct request *r)
{
	struct str accept = STR_NONE;
	for (unsigned i = 0; i < r->x->fields.count; i++) {
		const struct http_field *f = &r->x->fields.items[i];
		if (f->name.n != 15 || !str_eq_ci(f->name, STR("accept-encoding"))) continue;
		if (accept.p) return coding_choose(sf_combined(&r->x->arena, r->x->fields, f->name));
		accept = f->value;
	}
	return accept.p ? coding_choose(accept) : CODING_IDENTITY;
}

/* Coded when somebody first wants it. Whoever comes while that goes on gets it as it is. */
static enum next encode_entry(struct request *r)
{
	struct entry *e = r->cache.entry;
	if (!e->may_be_coded) return NEXT_STEP;
	enum coding c = wanted(r);
	if (entry_wants_coding(e, c)) {
		if (e->body->n <= CODING_INLINE_BYTES_MAX)
			entry_set_coded(e, c, coding_compress(&r->x->arena, c, entry_body(e)));
		else if (encode_aside(r, c, entry_body(e)) == NEXT_WAIT)
			return NEXT_WAIT;
		else
			e->codings_tried &= ~(1u << c); /* another time */
	}
	take_entry(r, c);
	return NEXT_STEP;
}

/* An answer is never lost because it could not be made smaller. */
static bool has_room(const struct arena *a)
{
	return !a->overflow && a->bytes_max - a->bytes_used > 2 * (size_t)CODING_INLINE_BYTES_MAX;
}

enum next encode_answer(struct request *r)
{
	if (r->problem.err != ERR_NONE || !has_room(&r->x->arena)) return NEXT_STEP;
	if (r->cache.entry) return encode_entry(r);
	struct draft d = draft_of(r);
	if ((d.status != 200 && d.status != 304) || !is_for_all(r, &d)) return NEXT_STEP;
	r->varies = true;
	if (d.status == 304) keep_tag(r, &d);
	if (d.status == 304 || d.body.n < CODING_BYTES_MIN || d.body.n > ENCODE_BYTES_MAX) return NEXT_STEP;
	enum coding c = wanted(r);
	if (c == CODING_IDENTITY) return NEXT_STEP;
	if (r->page) { /* ours: coded when it was made, or not at all */
		if (r->page->coded[c].p) take_coded(r, c, r->page->coded[c]);
		return NEXT_STEP;
	}
	if (d.body.n > CODING_INLINE_BYTES_MAX) {
		if (r->reply && !keep_reply(r)) return NEXT_STEP;
		return encode_aside(r, c, draft_of(r).body);
	}
	take_coded(r, c, coding_compress(&r->x->arena, c, d.body));
	return NEXT_STEP;
}
