/*
 * Pages that explain the kinds of problems: what a status means here, and what a client is to do. The advice hangs on the status, and
 * for a few kinds on the kind itself; it stands beside the title, which says what exactly went wrong.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/json/json_write.h"
#include "gateway/site.h"

enum { INDEX_BYTES_MAX = 1024 * 1024, PROBLEMS_MAX = 4096 };

struct advice {
	const char *slug; /* NULL: every kind with this status */
	int status; /* 4 and 5: every other one of the class */
	const char *retry; /* for programs: never, after-change, after-login, after-read, later */
	const char *meaning[2]; /* by enum language */
	const char *todo[2];
};

/* The first row that fits. */
static const struct advice advices[] = {
	{ "token-expired", 0, "after-login",
	    { "访问令牌有效期为 15 分钟，现已过期。", "Access tokens live 15 minutes; this one is over." },
	    { "用刷新令牌换取新的访问令牌（POST /v1/auth/refresh），然后将原请求重发一次；幂等键保持不变。",
		"Get a new access token with the refresh token (POST /v1/auth/refresh) and send the request once more, "
		"with the same Idempotency-Key." } },
	{ "idempotency-in-progress", 0, "later",
	    { "携带同一 Idempotency-Key 的首个请求尚未处理完毕。",
		"The first request with this Idempotency-Key is still being worked on." },
	    { "按 Retry-After 等待，再以同一键、同一请求体重发；得到的将是首个请求的结果。",
		"Wait as Retry-After says, then send the same body with the same key: the answer will be that of the "
		"first request." } },
	{ "idempotency-key-reused", 0, "never",
	    { "该键已用于另一内容不同的请求。", "The key belongs to another request, with another body." },
	    { "新的操作须使用新的键；重试则必须原样发送原请求。",
		"Use a new key for a new operation; to repeat the old one, send it exactly as it was." } },
	{ "refresh-token-reused", 0, "after-login",
	    { "刷新令牌只能使用一次；再次出现可能意味着泄露，整个会话已被终止。",
		"A refresh token works once. Seen again, it may have been stolen, so its whole session has ended." },
	    { "请用户重新登录。", "Ask the user to sign in again." } },
	{ "address-forbidden", 0, "never",
	    { "请求来自不被允许的网络地址；与身份无关。", "The request came from a network that is not served, or not "
							  "served this. Who asks makes no difference." },
	    { "不要重试；请改用获准的网络，或联系管理员。",
		"Do not repeat it from there. Use a network that is allowed, or ask an administrator." } },
	{ NULL, 400, "after-change",
	    { "请求本身有误，服务器无法理解。未产生任何改动。",
		"The request itself is wrong. Nothing has been changed." },
	    { "修正请求后再发送，原样重发没有意义。",
		"Correct the request; sent again as it is, it will fail again." } },
	{ NULL, 401, "after-login", { "未出示凭据，或凭据无效。", "No credential was shown, or it is not good." },
	    { "重新登录或更换凭据后再发送；不要用同一凭据反复尝试。",
		"Sign in again or use another credential; do not try the same one again and again." } },
	{ NULL, 403, "never", { "身份已确认，但没有执行此操作的权限。", "We know who asks, and he may not do this." },
	    { "不要重试；如确有需要，请向管理员申请权限。",
		"Do not repeat it. Ask an administrator for the right if you should have it." } },
	{ NULL, 404, "never",
	    { "资源不存在，或对当前身份不可见。", "There is no such resource, or the caller may not see it." },
	    { "检查地址与标识符。", "Check the address and the identifier." } },
	{ NULL, 405, "after-change", { "该地址不支持此方法。", "This address does not take this method." },
	    { "改用 Allow 字段所列的方法。", "Use one of the methods in the field Allow." } },
	{ NULL, 408, "later", { "请求未在时限内完整到达。", "The request did not arrive whole in time." },
	    { "检查网络后重发；有改动的操作请携带同一 Idempotency-Key。",
		"Look at the network and send it again; operations that change something with the same "
		"Idempotency-Key." } },
	{ NULL, 409, "after-read",
	    { "请求与资源的当前状态冲突，未产生任何改动。",
		"The request does not go together with the present state. Nothing has been changed." },
	    { "重新读取资源的状态，再决定是否还需要此操作。",
		"Read the resource again, then decide whether the operation is still wanted." } },
	{ NULL, 410, "never", { "资源曾经存在，现已不再提供。", "It was there and is no longer." },
	    { "不要重试；请删除对它的引用。", "Do not repeat it; remove your references to it." } },
	{ NULL, 412, "after-read",
	    { "资源在读取之后已被他人修改，If-Match 不再匹配。",
		"Somebody changed the resource since it was read; If-Match does not match." },
	    { "重新读取，合并修改，用新的 ETag 再提交。",
		"Read it again, merge your change, and send it with the new ETag." } },
	{ NULL, 413, "after-change",
	    { "请求体超过了此操作允许的大小或复杂度。",
		"The body is larger or more complex than this operation takes." },
	    { "缩小请求，或分批发送。", "Make it smaller, or send it in parts." } },
	{ NULL, 415, "after-change", { "此操作不接受该媒体类型。", "This operation does not take this media type." },
	    { "按接口文档设置 Content-Type。", "Set Content-Type as the documentation of the operation says." } },
	{ NULL, 422, "after-change",
	    { "格式正确，但部分内容不符合要求；如有 errors，其中列出全部问题。未产生任何改动。",
		"Well-formed, but some values will not do; where there is a member errors, it lists all of them. "
		"Nothing has been changed." },
	    { "修正所指出的内容后再发送。", "Correct what is named and send it again." } },
	{ NULL, 428, "after-read",
	    { "修改共享资源必须说明依据的版本。",
		"A change of a shared resource must say which version it starts from." },
	    { "先读取资源，把其 ETag 放入 If-Match 再提交。", "Read the resource and send its ETag in If-Match." } },
	{ NULL, 429, "later", { "在一段时间内请求过多。", "There were too many requests in a time." },
	    { "按 Retry-After 等待后再发送；RateLimit 与 RateLimit-Policy 字段说明了配额。",
		"Wait as Retry-After says. The fields RateLimit and RateLimit-Policy tell the quota." } },
	{ NULL, 500, "later", { "我方出错，结果未知。", "Our fault. Whether something was changed is not known." },
	    { "GET、HEAD 以及携带同一 Idempotency-Key 的请求可以稍后重试；仍然失败时请附上 Request-Id 与我们联系。",
		"GET, HEAD and what carries the same Idempotency-Key may be repeated a little later. If it fails "
		"again, tell us the Request-Id." } },
	{ NULL, 501, "never", { "服务器不支持该方法。", "The server does not know this method." },
	    { "使用接口文档中的方法。", "Use a method that the documentation names." } },
	{ NULL, 505, "never", { "不支持该 HTTP 版本。", "This version of HTTP is not spoken here." },
	    { "使用 HTTP/1.1。", "Use HTTP/1.1." } },
	{ NULL, 4, "after-change",
	    { "请求不能按原样执行，未产生任何改动。",
		"The request cannot be done as it is. Nothing has been changed." },
	    { "修正请求后再发送。", "Change the request before you send it again." } },
	{ NULL, 5, "later", { "服务暂时无法完成请求。", "The platform could not do it at this moment." },
	    { "按 Retry-After 等待，并逐次延长间隔后重试；只重试 GET、HEAD 以及携带同一 Idempotency-Key 的请求。",
		"Repeat it after Retry-After, with pauses that grow: only GET, HEAD, and what carries the same "
		"Idempotency-Key." } },
};

