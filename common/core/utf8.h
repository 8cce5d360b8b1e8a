#ifndef COMMON_CORE_UTF8_H
#define COMMON_CORE_UTF8_H

#include "common/core/str.h"

/** True for well-formed UTF-8 (no surrogates, no overlong forms, nothing past U+10FFFF). */
bool utf8_valid(struct str s);
/** Length (1 to 4) of the well-formed sequence that starts at s.p[at], at < s.n; 0 when there is none. */
size_t utf8_sequence(struct str s, size_t at);
/** Code points in valid UTF-8. */
size_t utf8_length(struct str s);
/** Decodes the code point at s.p[*at] of valid UTF-8 and moves *at behind it. */
uint32_t utf8_next(struct str s, size_t *at);
/** Writes `c` as UTF-8; returns 1 to 4. */
size_t utf8_encode(uint32_t c, char out[4]);

#endif
