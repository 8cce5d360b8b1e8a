/* What anyone must know of the log to check it. */
#include "services/transparency/transparency.h"

enum next log_load(struct request *r)
{
	return request_query(r, "log_get");
}

enum next log_answer(struct request *r)
{
	const struct transparency *t = request_context(r);
	if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "origin", t->key.name);
	json_put_member_str(w, "verifier_key", t->verifier_key);
	json_put_member_i64(w, "size", request_column_i64(r, 0, "size", 0));
	json_put_member_str(w, "root", request_column(r, 0, "root"));
	json_put_member_str(w, "signed_at", request_column(r, 0, "signed_at"));
	json_put_key(w, STR("witnesses"));
	json_put_raw(w, request_column(r, 0, "witnesses"));
	json_put_member_i64(w, "waiting", request_column_i64(r, 0, "waiting", 0));
	json_put_member_i64(w, "merge_delay_ms", request_column_i64(r, 0, "merge_delay_ms", 0));
	json_put_member_i64(w, "merge_delay_most_s", MERGE_DELAY_MOST_S);
	json_end_object(w);
	return request_answer(r, 0);
}
