#ifndef GATEWAY_CACHE_L2_VALUE_H
#define GATEWAY_CACHE_L2_VALUE_H

#include "common/core/buf.h"
#include "gateway/cache/l2.h"

/*
 * What stands in Redis under yg:v:…: "YG2", number and response time as 16 digits each (the script compares them as text), then the
 * lengths of key, variant and tags (4, 4 and 2 bytes, least first), these, and the blob.
 */
enum { L2_ORDER_BYTES = 32, L2_ORDER_AT = 3, L2_TAGS_BYTES_MAX = TAGS_PER_ENTRY_MAX * (TAG_BYTES_MAX + 1) };

struct l2_value {
	int64_t seq;
	int64_t response_time_us;
	struct str key;
	struct str variant;
	struct str tags[TAGS_PER_ENTRY_MAX];
	unsigned tag_count;
	struct str blob;
};

/** Number and response time, as they stand in the value. False: not in [0, 10^16). */
bool l2_value_order(int64_t seq, int64_t response_time_us, char out[L2_ORDER_BYTES]);
/** False when a part is too long or a tag is not one. */
bool l2_value_write(struct buf *out, const struct l2_value *v);
/** Strict: nothing is believed that we would not have written. The parts are borrowed from `bytes`. */
bool l2_value_read(struct str bytes, struct l2_value *out);

/** Names of Vary as the rest wants them: lower case tokens, sorted, each once, commas between. The union of both; false when too long. */
bool l2_vary_union(struct str a, struct str b, char out[L2_VARY_BYTES_MAX], size_t *out_bytes);

#endif
