/* Exact decimal numbers for comparing what JSON writes: 9007199254740993 is not 9007199254740992, and 0.07 is seven times 0.01.
 * No arithmetic beyond what JSON Schema asks for. */
#include "common/json/decimal.h"

#include "common/core/check.h"

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Appends the run of digits at *at; leading zeros of the whole number are not kept. */
static size_t take_digits(struct str s, size_t *at, struct decimal *out)
{
	size_t start = *at;
	for (; *at < s.n && is_digit(s.p[*at]); (*at)++)
		if (out->n || s.p[*at] != '0') out->digits[out->n++] = s.p[*at];
	return *at - start;
}

static bool take_exponent(struct str s, size_t *at, int *out)
{
	int v = 0;
	bool negative = *at < s.n && s.p[*at] == '-';
	if (*at < s.n && (s.p[*at] == '-' || s.p[*at] == '+')) (*at)++;
	size_t start = *at;
	for (; *at < s.n && is_digit(s.p[*at]); (*at)++) {
		v = v * 10 + (s.p[*at] - '0');
		if (v > DECIMAL_EXPONENT_MAX) return false;
	}
	*out = negative ? -v : v;
	return *at > start;
}

bool decimal_parse(struct str s, struct decimal *out)
{
	size_t at = 0;
	out->n = 0;
	out->exponent = 0;
	if (s.n == 0 || s.n > DECIMAL_DIGITS_MAX) return false;
	out->negative = s.p[0] == '-';
	if (out->negative) at++;
	bool zero_first = at < s.n && s.p[at] == '0';
	size_t whole = take_digits(s, &at, out);
	if (whole == 0 || (zero_first && whole > 1)) return false;
	if (at < s.n && s.p[at] == '.') {
		at++;
		size_t fraction = take_digits(s, &at, out);
		if (fraction == 0) return false;
		out->exponent = -(int)fraction;
	}
	if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
		int e;
		at++;
		if (!take_exponent(s, &at, &e)) return false;
		out->exponent += e;
	}
	for (; out->n && out->digits[out->n - 1] == '0'; out->n--) out->exponent++;
	if (out->n == 0) {
		out->exponent = 0;
		out->negative = false;
	}
	return at == s.n;
}

static int magnitude_cmp(const struct decimal *a, const struct decimal *b)
{
	int high_a = (int)a->n + a->exponent, high_b = (int)b->n + b->exponent;
	if (a->n == 0 || b->n == 0) return (a->n > 0) - (b->n > 0);
	if (high_a != high_b) return high_a < high_b ? -1 : 1;
	return str_cmp(str_span(a->digits, a->n), str_span(b->digits, b->n));
}

int decimal_cmp(const struct decimal *a, const struct decimal *b)
{
	if (a->negative != b->negative) return a->negative ? -1 : 1;
	return a->negative ? magnitude_cmp(b, a) : magnitude_cmp(a, b);
}

bool decimal_is_whole(const struct decimal *d)
{
	return d->exponent >= 0;
}

bool decimal_int64(const struct decimal *d, int64_t *out)
{
	int64_t v = 0;
	if (d->exponent < 0 || (int)d->n + d->exponent > 19) return false;
	for (int i = 0; i < (int)d->n + d->exponent; i++) { /* downwards, so that INT64_MIN fits */
		int digit = i < (int)d->n ? d->digits[i] - '0' : 0;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, digit, &v)) return false;
	}
	if (!d->negative && v == INT64_MIN) return false;
	*out = d->negative ? v : -v;
	return true;
}

bool decimal_fits_divisor(const struct decimal *d)
{
	return !d->negative && d->n > 0 && d->n <= 18;
}

bool decimal_is_multiple(const struct decimal *a, const struct decimal *b)
{
	CHECK(decimal_fits_divisor(b));
	int shift = a->exponent - b->exponent;
	if (a->n == 0) return true;
	if (shift < 0) return false; /* a has no trailing zeros, so it cannot be divided by a power of ten */
	uint64_t divisor = 0, rest = 0;
	for (unsigned i = 0; i < b->n; i++) divisor = divisor * 10 + (uint64_t)(b->digits[i] - '0');
	for (unsigned i = 0; i < a->n + (unsigned)shift; i++) {
		uint64_t digit = i < a->n ? (uint64_t)(a->digits[i] - '0') : 0;
		rest = (uint64_t)(((unsigned __int128)rest * 10 + digit) % divisor);
	}
	return rest == 0;
}
