#ifndef COMMON_NET_TLS_H
#define COMMON_NET_TLS_H

#include "common/core/check.h"
#include "common/core/err.h"
#include "common/core/str.h"

/*
 * TLS 1.2 and 1.3 on the server's side (RFC 9325): certificates by name, tickets that survive a restart, stapled OCSP answers,
 * client certificates. What is above the streams sees plain bytes and, if it asks, who the client has proved to be.
 */
struct tls;

/** Strings are NUL-terminated and outlive the object. */
struct tls_settings {
	struct str
	    certificates; /* a folder of <name>.crt and <name>.key (default.crt first), or "chain.crt|its.key,…"; the first is the default */
	struct str
	    ticket_key_file; /* one secret a line in hexadecimal, 32 bytes or more, current first; absent: one made up by this process */
	struct str client_ca; /* PEM file of those that sign client certificates; absent: none are asked for */
	struct str client_names; /* comma list of the names at which one is asked for; absent: at all */
	struct str plain_answer; /* what somebody hears who speaks HTTP without TLS; absent: nothing */
	bool
	    refuse_unknown_names; /* else they get the default certificate; so does in any case a client that names nobody */
};

/** Loads everything. Fails: ERR_CONFIG (logged: which file, and what is wrong with it). */
MUST_USE enum err tls_open(const struct tls_settings *settings, struct tls **out);
/** Loads everything anew, for connections to come; on failure nothing changes (ERR_CONFIG, logged). Those that stand go on. */
MUST_USE enum err tls_reload(struct tls *t);
/** True when a file is not as it was at the last load, good or not. Asks the file system: for timers. */
bool tls_files_changed(const struct tls *t);
/** After the last connection has gone. */
void tls_free(struct tls *t);

struct tls_stats {
	uint64_t handshakes; /* ended well */
	uint64_t resumed; /* of these: by a ticket */
	uint64_t failed; /* broken off, refused, timed out */
	unsigned handshaking; /* now */
	unsigned certificates;
	int64_t expires_s; /* when the first certificate does */
};
struct tls_stats tls_stats(const struct tls *t);

/** A client's certificate. The handshake takes a bad one too, so that the client can be told in words what is wrong with it. */
enum tls_verdict { TLS_CLIENT_GOOD, TLS_CLIENT_EXPIRED, TLS_CLIENT_UNTRUSTED };
enum { TLS_THUMBPRINT_BYTES = 43 };
struct tls_client {
	enum tls_verdict verdict; /* at the handshake */
	int64_t not_after_s;
	char thumbprint[TLS_THUMBPRINT_BYTES]; /* base64url of SHA-256: "x5t#S256" of RFC 8705 */
};

#endif
