/*
 * Purges on their way to Redis, and comparisons with it. A purge holds here at once, by the count of this process; when Redis has
 * numbered it, the number takes the place of the count. Until then it is sent again and again: the others have to hear of it.
 */
#include "gateway/cache/tags_state.h"

#include <stdlib.h>

#include "common/core/log.h"

struct purge {
	struct list link; /* in tags.purges */
	struct wait wait;
	struct tags *tags;
	tags_purged *done; /* NULL: nobody waits, or no longer */
	void *arg;
	uint64_t local;
	int64_t after; /* its number will be greater */
	bool sent;
	unsigned count;
	struct str *names; /* behind it */
};

static void tell_done(struct purge *p)
{
	tags_purged *done = p->done;
	if (!done) return;
	p->done = NULL;
	waits_remove(&p->wait);
	done(p->arg);
}

static void on_purge_late(struct wait *w)
{
	tell_done(CONTAINER_OF(w, struct purge, wait));
}

static void purge_free(struct purge *p)
{
	list_remove(&p->link);
	p->tags->purge_count--;
	free(p->names);
	free(p);
}

/* The names, and the bytes of the names behind them. */
static struct str *copy_names(const struct str *names, unsigned count)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < count; i++) bytes += names[i].n;
	struct str *copy = malloc(count * sizeof *copy + bytes);
	CHECK(copy != NULL);
	char *at = (char *)(copy + count);
	for (unsigned i = 0; i < count; at += names[i].n, i++) {
		memcpy(at, names[i].p, names[i].n);
		copy[i] = str_span(at, names[i].n);
	}
	return copy;
}

static struct purge *purge_add(struct tags *t, const struct str *names, unsigned count)
{
	struct purge *p = calloc(1, sizeof *p);
	CHECK(p != NULL);
	p->tags = t;
	p->wait.expired = on_purge_late;
	list_init(&p->wait.link);
	p->local = t->now.local;
	p->after = t->now.seq;
	p->count = count;
	p->names = copy_names(names, count);
	list_push(&t->purges, &p->link);
	t->purge_count++;
	return p;
}

/* A number that is not greater comes from a Redis that was restored: greater ones follow, and until then nothing is good. */
static void numbered(struct purge *p, int64_t seq)
{
	if (seq <= p->after) seq = p->tags->now.seq + 1;
	for (unsigned i = 0; i < p->count; i++) {
		struct tags_row *row = &p->tags->rows[tags_slot(p->names[i])];
		if (seq > row->seq) row->seq = seq;
		if (row->local == p->local) row->local = 0;
	}
}

/* Gone before it is told: whoever is told may ask what is still pending. */
static void confirmed(struct purge *p)
{
	tags_purged *done = p->done;
	void *arg = p->arg;
	waits_remove(&p->wait);
	purge_free(p);
	if (done) done(arg);
}

static void on_purged(void *arg, enum err status, const struct redis_reply *reply)
{
	struct purge *p = arg;
	p->sent = false;
	if (status == ERR_NONE && reply->type == REDIS_INTEGER) {
		numbered(p, reply->integer);
		confirmed(p);
		return;
	}
	if (status == ERR_NONE) log_line(LOG_WARN, "Redis refused a purge", "%.*s", STR_FMT(reply->text));
	++*p->tags->undelivered_total;
	if (p->tags->freed) purge_free(p);
}

static bool deliver(struct purge *p)
{
	p->sent = p->sent || purge_send(p->tags->redis, p->names, p->count, on_purged, p) == ERR_NONE;
	return p->sent;
}

void tags_deliver(struct tags *t)
{
	for (struct list *i = t->purges.next; i != &t->purges; i = i->next)
		if (!deliver(CONTAINER_OF(i, struct purge, link))) return;
}

static unsigned choose_valid(const struct str *names, unsigned count, struct str *out)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < count && kept < TAGS_PER_PURGE_MAX; i++)
		if (tag_is_valid(names[i])) out[kept++] = names[i];
	return kept;
}

static void hold_here(struct tags *t, const struct str *names, unsigned count)
{
	t->now.local++;
	for (unsigned i = 0; i < count; i++) t->rows[tags_slot(names[i])].local = t->now.local;
	*t->purged_total += count;
}

/* Too many wait for Redis: one purge of everything takes the place of those to come. */
static bool everything_waits(struct tags *t)
{
	if (list_empty(&t->purges)) return false;
	const struct purge *last = CONTAINER_OF(t->purges.prev, struct purge, link);
	return !last->sent && last->count == 1 && str_eq(last->names[0], TAG_ALL);
}

