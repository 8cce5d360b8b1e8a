#ifndef COMMON_CACHE_REDIS_H
#define COMMON_CACHE_REDIS_H

#include "common/core/arena.h"
#include "common/core/err.h"
#include "common/net/loop.h"

/*
 * Redis, never required: deadlines on connect and on every command, backoff with jitter, bounded queue; whatever goes wrong, each
 * command ends once. Of hiredis only the reply parser is used: its asynchronous layer calls back re-entrantly and aborts the
 * process (assert) on a reply that nobody asked for.
 */
struct redis;

/** A larger reply, or one of more items, breaks the connection. */
enum { REDIS_REPLY_BYTES_MAX = 4 * 1024 * 1024, REDIS_ITEMS_MAX = 65536 };

struct redis_config {
	struct str address; /* "127.0.0.1:6379" or "unix:/path" */
	int64_t connect_timeout_ms; /* default 500 */
	int64_t command_timeout_ms; /* default 20 for caches; the relay uses 2000 */
	unsigned queue_max; /* default 1024 */
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

/** Begins to connect and goes on trying. NULL (logged) when the address is not one. */
struct redis *redis_new(struct loop *l, const struct redis_config *config);
/** What waits ends with ERR_UNAVAILABLE from the next PHASE_RUN; no new commands are taken. NULL is fine. */
void redis_free(struct redis *r);
/** True from the first answered PING until the connection is lost. */
bool redis_connected(const struct redis *r);
/**
 * Sends a command; those of one turn leave in one write. `done` runs once, later, from PHASE_RUN, unless this fails at once:
 * ERR_UNAVAILABLE when not connected, ERR_BUSY when the queue is full. The arguments are copied.
 */
MUST_USE enum err redis_send(struct redis *r, const struct str *args, unsigned count, redis_done *done, void *arg);
/**
 * Runs a Lua script: by its digest once Redis has it, with its text before that, and again with its text when Redis has forgotten it
 * (restarted, flushed). `source` must live for ever; it is known by its address. `args` are the keys, then the rest. As redis_send.
 * The arguments of a script are kept for the second try up to REDIS_SCRIPT_KEPT_BYTES_MAX; past that the answer may be NOSCRIPT.
 */
enum { REDIS_SCRIPTS_MAX = 8, REDIS_SCRIPT_KEPT_BYTES_MAX = 64 * 1024, REDIS_SCRIPT_ARGS_MAX = 160 };
MUST_USE enum err redis_run(struct redis *r, struct str source, const struct str *args, unsigned key_count,
    unsigned count, redis_done *done, void *arg);
/**
 * Subscribes on a connection of its own, again after each loss. `lost` is told when messages may be missing: after a loss, and when
 * a subscription has begun (what was cached before it may have missed a purge). Both callbacks run from PHASE_RUN. A silent server
 * is found out by a PING every few seconds.
 */
struct redis *redis_subscribe(struct loop *l, const struct redis_config *config, struct str channel,
    void (*message)(void *arg, struct str payload), void (*lost)(void *arg), void *arg);

#endif
