/* The step tables: in which order things happen. What the steps do stands in flow_*.c. */
#include "services/donations/donations.h"

static const struct step gift_create[] = {
	{ "check names", give_check },
	{ "insert", give_insert }, /* a batch: shares its commit with all gifts that wait */
	{ "inserted", give_inserted }, /* BANK_TRANSFER is answered here */
	{ "resume", give_resume }, /* the key was used before: replay, or go on where it stopped */
	{ "find payer", give_find_payer },
	{ "payer found", give_payer_found },
	{ "sign order", give_sign },
	{ "order", give_send },
	{ "ordered", give_read },
	{ "sign order again", give_sign_again }, /* once more after SYSTEM_ERROR or silence: the same order number */
	{ "order again", give_send_again },
	{ "ordered again", give_read_again },
	{ "sign for client", give_sign_client },
	{ "save", give_save },
	{ "answer", give_answer },
};

static const struct step gift_payment_create[] = {
	{ "load", give_load },
	{ "loaded", give_loaded },
	{ "find payer", give_find_payer },
	{ "payer found", give_payer_found },
	{ "sign order", give_sign },
	{ "order", give_send },
	{ "ordered", give_read },
	{ "sign order again", give_sign_again },
	{ "order again", give_send_again },
	{ "ordered again", give_read_again },
	{ "sign for client", give_sign_client },
	{ "save", give_save },
	{ "answer", give_answer },
};

static const struct step payment_notification_create[] = {
	{ "verify", notify_verify }, /* then settle and keep, in one transaction */
	{ "answer", notify_answer },
};

static const struct step my_gift_get[] = {
	{ "load", mine_load },
	{ "answer", mine_answer },
};

static const struct step inkind_gift_count[] = {
	{ "seal name", inkind_seal },
	{ "count", inkind_count },
	{ "answer", inkind_counted },
};

static const struct step decision_record[] = {
	{ "ask for accounts", decide_ask },
	{ "accounts", decide_asked },
	{ "record", request_go_plain },
};

static const struct step inkind_representative_get[] = {
	{ "load", inkind_load },
	{ "answer", inkind_show },
};

static const struct step gift_export[] = {
	{ "make", export_gifts },
	{ "answer", export_answer },
};

static const struct step disbursement_export[] = {
	{ "make", export_disbursements },
	{ "answer", export_answer },
};

static const struct step gift_workbook[] = {
	{ "load", workbook_gifts },
	{ "make", workbook_build },
	{ "record", workbook_record },
	{ "answer", workbook_answer },
};

static const struct step disbursement_workbook[] = {
	{ "load", workbook_disbursements },
	{ "make", workbook_build },
	{ "record", workbook_record },
	{ "answer", workbook_answer },
};

static const struct step my_receipt_create[] = {
	{ "seal title", title_seal },
	{ "request", title_request }, /* the job carries it */
	{ "answer", title_requested },
};

static const struct step my_receipt_get[] = {
	{ "load", title_load_mine },
	{ "answer", title_show_mine },
};

static const struct step receipt_get[] = {
	{ "load", title_load },
	{ "answer", title_show },
};

static const struct step party_create[] = {
	{ "seal", party_seal },
	{ "insert", party_insert },
	{ "answer", party_made },
};

static const struct step party_get[] = {
	{ "load", party_load },
	{ "answer", party_show },
};

static const struct step party_update[] = {
	{ "load", party_load },
	{ "seal", party_reseal },
	{ "update", party_save },
	{ "load again", party_load },
	{ "answer", party_show },
};

static const struct step party_search[] = {
	{ "look up", party_look_up },
	{ "answer", party_found },
};

/* A slice of orders a run; a second's sleep inside the run when none is due. */
static const struct step order_follow[] = {
	{ "take", follow_take }, { "taken", follow_taken }, /* order_ask for each */
};

static const struct step order_ask_steps[] = {
	{ "begin", follow_begin },
	{ "sign query", follow_sign },
	{ "query", follow_send },
	{ "queried", follow_read },
	{ "sign close", follow_sign_close },
	{ "close", follow_send_close },
	{ "closed", follow_read_close },
	{ "write", follow_write },
};

static const struct step refund_follow[] = {
	{ "take", refund_take }, { "taken", refund_taken }, /* refund_ask for each */
};

static const struct step refund_ask_steps[] = {
	{ "begin", refund_begin },
	{ "sign", refund_sign },
	{ "send", refund_send },
	{ "read", refund_read },
	{ "sign look", refund_sign_look }, /* refused for good: is there really no such refund? */
	{ "look", refund_send_look },
	{ "looked", refund_read_look },
};

static const struct step reconciliation[] = {
	{ "take", reconcile_take },
	{ "taken", reconcile_taken }, /* reconciliation_ask for each */
	{ "watch", reconcile_watch },
	{ "show", reconcile_show },
};

