/* The Redis client against a real server that is killed, stopped and restarted, and against servers that talk nonsense. */
#include "tests/unit/cache/redis_server.h"

#include "common/net/stream.h"

static bool is_lost(void *arg)
{
	return !redis_connected(arg);
}

static struct redis *client(int64_t command_timeout_ms, unsigned queue_max)
{
	struct redis_config config = {
		.address = str_of(fixture_address), .command_timeout_ms = command_timeout_ms, .queue_max = queue_max
	};
	struct redis *r = redis_new(loop, &config);
	assert_non_null(r);
	return r;
}

static struct redis *connected_client(int64_t command_timeout_ms, unsigned queue_max)
{
	struct redis *r = client(command_timeout_ms, queue_max);
	assert_true(run_until(is_connected, r, 5000));
	return r;
}

/* ---- answers ---- */

struct answer {
	int count;
	enum err status;
	enum redis_type type;
	int64_t integer;
	unsigned items;
	char text[64];
	size_t text_bytes;
	struct redis *free_it;
};

static void on_answer(void *arg, enum err status, const struct redis_reply *reply)
{
	struct answer *a = arg;
	a->count++;
	a->status = status;
	assert_true((status == ERR_NONE) == (reply != NULL));
	if (a->free_it) redis_free(a->free_it);
	if (!reply) return;
	a->type = reply->type;
	a->integer = reply->integer;
	a->items = reply->item_count;
	a->text_bytes = reply->text.n;
	snprintf(a->text, sizeof a->text, "%.*s", STR_FMT(reply->text));
	if (reply->type == REDIS_ARRAY && reply->item_count) /* the last item, to see that arrays nest */
		snprintf(a->text, sizeof a->text, "%.*s", STR_FMT(reply->items[reply->item_count - 1].text));
}

static bool has_answer(void *arg)
{
	return ((struct answer *)arg)->count > 0;
}

static enum err send_words(struct redis *r, const char *words, struct answer *a)
{
	struct str args[8], rest = str_of(words);
	unsigned n = 0;
	while (n < 8 && str_cut(&rest, ' ', &args[n])) n++;
	return redis_send(r, args, n, on_answer, a);
}

static struct answer ask(struct redis *r, const char *words)
{
	struct answer a = { 0 };
	assert_int_equal(send_words(r, words, &a), ERR_NONE);
	assert_int_equal(a.count, 0); /* never inside the call */
	assert_true(run_until(has_answer, &a, 5000));
	assert_int_equal(a.count, 1);
	return a;
}

static int setup(void **state)
{
	(void)state;
	loop = loop_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	server_kill();
	unlink(fixture_socket);
	return 0;
}

static int setup_server(void **state)
{
	server_start("0");
	return setup(state);
}

/* ---- tests ---- */

static void test_replies(void **state)
{
	(void)state;
	struct redis *r = connected_client(2000, 0);
	struct answer a = ask(r, "SET k v");
	assert_int_equal(a.type, REDIS_STATUS);
	assert_string_equal(a.text, "OK");
	a = ask(r, "GET k");
	assert_int_equal(a.type, REDIS_STRING);
	assert_string_equal(a.text, "v");
	assert_int_equal(ask(r, "GET missing").type, REDIS_NIL);
	a = ask(r, "INCRBY n -7");
	assert_int_equal(a.type, REDIS_INTEGER);
	assert_int_equal(a.integer, -7);
	a = ask(r, "MGET missing k");
	assert_int_equal(a.type, REDIS_ARRAY);
	assert_int_equal(a.items, 2);
	assert_string_equal(a.text, "v");
	assert_int_equal(ask(r, "LRANGE nothing 0 -1").items, 0);
	assert_int_equal(ask(r, "EVAL return{{{1,'x'}},'deep'} 0").type, REDIS_ARRAY);
	a = ask(r, "INCR k");
	assert_int_equal(a.status, ERR_NONE);
	assert_int_equal(a.type, REDIS_FAILED);
	assert_memory_equal(a.text, "ERR value is not an integer", 27);
	assert_true(redis_connected(r)); /* the server's refusals are answers */
	redis_free(r);
}

