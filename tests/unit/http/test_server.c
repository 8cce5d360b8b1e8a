/* The server over real sockets: what it refuses (one table), order of pipelined answers, limits, deadlines, half-close, clients
 * that vanish, drain. */
#include "tests/unit/http/peer.h"

#include "common/http/server.h"

static struct loop *loop;
static struct http_server *server;
static char address[64];
static struct http_exchange *later[8]; /* requests to /later, answered by the test */
static unsigned later_count, finished, dropped, asked;
static bool drained, flag;

static void answer(struct http_exchange *x)
{
	char body[256];
	int n = snprintf(body, sizeof body, "[%.*s %.*s?%.*s %zu %.*s]", STR_FMT(x->method), STR_FMT(x->path),
	    STR_FMT(x->query), x->body.n, x->body.n < 64 ? (int)x->body.n : 64, x->body.p ? x->body.p : "");
	struct http_response r = {
		.status = 200, .content_type = STR("text/plain"), .body = str_span(body, (size_t)n)
	};
	http_respond(x, &r);
}

static void on_request(void *arg, struct http_exchange *x)
{
	(void)arg;
	asked++;
	if (str_starts(x->path, STR("/later"))) {
		assert_true(later_count < ARRAY_LEN(later));
		later[later_count++] = x;
		return;
	}
	if (str_eq(x->path, STR("/big"))) {
		static char big[3 << 20];
		struct http_response r = { .status = 200, .body = str_span(big, sizeof big) };
		http_respond(x, &r);
		return;
	}
	if (str_eq(x->path, STR("/304"))) {
		struct http_field etag = { STR("ETag"), STR("\"1\"") };
		struct http_response r = { .status = 304, .fields = &etag, .field_count = 1, .body = STR("never") };
		http_respond(x, &r);
		return;
	}
	if (str_eq(x->path, STR("/inject"))) {
		struct http_field bad[] = { { STR("X-Good"), STR("1") }, { STR("X-Bad"), STR("a\r\nX-Evil: 1") },
			{ STR("Content-Length"), STR("3") }, { STR("Transfer-Encoding"), STR("chunked") } };
		struct http_response r = { .status = 200, .fields = bad, .field_count = 4, .body = STR("12345") };
		http_respond(x, &r);
		return;
	}
	answer(x);
}

static enum err on_head(void *arg, struct http_exchange *x, size_t *body_bytes_max)
{
	(void)arg;
	if (str_eq(x->path, STR("/small"))) *body_bytes_max = 10;
	return str_eq(x->path, STR("/forbidden")) ? ERR_INSUFFICIENT_SCOPE : ERR_NONE;
}

static void on_finished(void *arg, struct http_exchange *x, int status, size_t bytes)
{
	(void)arg;
	finished++;
	if (!status) dropped++;
	assert_true(status ? bytes > 0 : bytes == 0);
	assert_true(!status || x->received_ns > 0); /* of refused heads too: durations are counted from it */
}

static void start_with(struct http_server_config config)
{
	loop = loop_new();
	later_count = finished = dropped = asked = 0;
	drained = flag = false;
	config.require_host = true;
	config.on_request = on_request;
	config.on_head = on_head;
	config.on_finished = on_finished;
	assert_int_equal(http_server_open(loop, STR("127.0.0.1:0"), false, &config, &server), ERR_NONE);
	snprintf(address, sizeof address, "127.0.0.1:%d", http_server_port(server));
}

static void start(void)
{
	start_with((struct http_server_config){ 0 });
}

static void stop(void)
{
	http_server_free(server);
	loop_free(loop);
}

/* Sends all, ends its side, and waits until the server has closed: what came is in p->got. */
static void ask(struct peer *p, struct str bytes)
{
	peer_open(p, loop, str_of(address));
	peer_send(p, bytes);
	stream_end(p->stream);
	run_until(loop, &p->closed);
}

#define H       "Host: a.test\r\n"
#define GET     "GET / HTTP/1.1\r\n" H
#define POST    "POST / HTTP/1.1\r\n" H
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define ROW(bytes, expected)                                                                                           \
	{                                                                                                              \
		bytes, sizeof(bytes) - 1, expected                                                                     \
	}

