/* Reads a PROXY v2 head: signature, command, family, addresses, and what is added behind them, which is checked and not used. */
#include "common/net/proxy_header.h"

#include <arpa/inet.h>

enum { SIGNATURE_BYTES = 12, FIXED_BYTES = 16, V4_BYTES = 12, V6_BYTES = 36, UNIX_BYTES = 216, ADDED_HEAD_BYTES = 3 };
enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { FAMILY_UNSPECIFIED = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21, FAMILY_UNIX = 0x31 };
enum { FAMILY_UDP4 = 0x12, FAMILY_UDP6 = 0x22, FAMILY_UNIX_DATAGRAM = 0x32 };
enum { ADDED_CRC32C = 0x03, CRC_BYTES = 4 };

static const unsigned char signature[SIGNATURE_BYTES] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T',
	'\n' };

static unsigned byte_at(struct str s, size_t at)
{
	return (unsigned char)s.p[at];
}

static size_t two_at(struct str s, size_t at)
{
	return (size_t)byte_at(s, at) << 8 | byte_at(s, at + 1);
}

/* Castagnoli's polynomial, over the head with the sum's own bytes as zeros. */
static uint32_t crc32c(struct str head, size_t sum_at)
{
	uint32_t crc = 0xffffffff;
	for (size_t i = 0; i < head.n; i++) {
		crc ^= i >= sum_at && i < sum_at + CRC_BYTES ? 0 : byte_at(head, i);
		for (unsigned k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static bool is_sound(struct str head, size_t at)
{
	while (at < head.n) {
		if (head.n - at < ADDED_HEAD_BYTES) return false;
		size_t n = two_at(head, at + 1), value = at + ADDED_HEAD_BYTES;
		if (n > head.n - value) return false;
		if (byte_at(head, at) == ADDED_CRC32C) {
			if (n != CRC_BYTES) return false;
			uint32_t told = (uint32_t)(two_at(head, value) << 16 | two_at(head, value + 2));
			if (told != crc32c(head, value)) return false;
		}
		at = value + n;
	}
	return true;
}

/* An IPv4 client is written as such, however it came. */
static bool put_source(struct proxy_header *out, const char *address, bool v6)
{
	static const char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (char)0xff, (char)0xff };
	if (v6 && memcmp(address, mapped, sizeof mapped) == 0) return put_source(out, address + sizeof mapped, false);
	return inet_ntop(v6 ? AF_INET6 : AF_INET, address, out->source, sizeof out->source) != NULL;
}

/* The proxy speaks for somebody and cannot say who. Its own address would make him one of our proxies: he would write himself the
 * fields that we believe, and his connections would not count. */
static bool put_unknown(struct proxy_header *out)
{
	memcpy(out->source, PROXY_UNKNOWN, sizeof PROXY_UNKNOWN);
	return true;
}

static bool read_addresses(struct str head, struct proxy_header *out)
{
	size_t n = head.n - FIXED_BYTES;
	const char *addresses = head.p + FIXED_BYTES;
	switch (byte_at(head, SIGNATURE_BYTES + 1)) {
	case FAMILY_UNSPECIFIED:
	case FAMILY_UDP4: /* what a receiver does not support is as if it were not specified */
	case FAMILY_UDP6:
	case FAMILY_UNIX_DATAGRAM:
		return put_unknown(out);
	case FAMILY_TCP4:
		return n >= V4_BYTES && is_sound(head, FIXED_BYTES + V4_BYTES) && put_source(out, addresses, false);
	case FAMILY_TCP6:
		return n >= V6_BYTES && is_sound(head, FIXED_BYTES + V6_BYTES) && put_source(out, addresses, true);
	case FAMILY_UNIX:
		return n >= UNIX_BYTES && is_sound(head, FIXED_BYTES + UNIX_BYTES) && put_unknown(out);
	default:
		return false; /* not defined */
	}
}

enum proxy_header_state proxy_header_read(struct str bytes, struct proxy_header *out)
{
	size_t known = bytes.n < SIGNATURE_BYTES ? bytes.n : SIGNATURE_BYTES;
	*out = (struct proxy_header){ 0 };
	if (known && memcmp(bytes.p, signature, known) != 0) return PROXY_HEADER_BAD;
	if (bytes.n < FIXED_BYTES) return PROXY_HEADER_MORE;
	unsigned command = byte_at(bytes, SIGNATURE_BYTES);
	out->bytes = FIXED_BYTES + two_at(bytes, SIGNATURE_BYTES + 2);
	if (command != COMMAND_LOCAL && command != COMMAND_PROXY) return PROXY_HEADER_BAD;
	if (out->bytes > PROXY_HEADER_BYTES_MAX) return PROXY_HEADER_BAD;
	if (bytes.n < out->bytes) return PROXY_HEADER_MORE;
	if (command == COMMAND_LOCAL) return PROXY_HEADER_DONE;
	return read_addresses(str_span(bytes.p, out->bytes), out) ? PROXY_HEADER_DONE : PROXY_HEADER_BAD;
}
