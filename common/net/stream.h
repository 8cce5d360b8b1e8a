#ifndef COMMON_NET_STREAM_H
#define COMMON_NET_STREAM_H

#include "common/core/buf.h"
#include "common/net/loop.h"
#include "common/net/tls.h"

/* Byte streams over TCP or Unix sockets. Addresses: "127.0.0.1:8080", "[::1]:8080", "unix:/path". No name look-ups here. */
struct stream;
struct listener;

struct stream_events {
	/** Bytes arrived; borrowed until it returns. May call stream_close. */
	void (*data)(void *arg, struct str bytes);
	/** The peer finished sending (half-close); the stream can still write. NULL: treated as closed. */
	void (*end)(void *arg);
	/** Everything queued has been handed to the kernel. May be NULL. */
	void (*drained)(void *arg);
	/** Called once, last: after stream_close (ERR_NONE) or when the connection broke. The stream is gone afterwards. */
	void (*closed)(void *arg, enum err why);
};

/**
 * Listens. For each connection `accepted` gets a stream, which it must give events with stream_start.
 * With `reuse_port`, several processes may share the port. Fails: ERR_IO (logged).
 */
MUST_USE enum err listener_open(struct loop *l, struct str address, bool reuse_port,
    void (*accepted)(void *arg, struct stream *s), void *arg, struct listener **out);
/** As listener_open, for TLS: `accepted` gets the connections whose handshake has ended well. */
MUST_USE enum err listener_open_tls(struct loop *l, struct str address, bool reuse_port, struct tls *tls,
    void (*accepted)(void *arg, struct stream *s), void *arg, struct listener **out);
/**
 * A listening socket of its own, for who hands it on: the address "fd:<number>" opens a listener on a copy of it. Others may listen on
 * copies too, in other processes: what waits to be accepted is lost only with the last one. Fails: ERR_IO (logged).
 */
MUST_USE enum err listener_bind(struct str address, bool reuse_port, int *fd);
/** True when the listening socket has that address. */
bool listener_matches(int fd, struct str address);
/** The port that was bound (for ":0"); 0 for Unix sockets. */
int listener_port(const struct listener *ln);
/** Accepts nobody more. Handshakes under way go on and are still handed over, until listener_close. */
void listener_stop(struct listener *ln);
/**
 * From now on each connection begins with a head of PROXY protocol v2, and its peer is the client that this names. Whoever `trusts`
 * does not say yes to, or does not begin so within 5 s, is cut. Once, right after listener_open.
 */
void listener_expect_proxies(struct listener *ln, bool (*trusts)(void *arg, struct str peer), void *arg);
/** How many were cut so. */
uint64_t listener_proxies_refused(const struct listener *ln);
/** Handshakes under way, and heads of proxies. */
unsigned listener_pending(const struct listener *ln);
void listener_close(struct listener *ln);

/** Begins to connect; `connected` is called once, with ERR_NONE before any data, or an error followed by closed. */
MUST_USE enum err stream_connect(struct loop *l, struct str address, void (*connected)(void *arg, enum err status),
    const struct stream_events *events, void *arg, struct stream **out);
void stream_start(struct stream *s, const struct stream_events *events, void *arg);
/** Text of the peer's address without port; "unix" for Unix sockets. */
struct str stream_peer(const struct stream *s);
bool stream_is_tls(const struct stream *s);
/** The certificate that the client has shown, now the caller's to free; NULL without one, and the second time. */
struct tls_client *stream_take_client(struct stream *s);
/**
 * Writes the parts with one writev if the kernel takes them; the rest is copied and written later.
 * Fails: ERR_CLOSED; ERR_BUSY when more than `STREAM_PENDING_MAX` bytes would wait (nothing of this call was queued).
 */
enum { STREAM_PENDING_MAX = 16 * 1024 * 1024 };
MUST_USE enum err stream_write(struct stream *s, const struct str *parts, unsigned count);
/**
 * As stream_write, for one buffer: nothing is ever copied. If the kernel takes all, *b keeps its memory, emptied; else the memory
 * becomes the stream's until it has been sent, and *b is as after buf_init.
 */
MUST_USE enum err stream_write_buf(struct stream *s, struct buf *b);
size_t stream_pending(const struct stream *s);
/** Stops or goes on reading: back-pressure. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
/** Sends what is queued, then tells the peer that nothing follows (half-close); reading goes on. */
void stream_end(struct stream *s);
/** Sends what is queued, then closes; `abort` drops what is queued and resets. */
void stream_close(struct stream *s);
void stream_abort(struct stream *s);

#endif
