/*
 * Which entries are still good. A table of the last purge by slot, and the number of the last purge this process knows of; being in
 * step means that the subscription is alive and every purge up to that number is in the table. Invariant: an entry judged current
 * was made from what the service said after every purge of its tags that has reached us.
 */
#include "gateway/cache/tags_state.h"

#include <stdlib.h>

#include "common/core/id.h"
#include "common/core/log.h"
#include "common/crypto/crypto.h"

enum { TICK_MS = 250, BEAT_AFTER_MS = 1000, SILENCE_MS = 3000, COMMAND_TIMEOUT_MS = 250, QUEUE_MAX = 8192 };

_Static_assert((int)TAG_BYTES_MAX == (int)PURGE_TAG_BYTES_MAX, "one kind of tag");
_Static_assert((int)TAGS_PER_PURGE_MAX <= (int)PURGE_TAGS_MAX, "one message for each purge");

bool tag_is_valid(struct str name)
{
	return purge_tag_is_valid(name);
}

struct str tag_of_url(struct str url, char out[TAG_OF_URL_BYTES])
{
	unsigned char digest[SHA256_BYTES];
	sha256(url, digest);
	memcpy(out, "url:", 4);
	id_hex(digest, (TAG_OF_URL_BYTES - 4) / 2, out + 4);
	return str_span(out, TAG_OF_URL_BYTES);
}

uint32_t tags_slot(struct str name)
{
	return str_eq(name, TAG_ALL) ? 0 : 1 + (uint32_t)(id_hash(name) % (TAGS_SLOTS - 1));
}

/* ---- judging ---- */

struct tags_stamp tags_now(const struct tags *t)
{
	return t->now;
}

int64_t tags_floor(const struct tags *t)
{
	return t->floor;
}

/* Silence is looked at here too: a process that was stopped may read requests before it reads what was purged meanwhile. */
bool tags_in_step(const struct tags *t)
{
	return t->in_step && (!t->redis || loop_now_ms(t->loop) - t->heard_ms < SILENCE_MS);
}

static bool newer(const struct tags_row *row, const struct tags_stamp *stamp)
{
	return row->seq > stamp->seq || row->local > stamp->local;
}

enum tags_verdict tags_check(const struct tags *t, struct tags_stamp *stamp, const uint32_t *slots, unsigned count)
{
	bool in_step = tags_in_step(t);
	if (in_step && stamp->seq == t->now.seq && stamp->local == t->now.local) return TAGS_CURRENT;
	if (newer(&t->rows[0], stamp)) return TAGS_PURGED;
	for (unsigned i = 0; i < count; i++)
		if (newer(&t->rows[slots[i] % TAGS_SLOTS], stamp)) return TAGS_PURGED;
	if (!in_step || stamp->seq < t->floor) return TAGS_UNSURE;
	if (stamp->seq < t->now.seq) stamp->seq = t->now.seq;
	stamp->local = t->now.local;
	return TAGS_CURRENT;
}

/* ---- in step with Redis ---- */

static void fall_out(struct tags *t, const char *why)
{
	if (t->in_step) log_line(LOG_WARN, "purges may be missed", "%s", why);
	t->in_step = false;
}

static void caught_up(struct tags *t, int64_t seq)
{
	if (seq != t->now.seq) { /* something was purged that we were not told of, or this is the beginning */
		*t->missed_total += t->now.seq != 0;
		t->floor = seq;
	}
	t->now.seq = t->ahead > seq ? t->ahead : seq; /* told since the subscription began, without a gap */
	t->ahead = 0;
	t->in_step = true;
}

static void ask(struct tags *t);

static void asked(void *arg, enum err status, const struct redis_reply *reply)
{
	struct tags *t = arg;
	t->asking = false;
	if (t->ask_again) { /* the subscription began after this was answered */
		t->ask_again = false;
		ask(t);
		return;
	}
	if (status != ERR_NONE || !redis_connected(t->subscription)) return; /* the timer asks again */
	if (reply->type == REDIS_INTEGER && reply->integer >= t->now.seq)
		caught_up(t, reply->integer);
	else if (reply->type == REDIS_FAILED)
		log_line(LOG_WARN, "Redis does not say what was purged", "%.*s", STR_FMT(reply->text));
}

static void ask(struct tags *t)
{
	if (t->asking || t->freed) return;
	t->asked_ms = loop_now_ms(t->loop);
	t->asking = purge_sync_send(t->redis, t->now.seq, asked, t) == ERR_NONE;
}

static void note(struct tags *t, struct purge_message *m)
{
	struct str tag;
	while (purge_message_tag(m, &tag)) {
		struct tags_row *row = &t->rows[tags_slot(tag)];
		if (m->seq > row->seq) row->seq = m->seq;
	}
}

/* A number below what we know, and not just because it was on its way while we asked: Redis has lost its memory. */
static void told_less(struct tags *t)
{
	if (loop_now_ms(t->loop) - t->asked_ms > BEAT_AFTER_MS) fall_out(t, "Redis knows less than it did");
}