static const struct step reconciliation_ask_steps[] = {
	{ "begin", reconcile_begin },
	{ "sign trade bill", reconcile_sign },
	{ "trade bill", reconcile_send },
	{ "trade bill answered", reconcile_read },
	{ "sign trade file", reconcile_sign_file },
	{ "trade file", reconcile_send_file },
	{ "read trade file", reconcile_read_file },
	{ "trade bill done", reconcile_bill_done },
	{ "sign fund bill", reconcile_sign },
	{ "fund bill", reconcile_send },
	{ "fund bill answered", reconcile_read },
	{ "sign fund file", reconcile_sign_file },
	{ "fund file", reconcile_send_file },
	{ "read fund file", reconcile_read_file },
	{ "fund bill done", reconcile_bill_done },
	{ "receipts", reconcile_receipts },
	{ "read receipts", reconcile_read_receipts },
	{ "receipts done", reconcile_receipts_done },
	{ "write", reconcile_write },
};

static const struct step receipt_follow[] = {
	{ "take", receipt_take }, { "taken", receipt_taken }, /* receipt_ask for each */
};

static const struct step receipt_ask_steps[] = {
	{ "begin", receipt_begin },
	{ "send", receipt_send },
	{ "read", receipt_read }, /* refused for good: is there really no such receipt? */
	{ "looked", receipt_read_look },
};

static const struct step money_watch[] = {
	{ "query", watch_query },
	{ "show", watch_show },
};

static const struct step ledger_watch[] = {
	{ "query", ledger_watch_query },
	{ "run", ledger_watch_run },
	{ "show", ledger_watch_show },
};

static enum next fold(struct request *r)
{
	return request_query(r, "totals_fold");
}
static const struct step totals_fold[] = { { "fold", fold } };

static enum next ensure_partitions(struct request *r)
{
	return request_query(r, "gift_partitions_ensure");
}
static const struct step gift_partitions_ensure[] = { { "ensure", ensure_partitions } };

static enum next make_plan_orders(struct request *r)
{
	return request_query(r, "plan_orders_make");
}
static const struct step plan_orders_make[] = { { "make", make_plan_orders } };

static enum next close_pages(struct request *r)
{
	return request_query(r, "pages_close");
}
static const struct step pages_close[] = { { "close", close_pages } };

static enum next give_up_receipts(struct request *r)
{
	return request_query(r, "receipts_give_up");
}
static const struct step receipts_give_up[] = { { "give up", give_up_receipts } };

static enum next forget_accounts(struct request *r)
{
	return request_query(r, "accounts_forget");
}
static const struct step accounts_forget[] = { { "forget", forget_accounts } };

#define FLOW(name, state_bytes)                                                                                        \
	{                                                                                                              \
#name, name, ARRAY_LEN(name), state_bytes                                                              \
	}
static const struct flow flows[] = {
	FLOW(gift_create, sizeof(struct give_state)),
	FLOW(gift_payment_create, sizeof(struct give_state)),
	FLOW(payment_notification_create, 0),
	FLOW(my_gift_get, 0),
	FLOW(inkind_gift_count, 0),
	FLOW(decision_record, 0),
	FLOW(inkind_representative_get, 0),
	FLOW(gift_export, 0),
	FLOW(disbursement_export, 0),
	FLOW(gift_workbook, sizeof(struct workbook)),
	FLOW(disbursement_workbook, sizeof(struct workbook)),
	FLOW(my_receipt_create, 0),
	FLOW(my_receipt_get, 0),
	FLOW(receipt_get, 0),
	FLOW(party_create, 0),
	FLOW(party_get, 0),
	FLOW(party_update, 0),
	FLOW(party_search, 0),
	FLOW(order_follow, 0),
	FLOW(refund_follow, 0),
	FLOW(receipt_follow, 0),
	FLOW(reconciliation, 0),
	FLOW(money_watch, 0),
	FLOW(ledger_watch, 0),
	FLOW(totals_fold, 0),
	FLOW(gift_partitions_ensure, 0),
	FLOW(plan_orders_make, 0),
	FLOW(pages_close, 0),
	FLOW(receipts_give_up, 0),
	FLOW(accounts_forget, 0),
};

const struct flow order_ask = { "order_ask", order_ask_steps, ARRAY_LEN(order_ask_steps), sizeof(struct follow_state) };
const struct flow refund_ask = { "refund_ask", refund_ask_steps, ARRAY_LEN(refund_ask_steps),
	sizeof(struct refund_state) };

const struct flow reconciliation_ask = { "reconciliation_ask", reconciliation_ask_steps,
	ARRAY_LEN(reconciliation_ask_steps), sizeof(struct reconcile_state) };

const struct flow receipt_ask = { "receipt_ask", receipt_ask_steps, ARRAY_LEN(receipt_ask_steps),
	sizeof(struct receipt_state) };

static const struct job jobs[] = {
	{ "totals_fold", 1000 },
	{ "order_follow", 10 },
	{ "refund_follow", 10 },
	{ "reconciliation", 2000 },
	{ "receipt_follow", 10 },
	{ "money_watch", 5000 },
	{ "ledger_watch", 2000 },
	{ "gift_partitions_ensure", 6 * 3600 * 1000 },
	{ "plan_orders_make", 2000 },
	{ "pages_close", 60000 },
	{ "receipts_give_up", 3600 * 1000 },
	{ "accounts_forget", 250 },
};

static const char *const consumes[] = { "transparency", "identity" };

const struct service_def donations = { "donations", flows, ARRAY_LEN(flows), jobs, ARRAY_LEN(jobs), donations_start,
	consumes, ARRAY_LEN(consumes), 0 };
