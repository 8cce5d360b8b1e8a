/* How many obligations to publish are overdue, as a gauge. */
#include "services/transparency/transparency.h"

enum next watch_query(struct request *r)
{
	return request_query(r, "obligation_watch");
}

enum next watch_show(struct request *r)
{
	const struct transparency *t = request_context(r);
	*t->overdue = request_column_i64(r, 0, "overdue", 0);
	return NEXT_DONE;
}