static const struct advice *advice_of(const struct problem_page *p)
{
	const struct advice *a = advices;
	while (!(a->slug ? str_eq(p->slug, str_of(a->slug)) : a->status == p->status || a->status == p->status / 100))
		a++;
	return a; /* every status is 400 to 599 */
}

bool problem_find(const struct contract *c, struct str slug, struct problem_page *out)
{
	const struct problem_type *type = map_get(&c->problems, slug);
	enum err e = type ? ERR_NONE : err_by_slug(slug);
	if (!type && e == ERR_NONE) return false;
	const struct err_info *info = err_info(e);
	*out = (struct problem_page){ .slug = type ? type->slug : info->slug,
		.status = type ? type->status : info->status };
	for (int i = 0; i < 2; i++) out->title[i] = type ? type->title[i] : info->title[i];
	return true;
}

static void put_language(
    struct buf *out, const struct problem_page *p, enum language language, const char *what, const char *todo)
{
	const struct advice *a = advice_of(p);
	BUF_LIT(out, "<section lang=");
	buf_str(out, language == LANGUAGE_ZH ? STR("zh-CN") : STR("en"));
	BUF_LIT(out, "><h1>");
	html_text(out, p->title[language]);
	buf_printf(out, "</h1><h2>%s</h2><p>", what);
	html_text(out, str_of(a->meaning[language]));
	buf_printf(out, "</p><h2>%s</h2><p>", todo);
	html_text(out, str_of(a->todo[language]));
	BUF_LIT(out, "</p></section>");
}

