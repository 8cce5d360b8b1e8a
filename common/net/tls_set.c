/*
 * Certificates, names, settings of TLS: loaded whole or not at all. RFC 9325: TLS 1.2 with ECDHE and AEAD only, and 1.3; X25519 and
 * P-256; no compression, no renegotiation, no early data. The default certificate's context makes all sessions; its last reference
 * frees the set, so a connection never loses what it began under.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/net/tls_session.h"

enum { NAMES_MAX = 4096, ARENA_BYTES_MAX = 4 * 1024 * 1024, VERIFY_DEPTH = 4, CHAIN_BYTES_MAX = 32 * 1024 };

static int set_index = -1; /* of the set in the context that owns it */
static int certificate_index = -1; /* of the certificate in its context */

/* ── names ── */

static bool is_wildcard(struct str s)
{
	return s.n > 2 && s.p[0] == '*' && s.p[1] == '.';
}

static bool wildcard_matches(struct str pattern, struct str name)
{
	ptrdiff_t dot = str_index(name, '.');
	return is_wildcard(pattern) && dot > 0 && str_eq_ci(str_from(pattern, 1), str_from(name, (size_t)dot));
}

const struct certificate *tls_set_find(const struct tls_set *set, struct str name)
{
	if (name.n && name.p[name.n - 1] == '.') name.n--;
	for (unsigned i = 0; i < set->name_count; i++)
		if (str_eq_ci(set->names[i].text, name)) return &set->certificates[set->names[i].certificate];
	for (unsigned i = 0; i < set->name_count; i++)
		if (wildcard_matches(set->names[i].text, name)) return &set->certificates[set->names[i].certificate];
	return NULL;
}

static enum err add_name(struct tls_set *set, struct str text, unsigned certificate)
{
	if (!text.n || memchr(text.p, 0, text.n)) return ERR_NONE;
	for (unsigned i = 0; i < set->name_count; i++)
		if (str_eq_ci(set->names[i].text, text)) return ERR_NONE; /* the first one keeps it */
	struct str copy = arena_str(&set->arena, text);
	if (set->name_count == NAMES_MAX || !copy.p) return tls_complain("YG_TLS_CERTIFICATES", "too many names");
	set->names[set->name_count++] = (struct tls_name){ copy, certificate };
	return ERR_NONE;
}

static enum err add_names(struct tls_set *set, unsigned certificate, X509 *x)
{
	enum err e = ERR_NONE;
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; e == ERR_NONE && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		if (g->type != GEN_DNS) continue;
		e = add_name(set,
		    str_span(
			(const char *)ASN1_STRING_get0_data(g->d.dNSName), (size_t)ASN1_STRING_length(g->d.dNSName)),
		    certificate);
	}
	GENERAL_NAMES_free(all);
	return e;
}

/* ── what OpenSSL asks ── */

struct tls_set *tls_session_set(const SSL *ssl)
{
	const struct tls_session *s = SSL_get_app_data(ssl);
	return s->set;
}

static int on_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls_set *set = tls_session_set(ssl);
	struct str name = str_of(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	(void)arg;
	if (set->asks_clients && (!set->client_names.n || str_list_has(set->client_names, ',', name)))
		SSL_set_verify(ssl, SSL_VERIFY_PEER, tls_session_verify);
	if (!name.n) return SSL_TLSEXT_ERR_OK;
	const struct certificate *c = tls_set_find(set, name);
	if (!c && set->refuse_unknown_names) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	if (c && c != set->certificates && !SSL_set_SSL_CTX(ssl, c->ctx)) return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

/* RFC 7301: a client that names protocols and not ours is told so. */
static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_bytes, const unsigned char *in,
    unsigned in_bytes, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;
	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_bytes, ours, sizeof ours - 1, in, in_bytes) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = ours + 1;
	*out_bytes = ours[0];
	return SSL_TLSEXT_ERR_OK;
}

