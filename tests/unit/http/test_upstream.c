#include <stdio.h>
/* The upstream pool against a service that misbehaves on request: repetition, health, time-outs, broken replies, restarts. */
#include "tests/unit/http/peer.h"

#include <unistd.h>

#include "common/http/client.h"

static struct loop *loop;
static struct listener *listener;
static struct upstream *upstream;
static unsigned connections, requests;
static char socket_path[64]; /* of this process, so that two runs do not meet */

/* ---- the service ---- */

struct guest {
	struct stream *stream;
	struct buf in;
	bool mute; /* since /silent: replies gather in `held` */
	struct buf held;
};

static struct guest *mute_guest;

static struct {
	const char *path;
	const char *reply; /* NULL: none */
	bool then_close;
	bool once; /* only the first time; then as /ok */
} script[] = {
	{ "/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, false },
	{ "/silent", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate", false, false },
	{ "/die", NULL, true, false },
	{ "/die-once", NULL, true, true },
	{ "/close", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nbc", true, false },
	{ "/extra", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nexHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
	    false, false },
	{ "/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\nT: x\r\n\r\n",
	    false, false },
	{ "/until-close", "HTTP/1.1 200 OK\r\n\r\nuntil", true, false },
	{ "/204", "HTTP/1.1 204 No Content\r\n\r\n", false, false },
	{ "/304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", false, false },
	{ "/head", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", false, false },
	{ "/interim",
	    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "
	    "OK\r\nContent-Length: 1\r\n\r\ni",
	    false, false },
	{ "/999", "HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\n9", false, false },
	{ "/garbage", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, false },
	{ "/099", "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", false, false },
	{ "/600", "HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n", false, false },
	{ "/2000", "HTTP/1.1 2000 Long\r\nContent-Length: 0\r\n\r\n", false, false },
	{ "/http2", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, false },
	{ "/101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false, false },
	{ "/both", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false,
	    false },
	{ "/twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", false, false },
	{ "/negative", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nab", false, false },
	{ "/gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab", true, false },
	{ "/folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", false, false },
	{ "/bare-lf", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", false, false },
	{ "/huge", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", false, false },
	{ "/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, false },
	{ "/flood",
	    "HTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 "
	    "A\r\n\r\n"
	    "HTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 "
	    "A\r\n\r\n",
	    false, false },
	{ "/cut", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", true, false },
	{ "/health-bad", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", false, false },
};

static bool used_up[ARRAY_LEN(script)];
static bool health_is_bad;

static unsigned script_of(struct str request)
{
	struct str rest = request, method, path;
	str_cut(&rest, ' ', &method);
	str_cut(&rest, ' ', &path);
	if (str_eq(path, STR("/health"))) path = health_is_bad ? STR("/health-bad") : STR("/ok");
	for (unsigned i = 0; i < ARRAY_LEN(script); i++)
		if (str_eq(path, str_of(script[i].path))) return i;
	fail_msg("no script for %.*s", STR_FMT(path));
	return 0;
}

static void guest_data(void *arg, struct str bytes)
{
	struct guest *g = arg;
	buf_str(&g->in, bytes);
	for (const char *end; g->in.n && (end = memmem(g->in.p, g->in.n, "\r\n\r\n", 4));) {
		size_t n = (size_t)(end - g->in.p) + 4;
		unsigned i = script_of(str_span(g->in.p, n));
		buf_consume(&g->in, n);
		requests++;
		if (script[i].once && used_up[i]) i = 0;
		used_up[i] = true;
		if (strcmp(script[i].path, "/silent") == 0) {
			g->mute = true;
			mute_guest = g;
		}
		if (g->mute) {
			buf_str(&g->held, str_of(script[i].reply));
		} else if (script[i].reply) {
			struct str reply = str_of(script[i].reply);
			assert_int_equal(stream_write(g->stream, &reply, 1), ERR_NONE);
		}
		if (script[i].then_close) {
			stream_close(g->stream);
			return;
		}
	}
}

static void guest_closed(void *arg, enum err why)
{
	struct guest *g = arg;
	(void)why;
	buf_free(&g->in);
	buf_free(&g->held);
	if (g == mute_guest) mute_guest = NULL;
	free(g);
}

static void on_accepted(void *arg, struct stream *s)
{
	static const struct stream_events events = { guest_data, NULL, NULL, guest_closed };
	struct guest *g = calloc(1, sizeof *g);
	(void)arg;
	assert_non_null(g);
	g->stream = s;
	buf_init(&g->in, 1 << 20);
	buf_init(&g->held, 1 << 20);
	connections++;
	stream_start(s, &events, g);
}

static void service_up(void)
{
	assert_int_equal(listener_open(loop, str_of(socket_path), false, on_accepted, NULL, &listener), ERR_NONE);
}

static void service_down(void)
{
	listener_close(listener);
	listener = NULL;
}

/* ---- the caller ---- */

struct result {
	bool done;
	enum err status;
	int http_status;
	char body[64];
	struct upstream_call *call;
	unsigned order;
};

static unsigned answered;

static void on_result(void *arg, enum err status, const struct http_reply *reply)
{
	struct result *r = arg;
	assert_false(r->done);
	r->done = true;
	r->status = status;
	r->order = answered++;
	if (status) return;
	r->http_status = reply->status;
	snprintf(r->body, sizeof r->body, "%.*s", STR_FMT(reply->body));
}

static enum err send_as(const char *method, const char *path, bool safe, int64_t timeout_ms, struct result *r)
{
	char head[256];
	int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: test\r\n\r\n", method, path);
	*r = (struct result){ 0 };
	return upstream_send(upstream, str_span(head, (size_t)n), STR_NONE, strcmp(method, "HEAD") == 0, safe,
	    loop_now_ms(loop) + timeout_ms, on_result, r, &r->call);
}

static void get(const char *path, struct result *r)
{
	assert_int_equal(send_as("GET", path, true, 3000, r), ERR_NONE);
	assert_false(r->done);
	run_until(loop, &r->done);
}

static void start_with(struct upstream_config config)
{
	static struct str address;
	address = str_of(socket_path);
	loop = loop_new();
	connections = requests = answered = 0;
	memset(used_up, 0, sizeof used_up);
	health_is_bad = false;
	service_up();
	config.name = STR("test");
	config.addresses = &address;
	config.address_count = 1;
	config.reply_bytes_max = 1 << 20;
	upstream = upstream_new(loop, &config);
}

static void start(void)
{
	start_with((struct upstream_config){ .connections = 1 });
}

static void stop(void)
{
	upstream_free(upstream);
	if (listener) service_down();
	loop_free(loop);
}

static void turn(void)
{
	bool now = true;
	run_until(loop, &now);
}

/* ---- tests ---- */

static void test_good_replies(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
		const char *body;
	} good[] = { { "GET", "/ok", 200, "ok" }, { "GET", "/chunked", 200, "abcde" }, { "GET", "/204", 204, "" },
		{ "GET", "/304", 304, "" }, { "HEAD", "/head", 200, "" }, { "GET", "/interim", 200, "i" },
		{ "GET", "/999", 999, "9" }, { "GET", "/close", 200, "bc" }, { "GET", "/until-close", 200, "until" },
		{ "GET", "/extra", 200, "ex" }, { "GET", "/ok", 200, "ok" } };
	(void)state;
	start();
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct result r;
		assert_int_equal(send_as(good[i].method, good[i].path, true, 3000, &r), ERR_NONE);
		run_until(loop, &r.done);
		assert_int_equal(r.status, ERR_NONE);
		assert_int_equal(r.http_status, good[i].status);
		assert_string_equal(r.body, good[i].body);
	}
	assert_int_equal(requests, ARRAY_LEN(good));
	assert_int_equal(connections, 4); /* after /close, /until-close and /extra a new one */
	stop();
}

static void test_broken_replies(void **state)
{
	static const char *const broken[] = { "/garbage", "/099", "/600", "/2000", "/http2", "/101", "/both", "/twice",
		"/negative", "/gzip", "/folded", "/bare-lf", "/huge", "/bad-chunk", "/flood" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct result first, bad, behind;
		start();
		assert_int_equal(send_as("GET", "/ok", true, 3000, &first), ERR_NONE);
		assert_int_equal(send_as("GET", broken[i], true, 3000, &bad), ERR_NONE);
		assert_int_equal(send_as("GET", "/ok", true, 3000, &behind), ERR_NONE);
		run_until(loop, &behind.done);
		assert_int_equal(first.status, ERR_NONE); /* the answer before is not spoilt */
		if (bad.status != ERR_BAD_UPSTREAM) fail_msg("%s: %d", broken[i], bad.status);
		assert_int_equal(behind.status, ERR_NONE); /* and the one behind is asked again */
		stop();
	}
}

static void test_many_in_flight_on_one_connection(void **state)
{
	static struct result r[300];
	(void)state;
	start();
	for (size_t i = 0; i < ARRAY_LEN(r); i++) assert_int_equal(send_as("GET", "/ok", false, 3000, &r[i]), ERR_NONE);
	run_until(loop, &r[ARRAY_LEN(r) - 1].done);
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		assert_true(r[i].done);
		assert_int_equal(r[i].status, ERR_NONE);
		assert_int_equal(r[i].order, i);
	}
	assert_int_equal(connections, 1);
	assert_int_equal(upstream_stats(upstream).sent, ARRAY_LEN(r));
	stop();
}

static void test_lost_connection(void **state)
{
	struct result r;
	(void)state;
	start();
	get("/die-once", &r);
	assert_int_equal(r.status, ERR_NONE); /* safe: asked again */
	assert_string_equal(r.body, "ok");
	assert_int_equal(upstream_stats(upstream).retried, 1);
	used_up[3] = false;
	unsigned before = requests;
	assert_int_equal(send_as("POST", "/die-once", false, 3000, &r), ERR_NONE);
	run_until(loop, &r.done);
	assert_int_equal(r.status, ERR_CLOSED); /* it may have been done: never twice */
	assert_int_equal(requests, before + 1);
	before = requests;
	get("/die", &r);
	assert_int_equal(r.status, ERR_SAFE_RETRY_LATER);
	assert_int_equal(requests, before + 3);
	assert_int_equal(upstream_stats(upstream).retried, 3);
	get("/die", &r);
	assert_int_equal(r.status, ERR_SAFE_RETRY_LATER); /* the reserve of a minute is spent */
	assert_int_equal(requests, before + 4);
	assert_int_equal(upstream_stats(upstream).unrepeated, 1);
	get("/cut", &r);
	assert_int_equal(r.status, ERR_CLOSED); /* its answer had begun: never again */
	assert_int_equal(requests, before + 5);
	stop();
}

static void test_calls_behind_a_closing_answer_were_not_processed(void **state)
{
	struct result a, b;
	(void)state;
	start();
	assert_int_equal(send_as("POST", "/close", false, 3000, &a), ERR_NONE);
	assert_int_equal(send_as("POST", "/ok", false, 3000, &b), ERR_NONE);
	run_until(loop, &b.done);
	assert_int_equal(a.status, ERR_NONE);
	assert_int_equal(b.status, ERR_NONE);
	stop();
}

static void test_time_out_hurts_only_its_call(void **state)
{
	struct result silent, behind;
	(void)state;
	start();
	int64_t began_ms = clock_mono_ms();
	assert_int_equal(send_as("GET", "/silent", false, 100, &silent), ERR_NONE);
	assert_int_equal(send_as("GET", "/ok", true, 5000, &behind), ERR_NONE);
	run_until(loop, &silent.done);
	assert_int_equal(silent.status, ERR_TIMEOUT);
	assert_true(clock_mono_ms() - began_ms < 1000);
	assert_false(behind.done);
	assert_non_null(mute_guest);
	mute_guest->mute = false;
	struct str late = buf_view(&mute_guest->held);
	assert_int_equal(stream_write(mute_guest->stream, &late, 1), ERR_NONE);
	run_until(loop, &behind.done);
	assert_int_equal(behind.status, ERR_NONE);
	assert_string_equal(behind.body, "ok"); /* not "late", which came for nobody */
	assert_int_equal(connections, 1);
	assert_int_equal(upstream_stats(upstream).timed_out, 1);
	stop();
}

static void test_hanging_connection_is_broken_off(void **state)
{
	struct result silent, behind;
	(void)state;
	start();
	assert_int_equal(send_as("GET", "/silent", true, 100, &silent), ERR_NONE);
	assert_int_equal(send_as("GET", "/ok", true, 5000, &behind), ERR_NONE);
	run_until(loop, &behind.done);
	assert_int_equal(silent.status, ERR_TIMEOUT);
	assert_int_equal(behind.status, ERR_NONE);
	assert_int_equal(connections, 2);
	stop();
}

static void test_cancelled_calls_are_silent(void **state)
{
	struct result waiting, sent, kept;
	(void)state;
	start();
	assert_int_equal(send_as("GET", "/ok", true, 3000, &waiting), ERR_NONE);
	upstream_cancel(waiting.call); /* not sent yet */
	assert_int_equal(send_as("GET", "/ok", true, 3000, &sent), ERR_NONE);
	while (requests < 1) turn();
	assert_int_equal(send_as("GET", "/chunked", true, 3000, &kept), ERR_NONE);
	if (!sent.done) upstream_cancel(sent.call);
	run_until(loop, &kept.done);
	assert_string_equal(kept.body, "abcde");
	assert_false(waiting.done);
	assert_int_equal(requests, 2);
	stop();
}

static void test_restart_of_the_service_is_bridged(void **state)
{
	struct result r;
	(void)state;
	start();
	get("/ok", &r);
	assert_true(upstream_usable(upstream));
	service_down();
	get("/close", &r); /* ends the connection */
	for (int i = 0; i < 100; i++) turn();
	assert_false(upstream_usable(upstream));
	assert_int_equal(send_as("POST", "/ok", false, 3000, &r), ERR_NONE); /* not sent, so it may wait even unsafe */
	for (int i = 0; i < 100; i++) turn();
	assert_false(r.done);
	assert_int_equal(upstream_stats(upstream).queued, 1);
	service_up();
	run_until(loop, &r.done);
	assert_int_equal(r.status, ERR_NONE);
	assert_true(upstream_usable(upstream));
	stop();
}

static void test_waiting_ends(void **state)
{
	struct result by_deadline, by_patience;
	(void)state;
	start_with((struct upstream_config){ .connections = 1, .queue_max = 2 });
	service_down();
	assert_int_equal(send_as("GET", "/ok", true, 150, &by_deadline), ERR_NONE);
	assert_int_equal(send_as("GET", "/ok", true, 9000, &by_patience), ERR_NONE);
	struct result refused;
	assert_int_equal(send_as("GET", "/ok", true, 9000, &refused), ERR_BUSY);
	run_until(loop, &by_deadline.done);
	assert_int_equal(by_deadline.status, ERR_TIMEOUT);
	run_until(loop, &by_patience.done);
	assert_int_equal(by_patience.status, ERR_SAFE_RETRY_LATER);
	stop();
}

static void test_health_takes_an_address_out_and_back(void **state)
{
	(void)state;
	start_with(
	    (struct upstream_config){ .connections = 1, .health_interval_ms = 30, .health_path = STR("/health") });
	while (!upstream_usable(upstream)) turn();
	health_is_bad = true;
	while (upstream_usable(upstream)) turn();
	health_is_bad = false;
	while (!upstream_usable(upstream)) turn();
	struct result r;
	get("/ok", &r);
	assert_int_equal(r.status, ERR_NONE);
	stop();
}

static void test_free_ends_open_calls(void **state)
{
	struct result sent, waiting;
	(void)state;
	start();
	assert_int_equal(send_as("GET", "/silent", true, 3000, &sent), ERR_NONE);
	while (requests < 1) turn();
	assert_int_equal(send_as("GET", "/ok", true, 3000, &waiting), ERR_NONE);
	stop();
	assert_int_equal(sent.status, ERR_ABORTED);
	assert_int_equal(waiting.status, ERR_ABORTED);
}

int main(void)
{
	snprintf(socket_path, sizeof socket_path, "unix:/tmp/test_upstream_%d.sock", (int)getpid());
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_replies),
		cmocka_unit_test(test_broken_replies),
		cmocka_unit_test(test_many_in_flight_on_one_connection),
		cmocka_unit_test(test_lost_connection),
		cmocka_unit_test(test_calls_behind_a_closing_answer_were_not_processed),
		cmocka_unit_test(test_time_out_hurts_only_its_call),
		cmocka_unit_test(test_hanging_connection_is_broken_off),
		cmocka_unit_test(test_cancelled_calls_are_silent),
		cmocka_unit_test(test_restart_of_the_service_is_bridged),
		cmocka_unit_test(test_waiting_ends),
		cmocka_unit_test(test_health_takes_an_address_out_and_back),
		cmocka_unit_test(test_free_ends_open_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
