/* Files for staff. CSV: the statement makes the text and its record in one transaction; here it only goes out. Workbooks: the statement gives
 * the cells, the thread pool makes the file, and its record is committed before it leaves. */
#include "services/donations/donations.h"

enum { WORKBOOK_ARENA_BYTES_MAX = 64 * 1024 * 1024 };

enum next export_gifts(struct request *r)
{
	return request_query(r, "gift_export");
}

enum next export_disbursements(struct request *r)
{
	return request_query(r, "disbursement_export");
}

static void put_headers(struct request *r, struct str disposition, struct str sha256)
{
	request_add_header(r, STR("Content-Disposition"), disposition);
	request_add_header(r, STR("Export-Id"), request_column(r, 0, "id"));
	request_add_header(r, STR("Export-Sha256"), sha256);
}

enum next export_answer(struct request *r)
{
	struct str csv = request_column(r, 0, "csv");
	if (!csv.p) return request_refuse(r, "export-too-large", NULL);
	put_headers(r, STR("attachment; filename=\"export.csv\""), request_column(r, 0, "sha256"));
	return request_answer_raw(r, 0, STR("text/csv"), csv);
}

enum next workbook_gifts(struct request *r)
{
	return request_query(r, "gift_workbook");
}

enum next workbook_disbursements(struct request *r)
{
	return request_query(r, "disbursement_workbook");
}

static void workbook_release(void *arg)
{
	struct workbook *w = arg;
	arena_release(&w->arena);
}

enum next workbook_build(struct request *r)
{
	struct workbook *w = request_state(r);
	w->cells = request_column(r, 0, "cells");
	if (!w->cells.p) return request_refuse(r, "export-too-large", NULL);
	request_set(r, "flow.kind", request_column(r, 0, "kind"));
	request_set(r, "flow.rows", request_column(r, 0, "rows"));
	w->err = ERR_UNAVAILABLE; /* until it was made: the pool may give up */
	arena_init(&w->arena, 64 * 1024, WORKBOOK_ARENA_BYTES_MAX);
	arena_on_release(request_arena(r), workbook_release, w);
	return request_work(r, workbook_make, w);
}

enum next workbook_record(struct request *r)
{
	const struct workbook *w = request_state(r);
	if (w->err != ERR_NONE) return request_fail(r, w->err, NULL);
	request_set(r, "flow.sha256", str_of(w->sha256));
	return request_query(r, "export_record_create");
}

enum next workbook_answer(struct request *r)
{
	const struct workbook *w = request_state(r);
	put_headers(r, STR("attachment; filename=\"export.xlsx\""), str_of(w->sha256));
	return request_answer_raw(
	    r, 0, STR("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), w->file);
}
