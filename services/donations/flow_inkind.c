/* Goods are counted by people of both sides. The donor's side is a name: sealed here before it is stored, opened here and masked for
 * staff of the unit. Everything else about the count is inkind_count_record's. */
#include "services/donations/donations.h"

#include "common/crypto/secret.h"

static const char context[] = "donations.inkind_count.representative";

enum next inkind_seal(struct request *r)
{
	struct str name = json_get_str(request_body(r), "representative");
	enum err e = request_seal(r, "flow.representative", str_of(context), name);
	return e == ERR_NONE ? NEXT_STEP : request_fail(r, e, NULL);
}

enum next inkind_count(struct request *r)
{
	return request_query(r, "inkind_gift_count"); /* what is wrong with the count ends the request here */
}

static void put(struct request *r, struct json_writer *w, const char *column)
{
	json_put_member_str(w, column, request_column(r, 0, column));
}

enum next inkind_counted(struct request *r)
{
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	put(r, w, "id");
	put(r, w, "state");
	put(r, w, "counted_by");
	put(r, w, "counted_at");
	json_end_object(w);
	return request_answer(r, 0);
}

enum next inkind_load(struct request *r)
{
	return request_query(r, "inkind_representative_get");
}

enum next inkind_show(struct request *r)
{
	struct str name;
	if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	enum err e = mine_open(r, "sealed", str_of(context), &name);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	if (name.p) json_put_member_str(w, "representative", mask_name(request_arena(r), name));
	put(r, w, "counted_on");
	json_end_object(w);
	return request_answer(r, 0);
}