static const struct {
	const char *bytes;
	size_t n;
	const char *expected;
} rows[] = {
	/* Plain */
	ROW(GET "\r\n", "200 "),
	ROW("\r\n" GET "\r\n", "200 "),
	ROW("\r\n\r\n" GET "\r\n", "400 "),
	ROW(GET "\r\n" GET "\r\n", "200 200 "),
	ROW(GET "\r\n\r\n" GET "\r\n", "200 200 "),
	ROW(GET "\r\nrubbish\r\n\r\n", "200 400 "),
	ROW(GET "Connection: close\r\n\r\n" GET "\r\n", "200 "),
	ROW(GET "\r\nGET / HTT", "200 400 "),
	ROW("HEAD / HTTP/1.1\r\n" H "\r\n", "200 "),
	ROW("OPTIONS * HTTP/1.1\r\n" H "\r\n", "200 "),
	ROW("M-SEARCH / HTTP/1.1\r\n" H "\r\n", "200 "),
	ROW(GET "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" GET "\r\n", "200 200 "),
	ROW(GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n" GET "\r\n",
	    "200 200 "),
	/* First line */
	ROW("GET /\r\n\r\n", "400 "),
	ROW("GET / HTTP/0.9\r\n" H "\r\n", "505 "),
	ROW("GET / HTTP/2.0\r\n" H "\r\n", "505 "),
	ROW("GET / HTTP/1.2\r\n" H "\r\n", "505 "),
	ROW("GET / HTTP/9.9\r\n" H "\r\n", "505 "),
	ROW("GET / HTTP/11\r\n" H "\r\n", "400 "),
	ROW("GET / http/1.1\r\n" H "\r\n", "400 "),
	ROW("GET / XTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET  / HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET /  HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET / HTTP/1.1 \r\n" H "\r\n", "400 "),
	ROW(" GET / HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET\t/\tHTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("get / HTTP/1.1\r\n" H "\r\n", "501 "),
	ROW("BREW / HTTP/1.1\r\n" H "\r\n", "501 "),
	ROW("G\x01T / HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("CONNECT a.test:443 HTTP/1.1\r\n" H "\r\n", "501 "),
	ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 "),
	ROW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400 "),
	/* Targets */
	ROW("GET * HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET a.test HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET http://a.test/x HTTP/1.1\r\n" H "\r\n", "200 "),
	ROW("GET http://a.test?x HTTP/1.1\r\n" H "\r\n", "200 "),
	ROW("GET http://b.test/x HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET http://u@a.test/ HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET ftp://a.test/ HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET http:///x HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET /#f HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET /a\\b HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET /%zz HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET /% HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET /%00 HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET /?a=%00 HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET /\xe4\xbd\xa0 HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET /\x7f HTTP/1.1\r\n" H "\r\n", "400 "),
	ROW("GET /a%2Fb?q={x|y} HTTP/1.1\r\n" H "\r\n", "200 "),
	/* Host */
	ROW("GET / HTTP/1.1\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\n" H H "\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost:\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: a:80:81\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: a:8z\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: a\"><b\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200 "),
	ROW("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n", "200 "),
	ROW("GET / HTTP/1.0\r\n\r\n", "200 "),
	/* Fields */
	ROW("GET / HTTP/1.1\n" H "\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: a.test\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost: a.test\r\r\n\r\n", "400 "),
	ROW(GET "X: a\rb\r\n\r\n", "400 "),
	ROW(GET "X: a\r\n b\r\n\r\n", "400 "),
	ROW(GET "X: a\r\n\tb\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\n " H "\r\n", "400 "),
	ROW(GET "X: a\0b\r\n\r\n", "400 "),
	ROW(GET "X: a\x08\r\n\r\n", "400 "),
	ROW(GET "X: a\x7f\r\n\r\n", "400 "),
	ROW(GET "X: a\tb\r\n\r\n", "200 "),
	ROW(GET "X:\r\n\r\n", "200 "),
	ROW(GET "X : a\r\n\r\n", "400 "),
	ROW(GET "X y: a\r\n\r\n", "400 "),
	ROW(GET "X(y): a\r\n\r\n", "400 "),
	ROW(GET "X\xe9: a\r\n\r\n", "400 "),
	ROW(GET ": a\r\n\r\n", "400 "),
	ROW(GET "X\r\n\r\n", "400 "),
	ROW("GET / HTTP/1.1\r\nHost : a.test\r\n\r\n", "400 "),
	/* Lengths */
	ROW(POST "Content-Length: 5\r\n\r\nhello", "200 "),
	ROW(POST "Content-Length: 5\r\n\r\nhello" GET "\r\n", "200 200 "),
	ROW(POST "\r\n", "200 "),
	ROW(POST "Content-Length: 5\r\n\r\nhell", "400 "),
	ROW(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400 "),
	ROW(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400 "),
	ROW(POST "Content-Length: 5, 5\r\n\r\nhello", "400 "),
	ROW(POST "Content-Length: +5\r\n\r\nhello", "400 "),
	ROW(POST "Content-Length: -5\r\n\r\nhello", "400 "),
	ROW(POST "Content-Length: 0x5\r\n\r\nhello", "400 "),
	ROW(POST "Content-Length: 05\r\n\r\nhello", "400 "),
	ROW(POST "Content-Length: 5 5\r\n\r\nhello", "400 "),
	ROW(POST "Content-Length:\r\n\r\n", "400 "),
	ROW(POST "Content-Length: 18446744073709551621\r\n\r\nhello", "400 "),
	ROW(POST "Content-Length: 99999999999999999\r\n\r\n", "413 "),
	ROW(POST "Content-Length: 1048577\r\n\r\n", "413 "),
	/* Transfer codings */
	ROW(CHUNKED "5\r\nhello\r\n0\r\n\r\n", "200 "),
	ROW(CHUNKED "5\r\nhello\r\n0\r\n\r\n" GET "\r\n", "200 200 "),
	ROW(CHUNKED "5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n" GET "\r\n", "200 200 "),
	ROW(CHUNKED "5;a=b;c=d\r\nhello\r\n0\r\n\r\n" GET "\r\n", "200 200 "),
	ROW(CHUNKED "5;c=\"d e\"\r\nhello\r\n0\r\n\r\n" GET "\r\n", "200 200 "),
	ROW(CHUNKED "5;a\r\nhello\r\n0\r\n\r\n" GET "\r\n", "200 200 "),
	ROW(CHUNKED "5\r\nhello\r\n0;x\r\n\r\n" GET "\r\n", "200 200 "),
	ROW(CHUNKED "5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n" GET "\r\n", "400 "),
	ROW(CHUNKED "5\r\nhello\r\n0\r\nHost: evil\r\n\r\n" GET "\r\n", "400 "),
	ROW(CHUNKED "5\r\nhello\r\n0\r\nx_forwarded_for: evil\r\n\r\n" GET "\r\n", "400 "),
	ROW(CHUNKED "5\r\nhello\r\n0\r\nIf-Match: x\r\n\r\n" GET "\r\n", "400 "),
	ROW(CHUNKED "5\r\nhello\r\n0\r\nGET /x HTTP/1.1\r\n\r\n" GET "\r\n", "400 "),
	ROW(CHUNKED "5\r\nhello\r\n0\r\n: x\r\n\r\n" GET "\r\n", "400 "),
	ROW(CHUNKED "5;a=\"b;\\\"c\"\r\nhello\r\n0\r\n\r\n" GET "\r\n", "200 200 "),
	ROW(CHUNKED "5;a=\"b\r\nhello\r\n0\r\n\r\n" GET "\r\n", "400 "),
	ROW(CHUNKED "0000000000000005\r\nhello\r\n0\r\n\r\n" GET "\r\n", "200 200 "),
	ROW(CHUNKED "00000000000000005\r\nhello\r\n0\r\n\r\n" GET "\r\n", "400 "),
	ROW(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400 "),
	ROW(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 "),
	ROW(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 "),
	ROW(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400 "),
	ROW(POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "400 "),
	ROW(POST "Transfer-Encoding: identity\r\n\r\n", "400 "),
	ROW(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400 "),
	ROW(POST "Transfer-Encoding: \x0b"
		 "chunked\r\n\r\n0\r\n\r\n",
	    "400 "),
	ROW(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400 "),
	ROW(POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "400 "),
	ROW("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 "),
	ROW(CHUNKED "5\nhello\r\n0\r\n\r\n", "400 "),
	ROW(CHUNKED "5\r\nhello\n0\r\n\r\n", "400 "),
	ROW(CHUNKED "5\r\nhelloXX0\r\n\r\n", "400 "),
	ROW(CHUNKED "5\r\nhello\r\n0\r\n\n", "400 "),
	ROW(CHUNKED "0\r\nX: a\n\r\n", "400 "),
	ROW(CHUNKED "0\r\nX: a\r\n b\r\n\r\n", "400 "),
	ROW(CHUNKED "0\r\nX: a\rb\r\n\r\n", "400 "),
	ROW(CHUNKED "5 \r\nhello\r\n0\r\n\r\n", "400 "),
	ROW(CHUNKED " 5\r\nhello\r\n0\r\n\r\n", "400 "),
	ROW(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", "400 "),
	ROW(CHUNKED "-5\r\nhello\r\n0\r\n\r\n", "400 "),
	ROW(CHUNKED "\r\nhello\r\n0\r\n\r\n", "400 "),
	ROW(CHUNKED "fffffffffffffffff\r\nhello\r\n0\r\n\r\n", "400 "),
	ROW(CHUNKED "fffffffffffffff\r\nhello\r\n0\r\n\r\n", "413 "),
	ROW(CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n", "400 "),
	ROW(CHUNKED "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", "400 "),
	ROW(CHUNKED "5\r\nhel", "400 "),
	/* Expectations */
	ROW(POST "Expect: 200-ok\r\nContent-Length: 2\r\n\r\nhi", "417 "),
	ROW(POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", "200 "),
	ROW("POST / HTTP/1.0\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\nhi", "200 "),
	/* The owner's word */
	ROW("POST /forbidden HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello" GET "\r\n", "403 "),
	ROW("POST /small HTTP/1.1\r\n" H "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n", "413 "),
	ROW("POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nb\r\n", "413 "),
};

static void test_table_of_requests(void **state)
{
	(void)state;
	start();
	unsigned wrong = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct peer p;
		ask(&p, str_span(rows[i].bytes, rows[i].n));
		if (strcmp(peer_statuses(&p), rows[i].expected) != 0) {
			print_error("row %zu: %.60s\n  expected %s, got %s\n", i, rows[i].bytes, rows[i].expected,
			    peer_statuses(&p));
			wrong++;
		}
		peer_free(&p);
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(http_server_stats(server).connections, 0);
	stop();
}

static void test_answer_is_whole(void **state)
{
	struct peer p;
	(void)state;
	start();
	ask(&p, STR("GET /a?b=c HTTP/1.1\r\n" H "\r\nPOST /p HTTP/1.1\r\n" H
		    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
	assert_true(peer_has(&p, "[GET /a?b=c 0 ]"));
	assert_true(peer_has(&p, "[POST /p? 5 abcde]"));
	assert_true(peer_has(&p, "\r\nContent-Length: 15\r\n"));
	assert_true(peer_has(&p, "\r\nDate: "));
	assert_true(peer_has(&p, "\r\nServer: yangguang\r\n"));
	peer_free(&p);
	ask(&p, STR("HEAD /a HTTP/1.1\r\n" H "\r\n"));
	assert_true(peer_has(&p, "\r\nContent-Length: 13\r\n"));
	assert_true(str_ends(buf_view(&p.got), STR("\r\n\r\n")));
	peer_free(&p);
	ask(&p, STR("GET /304 HTTP/1.1\r\n" H "\r\n"));
	assert_true(peer_has(&p, "ETag: \"1\"\r\n"));
	assert_false(peer_has(&p, "Content-Length"));
	assert_false(peer_has(&p, "never"));
	peer_free(&p);
	ask(&p, STR("GET /inject HTTP/1.1\r\n" H "\r\n"));
	assert_true(peer_has(&p, "X-Good: 1\r\n"));
	assert_false(peer_has(&p, "X-Evil"));
	assert_false(peer_has(&p, "Transfer-Encoding"));
	assert_true(peer_has(&p, "Content-Length: 5\r\n"));
	assert_false(peer_has(&p, "Content-Length: 3\r\n"));
	peer_free(&p);
	ask(&p, STR("GET / HTTP/1.1\r\nHost: a\r\nAccept-Language: en\r\nX : 1\r\n\r\n"));
	assert_true(peer_has(&p, "application/problem+json"));
	assert_true(peer_has(&p, "\"code\":\"malformed-request\""));
	assert_true(peer_has(&p, "Connection: close\r\n"));
	peer_free(&p);
	ask(&p, STR("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n"));
	assert_string_equal(peer_statuses(&p), "200 200 ");
	assert_true(peer_has(&p, "Connection: keep-alive\r\n"));
	peer_free(&p);
	stop();
}

static void test_limits(void **state)
{
	struct peer p;
	struct buf b;
	(void)state;
	start();
	buf_init(&b, 1 << 20);
	BUF_LIT(&b, "GET /");
	for (int i = 0; i < 8192; i++) buf_char(&b, 'a');
	BUF_LIT(&b, " HTTP/1.1\r\n" H "\r\n");
	ask(&p, buf_view(&b));
	assert_string_equal(peer_statuses(&p), "414 ");
	peer_free(&p);
	buf_reset(&b);
	for (int i = 0; i < 40000; i++) buf_char(&b, 'a'); /* a first line without end */
	ask(&p, buf_view(&b));
	assert_string_equal(peer_statuses(&p), "414 ");
	peer_free(&p);
	buf_reset(&b);
	BUF_LIT(&b, GET);
	for (int i = 0; i < 100; i++) BUF_LIT(&b, "X: y\r\n");
	BUF_LIT(&b, "\r\n");
	ask(&p, buf_view(&b));
	assert_string_equal(peer_statuses(&p), "431 ");
	peer_free(&p);
	buf_reset(&b);
	BUF_LIT(&b, GET "X: ");
	for (int i = 0; i < 17000; i++) buf_char(&b, 'a');
	BUF_LIT(&b, "\r\n\r\n");
	ask(&p, buf_view(&b));
	assert_string_equal(peer_statuses(&p), "431 ");
	peer_free(&p);
	buf_reset(&b);
	BUF_LIT(&b, CHUNKED);
	for (int i = 0; i < 3000; i++) BUF_LIT(&b, "1;aaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n"); /* more frame than picture */
	ask(&p, buf_view(&b));
	assert_string_equal(peer_statuses(&p), "413 ");
	peer_free(&p);
	buf_reset(&b);
	BUF_LIT(&b, CHUNKED "0\r\n");
	for (int i = 0; i < 3000; i++) BUF_LIT(&b, "X-Sum: x\r\n");
	ask(&p, buf_view(&b));
	assert_string_equal(peer_statuses(&p), "413 ");
	peer_free(&p);
	buf_free(&b);
	stop();
}

static void count_later(struct peer *p)
{
	flag = strcmp(peer_statuses(p), "200 200 200 ") == 0;
}

static void test_answers_keep_the_order_of_requests(void **state)
{
	struct peer p;
	bool here;
	(void)state;
	start();
	peer_open(&p, loop, str_of(address));
	p.on_bytes = count_later;
	peer_send(&p,
	    STR("GET /later1 HTTP/1.1\r\n" H "\r\nGET /now HTTP/1.1\r\n" H "\r\nGET /later2 HTTP/1.1\r\n" H "\r\n"));
	while (asked < 3) {
		here = true;
		run_until(loop, &here);
	}
	answer(later[1]);
	here = true;
	run_until(loop, &here);
	assert_int_equal(p.got.n, 0); /* nothing overtakes the first */
	answer(later[0]);
	run_until(loop, &flag);
	const char *text = p.got.p;
	p.got.p[p.got.n - 1] = 0;
	assert_true(strstr(text, "/later1") < strstr(text, "/now") && strstr(text, "/now") < strstr(text, "/later2"));
	assert_int_equal(finished, 3);
	peer_free(&p);
	stop();
}

static void test_pipeline_is_bounded_and_goes_on(void **state)
{
	struct peer p;
	struct buf b;
	(void)state;
	start_with((struct http_server_config){ .pipeline_max = 4 });
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 4; i++) BUF_LIT(&b, "GET /later HTTP/1.1\r\n" H "\r\n");
	for (int i = 0; i < 200; i++) BUF_LIT(&b, GET "\r\n");
	peer_open(&p, loop, str_of(address));
	peer_send(&p, buf_view(&b));
	stream_end(p.stream);
	while (asked < 4) {
		bool here = true;
		run_until(loop, &here);
	}
	for (int i = 0; i < 20; i++) {
		bool here = true;
		run_until(loop, &here);
	}
	assert_int_equal(asked, 4);
	for (int i = 0; i < 4; i++) answer(later[i]);
	run_until(loop, &p.closed);
	assert_int_equal(asked, 204);
	assert_int_equal(finished, 204);
	assert_int_equal(dropped, 0);
	peer_free(&p);
	buf_free(&b);
	stop();
}

/* Bodies that wait for their answer are in the budget, those too that came in one piece with their heads. */
static void test_bodies_under_way_are_bounded(void **state)
{
	static char text[4000];
	struct peer p;
	struct buf one;
	(void)state;
	start_with((struct http_server_config){ .bodies_total_max = 10000 });
	buf_init(&one, 1 << 16);
	BUF_LIT(&one, "POST /later HTTP/1.1\r\n" H "Content-Length: 4000\r\n\r\n");
	memset(text, 'x', sizeof text);
	buf_str(&one, str_span(text, sizeof text));
	peer_open(&p, loop, str_of(address));
	for (int i = 0; i < 5; i++) {
		peer_send(&p, buf_view(&one));
		for (int turns = 0; turns < 10; turns++) {
			bool here = true;
			run_until(loop, &here);
		}
	}
	assert_int_equal(asked, 3);
	stream_end(p.stream);
	for (unsigned i = 0; i < 3; i++) answer(later[i]);
	while (asked < 5) {
		bool here = true;
		run_until(loop, &here);
	}
	for (unsigned i = 3; i < 5; i++) answer(later[i]);
	run_until(loop, &p.closed);
	assert_string_equal(peer_statuses(&p), "200 200 200 200 200 ");
	peer_free(&p);
	buf_free(&one);
	stop();
}

static void test_client_that_vanishes_drops_its_answers(void **state)
{
	struct peer p;
	(void)state;
	start();
	peer_open(&p, loop, str_of(address));
	peer_send(&p, STR("GET /later1 HTTP/1.1\r\n" H "\r\nGET /later2 HTTP/1.1\r\n" H "\r\nPOST /half HTTP/1.1\r\n" H
			  "Content-Length: 9\r\n\r\nabc"));
	while (asked < 2) {
		bool here = true;
		run_until(loop, &here);
	}
	stream_abort(p.stream);
	run_until(loop, &p.closed);
	while (!later[0]->abandoned) {
		bool here = true;
		run_until(loop, &here);
	}
	assert_true(later[1]->abandoned);
	assert_int_equal(http_server_stats(server).connections, 1); /* its exchanges are still owed */
	answer(later[1]);
	answer(later[0]);
	while (http_server_stats(server).connections) {
		bool here = true;
		run_until(loop, &here);
	}
	assert_int_equal(finished, 3); /* the half request too: on_head had seen it */
	assert_int_equal(dropped, 3);
	peer_free(&p);
	stop();
}

static void test_continue_comes_before_the_body(void **state)
{
	struct peer p;
	(void)state;
	start();
	peer_open(&p, loop, str_of(address));
	peer_send(&p, STR(POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
	while (strcmp(peer_statuses(&p), "100 ") != 0) {
		bool here = true;
		run_until(loop, &here);
	}
	peer_send(&p, STR("hello"));
	stream_end(p.stream);
	run_until(loop, &p.closed);
	assert_string_equal(peer_statuses(&p), "100 200 ");
	peer_free(&p);
	stop();
}

static void test_slow_clients_are_cut(void **state)
{
	static const struct {
		const char *bytes;
		const char *expected;
	} slow[] = { { "GET / HT", "408 " }, { GET "X: ", "408 " }, { POST "Content-Length: 5\r\n\r\nhe", "408 " },
		{ CHUNKED "5\r\nhe", "408 " }, { "", "" }, { GET "\r\n", "200 " } };
	(void)state;
	start_with(
	    (struct http_server_config){ .head_timeout_ms = 100, .body_timeout_ms = 100, .idle_timeout_ms = 150 });
	for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
		struct peer p;
		peer_open(&p, loop, str_of(address));
		if (slow[i].bytes[0]) peer_send(&p, str_of(slow[i].bytes));
		int64_t began_ms = clock_mono_ms();
		run_until(loop, &p.closed);
		assert_string_equal(peer_statuses(&p), slow[i].expected);
		assert_true(clock_mono_ms() - began_ms < 3000);
		peer_free(&p);
	}
	stop();
}

static void test_client_that_does_not_read_is_cut(void **state)
{
	struct peer p;
	(void)state;
	start_with((struct http_server_config){ .write_timeout_ms = 200 });
	peer_open(&p, loop, str_of(address));
	peer_send(
	    &p, STR("GET /big HTTP/1.1\r\n" H "\r\nGET /big HTTP/1.1\r\n" H "\r\nGET /big HTTP/1.1\r\n" H "\r\n"));
	while (!p.connected) {
		bool here = true;
		run_until(loop, &here);
	}
	stream_pause(p.stream);
	while (asked < 1 || http_server_stats(server).connections) {
		bool here = true;
		run_until(loop, &here);
	}
	peer_free(&p);
	stop();
}

static void on_drained(void *arg)
{
	(void)arg;
	drained = true;
}

static void test_drain_answers_what_is_owed(void **state)
{
	struct peer idle, busy;
	(void)state;
	start();
	peer_open(&idle, loop, str_of(address));
	peer_open(&busy, loop, str_of(address));
	peer_send(&busy, STR("GET /later HTTP/1.1\r\n" H "\r\n"));
	while (later_count < 1 || http_server_stats(server).connections < 2) {
		bool here = true;
		run_until(loop, &here);
	}
	http_server_drain(server, on_drained, NULL);
	run_until(loop, &idle.closed);
	assert_false(drained);
	answer(later[0]);
	run_until(loop, &busy.closed);
	assert_string_equal(peer_statuses(&busy), "200 ");
	assert_true(peer_has(&busy, "Connection: close\r\n"));
	run_until(loop, &drained);
	peer_free(&idle);
	peer_free(&busy);
	stop();
}

static void test_too_many_connections_are_told(void **state)
{
	struct peer first, second;
	(void)state;
	start_with((struct http_server_config){ .connections_max = 1 });
	peer_open(&first, loop, str_of(address));
	while (http_server_stats(server).connections < 1) {
		bool here = true;
		run_until(loop, &here);
	}
	peer_open(&second, loop, str_of(address));
	run_until(loop, &second.closed);
	assert_string_equal(peer_statuses(&second), "503 ");
	peer_free(&first);
	peer_free(&second);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_of_requests),
		cmocka_unit_test(test_answer_is_whole),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_answers_keep_the_order_of_requests),
		cmocka_unit_test(test_pipeline_is_bounded_and_goes_on),
		cmocka_unit_test(test_bodies_under_way_are_bounded),
		cmocka_unit_test(test_client_that_vanishes_drops_its_answers),
		cmocka_unit_test(test_continue_comes_before_the_body),
		cmocka_unit_test(test_slow_clients_are_cut),
		cmocka_unit_test(test_client_that_does_not_read_is_cut),
		cmocka_unit_test(test_drain_answers_what_is_owed),
		cmocka_unit_test(test_too_many_connections_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
