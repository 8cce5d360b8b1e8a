#ifndef COMMON_CACHE_REDIS_LINK_H
#define COMMON_CACHE_REDIS_LINK_H

#include "common/cache/redis.h"
#include "common/core/list.h"
#include "common/net/stream.h"

#include <read.h>

/* Inside common/cache only. */

enum redis_state { REDIS_DOWN /* timer: connect */, REDIS_OPENING /* timer: give up */, REDIS_UP, REDIS_FREED };

/** One connection. It outlives its redis until the stream has closed; then `owner` is NULL. */
struct redis_link {
	struct redis *owner;
	struct stream *stream;
	redisReader *reader;
	bool open; /* connected; the stream may be written to */
};

/** A command, from redis_send until its `done` has run. `done` is NULL for our own PING. */
struct redis_command {
	struct list link;
	redis_done *done;
	void *arg;
	int64_t deadline_ms;
	enum err status;
	const struct redis_reply *reply;
	struct arena arena; /* holds the reply, and the arguments of a script */
	struct redis_script *script; /* NULL: an ordinary command */
	const struct str *args; /* of a script, to send it again; NULL: not kept */
	unsigned key_count;
	unsigned arg_count;
};

enum { REDIS_SHA_BYTES = 40 };

/** A script that was used on this connection. Its digest is what Redis says it is. */
struct redis_script {
	struct str source;
	char sha[REDIS_SHA_BYTES];
	bool known; /* sha is set, and Redis had the script when we last heard of it */
	bool loading;
};

struct redis_message {
	struct list link;
	size_t bytes;
	char payload[];
};

struct redis {
	struct loop *loop;
	struct redis_config config;
	enum redis_state state;
	struct redis_link *link;
	struct timer *timer;
	int64_t backoff_ms;
	bool told_down; /* one line in the log for each loss, not for each try */
	bool late; /* the first command's deadline has passed; replies that are here already may still be read */
	struct buf out;
	struct list sent; /* commands without a reply, oldest first */
	struct list ready; /* commands whose done is due */
	struct list spare; /* commands to be used again */
	unsigned waiting; /* commands in sent and ready */
	struct loop_task run_task;
	struct loop_task flush_task;
	struct loop_task release_task;
	struct redis_script scripts[REDIS_SCRIPTS_MAX];
	unsigned script_count;
	/* Subscriptions only: */
	struct str channel; /* absent otherwise */
	void (*on_message)(void *arg, struct str payload);
	void (*on_lost)(void *arg);
	void *arg;
	struct arena inbox; /* the reply that is being read */
	struct list messages;
	size_t message_bytes;
	bool lost_due;
	bool ping_sent;
};

/** Ends the connection and every command on it; tries again later. */
void redis_drop(struct redis *r, enum err status, const char *why);
/** The state changes to REDIS_UP: the server has answered. */
void redis_greeted(struct redis *r);
/** Writes the command into the out buffer; false when there is no room. */
bool redis_write_command(struct redis *r, const struct str *args, unsigned count);
/** The command that redis_send has just queued. */
struct redis_command *redis_last_command(struct redis *r);
/** A reply to a script: true when it is sent once more, with its text. */
bool redis_script_again(struct redis *r, struct redis_command *c, const struct redis_reply *reply);

/** A parser that builds its replies in the arena of the command they are for. */
redisReader *redis_reader_new(struct redis *r);
/** Parses what has arrived; each whole reply goes to its command or to redis_pushed. */
void redis_reader_feed(struct redis_link *link, struct str bytes);

bool redis_is_subscriber(const struct redis *r);
/** A whole reply on a subscribed connection. */
void redis_pushed(struct redis *r, const struct redis_reply *reply);
void redis_subscriber_open(struct redis *r);
void redis_subscriber_tick(struct redis *r);
void redis_subscriber_run(struct redis *r);
void redis_subscriber_release(struct redis *r);

#endif
