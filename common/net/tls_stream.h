#ifndef COMMON_NET_TLS_STREAM_H
#define COMMON_NET_TLS_STREAM_H

#include "common/net/tls.h"
#include "common/net/uv_loop.h"

/* Inside common/net: TLS under a stream. stream.c hands over what is read and asks for what is to be sent. */

struct tls_accept;
struct tls_link;

/** Whoever takes connections: shakes hands and gives on those that stand. */
struct tls_accept *tls_accept_new(
    struct loop *l, struct tls *tls, void (*accepted)(void *arg, struct stream *s), void *arg);
void tls_accept_stream(struct tls_accept *a, struct stream *s);
/** Handshakes under way. */
unsigned tls_accept_count(const struct tls_accept *a);
/** Breaks them off. */
void tls_accept_free(struct tls_accept *a);

void tls_stream_read(struct stream *s, struct str sealed);
/** The peer sends no more, by the socket's word. */
void tls_stream_eof(struct stream *s);
MUST_USE enum err tls_stream_write(struct stream *s, struct str plain);
/** Goes on with what was kept while the owner paused. */
void tls_stream_resume(struct stream *s);
/** Sends close_notify, once. */
void tls_stream_close(struct stream *s);
/** The stream is gone. */
void tls_stream_free(struct stream *s);
struct tls_client *tls_stream_take_client(struct stream *s);

#endif