static void test_large_and_binary(void **state)
{
	(void)state;
	struct redis *r = connected_client(2000, 0);
	size_t n = 2 * 1024 * 1024;
	char *big = malloc(n);
	assert_non_null(big);
	memset(big, '\n', n);
	struct answer a = { 0 };
	assert_int_equal(
	    redis_send(r, (struct str[]){ STR("SET"), STR("a\0b"), { big, n } }, 3, on_answer, &a), ERR_NONE);
	assert_true(run_until(has_answer, &a, 5000));
	assert_string_equal(a.text, "OK");
	a = (struct answer){ 0 };
	assert_int_equal(redis_send(r, (struct str[]){ STR("GET"), STR("a\0b") }, 2, on_answer, &a), ERR_NONE);
	assert_true(run_until(has_answer, &a, 5000));
	assert_int_equal(a.text_bytes, n);
	assert_int_equal(
	    redis_send(r, (struct str[]){ STR("SET"), STR("x"), { big, 9 * n } }, 3, on_answer, &a), ERR_BUSY);
	/* more than we would hold: the connection is given up, not the process */
	for (int i = 0; i < 3; i++) {
		a = (struct answer){ 0 };
		assert_int_equal(
		    redis_send(r, (struct str[]){ STR("APPEND"), STR("a\0b"), { big, n } }, 3, on_answer, &a),
		    ERR_NONE);
		assert_true(run_until(has_answer, &a, 5000));
	}
	a = (struct answer){ 0 };
	assert_int_equal(redis_send(r, (struct str[]){ STR("GET"), STR("a\0b") }, 2, on_answer, &a), ERR_NONE);
	assert_true(run_until(has_answer, &a, 5000));
	assert_int_equal(a.status, ERR_UNAVAILABLE);
	assert_true(run_until(is_connected, r, 5000));
	free(big);
	redis_free(r);
}

static void test_order_and_queue(void **state)
{
	enum { MANY = 1000 };
	static struct answer answers[MANY + 1];
	(void)state;
	memset(answers, 0, sizeof answers);
	struct redis *r = connected_client(2000, MANY);
	for (int i = 0; i < MANY; i++) assert_int_equal(send_words(r, "INCR counter", &answers[i]), ERR_NONE);
	assert_int_equal(send_words(r, "INCR counter", &answers[MANY]), ERR_BUSY);
	assert_true(run_until(has_answer, &answers[MANY - 1], 5000));
	for (int i = 0; i < MANY; i++) assert_true(answers[i].count == 1 && answers[i].integer == i + 1);
	assert_int_equal(answers[MANY].count, 0);
	assert_int_equal(send_words(r, "INCR counter", &answers[MANY]), ERR_NONE);
	assert_true(run_until(has_answer, &answers[MANY], 5000));
	redis_free(r);
}

static void test_no_server_then_one(void **state)
{
	struct answer a = { 0 };
	(void)state;
	struct redis *r = client(0, 0);
	assert_int_equal(send_words(r, "GET k", &a), ERR_UNAVAILABLE);
	run_until(is_never, NULL, 150);
	assert_false(redis_connected(r));
	assert_int_equal(send_words(r, "GET k", &a), ERR_UNAVAILABLE);
	assert_int_equal(a.count, 0);
	server_start("0");
	assert_true(run_until(is_connected, r, 6000));
	assert_int_equal(ask(r, "GET k").type, REDIS_NIL);
	redis_free(r);
}

static void test_killed(void **state)
{
	struct answer answers[3] = { { 0 } };
	(void)state;
	struct redis *r = connected_client(5000, 0);
	kill(server, SIGSTOP);
	for (int i = 0; i < 3; i++) assert_int_equal(send_words(r, "INCR k", &answers[i]), ERR_NONE);
	run_until(is_never, NULL, 30);
	assert_int_equal(answers[0].count, 0);
	server_kill();
	assert_true(run_until(has_answer, &answers[2], 2000));
	for (int i = 0; i < 3; i++) assert_true(answers[i].count == 1 && answers[i].status == ERR_UNAVAILABLE);
	assert_false(redis_connected(r));
	server_start("0");
	assert_true(run_until(is_connected, r, 6000));
	assert_int_equal(ask(r, "INCR k").integer, 1);
	redis_free(r);
}

static void test_mute(void **state)
{
	struct answer answers[2] = { { 0 } };
	(void)state;
	struct redis *r = connected_client(20, 0);
	kill(server, SIGSTOP);
	int64_t start_ms = clock_mono_ms();
	for (int i = 0; i < 2; i++) assert_int_equal(send_words(r, "INCR k", &answers[i]), ERR_NONE);
	assert_true(run_until(has_answer, &answers[1], 2000));
	int64_t took_ms = clock_mono_ms() - start_ms;
	assert_true(took_ms >= 19 && took_ms < 500);
	for (int i = 0; i < 2; i++) assert_true(answers[i].count == 1 && answers[i].status == ERR_TIMEOUT);
	assert_false(redis_connected(r));
	run_until(is_never, NULL, 700); /* connecting to a stopped server succeeds; only its greeting is missing */
	assert_false(redis_connected(r));
	kill(server, SIGCONT);
	assert_true(run_until(is_connected, r, 8000));
	redis_free(r);
}

