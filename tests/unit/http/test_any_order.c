/* Answers in any order between our own processes: our server and our client over a real socket, one connection. */
#include "tests/unit/http/peer.h"

#include <unistd.h>

#include "common/http/client.h"
#include "common/http/server.h"

static struct loop *loop;
static struct http_server *server;
static struct upstream *upstream;
static struct http_exchange *later[4]; /* requests to /later, answered by the test */
static unsigned later_count, answered;
static char address[64];
static bool drained;

static void respond(struct http_exchange *x, bool close)
{
	struct http_response r = { .status = 200, .content_type = STR("text/plain"), .body = x->path, .close = close };
	http_respond(x, &r);
}

static void on_request(void *arg, struct http_exchange *x)
{
	(void)arg;
	if (str_starts(x->path, STR("/later")))
		later[later_count++] = x;
	else
		respond(x, false);
}

struct result {
	bool done;
	enum err status;
	unsigned order;
	char body[32];
};

static void on_result(void *arg, enum err status, const struct http_reply *reply)
{
	struct result *r = arg;
	r->done = true;
	r->status = status;
	r->order = answered++;
	if (!status) snprintf(r->body, sizeof r->body, "%.*s", STR_FMT(reply->body));
}

static void get(const char *path, int64_t timeout_ms, struct result *r)
{
	char head[128];
	struct upstream_call *call;
	int n = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path);
	*r = (struct result){ 0 };
	assert_int_equal(upstream_send(upstream, str_span(head, (size_t)n), STR_NONE, false, false,
			     loop_now_ms(loop) + timeout_ms, on_result, r, &call),
	    ERR_NONE);
}

static void connect_to(struct str to)
{
	struct upstream_config config = {
		.name = STR("test"), .addresses = &to, .address_count = 1, .connections = 1, .any_order = true
	};
	answered = 0;
	upstream = upstream_new(loop, &config);
}

static void start(void)
{
	struct http_server_config config = { .any_order = true, .on_request = on_request };
	loop = loop_new();
	later_count = 0;
	assert_int_equal(http_server_open(loop, str_of(address), false, &config, &server), ERR_NONE);
	connect_to(str_of(address));
}

static void stop(void)
{
	upstream_free(upstream);
	http_server_free(server);
	loop_free(loop);
}

static void turn(void)
{
	bool now = true;
	run_until(loop, &now);
}

static void test_a_slow_answer_delays_nobody(void **state)
{
	static struct result slow[3], quick[200];
	(void)state;
	start();
	for (unsigned i = 0; i < 3; i++) get(i == 1 ? "/later/1" : "/later/x", 5000, &slow[i]);
	for (unsigned i = 0; i < ARRAY_LEN(quick); i++) get("/quick", 5000, &quick[i]);
	run_until(loop, &quick[ARRAY_LEN(quick) - 1].done);
	assert_int_equal(http_server_stats(server).connections, 1);
	for (unsigned i = 0; i < ARRAY_LEN(quick); i++) assert_string_equal(quick[i].body, "/quick");
	assert_int_equal(later_count, 3);
	respond(later[1], false);
	run_until(loop, &slow[1].done);
	assert_string_equal(slow[1].body, "/later/1");
	assert_false(slow[0].done || slow[2].done);
	respond(later[2], false);
	respond(later[0], false);
	run_until(loop, &slow[0].done);
	assert_true(slow[2].done);
	stop();
}

static void test_a_late_answer_is_nobodys(void **state)
{
	struct result slow, quick;
	(void)state;
	start();
	get("/later", 60, &slow);
	run_until(loop, &slow.done);
	assert_int_equal(slow.status, ERR_TIMEOUT);
	get("/quick", 5000, &quick);
	respond(later[0], false);
	run_until(loop, &quick.done);
	assert_string_equal(quick.body, "/quick");
	assert_int_equal(http_server_stats(server).accepted, 1);
	stop();
}

static void test_an_answer_that_closes_waits_for_the_others(void **state)
{
	struct result slow, closing;
	(void)state;
	start();
	get("/later/a", 5000, &slow);
	get("/later/b", 5000, &closing);
	while (later_count < 2) turn();
	respond(later[1], true);
	for (int i = 0; i < 20; i++) turn();
	assert_false(closing.done);
	respond(later[0], false);
	run_until(loop, &closing.done);
	assert_int_equal(slow.status, ERR_NONE);
	assert_string_equal(closing.body, "/later/b");
	stop();
}

