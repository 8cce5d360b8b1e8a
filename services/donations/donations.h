#ifndef SERVICES_DONATIONS_DONATIONS_H
#define SERVICES_DONATIONS_DONATIONS_H

#include "common/core/map.h"
#include "common/service/service.h"
#include "services/donations/bill.h"
#include "services/donations/day_list.h"
#include "services/donations/pace.h"
#include "services/donations/provider.h"
#include "services/donations/wechat_pay.h"
#include "services/donations/workbook.h"

enum { OPENID_BYTES_MAX = 64 };

struct openid {
	unsigned char bytes;
	char text[OPENID_BYTES_MAX];
};

/* What waits for a person or for the jobs, as /metrics shows it: job money_watch. */
struct matters {
	int64_t *exceptions_open, *refunds_failed, *refunds_due, *orders_due, *unpayable;
	int64_t *receipts_failed, *red_letters_failed;
	int64_t *differences_open, *days_due; /* job reconciliation */
	int64_t *disagreements, *check_age_s; /* job ledger_watch */
};

/* The province's receipt platform; without a base_url requests wait. */
struct receipts {
	struct str base_url, app, key;
};

/* What the flows of this service share: service_context(). */
struct donations {
	struct wechat_pay pay;
	struct receipts receipts;
	struct lru openids; /* subject → struct openid */
	struct pace pace; /* of the jobs' calls */
	struct matters matters;
};

extern const struct service_def donations;

/* settings.c */
MUST_USE enum err donations_start(struct service *s, struct arena *boot, void **context);

/* flow_give.c: gift_create and gift_payment_create */
struct give_state {
	struct str id, out_trade_no, campaign_id, channel, title, created_at, expires_at, prepay_id;
	int64_t amount_fen;
	bool creating; /* gift_create: 201, and the answer is kept under the key */
	struct str openid;
	struct provider_call call;
	struct signing client;
	struct str timestamp, nonce;
	struct str answer;
};
/** Sets flow.salt and flow.commitment: SHA-256(salt || name), for the gift's or the receipt's leaf. */
void give_commit_to(struct request *r, struct str name);
enum next give_check(struct request *r);
enum next give_insert(struct request *r);
enum next give_inserted(struct request *r);
enum next give_resume(struct request *r);
enum next give_load(struct request *r);
enum next give_loaded(struct request *r);
enum next give_find_payer(struct request *r);
enum next give_payer_found(struct request *r);
enum next give_sign(struct request *r);
enum next give_send(struct request *r);
enum next give_read(struct request *r);
enum next give_sign_again(struct request *r);
enum next give_send_again(struct request *r);
enum next give_read_again(struct request *r);
enum next give_sign_client(struct request *r);
enum next give_save(struct request *r);
enum next give_answer(struct request *r);

/* flow_notify.c: payment_notification_create */
enum next notify_verify(struct request *r);
enum next notify_answer(struct request *r);

/* flow_follow.c: job order_follow, and order_ask for each order it takes */
extern const struct flow order_ask;
enum follow_action { FOLLOW_NOTHING, FOLLOW_ASK, FOLLOW_CLOSE_THERE, FOLLOW_CLOSE_HERE, FOLLOW_SETTLE };
struct follow_state {
	enum follow_action action;
	struct str out_trade_no;
	bool expired;
	struct provider_call call, close; /* each used once: it owns memory */
};
enum next follow_take(struct request *r);
enum next follow_taken(struct request *r);
enum next follow_begin(struct request *r);
enum next follow_sign(struct request *r);
enum next follow_send(struct request *r);
enum next follow_read(struct request *r);
enum next follow_sign_close(struct request *r);
enum next follow_send_close(struct request *r);
enum next follow_read_close(struct request *r);
enum next follow_write(struct request *r);

/* flow_refund.c: job refund_follow, and refund_ask for each refund it takes */
extern const struct flow refund_ask;
struct refund_state {
	struct str out_refund_no, refusal;
	bool asks; /* POST: WeChat is asked to do it */
	struct provider_call call, look; /* each used once: it owns memory */
};
enum next refund_take(struct request *r);
enum next refund_taken(struct request *r);
enum next refund_begin(struct request *r);
enum next refund_sign(struct request *r);
enum next refund_send(struct request *r);
enum next refund_read(struct request *r);
enum next refund_sign_look(struct request *r);
enum next refund_send_look(struct request *r);
enum next refund_read_look(struct request *r);

/* A call to the receipt platform. */
struct receipt_call {
	const char *method;
	struct str target, body;
	char nonce[33];
	bool good, refused; /* as promised; refused for good */
	struct str code;
	const struct json *reply;
	int64_t timeout_ms; /* 0: what is usual */
};
/** Signs and sends; the next step reads request_reply. */
enum next receipt_call(struct request *r, struct receipt_call *c);
/** The platform itself signed this reply to the call. May run in any thread. */
bool receipt_signed(struct arena *a, struct str key, const struct receipt_call *c, const struct reply *reply);