/* Our own long turn must not be taken for the server's silence. */
static void test_slow_turn(void **state)
{
	struct answer a = { 0 };
	(void)state;
	struct redis *r = connected_client(20, 0);
	assert_int_equal(ask(r, "SET k v").status, ERR_NONE);
	assert_int_equal(send_words(r, "GET k", &a), ERR_NONE);
	run_until(is_never, NULL, 1); /* sent */
	if (a.count == 0) usleep(60 * 1000);
	assert_true(run_until(has_answer, &a, 2000));
	assert_int_equal(a.status, ERR_NONE);
	redis_free(r);
}

static void test_freed_with_commands(void **state)
{
	struct answer answers[3] = { { 0 } };
	(void)state;
	struct redis *r = connected_client(2000, 0);
	for (int i = 0; i < 3; i++) assert_int_equal(send_words(r, "INCR k", &answers[i]), ERR_NONE);
	redis_free(r);
	assert_int_equal(answers[0].count, 0);
	run_until(is_never, NULL, 5);
	for (int i = 0; i < 3; i++) assert_true(answers[i].count == 1 && answers[i].status == ERR_UNAVAILABLE);
	/* and from inside a callback */
	memset(answers, 0, sizeof answers);
	r = connected_client(2000, 0);
	answers[0].free_it = r;
	for (int i = 0; i < 3; i++) assert_int_equal(send_words(r, "INCR k", &answers[i]), ERR_NONE);
	assert_true(run_until(has_answer, &answers[2], 2000));
	assert_true(answers[0].count == 1 && answers[1].count == 1 && answers[2].count == 1);
	redis_free(NULL);
	redis_free(client(0, 0)); /* while connecting */
}

static void test_bad_address(void **state)
{
	static const char *const bad[] = { "", "localhost:6379", "127.0.0.1", "unix:relative", "127.0.0.1:99999" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(redis_new(loop, &(struct redis_config){ .address = str_of(bad[i]) }));
}

/* ---- servers that talk nonsense ---- */

struct liar {
	struct listener *listener;
	const char *greeting; /* the answer to PING; NULL: none */
	const char *answer; /* to what follows; NULL: none */
	int accepted;
};
struct liar_stream {
	struct liar *liar;
	struct stream *stream;
	int reads;
};

static void liar_data(void *arg, struct str bytes)
{
	struct liar_stream *s = arg;
	const char *text = s->reads++ == 0 ? s->liar->greeting : s->liar->answer;
	(void)bytes;
	if (text && stream_write(s->stream, &(struct str){ text, strlen(text) }, 1) != ERR_NONE)
		stream_abort(s->stream);
}

static void liar_closed(void *arg, enum err why)
{
	(void)why;
	free(arg);
}

static void liar_accepted(void *arg, struct stream *stream)
{
	static const struct stream_events events = { .data = liar_data, .closed = liar_closed };
	struct liar_stream *s = calloc(1, sizeof *s);
	assert_non_null(s);
	s->liar = arg;
	s->liar->accepted++;
	s->stream = stream;
	stream_start(stream, &events, s);
}

static void liar_open(struct liar *liar)
{
	assert_int_equal(
	    listener_open(loop, str_of(fixture_address), false, liar_accepted, liar, &liar->listener), ERR_NONE);
}

static void test_liars_after_greeting(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 400 Bad Request\r\n\r\n", "+OK\r\n+OK\r\n",
		":1\r\n-ERR unasked\r\n", "$99999999999\r\n", "*2147483647\r\n", "*99999999999999999999\r\n", "*-5\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "*70000\r\n",
		"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n*0\r\n", ":12x\r\n", "$-2\r\n", "\r\n" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct liar liar = { .greeting = "+PONG\r\n", .answer = answers[i] };
		struct answer a = { 0 };
		liar_open(&liar);
		struct redis *r = connected_client(100, 0);
		assert_int_equal(send_words(r, "GET k", &a), ERR_NONE);
		assert_true(run_until(has_answer, &a, 2000));
		assert_int_equal(a.count, 1);
		if (!run_until(is_lost, r, 2000)) fail_msg("kept the connection after %s", answers[i]);
		redis_free(r);
		listener_close(liar.listener);
		run_until(is_never, NULL, 2);
		unlink(fixture_socket);
	}
}

static void test_liars_as_greeting(void **state)
{
	static const char *const greetings[] = { NULL, "-LOADING Redis is loading the dataset in memory\r\n",
		"-NOAUTH Authentication required.\r\n", ":1\r\n", "garbage\r\n", "*0\r\n" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(greetings); i++) {
		struct liar liar = { .greeting = greetings[i] };
		struct answer a = { 0 };
		liar_open(&liar);
		struct redis *r = client(20, 0);
		assert_false(run_until(is_connected, r, 400));
		assert_int_equal(send_words(r, "GET k", &a), ERR_UNAVAILABLE);
		/* tries again, ever more slowly: in 400 ms at most after 25, 50, 100, 200 */
		assert_true(liar.accepted >= 1 && liar.accepted <= 6);
		redis_free(r);
		listener_close(liar.listener);
		run_until(is_never, NULL, 2);
		unlink(fixture_socket);
	}
}

