/* Identifiers: random bytes, UUIDv7, public codes, keyed hashes. */
#include "common/core/id.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/core/check.h"
#include "common/core/clock.h"

static struct {
	unsigned char bytes[1024];
	size_t left;
	bool fork_hook;
} pool;

/* xoshiro256** of Blackman and Vigna. */
static struct {
	uint64_t s[4];
	bool seeded;
} noise;

static inline uint64_t rotl(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void drop_after_fork(void)
{
	pool.left = 0;
	noise.seeded = false;
}

void id_random(void *out, size_t n)
{
	unsigned char *to = out;
	if (!pool.fork_hook) {
		pthread_atfork(NULL, NULL, drop_after_fork);
		pool.fork_hook = true;
	}
	while (n) {
		if (pool.left == 0) {
			CHECK(getrandom(pool.bytes, sizeof pool.bytes, 0) == (ssize_t)sizeof pool.bytes);
			pool.left = sizeof pool.bytes;
		}
		size_t part = n < pool.left ? n : pool.left;
		pool.left -= part;
		memcpy(to, pool.bytes + pool.left, part);
		explicit_bzero(pool.bytes + pool.left, part);
		to += part;
		n -= part;
	}
}

uint64_t id_noise(void)
{
	uint64_t *s = noise.s;
	if (!noise.seeded) {
		id_random(noise.s, sizeof noise.s); /* sets the fork hook too */
		noise.s[0] |= 1; /* all zero is the one state that it never leaves */
		noise.seeded = true;
	}
	uint64_t result = rotl(s[1] * 5, 7) * 9, shifted = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotl(s[3], 45);
	return result;
}

/* "000102…ff" */
#define HEX_ROW(h) h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "a" h "b" h "c" h "d" h "e" h "f"
static const char hex_pairs[] =
    HEX_ROW("0") HEX_ROW("1") HEX_ROW("2") HEX_ROW("3") HEX_ROW("4") HEX_ROW("5") HEX_ROW("6") HEX_ROW("7") HEX_ROW("8")
	HEX_ROW("9") HEX_ROW("a") HEX_ROW("b") HEX_ROW("c") HEX_ROW("d") HEX_ROW("e") HEX_ROW("f");
_Static_assert(sizeof hex_pairs == 513, "two digits for each byte");

void id_hex(const void *bytes, size_t n, char *out)
{
	const unsigned char *p = bytes;
	for (size_t i = 0; i < n; i++) memcpy(out + 2 * i, hex_pairs + 2 * p[i], 2);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return -1;
}

bool id_unhex(struct str s, void *bytes, size_t n)
{
	unsigned char *to = bytes;
	if (s.n != 2 * n) return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_value(s.p[2 * i]), low = hex_value(s.p[2 * i + 1]);
		if (high < 0 || low < 0) return false;
		to[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

void id_uuid7(char out[UUID_TEXT_BYTES])
{
	static uint64_t last_ms;
	static uint16_t sequence;
	unsigned char b[16];
	uint64_t ms = (uint64_t)clock_wall_us() / 1000;
	id_random(b + 6, 10);
	if (ms <= last_ms) { /* same millisecond, or the clock went back: count on (RFC 9562 6.2 method 1) */
		ms = last_ms;
		if (++sequence > 0xfff) {
			sequence = 0;
			ms++;
		}
	} else {
		sequence = (uint16_t)((b[6] << 8 | b[7]) & 0x7ff);
	}
	last_ms = ms;
	for (int i = 0; i < 6; i++) b[i] = (unsigned char)(ms >> (40 - 8 * i));
	b[6] = (unsigned char)(0x70 | sequence >> 8);
	b[7] = (unsigned char)sequence;
	b[8] = (unsigned char)(0x80 | (b[8] & 0x3f));
	id_hex(b, 4, out);
	id_hex(b + 4, 2, out + 9);
	id_hex(b + 6, 2, out + 14);
	id_hex(b + 8, 2, out + 19);
	id_hex(b + 10, 6, out + 24);
	out[8] = out[13] = out[18] = out[23] = '-';
}

static bool all_hex(const char *p, size_t n)
{
	static const bool is_hex[256] = { ['0' ... '9'] = true, ['a' ... 'f'] = true, ['A' ... 'F'] = true };
	bool all = true;
	for (size_t i = 0; i < n; i++) all &= is_hex[(unsigned char)p[i]];
	return all;
}

bool id_is_uuid(struct str s)
{
	if (s.n != UUID_TEXT_BYTES) return false;
	return s.p[8] == '-' && s.p[13] == '-' && s.p[18] == '-' && s.p[23] == '-' && all_hex(s.p, 8) &&
	       all_hex(s.p + 9, 4) && all_hex(s.p + 14, 4) && all_hex(s.p + 19, 4) && all_hex(s.p + 24, 12);
}

static const char code_symbols[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static int symbol_value(char c)
{
	const char *at = c ? strchr(code_symbols, c) : NULL;
	return at ? (int)(at - code_symbols) : -1;
}

/* Luhn's sum modulo 32 over `n` symbols, the last one not doubled when `skip_last`. */
static int luhn_sum(const char *p, size_t n, int factor)
{
	int sum = 0;
	for (size_t i = n; i-- > 0; factor = 3 - factor) {
		int addend = factor * symbol_value(p[i]);
		sum += addend / 32 + addend % 32;
	}
	return sum % 32;
}

void id_public_code(char out[PUBLIC_CODE_BYTES])
{
	unsigned char random[PUBLIC_CODE_BYTES - 1];
	id_random(random, sizeof random);
	for (size_t i = 0; i < sizeof random; i++) out[i] = code_symbols[random[i] & 31];
	out[sizeof random] = code_symbols[(32 - luhn_sum(out, sizeof random, 2)) % 32];
}

bool id_is_public_code(struct str s)
{
	if (s.n != PUBLIC_CODE_BYTES) return false;
	for (size_t i = 0; i < s.n; i++)
		if (symbol_value(s.p[i]) < 0) return false;
	return luhn_sum(s.p, s.n, 1) == 0;
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);
	v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);
}

uint64_t id_hash(struct str s)
{
	static uint64_t key[2];
	if (!key[0]) id_random(key, sizeof key), key[0] |= 1;
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573 };
	uint64_t word;
	size_t i = 0;
	for (; i + 8 <= s.n; i += 8) {
		memcpy(&word, s.p + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)s.n << 56;
	if (s.n > i) memcpy(&word, s.p + i, s.n - i);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int r = 0; r < 3; r++) sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
