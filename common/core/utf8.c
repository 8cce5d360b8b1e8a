/* UTF-8 as RFC 3629 has it. */
#include "common/core/utf8.h"

/* Length of the well-formed sequence at p, or 0. */
static size_t sequence_bytes(const unsigned char *p, size_t left)
{
	unsigned char c = p[0];
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
	if (n == 0 || n > left) return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80) return 0;
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f)) return 0;
	if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f)) return 0;
	return n;
}

size_t utf8_sequence(struct str s, size_t at)
{
	return sequence_bytes((const unsigned char *)s.p + at, s.n - at);
}

/* Eight bytes of ASCII, which is most of what there is. */
static inline bool ascii8(const unsigned char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return (v & 0x8080808080808080u) == 0;
}

bool utf8_valid(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	for (size_t i = 0; i < s.n;) {
		if (p[i] < 0x80) {
			i += s.n - i >= 8 && ascii8(p + i) ? 8 : 1;
			continue;
		}
		size_t n = sequence_bytes(p + i, s.n - i);
		if (n == 0) return false;
		i += n;
	}
	return true;
}

size_t utf8_length(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

uint32_t utf8_next(struct str s, size_t *at)
{
	const unsigned char *p = (const unsigned char *)s.p + *at;
	size_t n = sequence_bytes(p, s.n - *at);
	if (n <= 1) {
		(*at)++;
		return n ? p[0] : 0xfffd;
	}
	uint32_t c = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) c = c << 6 | (p[i] & 0x3fu);
	*at += n;
	return c;
}

size_t utf8_encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)((0xf00 >> n & 0xff) | c);
	return n;
}
