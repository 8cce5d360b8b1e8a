#ifndef GATEWAY_REVOCATIONS_H
#define GATEWAY_REVOCATIONS_H

#include "common/service/metrics.h"
#include "gateway/internal.h"

/*
 * Sessions that were closed before their tokens expire. The identity service's list is read every second; each entry is kept
 * until the last token of the session has expired by itself.
 */
struct revocations;
enum { REVOCATIONS_MAX = 65536 };

struct revocations *revocations_new(struct internal *internal, struct metrics *metrics);
void revocations_free(struct revocations *r);
bool revocations_has(struct revocations *r, struct str session, int64_t now_s);
/** Seconds since the list was last read; INT64_MAX before the first time. */
int64_t revocations_age_s(const struct revocations *r);

#endif
