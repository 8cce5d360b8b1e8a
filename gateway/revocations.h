#ifndef GATEWAY_REVOCATIONS_H
#define GATEWAY_REVOCATIONS_H

#include "common/service/metrics.h"
#include "gateway/internal.h"

/*
 * Sessions that were closed before their tokens expire. The identity service's list is read every second; each entry is kept
 * until the last token of the session has expired by itself (closed.h says what happens when they are too many).
 */
struct revocations;
enum { REVOCATIONS_MAX = 786432 /* of each of two slices, 16 MiB at most: 800 a second for a token's life */ };

struct revocations *revocations_new(struct internal *internal, struct metrics *metrics);
void revocations_free(struct revocations *r);
/**
 * May a token of this session, issued at `issued_s`, be taken? ERR_TOKEN_INVALID: the session is closed. ERR_TOKEN_EXPIRED: too many
 * were closed since to know, a refresh tells. ERR_UNAVAILABLE: the list was never read.
 */
MUST_USE enum err revocations_check(struct revocations *r, struct str session, int64_t issued_s, int64_t now_s);
/** Seconds since the list was last read; INT64_MAX before the first time. */
int64_t revocations_age_s(const struct revocations *r);

#endif