/* flow_reconcile.c: job reconciliation, and reconciliation_ask for each run that is due */
extern const struct flow reconciliation_ask;
struct bill_work { /* read in the thread pool */
	struct arena arena;
	enum bill_kind kind;
	struct str packed, sha1;
	struct buf lines;
	struct bill_totals totals;
	enum bill_fault fault;
};
struct bill_of_day {
	struct provider_call ask, file;
	bool empty; /* WeChat has none for a day without transactions */
	struct bill_work work;
};
struct list_work { /* the platform's list of the day, read in the thread pool */
	struct arena arena;
	struct receipt_call ask;
	struct reply reply;
	struct str key, day;
	struct buf lines;
	bool is_signed;
	enum bill_fault fault;
};
enum { BILLS = 2 };
struct reconcile_state {
	struct str day;
	bool last_try, failed;
	struct bill_of_day bills[BILLS], *bill;
	struct list_work receipts;
};
enum next reconcile_take(struct request *r);
enum next reconcile_taken(struct request *r);
enum next reconcile_watch(struct request *r);
enum next reconcile_show(struct request *r);
enum next reconcile_begin(struct request *r);
enum next reconcile_sign(struct request *r);
enum next reconcile_send(struct request *r);
enum next reconcile_read(struct request *r);
enum next reconcile_sign_file(struct request *r);
enum next reconcile_send_file(struct request *r);
enum next reconcile_read_file(struct request *r);
enum next reconcile_bill_done(struct request *r);
enum next reconcile_receipts(struct request *r);
enum next reconcile_read_receipts(struct request *r);
enum next reconcile_receipts_done(struct request *r);
enum next reconcile_write(struct request *r);

/* flow_export.c: gift_export, disbursement_export, gift_workbook, disbursement_workbook */
enum next export_gifts(struct request *r);
enum next export_disbursements(struct request *r);
enum next export_answer(struct request *r);
enum next workbook_gifts(struct request *r);
enum next workbook_disbursements(struct request *r);
enum next workbook_build(struct request *r);
enum next workbook_record(struct request *r);
enum next workbook_answer(struct request *r);

/* flow_watch.c: job money_watch */
enum next watch_query(struct request *r);
enum next watch_show(struct request *r);
/* job ledger_watch */
enum next ledger_watch_query(struct request *r);
enum next ledger_watch_run(struct request *r);
enum next ledger_watch_show(struct request *r);

/* flow_mine.c: my_gift_get */
enum next mine_load(struct request *r);
enum next mine_answer(struct request *r);
/** Opens the sealed name in `column` of the row under its column "wrapped_key"; absent when there is none, or its key was destroyed. */
MUST_USE enum err mine_open(struct request *r, const char *column, struct str context, struct str *name);

/** The member "openings": what opens a leaf's commitment `member` to the name. */
void mine_put_opening(struct json_writer *w, const char *member, struct str name, struct str salt);

/* flow_title.c: my_receipt_create, my_receipt_get, receipt_get */
extern const char receipt_title_context[];
enum next title_seal(struct request *r);
enum next title_request(struct request *r);
enum next title_requested(struct request *r);
enum next title_load_mine(struct request *r);
enum next title_show_mine(struct request *r);
enum next title_load(struct request *r);
enum next title_show(struct request *r);

/* flow_party.c: party_create, party_get, party_update, party_search */
enum next party_seal(struct request *r);
enum next party_insert(struct request *r);
enum next party_made(struct request *r);
enum next party_load(struct request *r);
enum next party_show(struct request *r);
enum next party_reseal(struct request *r);
enum next party_save(struct request *r);
enum next party_look_up(struct request *r);
enum next party_found(struct request *r);

/* flow_receipt.c: job receipt_follow, and receipt_ask for each receipt or red letter it takes */
extern const struct flow receipt_ask;
struct receipt_state {
	struct str request_no, refusal;
	bool reversal;
	struct receipt_call call, look;
};
enum next receipt_take(struct request *r);
enum next receipt_taken(struct request *r);
enum next receipt_begin(struct request *r);
enum next receipt_send(struct request *r);
enum next receipt_read(struct request *r);
enum next receipt_read_look(struct request *r);

/* flow_decide.c: decision_record */
enum next decide_ask(struct request *r);
enum next decide_asked(struct request *r);

/* flow_inkind.c: inkind_gift_count, inkind_representative_get */
enum next inkind_seal(struct request *r);
enum next inkind_count(struct request *r);
enum next inkind_counted(struct request *r);
enum next inkind_load(struct request *r);
enum next inkind_show(struct request *r);

#endif
