/* How much money matters are open, as gauges: cases for a person, and work that the jobs should have done already; and whether the ledger
 * agrees with itself. */
#include "services/donations/donations.h"

enum next watch_query(struct request *r)
{
	return request_query(r, "money_matters");
}

enum next watch_show(struct request *r)
{
	const struct donations *d = request_context(r);
	*d->matters.exceptions_open = request_column_i64(r, 0, "exceptions_open", 0);
	*d->matters.refunds_failed = request_column_i64(r, 0, "refunds_failed", 0);
	*d->matters.refunds_due = request_column_i64(r, 0, "refunds_due", 0);
	*d->matters.orders_due = request_column_i64(r, 0, "orders_due", 0);
	*d->matters.unpayable = request_column_i64(r, 0, "unpayable", 0);
	*d->matters.receipts_failed = request_column_i64(r, 0, "receipts_failed", 0);
	*d->matters.red_letters_failed = request_column_i64(r, 0, "red_letters_failed", 0);
	return NEXT_DONE;
}

enum next ledger_watch_query(struct request *r)
{
	return request_query(r, "ledger_matters");
}

/* Summing up takes seconds once there are many gifts. */
enum next ledger_watch_run(struct request *r)
{
	const struct donations *d = request_context(r);
	*d->matters.disagreements = request_column_i64(r, 0, "disagreements", 0);
	*d->matters.check_age_s = request_column_i64(r, 0, "age_s", 0);
	if (!request_column_i64(r, 0, "due", 0)) return NEXT_DONE;
	return request_query_apart(r, "ledger_check_run");
}

enum next ledger_watch_show(struct request *r)
{
	const struct donations *d = request_context(r);
	*d->matters.disagreements = request_column_i64(r, 0, "disagreements", 0);
	*d->matters.check_age_s = 0;
	return NEXT_DONE;
}
