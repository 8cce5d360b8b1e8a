/* TLS: names, tickets, sessions cut into single bytes, and streams that pause. The other end is OpenSSL's own client. */
#include <setjmp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/net/stream.h"
#include "common/net/tls_session.h"

static char folder[] = "/tmp/test_tls.XXXXXX";
static char files[4][80];

static void make(const char *name, const char *names)
{
	char path[96];
	X509V3_CTX v3;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	assert_non_null(key);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
	X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, &v3, NID_subject_alt_name, names);
	assert_true(X509_add_ext(x, alt, -1) && X509_sign(x, key, EVP_sha256()));
	snprintf(path, sizeof path, "%s/%s.crt", folder, name);
	FILE *f = fopen(path, "w");
	assert_true(f && PEM_write_X509(f, x) && fclose(f) == 0);
	snprintf(path, sizeof path, "%s/%s.key", folder, name);
	f = fopen(path, "w");
	assert_true(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) && fclose(f) == 0);
	X509_EXTENSION_free(alt);
	X509_free(x);
	EVP_PKEY_free(key);
}

static int make_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	make("default", "DNS:one.example,DNS:shared.example");
	make("two", "DNS:two.example,DNS:*.wild.example,DNS:shared.example,DNS:exact.wild2.example");
	make("zwild", "DNS:*.wild2.example");
	snprintf(files[0], sizeof files[0], "%s/tickets", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char command[64];
	(void)state;
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

static void write_secret(const char *text)
{
	FILE *f = fopen(files[0], "w");
	assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static struct tls *open_tls(void)
{
	struct tls *t;
	struct tls_settings s = { .certificates = str_of(folder) };
	assert_int_equal(tls_open(&s, &t), ERR_NONE);
	return t;
}

static unsigned found(const struct tls *t, const char *name)
{
	const struct certificate *c = tls_set_find(t->set, str_of(name));
	return c ? (unsigned)(c - t->set->certificates) : 99;
}

static void test_names(void **state)
{
	(void)state;
	struct tls *t = open_tls();
	assert_int_equal(t->set->count, 3);
	assert_int_equal(found(t, "one.example"), 0);
	assert_int_equal(found(t, "ONE.Example."), 0);
	assert_int_equal(found(t, "shared.example"), 0); /* the first one keeps it */
	assert_int_equal(found(t, "a.wild.example"), 1);
	assert_int_equal(found(t, "a.b.wild.example"), 99);
	assert_int_equal(found(t, ".wild.example"), 99);
	assert_int_equal(found(t, "wild.example"), 99);
	assert_int_equal(found(t, "exact.wild2.example"), 1); /* exact goes before wildcard */
	assert_int_equal(found(t, "other.wild2.example"), 2);
	assert_int_equal(found(t, "*.wild.example"), 1);
	assert_int_equal(found(t, "*"), 99);
	assert_int_equal(found(t, ""), 99);
	tls_free(t);
}

static void test_ticket_secrets(void **state)
{
	struct tickets t;
	(void)state;
	write_secret("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\n"
		     "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
	assert_int_equal(tickets_load(&t, str_of(files[0])), ERR_NONE);
	assert_int_equal(t.count, 2);
	for (unsigned i = 0; i < 6; i++) /* all names differ */
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(t.keys[i / 3][i % 3].name, t.keys[j / 3][j % 3].name, 16);
	assert_memory_not_equal(t.keys[0][0].cipher, t.keys[0][0].mac, 32);
	static const char *const bad[] = { "", "\n", "00112233\n",
		"zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n" };
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		write_secret(bad[i]);
		assert_int_equal(tickets_load(&t, str_of(files[0])), ERR_CONFIG);
	}
	assert_int_equal(tickets_load(&t, STR("/nowhere/at/all")), ERR_CONFIG);
}

static void test_a_failed_reload_changes_nothing(void **state)
{
	char kept[96], path[96];
	(void)state;
	struct tls *t = open_tls();
	const struct tls_set *set = t->set;
	assert_false(tls_files_changed(t));
	snprintf(path, sizeof path, "%s/two.key", folder);
	snprintf(kept, sizeof kept, "%s/kept", folder);
	assert_int_equal(rename(path, kept), 0);
	assert_true(tls_files_changed(t));
	assert_int_equal(tls_reload(t), ERR_CONFIG);
	assert_ptr_equal(t->set, set);
	assert_false(tls_files_changed(t)); /* told once */
	assert_int_equal(rename(kept, path), 0);
	assert_true(tls_files_changed(t));
	assert_int_equal(tls_reload(t), ERR_NONE);
	assert_ptr_not_equal(t->set, set);
	tls_free(t);
}

/* ── a session against a client in memory ── */

struct pair {
	struct tls_session server;
	SSL_CTX *ctx;
	SSL *client;
	BIO *to_client, *from_client;
	struct buf out;
};

static void pair_open(struct pair *p, struct tls *t)
{
	*p = (struct pair){ .ctx = SSL_CTX_new(TLS_client_method()) };
	p->client = SSL_new(p->ctx);
	p->to_client = BIO_new(BIO_s_mem());
	p->from_client = BIO_new(BIO_s_mem());
	SSL_set_bio(p->client, p->to_client, p->from_client);
	SSL_set_connect_state(p->client);
	buf_init(&p->out, 1 << 24);
	assert_int_equal(tls_session_begin(&p->server, t), ERR_NONE);
}

static void pair_close(struct pair *p)
{
	tls_session_free(&p->server);
	SSL_free(p->client);
	SSL_CTX_free(p->ctx);
	buf_free(&p->out);
}

/* One byte at a time both ways. */
static void shake(struct pair *p)
{
	char c;
	while (!p->server.established || !SSL_is_init_finished(p->client)) {
		(void)SSL_do_handshake(p->client);
		while (!p->server.established && BIO_read(p->from_client, &c, 1) == 1) {
			struct str one = str_span(&c, 1);
			enum err e = tls_session_shake(&p->server, &one, &p->out);
			assert_true(e == ERR_NONE || e == ERR_RETRY);
			assert_int_equal(one.n, 0);
		}
		if (p->out.n) assert_int_equal(BIO_write(p->to_client, p->out.p, (int)p->out.n), (int)p->out.n);
		p->out.n = 0;
	}
}

static void test_session_by_single_bytes(void **state)
{
	char plain[16384], c, got[64];
	struct pair p;
	(void)state;
	struct tls *t = open_tls();
	pair_open(&p, t);
	shake(&p);
	assert_int_equal(SSL_write(p.client, "hello", 5), 5);
	ssize_t n = 0;
	while (n == 0 && BIO_read(p.from_client, &c, 1) == 1) {
		struct str one = str_span(&c, 1);
		n = tls_session_read(&p.server, &one, &p.out, plain, sizeof plain);
	}
	assert_int_equal(n, 5);
	assert_memory_equal(plain, "hello", 5);
	assert_int_equal(tls_session_write(&p.server, STR("world"), &p.out), ERR_NONE);
	tls_session_close(&p.server, &p.out);
	assert_int_equal(tls_session_write(&p.server, STR("late"), &p.out), ERR_CLOSED);
	BIO_write(p.to_client, p.out.p, (int)p.out.n);
	assert_int_equal(SSL_read(p.client, got, sizeof got), 5);
	assert_int_equal(SSL_read(p.client, got, sizeof got), 0);
	assert_int_equal(SSL_get_error(p.client, 0), SSL_ERROR_ZERO_RETURN);
	SSL_shutdown(p.client);
	n = BIO_read(p.from_client, plain, sizeof plain);
	struct str end = str_span(plain, (size_t)n);
	assert_int_equal(tls_session_read(&p.server, &end, &p.out, got, sizeof plain), SESSION_CLOSED);
	pair_close(&p);
	tls_free(t);
}

static void test_a_changed_record_breaks_the_session(void **state)
{
	char sealed[256], plain[16384];
	struct pair p;
	(void)state;
	struct tls *t = open_tls();
	pair_open(&p, t);
	shake(&p);
	assert_int_equal(SSL_write(p.client, "hello", 5), 5);
	int n = BIO_read(p.from_client, sealed, sizeof sealed);
	sealed[n - 1] ^= 1;
	struct str in = str_span(sealed, (size_t)n);
	assert_int_equal(tls_session_read(&p.server, &in, &p.out, plain, sizeof plain), SESSION_BROKEN);
	assert_int_equal(tls_session_write(&p.server, STR("x"), &p.out), ERR_CLOSED);
	pair_close(&p);
	tls_free(t);
}

/* A connection that began before a reload ends under what it began with. */
static void test_a_session_outlives_its_set(void **state)
{
	struct pair p;
	(void)state;
	struct tls *t = open_tls();
	pair_open(&p, t);
	assert_int_equal(tls_reload(t), ERR_NONE);
	shake(&p);
	pair_close(&p);
	tls_free(t);
}

/* ── a stream that pauses ── */

enum { SENT_BYTES = 1 << 20 };

static struct loop *loop;
static struct listener *listener;
static struct stream *stream;
static struct timer *again;
static size_t received;
static bool stream_closed;
static int client_port;

static void on_again(void *arg)
{
	(void)arg;
	if (stream) stream_resume(stream);
}

static void on_data(void *arg, struct str bytes)
{
	(void)arg;
	for (size_t i = 0; i < bytes.n; i++) assert_int_equal((unsigned char)bytes.p[i], (received + i) % 251);
	received += bytes.n;
	stream_pause(stream);
	timer_start(again, 1, 0);
}

static void on_end(void *arg)
{
	struct str parts[2] = { STR("all "), STR("came") };
	(void)arg;
	assert_int_equal(stream_write(stream, parts, 2), ERR_NONE);
	stream_close(stream);
}

static void on_closed(void *arg, enum err why)
{
	(void)arg;
	(void)why;
	stream = NULL;
	stream_closed = true;
	timer_stop(again);
}

static void on_accepted(void *arg, struct stream *s)
{
	static const struct stream_events events = { on_data, on_end, NULL, on_closed };
	(void)arg;
	assert_true(stream_is_tls(s));
	assert_null(stream_take_client(s));
	stream = s;
	stream_start(s, &events, NULL);
	listener_close(listener);
}

static void *run_client(void *arg)
{
	static char bytes[SENT_BYTES];
	char got[64] = "";
	size_t n = 0;
	(void)arg;
	for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i % 251);
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)client_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	bool ok = connect(fd, (const struct sockaddr *)&a, sizeof a) == 0 && SSL_connect(ssl) == 1;
	while (ok && n < sizeof bytes) {
		int sent = SSL_write(ssl, bytes + n, (int)(sizeof bytes - n));
		ok = sent > 0;
		n += ok ? (size_t)sent : 0;
	}
	ok = ok && SSL_shutdown(ssl) >= 0 && SSL_read(ssl, got, sizeof got - 1) == 8 && strcmp(got, "all came") == 0;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	return ok ? ssl : NULL;
}

