#ifndef GATEWAY_LIMIT_NETWORKS_H
#define GATEWAY_LIMIT_NETWORKS_H

#include "common/core/arena.h"
#include "common/core/str.h"

/* A set of addresses: networks, sorted and without overlap, so that a look-up costs the same for ten and for ten thousand. Pure. */

struct network {
	unsigned char first[16], last[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct networks {
	struct network *items;
	unsigned count;
	bool local; /* "unix": who comes by a Unix socket */
	bool unknown; /* "unknown": who has no address, by the word of a proxy */
};

/** Room for `most` networks; false when the arena is full. */
bool networks_open(struct networks *n, struct arena *a, unsigned most);
/** "10.0.0.0/8", "2001:db8::1", "unix" or "unknown"; there must be room. False: none of these, or bits behind the prefix. */
bool networks_add(struct networks *n, struct str text);
/** Once, after the last one. */
void networks_close(struct networks *n);
bool networks_have(const struct networks *n, struct str address);

#endif
