/* A TLS session given any bytes: whatever comes instead of a handshake, and whatever follows one that is broken off in any place.
 * links: net */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/net/tls_session.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static struct tls *tls;

static void write_pem(const char *path, X509 *x, EVP_PKEY *key)
{
	FILE *f = fopen(path, "w");
	CHECK(f && (x ? PEM_write_X509(f, x) : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL)));
	CHECK(fclose(f) == 0);
}

/* A certificate that signs itself, in a folder of this process; also the authority of client certificates. */
static void open_tls(void)
{
	static char folder[] = "/tmp/fuzz_tls.XXXXXX", chain[64], key_file[64];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	CHECK(key && x && mkdtemp(folder));
	snprintf(chain, sizeof chain, "%s/default.crt", folder);
	snprintf(key_file, sizeof key_file, "%s/default.key", folder);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	CHECK(X509_sign(x, key, EVP_sha256()));
	write_pem(chain, x, NULL);
	write_pem(key_file, NULL, key);
	struct tls_settings settings = { .certificates = str_of(folder), .client_ca = str_of(chain) };
	CHECK(tls_open(&settings, &tls) == ERR_NONE);
	unlink(chain);
	unlink(key_file);
	rmdir(folder);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* A client of OpenSSL's own, so that the fuzzer begins behind a real flight of it when the first byte says so. */
static size_t client_hello(struct tls_session *s, struct buf *out)
{
	static SSL_CTX *ctx;
	char bytes[4096];
	if (!ctx) ctx = SSL_CTX_new(TLS_client_method());
	SSL *client = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());
	CHECK(client && in && sent);
	SSL_set_bio(client, in, sent);
	SSL_set_connect_state(client);
	(void)SSL_do_handshake(client);
	int n = BIO_read(sent, bytes, sizeof bytes);
	SSL_free(client);
	struct str hello = str_span(bytes, n > 0 ? (size_t)n : 0);
	CHECK(tls_session_shake(s, &hello, out) == ERR_RETRY && hello.n == 0);
	return out->n;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	static char plain[16384];
	struct tls_session s;
	struct buf out;
	if (!tls) open_tls();
	if (n == 0) return 0;
	buf_init(&out, 1 << 20);
	CHECK(tls_session_begin(&s, tls) == ERR_NONE);
	if (data[0] & 1) (void)client_hello(&s, &out);
	struct str rest = str_span((const char *)data + 1, n - 1);
	size_t piece = (size_t)(data[0] >> 1) + 1; /* as the network cuts it */
	enum err e = ERR_RETRY;
	while (rest.n && e == ERR_RETRY) {
		struct str part = str_span(rest.p, rest.n < piece ? rest.n : piece);
		rest = str_from(rest, part.n);
		e = tls_session_shake(&s, &part, &out);
		if (e == ERR_RETRY) CHECK(part.n == 0);
	}
	CHECK(e != ERR_NONE || s.established);
	if (s.established) (void)tls_session_read(&s, &rest, &out, plain, sizeof plain);
	tls_session_close(&s, &out);
	CHECK(buf_ok(&out));
	tls_session_free(&s);
	buf_free(&out);
	return 0;
}