static void test_a_stream_that_pauses_loses_nothing(void **state)
{
	pthread_t thread;
	void *ok;
	(void)state;
	struct tls *t = open_tls();
	loop = loop_new();
	again = timer_new(loop, on_again, NULL);
	assert_int_equal(listener_open_tls(loop, STR("127.0.0.1:0"), false, t, on_accepted, NULL, &listener), ERR_NONE);
	client_port = listener_port(listener);
	assert_int_equal(pthread_create(&thread, NULL, run_client, NULL), 0);
	loop_run(loop);
	pthread_join(thread, &ok);
	assert_non_null(ok);
	assert_true(stream_closed);
	assert_int_equal(received, SENT_BYTES);
	assert_int_equal(tls_stats(t).handshakes, 1);
	assert_int_equal(tls_stats(t).handshaking, 0);
	timer_free(again);
	loop_free(loop);
	tls_free(t);
}

/* Sockets that are handed on: two listeners, one queue. */
static void test_a_socket_is_known_by_its_address(void **state)
{
	char address[32];
	int fd;
	(void)state;
	loop = loop_new();
	assert_int_equal(listener_bind(STR("127.0.0.1:0"), false, &fd), ERR_NONE);
	snprintf(address, sizeof address, "fd:%d", fd);
	assert_int_equal(listener_open(loop, str_of(address), false, on_accepted, NULL, &listener), ERR_NONE);
	snprintf(address, sizeof address, "127.0.0.1:%d", listener_port(listener));
	assert_true(listener_matches(fd, str_of(address)));
	assert_false(listener_matches(fd, STR("127.0.0.1:1")));
	assert_false(listener_matches(fd, STR("unix:/tmp/x")));
	assert_false(listener_matches(0, str_of(address)));
	listener_close(listener);
	assert_int_equal(listener_open(loop, STR("fd:999"), false, on_accepted, NULL, &listener), ERR_IO);
	assert_int_equal(listener_open(loop, STR("fd:x"), false, on_accepted, NULL, &listener), ERR_IO);
	close(fd);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ticket_secrets),
		cmocka_unit_test(test_a_failed_reload_changes_nothing),
		cmocka_unit_test(test_session_by_single_bytes),
		cmocka_unit_test(test_a_changed_record_breaks_the_session),
		cmocka_unit_test(test_a_session_outlives_its_set),
		cmocka_unit_test(test_a_stream_that_pauses_loses_nothing),
		cmocka_unit_test(test_a_socket_is_known_by_its_address),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