static void on_drained(void *arg)
{
	(void)arg;
	drained = true;
}

static void test_drain_answers_all(void **state)
{
	struct result a, b;
	(void)state;
	start();
	get("/later/a", 5000, &a);
	get("/later/b", 5000, &b);
	while (later_count < 2) turn();
	drained = false;
	http_server_drain(server, on_drained, NULL);
	respond(later[1], false);
	run_until(loop, &b.done);
	assert_false(drained || a.done);
	respond(later[0], false);
	run_until(loop, &drained);
	run_until(loop, &a.done);
	assert_int_equal(a.status, ERR_NONE);
	assert_int_equal(b.status, ERR_NONE);
	stop();
}

static void test_who_names_no_call_is_answered_in_order(void **state)
{
	struct peer p;
	(void)state;
	start();
	peer_open(&p, loop, str_of(address));
	peer_send(&p, STR("GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /quick HTTP/1.1\r\nHost: a\r\n\r\n"));
	while (later_count < 1) turn();
	for (int i = 0; i < 20; i++) turn();
	assert_int_equal(p.got.n, 0);
	respond(later[0], false);
	while (!peer_has(&p, "/quick")) turn();
	assert_false(peer_has(&p, CALL_FIELD));
	peer_free(&p);
	stop();
}

/* ── a peer that names calls wrongly ── */

static const char *script;
static struct listener *listener;

static void bad_data(void *arg, struct str bytes)
{
	struct stream *s = *(struct stream **)arg;
	struct str reply = str_of(script);
	if (str_contains(bytes, STR("\r\n\r\n"))) assert_int_equal(stream_write(s, &reply, 1), ERR_NONE);
}

static void bad_closed(void *arg, enum err why)
{
	(void)why;
	free(arg);
}

static void bad_accepted(void *arg, struct stream *s)
{
	static const struct stream_events events = { bad_data, NULL, NULL, bad_closed };
	struct stream **own = malloc(sizeof(struct stream *));
	(void)arg;
	assert_non_null(own);
	*own = s;
	stream_start(s, &events, own);
}

static void test_names_that_fit_nothing_break_the_connection(void **state)
{
	static const char *const scripts[] = {
		"HTTP/1.1 200 OK\r\n" CALL_FIELD ": ffffffff\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" CALL_FIELD ": 00000001x\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" CALL_FIELD ":\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" CALL_FIELD ": 00000001\r\n" CALL_FIELD ": 00000002\r\nContent-Length: 0\r\n\r\n",
		/* the second time nobody waits for it any more */
		"HTTP/1.1 200 OK\r\n" CALL_FIELD ": 00000001\r\nContent-Length: 0\r\n\r\n"
		"HTTP/1.1 200 OK\r\n" CALL_FIELD ": 00000001\r\nContent-Length: 0\r\n\r\n",
		/* it has named one: without a name an answer could be anybody's */
		"HTTP/1.1 200 OK\r\n" CALL_FIELD ": 00000001\r\nContent-Length: 0\r\n\r\n"
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		/* and the other way round */
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
		"HTTP/1.1 200 OK\r\n" CALL_FIELD ": 00000002\r\nContent-Length: 0\r\n\r\n",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct result a, b;
		loop = loop_new();
		script = scripts[i];
		assert_int_equal(listener_open(loop, str_of(address), false, bad_accepted, NULL, &listener), ERR_NONE);
		connect_to(str_of(address));
		get("/a", 5000, &a);
		get("/b", 5000, &b);
		run_until(loop, &b.done);
		assert_int_equal(a.status, i < 4 ? ERR_BAD_UPSTREAM : ERR_NONE);
		assert_int_equal(b.status, i < 4 ? ERR_CLOSED : ERR_BAD_UPSTREAM);
		upstream_free(upstream);
		listener_close(listener);
		loop_free(loop);
	}
}

int main(void)
{
	snprintf(address, sizeof address, "unix:/tmp/test_any_order_%d.sock", (int)getpid());
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slow_answer_delays_nobody),
		cmocka_unit_test(test_a_late_answer_is_nobodys),
		cmocka_unit_test(test_an_answer_that_closes_waits_for_the_others),
		cmocka_unit_test(test_drain_answers_all),
		cmocka_unit_test(test_who_names_no_call_is_answered_in_order),
		cmocka_unit_test(test_names_that_fit_nothing_break_the_connection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
