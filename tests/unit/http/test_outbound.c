/* Outbound HTTPS against a real TLS server: verification of peer and name, bounds, time-outs, no redirects, no plain http. */
#include "tests/unit/http/peer.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/http/outbound.h"

static struct loop *loop;
static struct outbound *outbound;
static char dir[] = "/tmp/test_outbound.XXXXXX";
static char ca[64];
static int port;
static pid_t server;
static int server_stdin;

struct result {
	bool done;
	enum err status;
	int http_status;
	char body[128];
	char seen[64];
	size_t body_bytes;
};

static void on_result(void *arg, enum err status, int http_status, struct http_fields fields, struct str body)
{
	struct result *r = arg;
	assert_false(r->done);
	r->done = true;
	r->status = status;
	r->http_status = http_status;
	r->body_bytes = body.n;
	snprintf(r->body, sizeof r->body, "%.*s", body.n < 100 ? (int)body.n : 100, body.p);
	struct str seen = http_get(fields, STR("x-seen"));
	if (seen.p) snprintf(r->seen, sizeof r->seen, "%.*s", STR_FMT(seen));
}

static void start(const char *ca_file)
{
	struct outbound_config config = { .ca_file = str_of(ca_file), .reply_bytes_max = 100000, .connections_max = 2 };
	loop = loop_new();
	outbound = outbound_new(loop, &config);
}

static void stop(void)
{
	outbound_free(outbound);
	loop_free(loop);
}

static enum err send_to(const char *scheme, const char *host, const char *method, const char *path, struct str body,
    int64_t timeout_ms, struct result *r)
{
	static char url[256];
	struct http_field fields[] = { { STR("X-Test"), STR("one two") }, { STR("X-Empty"), STR("") } };
	snprintf(url, sizeof url, "%s://%s:%d%s", scheme, host, port, path);
	struct outbound_request request = { .method = method,
		.url = str_of(url),
		.fields = fields,
		.field_count = 2,
		.body = body,
		.timeout_ms = timeout_ms };
	*r = (struct result){ 0 };
	return outbound_send(outbound, &request, on_result, r);
}

static void ask(const char *host, const char *method, const char *path, struct str body, struct result *r)
{
	assert_int_equal(send_to("https", host, method, path, body, 5000, r), ERR_NONE);
	assert_false(r->done);
	run_until(loop, &r->done);
}

static void test_requests_and_answers(void **state)
{
	struct result r;
	(void)state;
	start(ca);
	ask("127.0.0.1", "GET", "/echo?a=b", STR_NONE, &r);
	assert_int_equal(r.status, ERR_NONE);
	assert_int_equal(r.http_status, 200);
	assert_string_equal(r.body, "GET /echo?a=b 0 ");
	assert_string_equal(r.seen, "one two no-expect"); /* the empty field was sent, or it would say "none" */
	ask("127.0.0.1", "POST", "/echo", STR("hello"), &r);
	assert_string_equal(r.body, "POST /echo 5 hello");
	ask("127.0.0.1", "PUT", "/echo", STR(""), &r);
	assert_string_equal(r.body, "PUT /echo 0 ");
	ask("127.0.0.1", "HEAD", "/echo", STR_NONE, &r);
	assert_int_equal(r.status, ERR_NONE);
	assert_int_equal(r.body_bytes, 0);
	ask("127.0.0.1", "GET", "/redirect", STR_NONE, &r);
	assert_int_equal(r.http_status, 302); /* told, not followed */
	ask("127.0.0.1", "GET", "/error", STR_NONE, &r);
	assert_int_equal(r.status, ERR_NONE);
	assert_int_equal(r.http_status, 503);
	stop();
}

static void test_peer_and_name_are_verified(void **state)
{
	struct result r;
	(void)state;
	start("/etc/ssl/certs/ca-certificates.crt");
	ask("127.0.0.1", "GET", "/echo", STR_NONE, &r);
	assert_int_equal(r.status, ERR_IO); /* unknown issuer */
	stop();
	start(ca);
	ask("127.0.0.2", "GET", "/echo", STR_NONE, &r); /* nobody listens there with that name */
	assert_int_equal(r.status, ERR_IO);
	ask("localhost", "GET", "/echo", STR_NONE, &r); /* the certificate is for the address only */
	assert_int_equal(r.status, ERR_IO);
	stop();
}

static void test_bounds(void **state)
{
	struct result r;
	(void)state;
	start(ca);
	ask("127.0.0.1", "GET", "/big", STR_NONE, &r);
	assert_int_equal(r.status, ERR_PAYLOAD_TOO_LARGE);
	assert_int_equal(r.body_bytes, 0);
	ask("127.0.0.1", "GET", "/cut", STR_NONE, &r);
	assert_int_equal(r.status, ERR_IO);
	int64_t began_ms = clock_mono_ms();
	assert_int_equal(send_to("https", "127.0.0.1", "GET", "/silent", STR_NONE, 200, &r), ERR_NONE);
	run_until(loop, &r.done);
	assert_int_equal(r.status, ERR_TIMEOUT);
	assert_true(clock_mono_ms() - began_ms < 3000);
	assert_int_equal(send_to("http", "127.0.0.1", "GET", "/", STR_NONE, 1000, &r), ERR_NONE);
	run_until(loop, &r.done);
	assert_int_equal(r.status, ERR_IO); /* not https */
	assert_int_equal(send_to("https", "127.0.0.1", "GET", "/\r\nX: y", STR_NONE, 1000, &r), ERR_MALFORMED_REQUEST);
	assert_false(r.done);
	stop();
}

static void test_queue_is_bounded_and_ends(void **state)
{
	static struct result r[OUTBOUND_QUEUE_MAX + 2];
	struct result refused;
	(void)state;
	start(ca);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		assert_int_equal(
		    send_to("https", "127.0.0.1", "GET", "/silent", STR_NONE, i < 2 ? 400 : 200, &r[i]), ERR_NONE);
	assert_int_equal(send_to("https", "127.0.0.1", "GET", "/silent", STR_NONE, 200, &refused), ERR_BUSY);
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		run_until(loop, &r[i].done);
		assert_int_equal(r[i].status, ERR_TIMEOUT);
	}
	assert_int_equal(send_to("https", "127.0.0.1", "GET", "/silent", STR_NONE, 5000, &r[0]), ERR_NONE);
	stop();
	assert_int_equal(r[0].status, ERR_ABORTED);
}

static int set_up(void **state)
{
	char command[512];
	int in[2], out[2];
	(void)state;
	if (!mkdtemp(dir)) return -1;
	snprintf(ca, sizeof ca, "%s/cert.pem", dir);
	snprintf(command, sizeof command,
	    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test "
	    "-addext subjectAltName=IP:127.0.0.1 -keyout %s/key.pem -out %s/cert.pem 2>/dev/null",
	    dir, dir);
	if (system(command) != 0 || pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) return -1;
	server = fork();
	if (server == 0) {
		char key[64];
		snprintf(key, sizeof key, "%s/key.pem", dir);
		dup2(in[0], 0);
		dup2(out[1], 1);
		execlp("node", "node", "tests/unit/http/https_server.mjs", key, ca, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	server_stdin = in[1];
	FILE *f = fdopen(out[0], "r");
	if (!f || fscanf(f, "%d", &port) != 1) return -1;
	fclose(f);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	close(server_stdin); /* it ends with its input */
	waitpid(server, NULL, 0);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_and_answers),
		cmocka_unit_test(test_peer_and_name_are_verified),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_queue_is_bounded_and_ends),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
