#ifndef COMMON_NET_TLS_SESSION_H
#define COMMON_NET_TLS_SESSION_H

#include "common/core/buf.h"
#include "common/net/tls_set.h"

/* Inside common/net: one connection's TLS between two runs of bytes. Knows no socket: sealed bytes go in as they came, what must be
 * sent is appended to a buffer of the caller's. */

struct tls_session {
	SSL *ssl;
	struct tls *tls;
	struct tls_set *set;
	struct str in; /* lent for one call: what has come and was not taken yet */
	struct buf *out; /* lent for one call */
	int verify_error; /* X509_V_OK, or the first thing wrong with the client's certificate */
	bool established;
	bool spoke_plainly; /* what came was HTTP without TLS */
	bool broken; /* nothing more can be read or written */
	bool ended; /* close_notify was sent */
};

enum session_end { SESSION_MORE = 0, SESSION_CLOSED = -1 /* the peer said so */, SESSION_BROKEN = -2 };

MUST_USE enum err tls_session_begin(struct tls_session *s, struct tls *t);
void tls_session_free(struct tls_session *s);
/** Goes on with the handshake. Takes from *in what it needs: once established, requests may follow in it. ERR_RETRY: needs more; ERR_PROTOCOL: over. */
MUST_USE enum err tls_session_shake(struct tls_session *s, struct str *in, struct buf *out);
/** Opens what has come. Gives the count of plain bytes, or an enum session_end. `room` holds a whole record (SSL3_RT_MAX_PLAIN_LENGTH). */
ssize_t tls_session_read(struct tls_session *s, struct str *in, struct buf *out, char *into, size_t room);
/** Seals. ERR_CLOSED when the session is broken, or `out` is full. */
MUST_USE enum err tls_session_write(struct tls_session *s, struct str plain, struct buf *out);
/** Says that nothing follows. */
void tls_session_close(struct tls_session *s, struct buf *out);
/** The client's certificate, allocated; NULL without one. */
struct tls_client *tls_session_client(const struct tls_session *s);

/** From what a handshake ran into. */
int tls_session_verify(int ok, X509_STORE_CTX *ctx);

#endif
