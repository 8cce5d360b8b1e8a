#ifndef COMMON_JSON_DECIMAL_H
#define COMMON_JSON_DECIMAL_H

#include "common/core/str.h"

enum { DECIMAL_DIGITS_MAX = 63, DECIMAL_EXPONENT_MAX = 999 };

/** An exact decimal number: digits × 10^exponent, without leading or trailing zeros; zero has no digits. */
struct decimal {
	bool negative;
	unsigned n;
	int exponent;
	char digits[DECIMAL_DIGITS_MAX];
};

/** Reads a JSON number literal (RFC 8259 section 6); false when it is none, is longer than 63 bytes or its exponent is beyond ±999. */
bool decimal_parse(struct str literal, struct decimal *out);
/** Less than, equal to, greater than zero as a <, =, > b; exact. */
int decimal_cmp(const struct decimal *a, const struct decimal *b);
bool decimal_is_whole(const struct decimal *d);
/** False unless d is whole and fits. */
bool decimal_int64(const struct decimal *d, int64_t *out);
/** True when a / b is whole; exact. b > 0 with at most 18 digits (decimal_fits_divisor). */
bool decimal_is_multiple(const struct decimal *a, const struct decimal *b);
bool decimal_fits_divisor(const struct decimal *d);

#endif
