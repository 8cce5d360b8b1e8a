/*
 * Storing in Redis. One script compares and stores: what was purged since the stamp, what is older than what stands there, and what
 * was filed under too few names of Vary, is dropped. Nobody waits for it.
 */
#include "gateway/cache/l2_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/core/id.h"
#include "common/core/log.h"

enum { ARGS_BEFORE_TAGS = 9, KEYS = 3, REFUSED_PAUSE_MS = 1000, TTL_MS_MAX = 48 * 3600 * 1000 };

/*
 * KEYS: m, v, f. ARGV: number and response time (32 digits), ms to live, names of Vary, value, hash, channel, then the tags. A tag
 * without a number gets the present one: whoever was stamped before it is dropped, since what is missing may have been evicted. Tags
 * live longer than what refers to them.
 */
static const char fill_script[] =
    "local ends = function(answer) "
    "  if redis.call('DEL', KEYS[3]) == 1 then "
    "    redis.call('PUBLISH', ARGV[6], (answer == 'stored' and 'f ' or 'n ') .. ARGV[5]) "
    "  end "
    "  return answer "
    "end "
    "local stamp, px = tonumber(string.sub(ARGV[1], 1, 16)), tonumber(ARGV[2]) "
    "local seq = tonumber(redis.call('GET', 'yg:seq') or '') "
    "if not seq or seq < stamp then return ends('unknown') end "
    "if redis.call('GETRANGE', KEYS[2], 3, 34) > ARGV[1] then return ends('older') end "
    "local longest = function(key) return math.max(px, redis.call('PTTL', key)) end "
    "local names = redis.call('GET', KEYS[1]) "
    "if names and names ~= ARGV[3] then "
    "  local seen, all = {}, {} "
    "  for name in string.gmatch(names .. ',' .. ARGV[3], '[^,]+') do "
    "    if not seen[name] then seen[name] = true all[#all + 1] = name end "
    "  end "
    "  table.sort(all) "
    "  local union = table.concat(all, ',') "
    "  if union ~= ARGV[3] then "
    "    if union ~= names then redis.call('SET', KEYS[1], union, 'PX', longest(KEYS[1])) end "
    "    return ends('vary ' .. union) "
    "  end "
    "end "
    "local good, later = true, {} "
    "for i = 7, #ARGV do "
    "  local key = 'yg:g:' .. ARGV[i] "
    "  local last, left = tonumber(redis.call('GET', key) or ''), redis.call('PTTL', key) "
    "  if not last then "
    "    last = seq "
    "    later[#later + 1] = {'SET', key, string.format('%.0f', seq), 'PX', px + 60000} "
    "  elseif left >= 0 and left < px + 60000 then "
    "    later[#later + 1] = {'PEXPIRE', key, px + 60000} "
    "  end "
    "  good = good and last <= stamp "
    "end "
    "if good then "
    "  redis.call('SET', KEYS[2], ARGV[4], 'PX', px) " /* first: a full Redis refuses what has written nothing yet */
    "  redis.call('SET', KEYS[1], ARGV[3], 'PX', longest(KEYS[1])) "
    "end "
    "for i = 1, #later do redis.call(unpack(later[i])) end "
    "if not good then return ends('purged') end "
    "return ends('stored')";

struct fill_reply {
	struct l2 *l2;
	char hash[L2_HASH_BYTES];
};

static void judge(struct l2 *l, const char hash[L2_HASH_BYTES], struct str answer)
{
	if (str_eq(answer, STR("stored"))) {
		++*l->stored;
	} else {
		++*l->outdated;
		if (str_starts(answer, STR("vary "))) l2_remember(l, hash, str_from(answer, 5));
	}
}

/* Full, or a replica now: asking again at once does not help. */
static void pause_fills(struct l2 *l, struct str why)
{
	int64_t now_ms = loop_now_ms(l->loop);
	if (now_ms < l->fills_from_ms) return;
	log_line(LOG_WARN, "Redis takes no answers", "%.*s", STR_FMT(why));
	l->fills_from_ms = now_ms + REFUSED_PAUSE_MS;
}

static void on_filled(void *arg, enum err status, const struct redis_reply *reply)
{
	struct fill_reply *f = arg;
	struct l2 *l = f->l2;
	if (status == ERR_NONE && reply->type == REDIS_STRING) {
		judge(l, f->hash, reply->text);
	} else {
		++*l->refused;
		if (status == ERR_NONE && !str_starts(reply->text, STR("NOSCRIPT"))) pause_fills(l, reply->text);
	}
	free(f);
	l->owed--;
	l2_let_go(l);
}

