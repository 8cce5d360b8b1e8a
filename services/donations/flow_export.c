/* Files for staff: the statement makes the text and its record in one transaction; here it only goes out. */
#include "services/donations/donations.h"

enum next export_gifts(struct request *r)
{
	return request_query(r, "gift_export");
}

enum next export_disbursements(struct request *r)
{
	return request_query(r, "disbursement_export");
}

enum next export_answer(struct request *r)
{
	struct str csv = request_column(r, 0, "csv");
	if (!csv.p) return request_refuse(r, "export-too-large", NULL);
	request_add_header(r, STR("Content-Disposition"), STR("attachment; filename=\"export.csv\""));
	request_add_header(r, STR("Export-Id"), request_column(r, 0, "id"));
	request_add_header(r, STR("Export-Sha256"), request_column(r, 0, "sha256"));
	return request_answer_raw(r, 0, STR("text/csv"), csv);
}
