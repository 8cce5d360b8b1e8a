/* Purges: the scripts and the messages. Nothing here waits or remembers. */
#include "common/cache/purge.h"

#include <stdio.h>

/* A generation lives longer than any answer (86400 s, its stale windows and jitter); where one has expired, nothing refers to it. */
#define GENERATION_MS "172800000"

/* DEL first: Redis takes the writes of a script that has written already, however full it is, and these few bytes must get in. */
#define NEXT_NUMBER                                                                                                    \
	"redis.call('DEL', 'yg:none') "                                                                                \
	"local t = redis.call('TIME') "                                                                                \
	"local now = t[1] * 1000000 + t[2] "                                                                           \
	"local text = function(n) return string.format('%.0f', n) end "                                                \
	"local seq = tonumber(redis.call('GET', 'yg:seq') or '') "

static const char purge_script[] = NEXT_NUMBER
    "if seq then seq = redis.call('INCR', 'yg:seq') else seq = now redis.call('SET', 'yg:seq', text(seq)) end "
    "for i = 2, #ARGV do "
    "  if ARGV[i] == '*' then redis.call('SET', 'yg:g:*', text(seq)) "
    "  else redis.call('SET', 'yg:g:' .. ARGV[i], text(seq), 'PX', " GENERATION_MS ") end "
    "end "
    "redis.call('PUBLISH', ARGV[1], 'p ' .. text(seq) .. ' ' .. table.concat(ARGV, ' ', 2)) "
    "return seq";

static const char sync_script[] =
    NEXT_NUMBER "local mine = tonumber(ARGV[2]) "
		"if not seq then "
		"  seq = math.max(now, mine + 1) "
		"  redis.call('SET', 'yg:seq', text(seq)) "
		"elseif seq < mine then "
		"  seq = math.max(now, mine + 1) "
		"  redis.call('SET', 'yg:seq', text(seq)) "
		"  redis.call('SET', 'yg:g:*', text(seq)) "
		"  redis.call('PUBLISH', ARGV[1], 'p ' .. text(seq) .. ' *') "
		"end "
		"if redis.call('EXISTS', 'yg:g:*') == 0 then redis.call('SET', 'yg:g:*', text(seq)) end "
		"return seq";

static const char beat_script[] = "local seq = tonumber(redis.call('GET', 'yg:seq') or '') "
				  "if not seq then return false end "
				  "redis.call('PUBLISH', ARGV[1], 'h ' .. string.format('%.0f', seq)) "
				  "return seq";

static struct str text_of(const char *script, size_t bytes)
{
	return str_span(script, bytes - 1);
}

bool purge_tag_is_valid(struct str tag)
{
	if (tag.n == 0 || tag.n > PURGE_TAG_BYTES_MAX) return false;
	for (size_t i = 0; i < tag.n; i++) {
		unsigned char c = (unsigned char)tag.p[i];
		if (c <= ' ' || c > '~' || c == ',' || c == '"' || c == '\\') return false;
	}
	return true;
}

static bool is_hash(struct str s)
{
	if (s.n != 32) return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f'))) return false;
	return true;
}

/* The number up to the next space; at least 1, as Redis counts. */
static bool take_number(struct str *rest, int64_t *out)
{
	struct str word;
	return str_cut(rest, ' ', &word) && word.n <= 18 && str_to_i64(word, out) && *out > 0;
}

bool purge_message_read(struct str payload, struct purge_message *out)
{
	if (payload.n < 3 || payload.p[1] != ' ') return false;
	*out = (struct purge_message){ .rest = str_from(payload, 2) };
	switch (payload.p[0]) {
	case 'p':
		out->kind = PURGE_TAGS;
		return take_number(&out->rest, &out->seq) && out->rest.n > 0;
	case 'h':
		out->kind = PURGE_BEAT;
		return take_number(&out->rest, &out->seq) && out->rest.n == 0;
	case 'f':
		out->kind = PURGE_FILLED;
		return is_hash(out->rest);
	case 'n':
		out->kind = PURGE_NOT_FILLED;
		return is_hash(out->rest);
	default:
		return false;
	}
}

bool purge_message_tag(struct purge_message *m, struct str *tag)
{
	while (str_cut(&m->rest, ' ', tag))
		if (purge_tag_is_valid(*tag)) return true;
	return false;
}

enum err purge_send(struct redis *r, const struct str *tags, unsigned count, redis_done *done, void *arg)
{
	struct str args[PURGE_TAGS_MAX + 1] = { PURGE_CHANNEL };
	CHECK(count > 0 && count <= PURGE_TAGS_MAX);
	for (unsigned i = 0; i < count; i++) {
		CHECK(purge_tag_is_valid(tags[i]));
		args[i + 1] = tags[i];
	}
	return redis_run(r, text_of(purge_script, sizeof purge_script), args, 0, count + 1, done, arg);
}

enum err purge_sync_send(struct redis *r, int64_t mine, redis_done *done, void *arg)
{
	char number[PURGE_NUMBER_BYTES];
	int n = snprintf(number, sizeof number, "%lld", (long long)mine);
	const struct str args[] = { PURGE_CHANNEL, str_span(number, (size_t)n) };
	return redis_run(r, text_of(sync_script, sizeof sync_script), args, 0, 2, done, arg);
}

enum err purge_beat_send(struct redis *r, redis_done *done, void *arg)
{
	const struct str args[] = { PURGE_CHANNEL };
	return redis_run(r, text_of(beat_script, sizeof beat_script), args, 0, 1, done, arg);
}
