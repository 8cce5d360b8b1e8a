/* base64, base64url and base32 (RFC 4648). Decoding accepts exactly what encoding makes, so that a value has one spelling:
 * tokens and MACs cannot be altered without being refused. */
#include "common/crypto/crypto.h"
#include "common/crypto/secret.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char urlsafe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct str encode(struct arena *a, struct str bytes, const char *alphabet, bool padded)
{
	if (bytes.n > SIZE_MAX / 2) return STR_NONE;
	size_t groups = bytes.n / 3, rest = bytes.n % 3;
	size_t n = groups * 4 + (rest ? (padded ? 4 : rest + 1) : 0);
	char *out = arena_alloc(a, n + 1), *to = out;
	if (!out) return STR_NONE;
	const unsigned char *from = (const unsigned char *)bytes.p;
	for (size_t i = 0; i < groups; i++, from += 3) {
		*to++ = alphabet[from[0] >> 2];
		*to++ = alphabet[(from[0] & 3) << 4 | from[1] >> 4];
		*to++ = alphabet[(from[1] & 15) << 2 | from[2] >> 6];
		*to++ = alphabet[from[2] & 63];
	}
	if (rest) {
		unsigned second = rest == 2 ? from[1] : 0;
		*to++ = alphabet[from[0] >> 2];
		*to++ = alphabet[(from[0] & 3) << 4 | second >> 4];
		if (rest == 2) *to++ = alphabet[(second & 15) << 2];
		while (padded && to < out + n) *to++ = '=';
	}
	return (struct str){ out, n };
}

struct str base64_encode(struct arena *a, struct str bytes)
{
	return encode(a, bytes, standard, true);
}

struct str base64url_encode(struct arena *a, struct str bytes)
{
	return encode(a, bytes, urlsafe, false);
}

/* Value of a symbol, or 64. `c62` and `c63` are the two symbols in which the alphabets differ. */
static unsigned value_of(char c, char c62, char c63)
{
	if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9') return (unsigned)(c - '0') + 52;
	if (c == c62) return 62;
	return c == c63 ? 63 : 64;
}

/* `text` is without padding here. */
static enum err decode(struct arena *a, struct str text, char c62, char c63, struct str *out)
{
	if (text.n % 4 == 1) return ERR_SYNTAX;
	size_t n = text.n / 4 * 3 + (text.n % 4 ? text.n % 4 - 1 : 0), filled = 0;
	unsigned char *to = arena_alloc(a, n + 1);
	if (!to) return ERR_MEMORY;
	uint32_t bits = 0;
	unsigned held = 0;
	for (size_t i = 0; i < text.n; i++) {
		unsigned v = value_of(text.p[i], c62, c63);
		if (v == 64) return ERR_SYNTAX;
		bits = bits << 6 | v;
		held += 6;
		if (held < 8) continue;
		held -= 8;
		to[filled++] = (unsigned char)(bits >> held);
	}
	if (bits & ((1u << held) - 1)) return ERR_SYNTAX; /* stray bits: another spelling of the same bytes */
	*out = (struct str){ (const char *)to, n };
	return ERR_NONE;
}

enum err base64_decode(struct arena *a, struct str text, struct str *out)
{
	if (text.n % 4) return ERR_SYNTAX;
	for (int i = 0; i < 2 && text.n && text.p[text.n - 1] == '='; i++) text.n--;
	return decode(a, text, '+', '/', out);
}

enum err base64url_decode(struct arena *a, struct str text, struct str *out)
{
	return decode(a, text, '-', '_', out);
}

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

struct str base32_encode(struct arena *a, struct str bytes)
{
	if (bytes.n > SIZE_MAX / 2) return STR_NONE;
	size_t n = (bytes.n * 8 + 4) / 5, filled = 0;
	char *out = arena_alloc(a, n + 1);
	if (!out) return STR_NONE;
	uint32_t bits = 0;
	unsigned held = 0;
	for (size_t i = 0; i < bytes.n; i++) {
		bits = bits << 8 | (unsigned char)bytes.p[i];
		for (held += 8; held >= 5; held -= 5) out[filled++] = base32[bits >> (held - 5) & 31];
	}
	if (held) out[filled++] = base32[bits << (5 - held) & 31];
	return (struct str){ out, filled };
}

enum err base32_decode(struct arena *a, struct str text, struct str *out)
{
	if (text.n > SIZE_MAX / 8) return ERR_SYNTAX;
	size_t n = text.n * 5 / 8, filled = 0;
	unsigned char *to = arena_alloc(a, n + 1);
	if (!to) return ERR_MEMORY;
	uint32_t bits = 0;
	unsigned held = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool letter = c >= 'A' && c <= 'Z', digit = c >= '2' && c <= '7';
		if (!letter && !digit) return ERR_SYNTAX;
		bits = bits << 5 | (unsigned)(letter ? c - 'A' : c - '2' + 26);
		held += 5;
		if (held < 8) continue;
		held -= 8;
		to[filled++] = (unsigned char)(bits >> held);
	}
	if (held >= 5 || (bits & ((1u << held) - 1))) return ERR_SYNTAX;
	*out = (struct str){ (const char *)to, n };
	return ERR_NONE;
}