/* Ten per cent more or less, so that what was stored together does not end together. */
static int64_t jittered_ms(int64_t ttl_ms)
{
	int64_t tenth = ttl_ms / 10;
	return ttl_ms - tenth + (int64_t)(id_noise() % (uint64_t)(2 * tenth + 1));
}

static bool already_purged(const struct l2 *l, const struct l2_fill *fill)
{
	struct tags_stamp stamp = fill->stamp;
	uint32_t slots[TAGS_PER_ENTRY_MAX];
	for (unsigned i = 0; i < fill->tag_count; i++) slots[i] = tags_slot(fill->tags[i]);
	return tags_check(l->tags, &stamp, slots, fill->tag_count) == TAGS_PURGED;
}

struct draft {
	struct l2_value value;
	char vary[L2_VARY_BYTES_MAX];
	size_t vary_bytes;
	char order[L2_ORDER_BYTES];
	char hash[L2_HASH_BYTES];
};

/* Under the names that are known for this key, and the answer's own. */
static bool draft_make(struct l2 *l, const struct l2_fill *fill, struct draft *d)
{
	struct l2_names known = { 0 };
	l2_hash(fill->key, d->hash);
	const struct l2_names *remembered = lru_get(&l->remembered, str_span(d->hash, L2_HASH_BYTES));
	if (remembered) known = *remembered;
	if (!l2_vary_union(str_span(known.text, known.n), fill->vary, d->vary, &d->vary_bytes)) return false;
	struct str variant = fill->variant(fill->arg, str_span(d->vary, d->vary_bytes));
	if (!variant.p || !l2_value_order(fill->stamp.seq, fill->response_time_us, d->order)) return false;
	d->value = (struct l2_value){ .seq = fill->stamp.seq,
		.response_time_us = fill->response_time_us,
		.key = fill->key,
		.variant = variant,
		.blob = fill->blob,
		.tag_count = fill->tag_count };
	for (unsigned i = 0; i < fill->tag_count; i++) d->value.tags[i] = fill->tags[i];
	buf_reset(&l->scratch);
	return l2_value_write(&l->scratch, &d->value);
}

static enum err send_fill(struct l2 *l, const struct l2_fill *fill, struct draft *d)
{
	char m[L2_KEY_NAME_BYTES], v[L2_KEY_NAME_BYTES], f[L2_KEY_NAME_BYTES], ttl[PURGE_NUMBER_BYTES];
	int ttl_bytes = snprintf(ttl, sizeof ttl, "%lld", (long long)jittered_ms(fill->ttl_ms));
	struct str args[ARGS_BEFORE_TAGS + TAGS_PER_ENTRY_MAX + 1] = { l2_name('m', d->hash, NULL, m),
		l2_name('v', d->hash, &d->value.variant, v), l2_name('f', d->hash, NULL, f),
		str_span(d->order, L2_ORDER_BYTES), str_span(ttl, (size_t)ttl_bytes), str_span(d->vary, d->vary_bytes),
		buf_view(&l->scratch), str_span(d->hash, L2_HASH_BYTES), PURGE_CHANNEL };
	unsigned n = ARGS_BEFORE_TAGS;
	args[n++] = TAG_ALL;
	for (unsigned i = 0; i < fill->tag_count; i++) args[n++] = fill->tags[i];
	struct fill_reply *reply = malloc(sizeof *reply);
	CHECK(reply != NULL);
	reply->l2 = l;
	memcpy(reply->hash, d->hash, L2_HASH_BYTES);
	enum err e = redis_run(l->bulk, str_span(fill_script, sizeof fill_script - 1), args, KEYS, n, on_filled, reply);
	if (e != ERR_NONE) free(reply);
	return e;
}

bool l2_put(struct l2 *l, const struct l2_fill *fill)
{
	struct draft d;
	CHECK(fill->variant && !l->freed);
	if (fill->tag_count <= TAGS_PER_ENTRY_MAX && already_purged(l, fill)) {
		++*l->outdated;
		return false;
	}
	bool open = redis_connected(l->bulk) && loop_now_ms(l->loop) >= l->fills_from_ms;
	bool fits = fill->tag_count <= TAGS_PER_ENTRY_MAX && fill->key.n <= L2_KEY_BYTES_MAX &&
		    fill->blob.n <= L2_BLOB_BYTES_MAX && fill->ttl_ms >= 10 && fill->ttl_ms <= TTL_MS_MAX &&
		    fill->stamp.seq > 0; /* 0: Redis has not told us its number yet */
	if (!open || !fits || !draft_make(l, fill, &d) || send_fill(l, fill, &d) != ERR_NONE) {
		++*l->dropped;
		return false;
	}
	l2_remember(l, d.hash, str_span(d.vary, d.vary_bytes));
	l->owed++;
	return true;
}
