/*
 * code answer: gzip or brotli for answers that anybody may see. What is private, authenticated or not to be stored is never coded,
 * since its length would tell of secrets that stand beside what a client may choose (BREACH); nor what is small, or coded already.
 * Large bodies are coded in the thread pool. Every coding has its own entity tag.
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

/* The operation is anybody's, and so does the answer say. */
static bool is_for_all(const struct request *r, const struct draft *d)
{
	if (r->operation && r->operation->access != ACCESS_PUBLIC) return false;
	struct str type = d->type;
	if (d->status == 304)
		type = r->operation ? r->operation->success_type : STR("application/json"); /* it has none */
	struct str cache = STR("cache-control");
	if (!http_list_has(d->fields, cache, STR("public"))) return false;
	if (http_list_has(d->fields, cache, STR("no-store")) || http_list_has(d->fields, cache, STR("private")) ||
	    http_list_has(d->fields, cache, STR("no-transform")))
		return false;
	return coding_suits(type) && !http_count(d->fields, STR("content-encoding")) &&
	       !http_count(d->fields, STR("set-cookie")) && !http_count(d->fields, STR("content-range"));
}

/* What a client has is confirmed under the name by which it has it. */
static void keep_tag(struct request *r, const struct draft *d)
{
	struct str mine = http_get(r->x->fields, STR("if-none-match")), etag = http_get(d->fields, STR("etag"));
	struct str met = coding_etag_match(mine, etag);
	if (met.p && met.n != etag.n) r->etag = met;
}

static void take_coded(struct request *r, enum coding c, struct str coded)
{
	struct draft d = draft_of(r);
	struct str etag = http_get(d.fields, STR("etag"));
	if (!coded.p) return;
	r->coding = c;
	r->coded = coded;
	if (etag.p) r->etag = coding_etag(&r->x->arena, etag, c);
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
	*copy = *from;
	copy->fields.items = items;
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
	if (status == ERR_NONE && j->n) take_coded(j->r, j->coding, str_span(j->out, j->n));
	steps_run(j->r, AT_ANSWER);
}

static enum next encode_aside(struct request *r, enum coding c)
{
	struct arena *a = &r->x->arena;
	if (r->reply && !keep_reply(r)) return NEXT_STEP;
	struct job *j = ARENA_NEW(a, struct job);
	CHECK(j != NULL);
	*j = (struct job){ .r = r, .coding = c, .body = draft_of(r).body };
	j->out = malloc(j->body.n);
	if (!j->out) return NEXT_STEP;
	arena_on_release(a, free, j->out);
	return work_submit(r->gateway->loop, run_job, job_done, j) == ERR_NONE ? NEXT_WAIT : NEXT_STEP;
}

/* An answer is never lost because it could not be made smaller. */
static bool has_room(const struct arena *a, const struct draft *d)
{
	enum { ROOM_BYTES = 16 * 1024 };
	size_t needed = ROOM_BYTES + (d->body.n > CODING_INLINE_BYTES_MAX ? 0 : d->body.n);
	return !a->overflow && a->bytes_max - a->bytes_used > needed;
}

enum next encode_answer(struct request *r)
{
	if (r->problem.err != ERR_NONE) return NEXT_STEP;
	struct draft d = draft_of(r);
	if ((d.status != 200 && d.status != 304) || !is_for_all(r, &d) || !has_room(&r->x->arena, &d)) return NEXT_STEP;
	r->varies = true;
	if (d.status == 304) keep_tag(r, &d);
	if (d.status == 304 || d.body.n < CODING_BYTES_MIN || d.body.n > ENCODE_BYTES_MAX) return NEXT_STEP;
	enum coding c = coding_choose(sf_combined(&r->x->arena, r->x->fields, STR("accept-encoding")));
	if (c == CODING_IDENTITY) return NEXT_STEP;
	if (d.body.p == r->plan->openapi.p) {
		take_coded(r, c, r->plan->openapi_coded[c]);
		return NEXT_STEP;
	}
	if (d.body.n > CODING_INLINE_BYTES_MAX) return encode_aside(r, c);
	take_coded(r, c, coding_compress(&r->x->arena, c, d.body));
	return NEXT_STEP;
}
