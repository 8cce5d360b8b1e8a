/*
 * One connection's TLS. OpenSSL reads from the bytes that the stream has just received and appends what it sends to the loop's buffer,
 * so a turn costs one read and one write however many records go through, and an idle connection holds no record.
 */
#include "common/net/tls_session.h"

#include <stdlib.h>

#include <openssl/err.h>

#include "common/core/clock.h"

/* ── the BIO: OpenSSL's view of `in` and `out` ── */

static BIO_METHOD *method;

static int bio_read(BIO *bio, char *into, int room)
{
	struct tls_session *s = BIO_get_data(bio);
	size_t n = s->in.n < (size_t)room ? s->in.n : (size_t)room;
	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(into, s->in.p, n);
	s->in = str_from(s->in, n);
	return (int)n;
}

static int bio_write(BIO *bio, const char *bytes, int n)
{
	struct tls_session *s = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	buf_append(s->out, bytes, (size_t)n);
	return buf_ok(s->out) ? n : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static void make_method(void)
{
	if (method) return;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	CHECK(method && BIO_meth_set_read(method, bio_read) && BIO_meth_set_write(method, bio_write) &&
	      BIO_meth_set_ctrl(method, bio_ctrl));
}

/* ── life ── */

enum err tls_session_begin(struct tls_session *s, struct tls *t)
{
	make_method();
	*s = (struct tls_session){ .ssl = SSL_new(t->set->certificates[0].ctx), .tls = t, .set = t->set };
	BIO *bio = s->ssl ? BIO_new(method) : NULL;
	if (!bio) {
		tls_session_free(s);
		return ERR_MEMORY;
	}
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio);
	SSL_set_app_data(s->ssl, s);
	SSL_set_accept_state(s->ssl);
	return ERR_NONE;
}

void tls_session_free(struct tls_session *s)
{
	SSL_free(s->ssl);
	s->ssl = NULL;
}

/* The certificate is taken whatever is wrong with it: a client hears more from a problem document than from an alert. What is known
 * to be bad proves nothing (tls_session_client). */
int tls_session_verify(int ok, X509_STORE_CTX *ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_session *s = SSL_get_app_data(ssl);
	SSL_set_num_tickets(ssl, 0);
	if (!ok && s->verify_error == X509_V_OK) s->verify_error = X509_STORE_CTX_get_error(ctx);
	return 1;
}

static void lend(struct tls_session *s, struct str *in, struct buf *out)
{
	s->in = *in;
	s->out = out;
	ERR_clear_error();
}

static void take_back(struct tls_session *s, struct str *in)
{
	*in = s->in;
	s->in = STR_NONE;
	s->out = NULL;
}

enum err tls_session_shake(struct tls_session *s, struct str *in, struct buf *out)
{
	lend(s, in, out);
	int done = SSL_do_handshake(s->ssl);
	int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, done);
	take_back(s, in);
	if (done == 1) {
		s->established = true;
		return ERR_NONE;
	}
	if (why == SSL_ERROR_WANT_READ) return ERR_RETRY;
	s->broken = true;
	s->spoke_plainly = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_HTTP_REQUEST;
	ERR_clear_error();
	return ERR_PROTOCOL;
}

ssize_t tls_session_read(struct tls_session *s, struct str *in, struct buf *out, char *into, size_t room)
{
	size_t n = 0;
	if (s->broken) return SESSION_BROKEN;
	lend(s, in, out);
	int ok = SSL_read_ex(s->ssl, into, room, &n);
	int why = ok ? SSL_ERROR_NONE : SSL_get_error(s->ssl, ok);
	take_back(s, in);
	if (ok) return (ssize_t)n;
	if (why == SSL_ERROR_WANT_READ) return SESSION_MORE;
	if (why == SSL_ERROR_ZERO_RETURN) return SESSION_CLOSED;
	s->broken = true;
	ERR_clear_error();
	return SESSION_BROKEN;
}

enum err tls_session_write(struct tls_session *s, struct str plain, struct buf *out)
{
	struct str none = STR_NONE;
	if (s->broken || s->ended) return ERR_CLOSED;
	lend(s, &none, out);
	while (plain.n) {
		size_t n = 0;
		if (!SSL_write_ex(s->ssl, plain.p, plain.n, &n)) break;
		plain = str_from(plain, n);
	}
	take_back(s, &none);
	if (!plain.n) return ERR_NONE;
	s->broken = true;
	ERR_clear_error();
	return ERR_CLOSED;
}

void tls_session_close(struct tls_session *s, struct buf *out)
{
	struct str none = STR_NONE;
	if (s->broken || s->ended || !s->established) return;
	s->ended = true;
	lend(s, &none, out);
	(void)SSL_shutdown(s->ssl);
	take_back(s, &none);
	ERR_clear_error();
}

/* ── the client's certificate ── */

static enum tls_verdict verdict_of(const struct tls_session *s)
{
	int error = s->verify_error != X509_V_OK ? s->verify_error : (int)SSL_get_verify_result(s->ssl);
	if (error == X509_V_OK) return TLS_CLIENT_GOOD;
	return error == X509_V_ERR_CERT_HAS_EXPIRED ? TLS_CLIENT_EXPIRED : TLS_CLIENT_UNTRUSTED;
}

static void base64url(const unsigned char digest[32], char out[TLS_THUMBPRINT_BYTES])
{
	unsigned char text[48];
	EVP_EncodeBlock(text, digest, 32); /* 43 characters and "=" */
	for (unsigned i = 0; i < TLS_THUMBPRINT_BYTES; i++)
		out[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
}

struct tls_client *tls_session_client(const struct tls_session *s)
{
	X509 *x = SSL_get0_peer_certificate(s->ssl);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int days = 0, seconds = 0;
	if (!x || !X509_digest(x, EVP_sha256(), digest, &n) || n != 32) return NULL;
	struct tls_client *c = calloc(1, sizeof *c);
	CHECK(c != NULL);
	c->verdict = verdict_of(s);
	if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x))) c->verdict = TLS_CLIENT_UNTRUSTED;
	c->not_after_s = clock_wall_s() + (int64_t)days * 86400 + seconds;
	base64url(digest, c->thumbprint);
	return c;
}
