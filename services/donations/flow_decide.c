/* Votes of a meeting are recorded by one person, who names the accounts of the others. Identity says which of these are active, and of
 * which units; what follows from it is decision_record_checked's, so that a repeated key still gets its saved answer. */
#include "services/donations/donations.h"

enum { PATH_BYTES_MAX = 4096 };

enum next decide_ask(struct request *r)
{
	struct buf path;
	const char *before = "/internal/staff/active?ids=";
	buf_init(&path, PATH_BYTES_MAX);
	const struct json *votes = json_get(request_body(r), STR("votes"));
	for (const struct json *v = json_first(votes); v; v = json_next(v)) {
		buf_printf(&path, "%s%.*s", before, STR_FMT(json_get_str(v, "voter")));
		before = ",";
	}
	struct str kept = buf_ok(&path) ? arena_str(request_arena(r), buf_view(&path)) : STR_NONE;
	buf_free(&path);
	return kept.p ? request_call(r, "identity", "GET", kept, STR_NONE, true) : request_fail(r, ERR_MEMORY, NULL);
}

enum next decide_asked(struct request *r)
{
	const struct reply *reply = request_reply(r);
	if (reply->err != ERR_NONE) return request_fail(r, reply->err, "identity");
	if (reply->status != 200) return request_fail(r, ERR_BAD_UPSTREAM, "identity: %d", reply->status);
	request_set(r, "flow.accounts", reply->body);
	return NEXT_STEP;
}