static int on_status(SSL *ssl, void *arg)
{
	const struct certificate *c = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), certificate_index);
	(void)arg;
	if (!c->ocsp || clock_wall_s() >= c->ocsp_until_s) return SSL_TLSEXT_ERR_NOACK;
	unsigned char *copy = OPENSSL_memdup(c->ocsp, c->ocsp_bytes);
	if (!copy) return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)c->ocsp_bytes); /* it takes the copy */
	return SSL_TLSEXT_ERR_OK;
}

/* ── contexts ── */

static void set_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	struct tls_set *set = ptr;
	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	if (!set) return;
	for (unsigned i = 0; i < set->count; i++) {
		free(set->certificates[i].ocsp);
		if (i) SSL_CTX_free(set->certificates[i].ctx);
	}
	OPENSSL_cleanse(&set->tickets, sizeof set->tickets);
	arena_release(&set->arena);
	free(set);
}

static void make_indexes(void)
{
	if (set_index >= 0) return;
	set_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, set_free);
	certificate_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	CHECK(set_index >= 0 && certificate_index >= 0);
}

static SSL_CTX *context_new(void)
{
	char groups[] = "X25519:P-256";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	CHECK(ctx != NULL);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* An idle connection holds no record buffers. */
	SSL_CTX_set_mode(
	    ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
	CHECK(SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
					   "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
					   "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"));
	CHECK(SSL_CTX_set_ciphersuites(
	    ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"));
	CHECK(SSL_CTX_set1_groups_list(ctx, groups));
	CHECK(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"yangguang", 9));
	SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES_MAX);
	SSL_CTX_set_verify_depth(ctx, VERIFY_DEPTH);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_tlsext_status_cb(ctx, on_status);
	SSL_CTX_set_alpn_select_cb(ctx, on_protocols, NULL);
	tickets_use(ctx);
	return ctx;
}

static enum err load_client_ca(SSL_CTX *ctx, struct str file)
{
	if (!file.n) return ERR_NONE;
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file.p);
	if (!names || !SSL_CTX_load_verify_file(ctx, file.p)) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return tls_complain(file.p, tls_error());
	}
	SSL_CTX_set_client_CA_list(ctx, names); /* it takes the names */
	return ERR_NONE;
}

static void warn_of_end(const struct certificate *c, const char *file)
{
	if (c->not_after_s > clock_wall_s()) return;
	log_begin(LOG_WARN, "TLS certificate has expired");
	log_str("file", str_of(file));
	log_end();
}

static int64_t end_of(const X509 *x)
{
	int days = 0, seconds = 0;
	(void)ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x));
	return clock_wall_s() + (int64_t)days * 86400 + seconds;
}