void problem_write_html(struct buf *out, const struct problem_page *p)
{
	html_begin(out, p->title[LANGUAGE_ZH]);
	put_language(out, p, LANGUAGE_ZH, "含义", "客户端应当怎样做");
	put_language(out, p, LANGUAGE_EN, "What it means", "What a client should do");
	buf_printf(out, "<p>HTTP %d · <code>%.*s</code> · retry: <code>%s</code></p>", p->status, STR_FMT(p->slug),
	    advice_of(p)->retry);
	BUF_LIT(out, "<p><a href=/problems/>所有问题类型 · All kinds of problems</a></p></body></html>");
}

static void put_pair(struct json_writer *w, const char *key, struct str zh, struct str en)
{
	json_put_key(w, str_of(key));
	json_begin_object(w);
	json_put_member_str(w, "zh-CN", zh);
	json_put_member_str(w, "en", en);
	json_end_object(w);
}

void problem_write_json(struct buf *out, const struct problem_page *p)
{
	struct json_writer w;
	char type[128];
	const struct advice *a = advice_of(p);
	int n = snprintf(type, sizeof type, "/problems/%.*s", STR_FMT(p->slug));
	json_write_init(&w, out);
	json_begin_object(&w);
	json_put_member_str(&w, "type", str_span(type, n < (int)sizeof type ? (size_t)n : sizeof type - 1));
	json_put_member_str(&w, "code", p->slug);
	json_put_member_i64(&w, "status", p->status);
	put_pair(&w, "titles", p->title[LANGUAGE_ZH], p->title[LANGUAGE_EN]);
	put_pair(&w, "meanings", str_of(a->meaning[LANGUAGE_ZH]), str_of(a->meaning[LANGUAGE_EN]));
	put_pair(&w, "advice", str_of(a->todo[LANGUAGE_ZH]), str_of(a->todo[LANGUAGE_EN]));
	json_put_member_str(&w, "retry", str_of(a->retry));
	json_end_object(&w);
}

/* ---- the index ---- */

static int by_status(const void *a, const void *b)
{
	const struct problem_page *x = a, *y = b;
	return x->status != y->status ? x->status - y->status : str_cmp(x->slug, y->slug);
}

static void put_row(struct buf *out, const struct problem_page *p)
{
	buf_printf(out, "<tr><td>%d<td><a href=\"/problems/%.*s\"><code>%.*s</code></a><td>", p->status,
	    STR_FMT(p->slug), STR_FMT(p->slug));
	html_text(out, p->title[LANGUAGE_ZH]);
	BUF_LIT(out, "<br><span lang=en>");
	html_text(out, p->title[LANGUAGE_EN]);
	BUF_LIT(out, "</span>");
}

enum err problem_write_index(struct arena *a, const struct contract *c, struct page *out)
{
	struct buf text;
	struct problem_page *all = calloc(PROBLEMS_MAX, sizeof *all);
	size_t count = 0, at = 0;
	struct map_entry entry;
	CHECK(all != NULL);
	while (count < PROBLEMS_MAX && map_each(&c->problems, &at, &entry))
		count += problem_find(c, entry.key, &all[count]);
	for (int e = ERR_NONE + 1; e < ERR_COUNT && count < PROBLEMS_MAX; e++)
		if (!map_get(&c->problems, err_info((enum err)e)->slug))
			count += problem_find(c, err_info((enum err)e)->slug, &all[count]);
	qsort(all, count, sizeof *all, by_status);
	buf_init(&text, INDEX_BYTES_MAX);
	html_begin(&text, STR("问题类型 · Kinds of problems"));
	BUF_LIT(&text, "<h1>问题类型 <span lang=en>Kinds of problems</span></h1><table>");
	for (size_t i = 0; i < count; i++) put_row(&text, &all[i]);
	BUF_LIT(&text, "</table></body></html>");
	free(all);
	return page_keep(a, &text, out);
}
