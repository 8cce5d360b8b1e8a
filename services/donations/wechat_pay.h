#ifndef SERVICES_DONATIONS_WECHAT_PAY_H
#define SERVICES_DONATIONS_WECHAT_PAY_H

#include "common/core/arena.h"
#include "common/core/err.h"
#include "common/crypto/sign.h"
#include "common/json/json.h"

/* WeChat Pay APIv3, the pure part: bytes in, bytes out. No I/O, no request. */

enum {
	WECHAT_PAY_SKEW_S = 300,
	WECHAT_PAY_KEYS_MAX = 8,
	WECHAT_PAY_NONCE_BYTES = 32,
	WECHAT_PAY_BODY_BYTES_MAX = 64 * 1024
};

/** A public key of WeChat Pay: "PUB_KEY_ID_…", or a certificate's serial in the old mode. */
struct wechat_pay_key {
	struct str serial;
	struct key *key;
};

struct wechat_pay {
	struct str base_url; /* without a slash at the end */
	struct str mchid, appid;
	struct str serial; /* of our certificate */
	struct key *key; /* our private key */
	struct str apiv3_key; /* 32 bytes */
	struct str notify_url;
	struct wechat_pay_key keys[WECHAT_PAY_KEYS_MAX];
	unsigned key_count;
};

/** The text that a request's signature is over; `target` is path and query exactly as sent. */
struct str wechat_pay_request_text(
    struct arena *a, const char *method, struct str target, int64_t now_s, struct str nonce, struct str body);
/** Value of Authorization. */
struct str wechat_pay_authorization(
    struct arena *a, const struct wechat_pay *p, int64_t now_s, struct str nonce, struct str signature);
/** The text that paySign is over. */
struct str wechat_pay_client_text(
    struct arena *a, struct str appid, struct str timestamp, struct str nonce, struct str prepay_id);

/** The five header values that sign a callback or a reply; absent when missing. */
struct wechat_pay_signature {
	struct str timestamp, nonce, serial, signature;
};

/** True when the signature is ours to trust: known serial, within 300 s of now_s, right over the bytes of `body`. */
bool wechat_pay_verify(
    struct arena *a, const struct wechat_pay *p, const struct wechat_pay_signature *s, struct str body, int64_t now_s);

/** A callback, opened. */
struct wechat_pay_event {
	struct str id, type;
	const struct json *resource; /* decrypted; NULL when `original_type` is neither transaction nor refund */
	bool is_refund;
};
/** What json_read fails with, ERR_SYNTAX (a member is missing), ERR_CRYPTO (tag wrong). */
MUST_USE enum err wechat_pay_open_event(
    struct arena *a, struct str apiv3_key, struct str body, struct wechat_pay_event *out);

enum trade_state { TRADE_SUCCESS, TRADE_REFUND, TRADE_NOTPAY, TRADE_CLOSED, TRADE_OTHER };

struct wechat_pay_transaction {
	enum trade_state state;
	bool ours; /* mchid, appid and currency are those of `p` */
	struct str out_trade_no, transaction_id, success_time;
	int64_t total_fen;
};
/** ERR_SYNTAX when a member that the state needs is missing or out of form. */
MUST_USE enum err wechat_pay_read_transaction(
    const struct wechat_pay *p, const struct json *v, struct wechat_pay_transaction *out);

struct wechat_pay_refund {
	struct str state; /* SUCCESS, CLOSED, PROCESSING, ABNORMAL */
	bool ours; /* only callbacks carry mchid */
	struct str out_refund_no, refund_id, success_time;
	int64_t refund_fen;
};
MUST_USE enum err wechat_pay_read_refund(
    const struct wechat_pay *p, const struct json *v, bool callback, struct wechat_pay_refund *out);

struct wechat_pay_order {
	struct str description, out_trade_no, openid;
	struct str expires_at; /* RFC 3339 */
	int64_t total_fen;
};
/** Bodies of POST /v3/pay/transactions/jsapi, …/close, /v3/refund/domestic/refunds. */
struct str wechat_pay_order_body(struct arena *a, const struct wechat_pay *p, const struct wechat_pay_order *o);
struct str wechat_pay_close_body(struct arena *a, const struct wechat_pay *p);
struct str wechat_pay_refund_body(struct arena *a, const struct wechat_pay *p, struct str out_trade_no,
    struct str out_refund_no, struct str reason, int64_t refund_fen, int64_t total_fen);
/** `code` of an error body, "" when there is none. */
struct str wechat_pay_error_code(struct arena *a, struct str body);
/** A refund refused with this code will be refused again and again; others (no money in the account, too many calls, our own
 * settings) may pass. */
bool wechat_pay_refund_refused(struct str code);

#endif