static enum err load_certificate(
    struct tls_set *set, unsigned index, const struct certificate_files *f, struct str client_ca)
{
	struct certificate *c = &set->certificates[index];
	c->set = set;
	c->ctx = context_new();
	set->count = index + 1;
	if (index == 0) CHECK(SSL_CTX_set_ex_data(c->ctx, set_index, set));
	CHECK(SSL_CTX_set_ex_data(c->ctx, certificate_index, c));
	if (SSL_CTX_use_certificate_chain_file(c->ctx, f->chain) != 1) return tls_complain(f->chain, tls_error());
	if (SSL_CTX_use_PrivateKey_file(c->ctx, f->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(c->ctx) != 1)
		return tls_complain(f->key, tls_error());
	TRY(load_client_ca(c->ctx, client_ca));
	X509 *x = SSL_CTX_get0_certificate(c->ctx);
	c->not_after_s = end_of(x);
	warn_of_end(c, f->chain);
	ocsp_load(c, f->ocsp);
	return add_names(set, index, x);
}

static enum err load_all(struct tls_set *set, const struct tls_settings *settings)
{
	struct certificate_list *list = ARENA_NEW(&set->arena, struct certificate_list);
	CHECK(list != NULL);
	TRY(certificates_list(&set->arena, settings->certificates, list));
	set->certificates = arena_array(&set->arena, list->count, sizeof *set->certificates);
	set->names = arena_array(&set->arena, NAMES_MAX, sizeof *set->names);
	CHECK(set->certificates && set->names);
	TRY(tickets_load(&set->tickets, settings->ticket_key_file));
	for (unsigned i = 0; i < list->count; i++) TRY(load_certificate(set, i, &list->items[i], settings->client_ca));
	return ERR_NONE;
}

enum err tls_set_load(const struct tls_settings *settings, struct tls_set **out)
{
	make_indexes();
	ERR_clear_error();
	struct tls_set *set = calloc(1, sizeof *set);
	CHECK(set != NULL);
	arena_init(&set->arena, 64 * 1024, ARENA_BYTES_MAX);
	set->client_names = settings->client_names;
	set->asks_clients = settings->client_ca.n > 0;
	set->refuse_unknown_names = settings->refuse_unknown_names;
	enum err e = load_all(set, settings);
	*out = e == ERR_NONE ? set : NULL;
	if (e != ERR_NONE) tls_set_release(set);
	return e == ERR_NONE ? ERR_NONE : ERR_CONFIG;
}

void tls_set_release(struct tls_set *set)
{
	if (!set) return;
	if (set->count) {
		SSL_CTX_free(set->certificates[0].ctx);
		return;
	}
	arena_release(&set->arena);
	free(set);
}

/* ── the object ── */

static void mix(uint64_t *h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	for (size_t i = 0; i < n; i++) *h = (*h ^ p[i]) * 0x100000001b3u;
}

static void mix_file(uint64_t *h, const char *file)
{
	struct stat st;
	if (!file) return;
	mix(h, file, strlen(file) + 1);
	if (stat(file, &st)) return;
	mix(h, &st.st_mtim.tv_sec, sizeof st.st_mtim.tv_sec);
	mix(h, &st.st_mtim.tv_nsec, sizeof st.st_mtim.tv_nsec);
	mix(h, &st.st_size, sizeof st.st_size);
	mix(h, &st.st_ino, sizeof st.st_ino);
}

static uint64_t fingerprint(const struct tls_settings *s)
{
	uint64_t h = 0xcbf29ce484222325u;
	struct arena a;
	arena_init(&a, 64 * 1024, ARENA_BYTES_MAX);
	struct certificate_list *list = ARENA_NEW(&a, struct certificate_list);
	if (list && certificates_list(&a, s->certificates, list) == ERR_NONE) {
		for (unsigned i = 0; i < list->count; i++) {
			mix_file(&h, list->items[i].chain);
			mix_file(&h, list->items[i].key);
			mix_file(&h, list->items[i].ocsp);
		}
	}
	mix_file(&h, s->ticket_key_file.p);
	mix_file(&h, s->client_ca.p);
	arena_release(&a);
	return h;
}

static void note_set(struct tls *t, struct tls_set *set)
{
	t->set = set;
	t->stats.certificates = set->count;
	t->stats.expires_s = INT64_MAX;
	for (unsigned i = 0; i < set->count; i++)
		if (set->certificates[i].not_after_s < t->stats.expires_s)
			t->stats.expires_s = set->certificates[i].not_after_s;
}

enum err tls_open(const struct tls_settings *settings, struct tls **out)
{
	struct tls_set *set;
	*out = NULL;
	uint64_t seen = fingerprint(settings);
	TRY(tls_set_load(settings, &set));
	struct tls *t = calloc(1, sizeof *t);
	CHECK(t != NULL);
	t->settings = *settings;
	t->fingerprint = seen;
	note_set(t, set);
	*out = t;
	return ERR_NONE;
}

enum err tls_reload(struct tls *t)
{
	struct tls_set *set;
	t->fingerprint = fingerprint(&t->settings);
	TRY(tls_set_load(&t->settings, &set));
	tls_set_release(t->set);
	note_set(t, set);
	return ERR_NONE;
}

bool tls_files_changed(const struct tls *t)
{
	return fingerprint(&t->settings) != t->fingerprint;
}

void tls_free(struct tls *t)
{
	if (!t) return;
	tls_set_release(t->set);
	free(t);
}

struct tls_stats tls_stats(const struct tls *t)
{
	return t->stats;
}
