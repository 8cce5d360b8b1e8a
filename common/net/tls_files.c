/* Which files a TLS setting means, and the stapled answers beside certificates. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/net/tls_set.h"

enum { OCSP_BYTES_MAX = 64 * 1024, OCSP_SKEW_S = 300 };

enum err tls_complain(const char *file, const char *why)
{
	log_begin(LOG_ERROR, "TLS file is not usable");
	log_str("file", str_of(file));
	log_str("reason", str_of(why));
	log_end();
	return ERR_CONFIG;
}

const char *tls_error(void)
{
	unsigned long code = ERR_peek_error(); /* the first is the cause */
	const char *reason =
	    ERR_SYSTEM_ERROR(code) ? strerror((int)ERR_GET_REASON(code)) : ERR_reason_error_string(code);
	ERR_clear_error();
	return reason ? reason : "unknown";
}

/* ── which files ── */

static const char *stem_with(struct arena *a, struct str path, const char *ending)
{
	struct str stem = path;
	for (size_t i = path.n; i > 0 && path.p[i - 1] != '/'; i--)
		if (path.p[i - 1] == '.' && i > 1 && path.p[i - 2] != '/') {
			stem.n = i - 1;
			break;
		}
	return arena_printf(a, "%.*s%s", STR_FMT(stem), ending).p;
}

static enum err add(struct arena *a, struct certificate_list *list, struct str chain, struct str key)
{
	if (list->count == CERTIFICATES_MAX) return tls_complain(chain.p, "too many certificates");
	if (!chain.n || chain.n > TLS_PATH_BYTES_MAX || key.n > TLS_PATH_BYTES_MAX)
		return tls_complain("YG_TLS_CERTIFICATES", "a path is missing or too long");
	struct certificate_files f = { .chain = arena_strz(a, chain),
		.key = key.n ? arena_strz(a, key) : stem_with(a, chain, ".key"),
		.ocsp = stem_with(a, chain, ".ocsp") };
	if (!f.chain || !f.key || !f.ocsp) return ERR_CONFIG;
	list->items[list->count++] = f;
	return ERR_NONE;
}

/* default.crt first, the others by name. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	bool first = strcmp((*a)->d_name, "default.crt") == 0, second = strcmp((*b)->d_name, "default.crt") == 0;
	return first || second ? second - first : strcmp((*a)->d_name, (*b)->d_name);
}

static int is_chain(const struct dirent *d)
{
	size_t n = strlen(d->d_name);
	return n > 4 && d->d_name[0] != '.' && strcmp(d->d_name + n - 4, ".crt") == 0;
}

static enum err list_folder(struct arena *a, struct str folder, struct certificate_list *out)
{
	struct dirent **found;
	int n = scandir(folder.p, &found, is_chain, by_name);
	enum err e = n > 0 ? ERR_NONE : tls_complain(folder.p, n < 0 ? "cannot be read" : "holds no .crt file");
	for (int i = 0; i < n; i++) {
		struct str chain = arena_printf(a, "%.*s/%s", STR_FMT(folder), found[i]->d_name);
		if (e == ERR_NONE) e = add(a, out, chain, STR_NONE);
		free(found[i]);
	}
	if (n >= 0) free(found);
	return e;
}

enum err certificates_list(struct arena *a, struct str setting, struct certificate_list *out)
{
	struct str rest = setting, pair;
	out->count = 0;
	if (str_index(setting, '|') < 0 && !str_ends(setting, STR(".crt")) && !str_ends(setting, STR(".pem")))
		return list_folder(a, setting, out);
	while (str_cut(&rest, ',', &pair)) {
		struct str chain;
		if (!str_cut(&pair, '|', &chain)) chain = STR_NONE;
		TRY(add(a, out, str_trim(chain), str_trim(pair)));
	}
	return ERR_NONE;
}

/* ── stapled answers ── */

static OCSP_RESPONSE *read_response(const char *file, unsigned char **der, size_t *n)
{
	FILE *f = fopen(file, "rb");
	unsigned char *bytes = f ? malloc(OCSP_BYTES_MAX) : NULL;
	if (f && bytes) *n = fread(bytes, 1, OCSP_BYTES_MAX, f);
	if (f) (void)fclose(f);
	if (!bytes) return NULL;
	const unsigned char *p = bytes;
	OCSP_RESPONSE *r = *n < OCSP_BYTES_MAX ? d2i_OCSP_RESPONSE(NULL, &p, (long)*n) : NULL;
	*der = bytes;
	return r;
}

/* The certificate's issuer: the next in its chain. */
static X509 *issuer_of(SSL_CTX *ctx)
{
	STACK_OF(X509) *chain = NULL;
	SSL_CTX_get0_chain_certs(ctx, &chain);
	return chain && sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : NULL;
}

/* Signed by the issuer, or by somebody it has appointed. */
static bool is_signed(OCSP_BASICRESP *basic, X509 *issuer)
{
	X509_STORE *store = X509_STORE_new();
	if (!store) return false;
	bool ok = X509_STORE_add_cert(store, issuer) && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) &&
		  OCSP_basic_verify(basic, NULL, store, 0) == 1;
	X509_STORE_free(store);
	return ok;
}

static int64_t seconds_from_now(const ASN1_TIME *t)
{
	int days, seconds;
	if (!t || !ASN1_TIME_diff(&days, &seconds, NULL, t)) return 0;
	return (int64_t)days * 86400 + seconds;
}

/* NULL when the answer may be stapled: for this certificate, good, in time, signed. */
static const char *judge(struct certificate *c, OCSP_BASICRESP *basic)
{
	X509 *issuer = issuer_of(c->ctx), *own = SSL_CTX_get0_certificate(c->ctx);
	ASN1_GENERALIZEDTIME *this_update, *next_update;
	int status, reason;
	if (!issuer) return "the chain lacks the issuer";
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, own, issuer);
	if (!id) return "out of memory";
	bool found = OCSP_resp_find_status(basic, id, &status, &reason, NULL, &this_update, &next_update);
	OCSP_CERTID_free(id);
	if (!found) return "it is about another certificate";
	if (status != V_OCSP_CERTSTATUS_GOOD) return "it does not say good";
	if (!next_update || !OCSP_check_validity(this_update, next_update, OCSP_SKEW_S, -1)) return "it has expired";
	if (!is_signed(basic, issuer)) return "it is not signed by the issuer";
	c->ocsp_until_s = clock_wall_s() + seconds_from_now(next_update);
	return NULL;
}

void ocsp_load(struct certificate *c, const char *file)
{
	unsigned char *der = NULL;
	size_t n = 0;
	if (access(file, F_OK) != 0) return;
	OCSP_RESPONSE *r = read_response(file, &der, &n);
	OCSP_BASICRESP *basic =
	    r && OCSP_response_status(r) == OCSP_RESPONSE_STATUS_SUCCESSFUL ? OCSP_response_get1_basic(r) : NULL;
	const char *why = basic ? judge(c, basic) : "it is no OCSP answer";
	if (why) {
		log_begin(LOG_WARN, "OCSP answer is not stapled");
		log_str("file", str_of(file));
		log_str("reason", str_of(why));
		log_end();
		free(der);
	} else {
		c->ocsp = der;
		c->ocsp_bytes = n;
	}
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
	ERR_clear_error();
}
