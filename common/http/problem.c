/* Problem details (RFC 9457): the one writer of error bodies. */
#include "common/http/problem.h"

#include "common/json/json_write.h"

int problem_status(const struct problem *p)
{
	return p->status ? p->status : err_info(p->err)->status;
}

struct str problem_slug(const struct problem *p)
{
	return p->slug.p ? p->slug : err_info(p->err)->slug;
}

static void put_joined(struct json_writer *w, const char *key, struct str prefix, struct str rest)
{
	char text[256];
	size_t n = rest.n < sizeof text - prefix.n ? rest.n : sizeof text - prefix.n;
	memcpy(text, prefix.p, prefix.n);
	if (n) memcpy(text + prefix.n, rest.p, n);
	json_put_member_str(w, key, str_span(text, prefix.n + n));
}

/* Two problems have types that clients of any API know (IANA's registry of HTTP problem types). */
static struct str type_prefix(enum err e)
{
	bool registered = e == ERR_QUOTA_EXCEEDED || e == ERR_REDUCED_CAPACITY;
	return registered ? STR("https://iana.org/assignments/http-problem-types#") : STR("/problems/");
}

static void put_violated_policies(struct json_writer *w, const struct problem *p)
{
	json_put_key(w, STR("violated-policies"));
	json_begin_array(w);
	for (unsigned i = 0; i < p->violated_count; i++) json_put_str(w, p->violated_policies[i]);
	json_end_array(w);
}

static void put_violation(struct json_writer *w, const struct violation *v, enum language language)
{
	json_begin_object(w);
	if (v->parameter.p) {
		json_put_member_str(w, "parameter", v->parameter);
	} else {
		json_put_member_str(w, "pointer", v->pointer);
	}
	json_put_member_str(w, "code", v->code);
	json_put_member_str(w, "detail", v->detail[language]);
	json_end_object(w);
}

void problem_write(struct buf *out, const struct problem *p, enum language language, struct str request_id)
{
	struct json_writer w;
	struct str slug = problem_slug(p);
	struct str title = p->title[language].p ? p->title[language] : err_info(p->err)->title[language];
	json_write_init(&w, out);
	json_begin_object(&w);
	put_joined(&w, "type", p->slug.p ? STR("/problems/") : type_prefix(p->err), slug);
	json_put_member_str(&w, "title", title);
	json_put_member_i64(&w, "status", problem_status(p));
	if (p->detail.p) json_put_member_str(&w, "detail", p->detail);
	if (request_id.p) put_joined(&w, "instance", STR("urn:request:"), request_id);
	json_put_member_str(&w, "code", slug);
	if (p->violations) {
		json_put_key(&w, STR("errors"));
		json_begin_array(&w);
		for (const struct violation *v = p->violations; v; v = v->next) put_violation(&w, v, language);
		json_end_array(&w);
	}
	if (p->violated_count) put_violated_policies(&w, p);
	if (request_id.p) json_put_member_str(&w, "trace_id", request_id);
	json_end_object(&w);
}