/* ---- subscriptions ---- */

struct inbox {
	int messages, losses, wanted_messages, wanted_losses;
	char last[32];
};

static void on_message(void *arg, struct str payload)
{
	struct inbox *b = arg;
	b->messages++;
	snprintf(b->last, sizeof b->last, "%.*s", STR_FMT(payload));
}

static void on_lost(void *arg)
{
	((struct inbox *)arg)->losses++;
}

static bool has_wanted(void *arg)
{
	struct inbox *b = arg;
	return b->messages >= b->wanted_messages && b->losses >= b->wanted_losses;
}

static struct redis *subscribe(struct inbox *b)
{
	struct redis_config config = { .address = str_of(fixture_address) };
	struct redis *r = redis_subscribe(loop, &config, STR("purge"), on_message, on_lost, b);
	assert_non_null(r);
	return r;
}

static void test_subscription(void **state)
{
	struct inbox b = { .wanted_losses = 1 };
	(void)state;
	struct redis *r = connected_client(2000, 0), *s = subscribe(&b);
	assert_true(run_until(has_wanted, &b, 5000)); /* the beginning counts as a loss */
	assert_true(redis_connected(s));
	assert_int_equal(ask(r, "PUBLISH purge gift:1").integer, 1);
	b.wanted_messages = 1;
	assert_true(run_until(has_wanted, &b, 2000));
	assert_string_equal(b.last, "gift:1");
	static struct answer answers[1000];
	for (int i = 0; i < 1000; i++) assert_int_equal(send_words(r, "PUBLISH purge many", &answers[i]), ERR_NONE);
	b.wanted_messages = 1001;
	assert_true(run_until(has_wanted, &b, 5000));
	assert_int_equal(b.losses, 1);
	server_kill();
	b.wanted_losses = 2;
	assert_true(run_until(has_wanted, &b, 2000));
	assert_false(redis_connected(s));
	server_start("0");
	b.wanted_losses = 3;
	assert_true(run_until(has_wanted, &b, 6000));
	assert_true(run_until(is_connected, r, 6000));
	assert_int_equal(ask(r, "PUBLISH purge again").integer, 1);
	b.wanted_messages = 1002;
	assert_true(run_until(has_wanted, &b, 2000));
	assert_string_equal(b.last, "again");
	redis_free(s);
	redis_free(r);
}

static void test_mute_subscription(void **state)
{
	struct inbox b = { .wanted_losses = 1 };
	(void)state;
	struct redis *s = subscribe(&b);
	assert_true(run_until(has_wanted, &b, 5000));
	run_until(is_never, NULL, 5500); /* one PING has been answered */
	assert_true(redis_connected(s));
	kill(server, SIGSTOP);
	b.wanted_losses = 2;
	assert_true(run_until(has_wanted, &b, 9000));
	redis_free(s);
}

static void test_lying_publisher(void **state)
{
	static const char *const greetings[] = { "+OK\r\n", "*0\r\n", "*1\r\n$7\r\nmessage\r\n",
		"*3\r\n:1\r\n:2\r\n:3\r\n", "-ERR no\r\n", "*3\r\n$7\r\nmessage\r\n$5\r\nother\r\n$1\r\nx\r\n",
		"*2\r\n$4\r\npong\r\n$0\r\n\r\n" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(greetings); i++) {
		struct liar liar = { .greeting = greetings[i] };
		struct inbox b = { 0 };
		liar_open(&liar);
		struct redis *s = subscribe(&b);
		assert_false(run_until(is_connected, s, 100));
		assert_true(b.messages == 0 && liar.accepted >= 1);
		redis_free(s);
		listener_close(liar.listener);
		run_until(is_never, NULL, 2);
		unlink(fixture_socket);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replies, setup_server, teardown),
		cmocka_unit_test_setup_teardown(test_large_and_binary, setup_server, teardown),
		cmocka_unit_test_setup_teardown(test_order_and_queue, setup_server, teardown),
		cmocka_unit_test_setup_teardown(test_no_server_then_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup_server, teardown),
		cmocka_unit_test_setup_teardown(test_mute, setup_server, teardown),
		cmocka_unit_test_setup_teardown(test_slow_turn, setup_server, teardown),
		cmocka_unit_test_setup_teardown(test_freed_with_commands, setup_server, teardown),
		cmocka_unit_test_setup_teardown(test_bad_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_liars_after_greeting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_liars_as_greeting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_subscription, setup_server, teardown),
		cmocka_unit_test_setup_teardown(test_mute_subscription, setup_server, teardown),
		cmocka_unit_test_setup_teardown(test_lying_publisher, setup, teardown),
	};
	if (!fixture_place("test_redis", 120)) return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(fixture_dir);
	return failed;
}