enum err tags_purge(struct tags *t, const struct str *names, unsigned count, tags_purged *done, void *arg)
{
	struct str valid[TAGS_PER_PURGE_MAX], all = TAG_ALL;
	struct purge *p = NULL;
	unsigned kept = choose_valid(names, count, valid);
	if (kept == 0) return ERR_UNAVAILABLE;
	bool full = t->purge_count >= TAGS_PURGES_PENDING_MAX;
	hold_here(t, full ? &all : valid, full ? 1 : kept);
	if (!t->redis || t->freed) return ERR_UNAVAILABLE;
	if (full && everything_waits(t)) {
		CONTAINER_OF(t->purges.prev, struct purge, link)->local = t->now.local;
		return ERR_UNAVAILABLE;
	}
	p = purge_add(t, full ? &all : valid, full ? 1 : kept);
	if (!deliver(p)) return ERR_UNAVAILABLE;
	if (!done) return ERR_NONE;
	p->done = done;
	p->arg = arg;
	waits_add(&t->waits, &p->wait, loop_now_ms(t->loop) + TAGS_DEADLINE_MS);
	return ERR_NONE;
}

unsigned tags_purges_pending(const struct tags *t)
{
	return t->purge_count;
}

/* ---- comparing ---- */

struct verify {
	struct wait wait;
	struct tags *tags;
	tags_verified *done; /* NULL: told already */
	void *arg;
	struct tags_stamp stamp;
	unsigned count;
	uint32_t slots[TAGS_PER_ENTRY_MAX];
};

enum { KEYS_BEFORE_TAGS = 3 }; /* MGET, the last number, the tag of everything */

static void tell_verified(struct verify *v, enum tags_verdict verdict, int64_t seq)
{
	tags_verified *done = v->done;
	if (!done) return;
	v->done = NULL;
	waits_remove(&v->wait);
	done(v->arg, verdict, seq);
}

static void on_verify_late(struct wait *w)
{
	tell_verified(CONTAINER_OF(w, struct verify, wait), TAGS_UNSURE, 0);
}

/* A number that is missing was evicted, or never was: taken for purged just now. */
static enum tags_verdict compare(const struct verify *v, const struct redis_reply *reply, int64_t *seq)
{
	if (reply->type != REDIS_ARRAY || reply->item_count != v->count + KEYS_BEFORE_TAGS - 1) return TAGS_UNSURE;
	for (unsigned i = 0; i < reply->item_count; i++) {
		int64_t n;
		if (reply->items[i].type != REDIS_STRING || !str_to_i64(reply->items[i].text, &n)) return TAGS_PURGED;
		if (i == 0)
			*seq = n;
		else if (n > v->stamp.seq)
			return TAGS_PURGED;
	}
	/* Purged in this process meanwhile, which Redis may not know yet. */
	struct tags_stamp stamp = v->stamp;
	return tags_check(v->tags, &stamp, v->slots, v->count) == TAGS_PURGED ? TAGS_PURGED : TAGS_CURRENT;
}

static void on_compared(void *arg, enum err status, const struct redis_reply *reply)
{
	struct verify *v = arg;
	int64_t seq = 0;
	enum tags_verdict verdict = status == ERR_NONE ? compare(v, reply, &seq) : TAGS_UNSURE;
	tell_verified(v, verdict, seq > v->stamp.seq ? seq : v->stamp.seq);
	free(v);
}

static enum err send_compare(struct verify *v, const struct str *names, unsigned count)
{
	char keys[TAGS_PER_ENTRY_MAX][TAG_BYTES_MAX + 5];
	struct str args[TAGS_PER_ENTRY_MAX + KEYS_BEFORE_TAGS] = { STR("MGET"), STR("yg:seq"), STR("yg:g:*") };
	for (unsigned i = 0; i < count; i++) {
		if (names[i].n > TAG_BYTES_MAX) return ERR_SYNTAX;
		memcpy(keys[i], "yg:g:", 5);
		memcpy(keys[i] + 5, names[i].p, names[i].n);
		args[KEYS_BEFORE_TAGS + i] = str_span(keys[i], names[i].n + 5);
	}
	return redis_send(v->tags->redis, args, count + KEYS_BEFORE_TAGS, on_compared, v);
}

enum err tags_verify(
    struct tags *t, struct tags_stamp stamp, const struct str *names, unsigned count, tags_verified *done, void *arg)
{
	if (!t->redis || t->freed) return ERR_UNAVAILABLE;
	if (count > TAGS_PER_ENTRY_MAX) return ERR_SYNTAX;
	struct verify *v = calloc(1, sizeof *v);
	CHECK(v != NULL);
	*v = (struct verify){ .tags = t, .done = done, .arg = arg, .stamp = stamp, .count = count };
	v->wait.expired = on_verify_late;
	list_init(&v->wait.link);
	for (unsigned i = 0; i < count; i++) v->slots[i] = tags_slot(names[i]);
	enum err e = send_compare(v, names, count);
	if (e != ERR_NONE) {
		free(v);
		return e;
	}
	waits_add(&t->waits, &v->wait, loop_now_ms(t->loop) + TAGS_DEADLINE_MS);
	return ERR_NONE;
}

void tags_give_up(struct tags *t)
{
	waits_deinit(&t->waits);
	for (struct list *i = t->purges.next, *next; i != &t->purges; i = next) {
		struct purge *p = CONTAINER_OF(i, struct purge, link);
		next = i->next;
		if (!p->sent) purge_free(p);
	}
}
