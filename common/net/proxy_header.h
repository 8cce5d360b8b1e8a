#ifndef COMMON_NET_PROXY_HEADER_H
#define COMMON_NET_PROXY_HEADER_H

#include "common/core/str.h"

/* The head that a proxy writes before a connection's own bytes: PROXY protocol, version 2 (binary) only. Pure. */

enum { PROXY_HEADER_BYTES_MAX = 2048, PROXY_ADDRESS_BYTES = 46 };
enum proxy_header_state { PROXY_HEADER_MORE, PROXY_HEADER_DONE, PROXY_HEADER_BAD };

/** A client of a family without addresses (RFC 7239 6.2). No address, so nothing that it writes is taken for a proxy's word. */
#define PROXY_UNKNOWN "unknown"

struct proxy_header {
	size_t bytes; /* of the whole head */
	char source
	    [PROXY_ADDRESS_BYTES]; /* the client's address as text; PROXY_UNKNOWN: it has none; empty: the proxy speaks for itself */
};

/** Looks at the bytes from the connection's first. What can never become a head is BAD at once. */
enum proxy_header_state proxy_header_read(struct str bytes, struct proxy_header *out);

#endif
