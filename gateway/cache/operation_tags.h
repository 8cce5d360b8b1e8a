#ifndef GATEWAY_CACHE_OPERATION_TAGS_H
#define GATEWAY_CACHE_OPERATION_TAGS_H

#include "common/contract/contract.h"
#include "common/http/message.h"
#include "gateway/cache/tags.h"

/** The tags of one exchange. */
struct operation_tags {
	struct str items[TAGS_PER_ENTRY_MAX];
	unsigned count;
};

/**
 * The tags of an answer: those of x-cache with the values of the path, and the members of the service's Cache-Tag. False: one cannot
 * be made, or there are more than `most`; then the answer must not be kept, since nothing could purge it. Made in the arena.
 */
MUST_USE bool operation_tags_of_answer(const struct operation *op, const struct str *path_values,
    unsigned path_value_count, struct http_fields answer, struct arena *a, unsigned most, struct operation_tags *out);
/** What a success of this operation purges (x-purges). One that cannot be made is left out: nothing can have it. */
void operation_tags_to_purge(const struct operation *op, const struct str *path_values, unsigned path_value_count,
    struct arena *a, struct operation_tags *out);

#endif
