#ifndef COMMON_NET_PROXY_ACCEPT_H
#define COMMON_NET_PROXY_ACCEPT_H

#include "common/net/uv_loop.h"

/* Inside common/net: connections of which the first bytes are a proxy's word (proxy_header.h), until it has been read. */
struct proxy_accept;

/** `accepted` gets the streams whose head was good, with the client's address as their peer. */
struct proxy_accept *proxy_accept_new(struct loop *l, bool (*trusts)(void *arg, struct str peer), void *trusts_arg,
    void (*accepted)(void *arg, struct stream *s), void *arg);
void proxy_accept_stream(struct proxy_accept *a, struct stream *s);
/** Those that have not said all yet. */
unsigned proxy_accept_count(const struct proxy_accept *a);
/** Those that were not trusted, or said something else, or nothing in time. */
uint64_t proxy_accept_refused(const struct proxy_accept *a);
/** Breaks them off. */
void proxy_accept_free(struct proxy_accept *a);

#endif
