/* Settings of the donations service: merchant, keys, addresses (ARCHITECTURE.md has the table). */
#include "services/donations/donations.h"

#include "common/core/config.h"
#include "common/core/log.h"

enum { KEY_FILE_BYTES_MAX = 64 * 1024, APIV3_KEY_BYTES = 32, OPENIDS_MAX = 4096, SUBJECT_BYTES_MAX = 40 };

static enum err bad(const char *name, const char *why)
{
	log_line(LOG_ERROR, "setting refused", "%s: %s", name, why);
	return ERR_CONFIG;
}

static enum err read_private_key(struct arena *boot, struct wechat_pay *p)
{
	struct str pem;
	TRY(config_read_file(boot, config_need(boot, "YG_WXPAY_KEY_FILE").p, KEY_FILE_BYTES_MAX, &pem));
	enum err e = key_read_pem(pem, &p->key);
	crypto_wipe((char *)(uintptr_t)pem.p, pem.n);
	if (e != ERR_NONE || !key_is_private(p->key) || key_alg(p->key) != ALG_RS256)
		return bad("YG_WXPAY_KEY_FILE", "not an RSA private key in PEM");
	return ERR_NONE;
}

/* {"PUB_KEY_ID_…": "-----BEGIN PUBLIC KEY…"}; the first is asked for in requests. */
static enum err read_public_keys(struct arena *boot, struct wechat_pay *p)
{
	static const char name[] = "YG_WXPAY_PUBLIC_KEYS_FILE";
	struct str text;
	struct json_error error;
	const struct json *file;
	TRY(config_read_file(boot, config_need(boot, name).p, KEY_FILE_BYTES_MAX, &text));
	if (json_read(boot, text, JSON_DEPTH_MAX, &file, &error) != ERR_NONE || json_type(file) != JSON_OBJECT)
		return bad(name, "not a JSON object");
	if (json_count(file) == 0 || json_count(file) > WECHAT_PAY_KEYS_MAX)
		return bad(name, "needs one to eight keys");
	for (const struct json *v = json_first(file); v; v = json_next(v)) {
		struct wechat_pay_key *k = &p->keys[p->key_count++];
		k->serial = json_key(v);
		if (key_read_pem(json_string(v), &k->key) != ERR_NONE || key_alg(k->key) != ALG_RS256)
			return bad(name, "not an RSA public key in PEM");
	}
	return ERR_NONE;
}

static enum err read_receipts(struct arena *boot, struct receipts *p)
{
	p->base_url = config_str(boot, "YG_RECEIPTS_URL", "");
	if (!p->base_url.n) return ERR_NONE;
	if (str_ends(p->base_url, STR("/"))) p->base_url.n--;
	p->app = config_need(boot, "YG_RECEIPTS_APP");
	TRY(config_read_file(boot, config_need(boot, "YG_RECEIPTS_KEY_FILE").p, KEY_FILE_BYTES_MAX, &p->key));
	p->key = str_trim(p->key);
	return p->key.n >= SHA256_BYTES ? ERR_NONE : bad("YG_RECEIPTS_KEY_FILE", "shorter than 32 bytes");
}

static void gauges_make(struct service *s, struct matters *m)
{
	m->exceptions_open = service_gauge(
	    s, "yg_donations_payment_exceptions_open", "Payments that fit no order or refund and wait for a person.");
	m->refunds_failed = service_gauge(
	    s, "yg_donations_refunds_failed", "Refunds that WeChat Pay refused and that wait for a person.");
	m->refunds_due = service_gauge(s, "yg_donations_refunds_due", "Refunds that a job should ask about now.");
	m->orders_due = service_gauge(s, "yg_donations_orders_due", "Unpaid orders that a job should ask about now.");
	m->disagreements = service_gauge(
	    s, "yg_donations_ledger_disagreements", "Balances that differ from what the ledger sums up to.");
	m->check_age_s = service_gauge(
	    s, "yg_donations_ledger_check_age_seconds", "How long ago the ledger was summed up the last time.");
	m->unpayable = service_gauge(
	    s, "yg_donations_disbursements_unpayable", "Approved disbursements whose money refunds have taken.");
	m->receipts_failed = service_gauge(
	    s, "yg_donations_receipts_failed", "Receipts that the platform refused and that wait for a person.");
	m->red_letters_failed = service_gauge(s, "yg_donations_red_letters_failed",
	    "Red letters that the platform refused: receipts still stand there that should not.");
	m->differences_open = service_gauge(s, "yg_donations_reconciliation_differences_open",
	    "Differences between WeChat's bills, the receipt platform's list and our books that wait for a person.");
	m->days_due = service_gauge(
	    s, "yg_donations_reconciliation_runs_due", "Days whose bills should have been compared and were not.");
}

enum err donations_start(struct service *s, struct arena *boot, void **context)
{
	struct donations *d = ARENA_NEW(boot, struct donations);
	if (!d) return ERR_MEMORY;
	struct wechat_pay *p = &d->pay;
	p->base_url = config_str(boot, "YG_WXPAY_URL", "https://api.mch.weixin.qq.com");
	p->mchid = config_need(boot, "YG_WXPAY_MCHID");
	p->appid = config_need(boot, "YG_WXPAY_APPID");
	p->serial = config_need(boot, "YG_WXPAY_SERIAL");
	p->notify_url = config_need(boot, "YG_WXPAY_NOTIFY_URL");
	TRY(read_private_key(boot, p));
	TRY(read_public_keys(boot, p));
	TRY(config_read_file(boot, config_need(boot, "YG_WXPAY_APIV3_KEY_FILE").p, KEY_FILE_BYTES_MAX, &p->apiv3_key));
	p->apiv3_key = str_trim(p->apiv3_key);
	if (p->apiv3_key.n != APIV3_KEY_BYTES) return bad("YG_WXPAY_APIV3_KEY_FILE", "not 32 bytes");
	if (str_ends(p->base_url, STR("/"))) p->base_url.n--;
	TRY(read_receipts(boot, &d->receipts));
	lru_init(&d->openids, OPENIDS_MAX, SUBJECT_BYTES_MAX, sizeof(struct openid));
	gauges_make(s, &d->matters);
	*context = d;
	return ERR_NONE;
}
