#ifndef COMMON_CORE_CLOCK_H
#define COMMON_CORE_CLOCK_H

#include "common/core/str.h"

/** Monotonic nanoseconds. */
int64_t clock_mono_ns(void);
static inline int64_t clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000;
}
/** Microseconds since 1970 UTC. */
int64_t clock_wall_us(void);
static inline int64_t clock_wall_s(void)
{
	return clock_wall_us() / 1000000;
}

enum { RFC3339_BYTES = 32, HTTP_DATE_BYTES = 29 };

/** Writes e.g. "2026-11-24T08:30:00.123+08:00" (business days are Asia/Shanghai, which has no summer time); returns its length. */
size_t clock_format_rfc3339(int64_t wall_us, char out[RFC3339_BYTES]);
/** Parses an RFC 3339 date-time with any offset. */
bool clock_parse_rfc3339(struct str text, int64_t *wall_us);
/** Strict YYYY-MM-DD of the Gregorian calendar. */
bool clock_is_date(struct str text);
/** Writes the 29 bytes of an HTTP date (RFC 9110 5.6.7). */
void clock_format_http(int64_t wall_s, char out[HTTP_DATE_BYTES]);

#endif
