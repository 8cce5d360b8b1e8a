/* Lua scripts. Redis tells their digest (SCRIPT LOAD), so nothing is hashed here; until it is known, and when Redis has forgotten the
 * script, the text goes along. */
#include "common/cache/redis_link.h"

static struct redis_script *script_find(struct redis *r, struct str source)
{
	for (unsigned i = 0; i < r->script_count; i++)
		if (r->scripts[i].source.p == source.p) return &r->scripts[i];
	CHECK(r->script_count < REDIS_SCRIPTS_MAX);
	struct redis_script *s = &r->scripts[r->script_count++];
	s->source = source;
	return s;
}

/* The slots are the connection's own and outlive its commands. */
static void loaded(void *arg, enum err status, const struct redis_reply *reply)
{
	struct redis_script *s = arg;
	s->loading = false;
	if (status != ERR_NONE || reply->type != REDIS_STRING || reply->text.n != REDIS_SHA_BYTES) return;
	memcpy(s->sha, reply->text.p, REDIS_SHA_BYTES);
	s->known = true;
}

static void load(struct redis *r, struct redis_script *s)
{
	const struct str args[] = { STR("SCRIPT"), STR("LOAD"), s->source };
	if (!s->loading) s->loading = redis_send(r, args, 3, loaded, s) == ERR_NONE;
}

/* EVALSHA or EVAL; `words` has room for all. */
static unsigned command_words(
    const struct redis_script *s, const struct str *args, unsigned key_count, unsigned count, struct str *words)
{
	static const char digits[] = "0123456789";
	CHECK(key_count < 10);
	words[0] = s->known ? STR("EVALSHA") : STR("EVAL");
	words[1] = s->known ? str_span(s->sha, REDIS_SHA_BYTES) : s->source;
	words[2] = str_span(digits + key_count, 1);
	memcpy(words + 3, args, count * sizeof *args);
	return count + 3;
}

static const struct str *keep(struct arena *a, const struct str *args, unsigned count)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < count; i++) bytes += args[i].n;
	struct str *kept = bytes <= REDIS_SCRIPT_KEPT_BYTES_MAX ? arena_array(a, count, sizeof *kept) : NULL;
	for (unsigned i = 0; kept && i < count; i++) {
		kept[i] = arena_str(a, args[i]);
		if (args[i].p && !kept[i].p) return NULL;
	}
	return kept;
}

enum err redis_run(struct redis *r, struct str source, const struct str *args, unsigned key_count, unsigned count,
    redis_done *done, void *arg)
{
	struct str words[REDIS_SCRIPT_ARGS_MAX + 3];
	CHECK(count > 0 && key_count <= count && count <= REDIS_SCRIPT_ARGS_MAX);
	if (!redis_connected(r)) return ERR_UNAVAILABLE;
	struct redis_script *s = script_find(r, source);
	if (!s->known) load(r, s);
	TRY(redis_send(r, words, command_words(s, args, key_count, count, words), done, arg));
	struct redis_command *c = redis_last_command(r);
	if (!s->known) return ERR_NONE; /* the text went along: nothing to try again */
	c->script = s;
	c->args = keep(&c->arena, args, count);
	c->key_count = key_count;
	c->arg_count = count;
	return ERR_NONE;
}

bool redis_script_again(struct redis *r, struct redis_command *c, const struct redis_reply *reply)
{
	struct str words[REDIS_SCRIPT_ARGS_MAX + 3];
	struct redis_script *s = c->script;
	if (reply->type != REDIS_FAILED || !str_starts(reply->text, STR("NOSCRIPT"))) return false;
	s->known = false; /* EVAL makes it known there again; SCRIPT LOAD, at the next use, to us */
	c->script = NULL;
	if (!c->args || !redis_write_command(r, words, command_words(s, c->args, c->key_count, c->arg_count, words)))
		return false;
	list_remove(&c->link);
	list_push(&r->sent, &c->link);
	return true;
}