/* In step, numbers follow each other. */
static void told_purge(struct tags *t, struct purge_message *m)
{
	note(t, m);
	if (!t->in_step) {
		if (m->seq > t->ahead) t->ahead = m->seq;
		return;
	}
	if (m->seq <= t->now.seq) {
		told_less(t);
		return;
	}
	if (m->seq > t->now.seq + 1) {
		++*t->missed_total;
		t->floor = m->seq;
	}
	t->now.seq = m->seq;
}

static void told_beat(struct tags *t, const struct purge_message *m)
{
	if (!t->in_step) return;
	if (m->seq > t->now.seq) {
		++*t->missed_total;
		t->floor = t->now.seq = m->seq;
	} else if (m->seq < t->now.seq) {
		told_less(t);
	}
}

static void on_message(void *arg, struct str payload)
{
	struct tags *t = arg;
	struct purge_message m;
	if (!purge_message_read(payload, &m)) return;
	t->heard_ms = loop_now_ms(t->loop);
	++*t->messages_total;
	if (m.kind == PURGE_TAGS)
		told_purge(t, &m);
	else if (m.kind == PURGE_BEAT)
		told_beat(t, &m);
	else if (t->filled)
		t->filled(t->filled_arg, m.rest, m.kind == PURGE_FILLED);
	if (!t->in_step) ask(t);
}

/* Told at a loss, and when a subscription has begun. */
static void on_lost(void *arg)
{
	struct tags *t = arg;
	fall_out(t, "the subscription was lost");
	t->ahead = 0;
	t->ask_again = t->asking;
	if (!redis_connected(t->subscription)) return;
	t->heard_ms = loop_now_ms(t->loop);
	ask(t);
}

static void beaten(void *arg, enum err status, const struct redis_reply *reply)
{
	struct tags *t = arg;
	t->beating = false;
	if (status == ERR_NONE && reply->type == REDIS_NIL) fall_out(t, "Redis was emptied");
}

static void on_tick(void *arg)
{
	struct tags *t = arg;
	int64_t silent_ms = loop_now_ms(t->loop) - t->heard_ms;
	if (silent_ms >= SILENCE_MS) fall_out(t, "no message and no heartbeat");
	if (silent_ms >= BEAT_AFTER_MS && !t->beating) t->beating = purge_beat_send(t->redis, beaten, t) == ERR_NONE;
	if (!t->in_step && silent_ms < SILENCE_MS && redis_connected(t->subscription)) ask(t);
	tags_deliver(t);
}

/* ---- life ---- */

static double read_in_step(void *arg)
{
	return tags_in_step(arg);
}

static double read_pending(void *arg)
{
	return ((struct tags *)arg)->purge_count;
}

static void open_metrics(struct tags *t, struct metrics *m)
{
	t->purged_total = metrics_counter(m, "yg_cache_purged_tags_total", "Tags purged by this process.", NULL, 0);
	t->messages_total = metrics_counter(m, "yg_cache_messages_total", "Messages of other processes.", NULL, 0);
	t->missed_total =
	    metrics_counter(m, "yg_cache_missed_purges_total", "Times that messages were missed.", NULL, 0);
	t->undelivered_total = metrics_counter(
	    m, "yg_cache_undelivered_purges_total", "Purges that Redis did not take at the first try.", NULL, 0);
	metrics_gauge_fn(m, "yg_cache_in_step", "1 while every purge is heard of.", NULL, 0, read_in_step, t);
	metrics_gauge_fn(
	    m, "yg_cache_purges_pending", "Purges that Redis has not confirmed.", NULL, 0, read_pending, t);
}

static bool open_redis(struct tags *t, struct str address)
{
	struct redis_config config = {
		.address = address, .command_timeout_ms = COMMAND_TIMEOUT_MS, .queue_max = QUEUE_MAX
	};
	t->redis = redis_new(t->loop, &config);
	if (!t->redis) return false;
	t->subscription = redis_subscribe(t->loop, &config, PURGE_CHANNEL, on_message, on_lost, t);
	if (!t->subscription) return false;
	t->timer = timer_new(t->loop, on_tick, t);
	timer_start(t->timer, TICK_MS, TICK_MS);
	return true;
}

static void on_release(struct loop_task *task)
{
	struct tags *t = CONTAINER_OF(task, struct tags, release_task);
	CHECK(list_empty(&t->purges));
	free(t);
}

struct tags *tags_new(const struct tags_config *config)
{
	struct tags *t = calloc(1, sizeof *t);
	CHECK(t != NULL);
	t->loop = config->loop;
	t->in_step = !config->redis.n;
	t->release_task.run = on_release;
	list_init(&t->purges);
	open_metrics(t, config->metrics);
	waits_init(&t->waits, t->loop);
	if (config->redis.n && !open_redis(t, config->redis)) {
		tags_free(t);
		return NULL;
	}
	return t;
}

void tags_free(struct tags *t)
{
	if (!t) return;
	t->freed = true;
	redis_free(t->subscription);
	redis_free(t->redis);
	if (t->timer) timer_free(t->timer);
	tags_give_up(t);
	loop_push(t->loop, PHASE_LAST, &t->release_task); /* what Redis was asked ends before that */
}

struct redis *tags_redis(struct tags *t)
{
	return t->redis;
}

void tags_on_filled(struct tags *t, void (*filled)(void *arg, struct str hash, bool stored), void *arg)
{
	t->filled = filled;
	t->filled_arg = arg;
}
