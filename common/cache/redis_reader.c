/* Replies: hiredis parses, we build. Each reply is made in the arena of the command it answers, so nothing is copied twice, its
 * size is bounded, and a reply that nobody asked for cannot be built at all. */
#include "common/cache/redis_link.h"

static struct redis_command *first_command(struct redis *r)
{
	struct list *item = list_first(&r->sent);
	return item ? CONTAINER_OF(item, struct redis_command, link) : NULL;
}

/* Where this reply belongs; NULL when nobody waits for one. */
static struct arena *reply_arena(struct redis *r)
{
	if (redis_is_subscriber(r)) return &r->inbox;
	struct redis_command *c = first_command(r);
	return c ? &c->arena : NULL;
}

/* The reply to fill in: an item of the array that is being read, or a new one. NULL makes hiredis stop with an error. */
static struct redis_reply *reply_slot(const redisReadTask *task)
{
	struct redis *r = task->privdata;
	if (task->parent) {
		struct redis_reply *array = task->parent->obj;
		return (struct redis_reply *)(uintptr_t)&array->items[task->idx];
	}
	struct arena *a = reply_arena(r);
	return a ? ARENA_NEW(a, struct redis_reply) : NULL;
}

static void *make_string(const redisReadTask *task, char *p, size_t n)
{
	struct redis_reply *reply = reply_slot(task);
	if (!reply) return NULL;
	reply->type = task->type == REDIS_REPLY_ERROR    ? REDIS_FAILED
		      : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS
							 : REDIS_STRING;
	reply->text = arena_str(reply_arena(task->privdata), str_span(p, n));
	return reply->text.p ? reply : NULL;
}

static void *make_array(const redisReadTask *task, int count)
{
	struct redis_reply *reply = count >= 0 && count <= REDIS_ITEMS_MAX ? reply_slot(task) : NULL;
	if (!reply) return NULL;
	reply->type = REDIS_ARRAY;
	reply->items = arena_array(reply_arena(task->privdata), (size_t)count, sizeof *reply->items);
	reply->item_count = (unsigned)count;
	return reply->items ? reply : NULL;
}

static void *make_integer(const redisReadTask *task, long long v)
{
	struct redis_reply *reply = reply_slot(task);
	if (!reply) return NULL;
	reply->type = REDIS_INTEGER;
	reply->integer = v;
	return reply;
}

static void *make_nil(const redisReadTask *task)
{
	struct redis_reply *reply = reply_slot(task);
	if (reply) reply->type = REDIS_NIL;
	return reply;
}

static void free_nothing(void *reply)
{
	(void)reply; /* the arena's */
}

/* Not const only because hiredis takes it so. */
static redisReplyObjectFunctions functions = { make_string, make_array, make_integer, make_nil, free_nothing };

redisReader *redis_reader_new(struct redis *r)
{
	redisReader *reader = redisReaderCreateWithFunctions(&functions);
	CHECK(reader != NULL);
	reader->privdata = r;
	return reader;
}

/* The first answer of a connection is that to our PING. */
static void greet(struct redis *r, const struct redis_reply *reply)
{
	if (reply->type == REDIS_STATUS) {
		redis_greeted(r);
		return;
	}
	redis_drop(r, ERR_UNAVAILABLE, "not ready"); /* loading, or wants a password */
}

static void answered(struct redis *r, const struct redis_reply *reply)
{
	struct redis_command *c = first_command(r);
	if (c->script && redis_script_again(r, c, reply)) return;
	c->reply = reply;
	c->status = ERR_NONE;
	r->late = false;
	list_remove(&c->link);
	list_push(&r->ready, &c->link);
	loop_push(r->loop, PHASE_RUN, &r->run_task);
	if (!c->done) greet(r, reply);
}

void redis_reader_feed(struct redis_link *link, struct str bytes)
{
	struct redis *r = link->owner;
	redisReader *reader = link->reader;
	if (reader->len - reader->pos > REDIS_REPLY_BYTES_MAX ||
	    redisReaderFeed(reader, bytes.p, bytes.n) != REDIS_OK) {
		redis_drop(r, ERR_UNAVAILABLE, "reply too large");
		return;
	}
	while (link->owner) { /* handling a reply may drop the connection */
		void *reply = NULL;
		if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
			redis_drop(r, ERR_UNAVAILABLE, "unusable reply");
			return;
		}
		if (!reply) return;
		if (redis_is_subscriber(r))
			redis_pushed(r, reply);
		else
			answered(r, reply);
	}
}
