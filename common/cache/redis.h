#ifndef COMMON_CACHE_REDIS_H
#define COMMON_CACHE_REDIS_H

#include "common/core/arena.h"
#include "common/core/err.h"
#include "common/net/loop.h"

/* Redis through hiredis' asynchronous API with our own loop glue: deadlines on connect and on every command, backoff, bounded queue. Never required. */
struct redis;

struct redis_config {
	struct str address;        /* "127.0.0.1:6379" or "unix:/path" */
	int64_t connect_timeout_ms; /* default 500 */
	int64_t command_timeout_ms; /* default 20 for caches; the relay uses 2000 */
	unsigned queue_max;        /* default 1024 */
};

enum redis_type { REDIS_NIL, REDIS_STRING, REDIS_INTEGER, REDIS_ARRAY, REDIS_STATUS, REDIS_FAILED };
struct redis_reply {
	enum redis_type type;
	struct str text; /* string, status or error text */
	int64_t integer;
	const struct redis_reply *items;
	unsigned item_count;
};

/** status ERR_NONE: reply is set (an error reply of the server has type REDIS_FAILED); else ERR_UNAVAILABLE or ERR_TIMEOUT. Borrowed. */
typedef void redis_done(void *arg, enum err status, const struct redis_reply *reply);

struct redis *redis_new(struct loop *l, const struct redis_config *config);
void redis_free(struct redis *r);
bool redis_connected(const struct redis *r);
/** Fails at once with ERR_UNAVAILABLE when not connected, ERR_BUSY when the queue is full. done runs once, later, from PHASE_RUN. */
MUST_USE enum err redis_send(struct redis *r, const struct str *args, unsigned count, redis_done *done, void *arg);
/** Subscribes on a connection of its own (re-subscribed after a loss; `lost` is told each time, since messages may be missing). */
struct redis *redis_subscribe(struct loop *l, const struct redis_config *config, struct str channel, void (*message)(void *arg, struct str payload), void (*lost)(void *arg), void *arg);

#endif
