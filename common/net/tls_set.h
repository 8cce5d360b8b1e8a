#ifndef COMMON_NET_TLS_SET_H
#define COMMON_NET_TLS_SET_H

#include <openssl/ssl.h>

#include "common/core/arena.h"
#include "common/net/tls.h"

/* Inside common/net: what one load of the files gives. Immutable but for the ticket keys of the hour; lives as long as a connection
 * that began under it. */

enum { TICKET_SECRETS_MAX = 4, TICKET_SECRET_BYTES_MIN = 32, TICKET_SECRET_BYTES_MAX = 64, TICKET_PERIODS = 3 };

struct ticket_key {
	unsigned char name[16], cipher[32], mac[32];
};

struct tickets {
	unsigned char secrets[TICKET_SECRETS_MAX][TICKET_SECRET_BYTES_MAX];
	size_t secret_bytes[TICKET_SECRETS_MAX];
	unsigned count;
	int64_t period; /* that the keys are made for */
	struct ticket_key keys[TICKET_SECRETS_MAX]
			      [TICKET_PERIODS]; /* this period's, the last one's, the next one's (clocks differ) */
};

/** Reads the file; absent: a random secret. Fails: ERR_CONFIG (logged). */
MUST_USE enum err tickets_load(struct tickets *t, struct str file);
/** Lets the context issue and take tickets under these keys. */
void tickets_use(SSL_CTX *ctx);

enum { CERTIFICATES_MAX = 256, TLS_PATH_BYTES_MAX = 512 };

/** The files of one certificate. */
struct certificate_files {
	const char *chain, *key, *ocsp;
};
struct certificate_list {
	struct certificate_files items[CERTIFICATES_MAX];
	unsigned count;
};
/** What the setting names, the default first. Fails: ERR_CONFIG (logged). */
MUST_USE enum err certificates_list(struct arena *a, struct str setting, struct certificate_list *out);

struct tls_set;
struct certificate {
	SSL_CTX *ctx;
	const struct tls_set *set;
	unsigned char *ocsp; /* DER, or NULL */
	size_t ocsp_bytes;
	int64_t ocsp_until_s;
	int64_t not_after_s;
};

/** Reads the stapled answer beside the certificate; a bad one is logged and left out. */
void ocsp_load(struct certificate *c, const char *file);

struct tls_name {
	struct str text; /* lower case as in the certificate; "*.example.org" too */
	unsigned certificate;
};

struct tls_set {
	struct arena arena;
	struct certificate
	    *certificates; /* the first is the default: its context makes the sessions and owns the set */
	unsigned count;
	struct tls_name *names;
	unsigned name_count;
	struct tickets tickets;
	struct str client_names;
	bool asks_clients;
	bool refuse_unknown_names;
};

MUST_USE enum err tls_set_load(const struct tls_settings *settings, struct tls_set **out);
/** Gives up the owner's part; connections keep theirs. */
void tls_set_release(struct tls_set *set);
/** The certificate for a name in any case, or NULL. Exact names go before wildcards; a wildcard stands for one label. */
const struct certificate *tls_set_find(const struct tls_set *set, struct str name);

/** The reason at the head of OpenSSL's queue, which is emptied. */
const char *tls_error(void);
/** Logs what is wrong with a file. Gives ERR_CONFIG. */
enum err tls_complain(const char *file, const char *why);
/** The set that a session began under. */
struct tls_set *tls_session_set(const SSL *ssl);

struct tls {
	struct tls_settings settings;
	struct tls_set *set;
	uint64_t fingerprint; /* of the files at the last load */
	struct tls_stats stats;
};

#endif
