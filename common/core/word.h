#ifndef COMMON_CORE_WORD_H
#define COMMON_CORE_WORD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Eight bytes of text at a time. Each question is about all eight at once, so the order of bytes in memory does not matter. */

#define WORD_ONES 0x0101010101010101u
#define WORD_HIGH (WORD_ONES * 0x80)

static inline uint64_t word_load(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

/** True when a byte is less than `limit`, which is 128 at most. */
static inline bool word_has_less(uint64_t v, unsigned char limit)
{
	return ((v - WORD_ONES * limit) & ~v & WORD_HIGH) != 0;
}

static inline bool word_has(uint64_t v, unsigned char byte)
{
	return word_has_less(v ^ WORD_ONES * byte, 1);
}

/** ASCII letters in lower case, all other bytes as they are. */
static inline uint64_t word_lower(uint64_t v)
{
	uint64_t low = v & ~WORD_HIGH;
	uint64_t from_a = low + WORD_ONES * (0x80 - 'A'), past_z = low + WORD_ONES * (0x7f - 'Z');
	return v | ((from_a ^ past_z) & ~v & WORD_HIGH) >> 2;
}

#endif
