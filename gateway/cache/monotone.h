#ifndef GATEWAY_CACHE_MONOTONE_H
#define GATEWAY_CACHE_MONOTONE_H

#include "common/core/str.h"

/*
 * Never an older answer after a newer one: the response time of what was last served under each key, in a table of fixed size. What
 * the table had to forget counts as served lately: then an answer is refused too often, never too seldom.
 */
struct monotone;

struct monotone *monotone_new(void);
void monotone_free(struct monotone *m);
/** True when nothing newer was served under this key (text of key and variant, hashed by id_hash); it then counts as served. */
bool monotone_pass(struct monotone *m, uint64_t key, int64_t response_time_us);

#endif
