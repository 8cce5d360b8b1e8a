/*
 * serve page: the few paths that are the gateway's own. The index, one page per kind of problem (the `type` of a problem answer is
 * its address), and the merged contract. Public, small, the same for everybody.
 */
#include "gateway/request.h"

#include "common/json/json_write.h"

#define STYLE                                                                                                          \
	"<style>body{font:16px/1.6 system-ui,sans-serif;max-width:42em;margin:3em auto;padding:0 "                     \
	"1em}code{background:#eee}</style>"

static const struct str index_page = {
	"<!doctype html><html lang=zh-CN><meta charset=utf-8><title>Yangguang 阳光</title>" STYLE
	"<h1>阳光 Yangguang</h1><p>红十字会信息平台的接口。<br>The programming interface of a Red Cross.</p>"
	"<ul><li><a href=/openapi.json>openapi.json</a>: 接口契约 / the contract</li></ul>",
	sizeof "<!doctype html><html lang=zh-CN><meta charset=utf-8><title>Yangguang 阳光</title>" STYLE
	       "<h1>阳光 Yangguang</h1><p>红十字会信息平台的接口。<br>The programming interface of a Red Cross.</p>"
	       "<ul><li><a href=/openapi.json>openapi.json</a>: 接口契约 / the contract</li></ul>" -
	    1
};

#define FIELD(name, value)                                                                                             \
	{                                                                                                              \
		{ name, sizeof name - 1 },                                                                             \
		{                                                                                                      \
			value, sizeof value - 1                                                                        \
		}                                                                                                      \
	}
static const struct http_field html_fields[] = {
	FIELD("Cache-Control", "public, max-age=300"),
	FIELD("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
	FIELD("Referrer-Policy", "no-referrer"),
	FIELD("Vary", "Accept"),
};

static enum next answer_html(struct request *r, struct str page)
{
	return request_answer(r, 200, STR("text/html; charset=utf-8"), html_fields, ARRAY_LEN(html_fields), page);
}

/* One look at Accept: JSON when it is named, a page otherwise. */
static bool wants_json(const struct request *r)
{
	return http_list_has(r->x->fields, STR("accept"), STR("application/json")) ||
	       http_list_has(r->x->fields, STR("accept"), STR("application/problem+json"));
}

struct problem_page {
	struct str slug;
	int status;
	struct str title[2];
};

static bool find_problem(const struct request *r, struct str slug, struct problem_page *out)
{
	const struct problem_type *type = map_get(&r->plan->contract->problems, slug);
	enum err e = type ? ERR_NONE : err_by_slug(slug);
	if (!type && e == ERR_NONE) return false;
	const struct err_info *info = err_info(e);
	*out = (struct problem_page){ .slug = slug, .status = type ? type->status : info->status };
	for (int i = 0; i < 2; i++) out->title[i] = type ? type->title[i] : info->title[i];
	return true;
}

static enum next answer_problem_json(struct request *r, const struct problem_page *p)
{
	struct buf out;
	struct json_writer w;
	buf_init(&out, 8192);
	json_write_init(&w, &out);
	json_begin_object(&w);
	json_put_key(&w, STR("type"));
	json_put_str(&w, arena_printf(&r->x->arena, "/problems/%.*s", STR_FMT(p->slug)));
	json_put_member_str(&w, "code", p->slug);
	json_put_member_i64(&w, "status", p->status);
	json_put_key(&w, STR("titles"));
	json_begin_object(&w);
	json_put_member_str(&w, "zh-CN", p->title[LANGUAGE_ZH]);
	json_put_member_str(&w, "en", p->title[LANGUAGE_EN]);
	json_end_object(&w);
	json_end_object(&w);
	struct str body = buf_ok(&out) ? arena_str(&r->x->arena, buf_view(&out)) : STR_NONE;
	buf_free(&out);
	if (!body.p) return request_fail(r, ERR_MEMORY);
	return request_answer(r, 200, STR("application/json"), html_fields, ARRAY_LEN(html_fields), body);
}

/* The slug was found in our own tables and titles come from our contracts: nothing of the client is written into the page. */
static enum next answer_problem(struct request *r, struct str slug)
{
	struct problem_page p;
	if (!find_problem(r, slug, &p)) return request_fail(r, ERR_NOT_FOUND);
	if (wants_json(r)) return answer_problem_json(r, &p);
	struct str page = arena_printf(&r->x->arena,
	    "<!doctype html><html lang=zh-CN><meta charset=utf-8><title>%.*s</title>" STYLE
	    "<h1>%.*s</h1><p lang=en>%.*s</p><p>HTTP %d · <code>%.*s</code></p>",
	    STR_FMT(p.slug), STR_FMT(p.title[LANGUAGE_ZH]), STR_FMT(p.title[LANGUAGE_EN]), p.status, STR_FMT(p.slug));
	return page.p ? answer_html(r, page) : request_fail(r, ERR_MEMORY);
}

static bool etag_matches(const struct request *r, struct str etag)
{
	struct str list = coding_etags_plain(&r->x->arena, http_get(r->x->fields, STR("if-none-match"))), part;
	while (str_cut(&list, ',', &part)) {
		part = str_trim(part);
		if (str_starts(part, STR("W/"))) part = str_from(part, 2);
		if (str_eq(part, etag) || str_eq(part, STR("*"))) return true;
	}
	return false;
}

static enum next answer_openapi(struct request *r)
{
	struct http_field *f = arena_array(&r->x->arena, 2, sizeof *f);
	if (!f) return request_fail(r, ERR_MEMORY);
	f[0] = (struct http_field){ STR("ETag"), r->plan->openapi_etag };
	f[1] = (struct http_field){ STR("Cache-Control"), STR("public, max-age=60") };
	if (etag_matches(r, r->plan->openapi_etag)) return request_answer(r, 304, STR_NONE, f, 2, STR_NONE);
	return request_answer(r, 200, STR("application/json"), f, 2, r->plan->openapi);
}

enum next pages_serve(struct request *r)
{
	struct str problems = STR("/problems/");
	if (r->operation) return NEXT_STEP;
	bool problem = str_starts(r->path, problems) && r->path.n > problems.n;
	bool index = str_eq(r->path, STR("/")), openapi = str_eq(r->path, STR("/openapi.json"));
	if (!index && !openapi && !problem) return NEXT_STEP;
	r->metrics = &r->gateway->pages;
	r->allow = STR("GET, HEAD, OPTIONS");
	if (!str_eq(r->method, STR("GET")) && !str_eq(r->method, STR("HEAD")))
		return NEXT_STEP; /* preflight says 204 or 405 */
	if (index) return answer_html(r, index_page);
	return openapi ? answer_openapi(r) : answer_problem(r, str_from(r->path, problems.n));
}
