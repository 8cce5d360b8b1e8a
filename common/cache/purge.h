#ifndef COMMON_CACHE_PURGE_H
#define COMMON_CACHE_PURGE_H

#include "common/cache/redis.h"

/*
 * How processes tell each other what is stale: the names in Redis, the scripts, the messages. Every purge has a number, one more than
 * the one before (`yg:seq`; from the clock of Redis, in µs, when there is none, so that a lost one never comes back). `yg:g:<tag>` is
 * the number of a tag's last purge; where it is missing, the tag must be taken for purged just now.
 *
 * Messages on the channel `yg:purge`, words separated by one space:
 *   p <number> <tag>…   purged; the tag * is everything
 *   h <number>          heartbeat: the last purge had this number
 *   f <hash>            an answer somebody holds a lease for has been stored
 *   n <hash>            the lease is given up, nothing was stored
 * A program of its own may purge by running the script (documented in gateway/README.md), or through POST /v1/cache/purges.
 */
#define PURGE_CHANNEL STR("yg:purge")
enum { PURGE_TAG_BYTES_MAX = 96, PURGE_TAGS_MAX = 128, PURGE_NUMBER_BYTES = 24 };

/** 1 to PURGE_TAG_BYTES_MAX visible ASCII bytes without space, comma, quote and backslash. */
bool purge_tag_is_valid(struct str tag);

enum purge_kind { PURGE_TAGS, PURGE_BEAT, PURGE_FILLED, PURGE_NOT_FILLED };
struct purge_message {
	enum purge_kind kind;
	int64_t seq; /* PURGE_TAGS, PURGE_BEAT */
	struct str rest; /* tags, or the hash */
};
/** False: not one of ours. */
bool purge_message_read(struct str payload, struct purge_message *out);
/** Cuts the next tag off m->rest; false when there is none. */
bool purge_message_tag(struct purge_message *m, struct str *tag);

/**
 * Purges and tells everybody, in one script; it works in a full Redis too. `done` gets the number (REDIS_INTEGER). The tags must be
 * valid, 1 to PURGE_TAGS_MAX. Fails as redis_send.
 */
MUST_USE enum err purge_send(struct redis *r, const struct str *tags, unsigned count, redis_done *done, void *arg);
/**
 * Asks for the number of the last purge (REDIS_INTEGER). `mine` is the last one known here, or 0: a Redis that knows less has been
 * restored from an older state, and everything is purged.
 */
MUST_USE enum err purge_sync_send(struct redis *r, int64_t mine, redis_done *done, void *arg);
/** Publishes a heartbeat; its number, or REDIS_NIL when Redis was emptied (then sync). */
MUST_USE enum err purge_beat_send(struct redis *r, redis_done *done, void *arg);

#endif
