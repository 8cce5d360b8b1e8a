/* Replies of Redis in pieces of any size: each command ends once, nothing unasked is built, what is refused drops the connection. */
/* links: cache */
#include "common/cache/redis_link.h"

#include "common/core/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COMMANDS = 3 };

static unsigned ended;

static void walk(const struct redis_reply *reply, unsigned depth)
{
	CHECK(depth < 16);
	if (reply->type == REDIS_STRING || reply->type == REDIS_STATUS || reply->type == REDIS_FAILED)
		for (size_t i = 0; i < reply->text.n; i++) (void)*(const volatile char *)(reply->text.p + i);
	for (unsigned i = 0; i < reply->item_count; i++) walk(reply->items + i, depth + 1);
}

static void done(void *arg, enum err status, const struct redis_reply *reply)
{
	(void)arg;
	ended++;
	CHECK((status == ERR_NONE) == (reply != NULL));
	if (reply) walk(reply, 0);
}

static void on_message(void *arg, struct str payload)
{
	(void)arg;
	(void)payload;
}

static void on_lost(void *arg)
{
	(void)arg;
}

/* The client's own connection never comes about (no such socket); the replies are fed as if it had. */
static void feed(struct redis *r, struct str bytes)
{
	struct redis_link link = { .owner = r, .reader = redis_reader_new(r), .open = false };
	size_t piece = bytes.n ? 1 + (unsigned char)bytes.p[0] : 1;
	bytes = str_from(bytes, 1);
	while (bytes.n && link.owner && r->state == REDIS_UP) {
		size_t n = piece < bytes.n ? piece : bytes.n;
		redis_reader_feed(&link, str_span(bytes.p, n));
		bytes = str_from(bytes, n);
	}
	redisReaderFree(link.reader);
}

static void stop(void *arg)
{
	loop_stop(arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redis_config config = { .address = STR("unix:/nonexistent/redis.sock") };
	log_init("fuzz", LOG_ERROR);
	struct loop *l = loop_new();
	bool subscriber = size > 0 && data[0] & 1;
	struct redis *r = subscriber ? redis_subscribe(l, &config, STR("yg:purge"), on_message, on_lost, NULL)
				     : redis_new(l, &config);
	CHECK(r != NULL);
	r->state = subscriber ? REDIS_OPENING : REDIS_UP;
	if (subscriber) redis_greeted(r);
	ended = 0;
	for (unsigned i = 0; !subscriber && i < COMMANDS; i++) {
		const struct str get[] = { STR("GET"), STR("k") };
		CHECK(redis_send(r, get, 2, done, NULL) == ERR_NONE);
	}
	feed(r, str_span((const char *)data + (size > 0), size - (size > 0)));
	redis_free(r);
	struct timer *t = timer_new(l, stop, l);
	timer_start(t, 0, 0);
	loop_run(l);
	timer_free(t);
	loop_free(l);
	CHECK(subscriber || ended == COMMANDS);
	return 0;
}
