#ifndef COMMON_HTTP_CLIENT_ADDRESS_H
#define COMMON_HTTP_CLIENT_ADDRESS_H

#include "common/http/message.h"

/*
 * Whose request it is when proxies of ours stand in front. What a field says is believed only as far as those who wrote it are
 * trusted: from the right, past our own proxies, to the first address that is not one. Pure.
 */

enum { TRUSTED_PROXIES_MAX = 32, ADDRESS_BYTES_MAX = 46, ADDRESS_KEY_BYTES_MAX = 46 };

struct proxy_range {
	unsigned char bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;
};

struct trusted_proxies {
	struct proxy_range ranges[TRUSTED_PROXIES_MAX];
	unsigned count;
	bool local; /* who comes by a Unix socket is one */
	bool forwarded; /* they write Forwarded (RFC 7239), else X-Forwarded-For; the other field is never looked at */
};

/** An address as 16 bytes, IPv4 mapped. */
bool client_address_parse(struct str text, unsigned char out[16]);
/** "10.0.0.0/8", "::1"; bits behind the prefix are kept as they stand. */
bool proxy_range_read(struct str text, struct proxy_range *out);
/** Reads "10.0.0.0/8, ::1, unix" and the name of the field. Fails: ERR_CONFIG (logged). */
MUST_USE enum err trusted_proxies_read(struct trusted_proxies *out, struct str list, struct str field);
bool trusted_proxies_have(const struct trusted_proxies *p, struct str address);
/** The client's address: `peer` itself unless that is a proxy. In the arena or borrowed. */
struct str client_address(const struct trusted_proxies *p, struct arena *a, struct http_fields fields, struct str peer);
/** What an address counts as for limits: itself, or for IPv6 its /64, which one client owns whole. Writes into `out` only when it must. */
struct str address_key(struct str address, char out[ADDRESS_KEY_BYTES_MAX]);

#endif
