#ifndef COMMON_CORE_WORD_H
#define COMMON_CORE_WORD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Eight bytes of text at a time. Each question is about all eight at once, so the order of bytes in memory does not matter. */

#define WORD_ONES 0x0101010101010101u
#define WORD_HIGH (WORD_ONES * 0x80)

static inline uint64_t word_load(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

/** The first and the last four of four to eight bytes. */
static inline uint64_t word_load_short(const char *p, size_t n)
{
	uint32_t first, last;
	memcpy(&first, p, sizeof first);
	memcpy(&last, p + n - sizeof last, sizeof last);
	return (uint64_t)last << 32 | first;
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

/* What follows has two forms: with the vectors that every x86-64 has, and with words. */
#ifdef __SSE2__

/** A bit for each of the sixteen bytes that is one of 0x00 to `last`, or `other`. */
static inline unsigned word_stops(__m128i v, char last, char other)
{
	__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(last)), v);
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, _mm_set1_epi8(other))));
}

/**
 * How many bytes at the front are certainly none of 0x00 to `last` and not `other`. There may be up to seven more: the caller looks at what
 * follows byte by byte.
 */
static inline size_t word_run(const char *p, size_t n, char last, char other)
{
	size_t at = 0;
	for (unsigned stops; n - at >= 16; at += 16)
		if ((stops = word_stops(_mm_loadu_si128((const __m128i *)(const void *)(p + at)), last, other)))
			return at + (size_t)__builtin_ctz(stops);
	for (unsigned stops; n - at >= 8; at += 8)
		if ((stops = word_stops(_mm_loadl_epi64((const __m128i *)(const void *)(p + at)), last, other) & 0xff))
			return at + (size_t)__builtin_ctz(stops);
	if (n < 8 || at == n) return at;
	/* the last eight, some of them again */
	return word_stops(_mm_loadl_epi64((const __m128i *)(const void *)(p + n - 8)), last, other) & 0xff ? at : n;
}

/* The first and the last eight of at least eight. */
static inline __m128i word_ends(const char *p, size_t n)
{
	return _mm_set_epi64x((long long)word_load(p + n - 8), (long long)word_load(p));
}

static inline __m128i word_lower_16(__m128i v)
{
	__m128i upper =
	    _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('Z' + 1)));
	return _mm_or_si128(v, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
}

/** True when the first eight bytes and the last eight of two texts of n (8 or more) differ at most in the case of ASCII letters. */
static inline bool word_ends_same_ci(const char *a, const char *b, size_t n)
{
	__m128i same = _mm_cmpeq_epi8(word_lower_16(word_ends(a, n)), word_lower_16(word_ends(b, n)));
	return _mm_movemask_epi8(same) == 0xffff;
}

static inline __m128i word_between(__m128i v, char first, char last)
{
	__m128i from_first = _mm_sub_epi8(v, _mm_set1_epi8(first));
	return _mm_cmpeq_epi8(_mm_min_epu8(from_first, _mm_set1_epi8((char)(last - first))), from_first);
}

/* A bit for each of the sixteen bytes that is no ASCII letter, digit, '-', '_', '/' and, without `dots`, for each '.'. */
static inline unsigned word_not_of_names(const char *p, bool dots)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i letter = word_between(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'z');
	__m128i digit = word_between(v, '-', '9');
	if (!dots) digit = _mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('.')), digit);
	__m128i good = _mm_or_si128(_mm_or_si128(letter, digit), _mm_cmpeq_epi8(v, _mm_set1_epi8('_')));
	return (unsigned)_mm_movemask_epi8(good) ^ 0xffff;
}

/**
 * How many bytes at the front are certainly ASCII letters, digits, '-', '_', '/' or, with `dots`, '.': what paths mostly consist of. There
 * may be up to fifteen more.
 */
static inline size_t word_name_run(const char *p, size_t n, bool dots)
{
	size_t at = 0;
	for (unsigned others; n - at >= 16; at += 16)
		if ((others = word_not_of_names(p + at, dots))) return at + (size_t)__builtin_ctz(others);
	if (n < 16 || at == n) return at;
	return word_not_of_names(p + n - 16, dots) ? at : n; /* the last sixteen, some of them again */
}

#else

static inline size_t word_name_run(const char *p, size_t n, bool dots)
{
	(void)p;
	(void)n;
	(void)dots;
	return 0;
}

static inline size_t word_run(const char *p, size_t n, char last, char other)
{
	size_t at = 0;
	for (; n - at >= 8; at += 8) {
		uint64_t v = word_load(p + at);
		if (word_has_less(v, (unsigned char)(last + 1)) || word_has(v, (unsigned char)other)) break;
	}
	return at;
}

static inline bool word_ends_same_ci(const char *a, const char *b, size_t n)
{
	return word_lower(word_load(a)) == word_lower(word_load(b)) &&
	       word_lower(word_load(a + n - 8)) == word_lower(word_load(b + n - 8));
}

#endif

#endif
