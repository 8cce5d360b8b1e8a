#ifndef COMMON_PG_CONN_PARAMS_H
#define COMMON_PG_CONN_PARAMS_H

#include <libpq-fe.h>

#include "common/core/arena.h"
#include "common/core/err.h"

enum { CONN_KEYWORDS_MAX = 64 };

/** NULL-terminated arrays for PQconnectStartParams; strings live in the arena. */
struct conn_params {
	const char *keywords[CONN_KEYWORDS_MAX + 1];
	const char *values[CONN_KEYWORDS_MAX + 1];
};

struct conn_settings {
	int64_t statement_timeout_ms; /* 0: none */
	int64_t idle_in_transaction_ms; /* 0: none */
	int64_t lock_timeout_ms; /* 0: none */
	int64_t gone_check_ms; /* how often a statement looks whether we are still there; 0: never */
	const char *application_name; /* may be NULL */
	unsigned
	    rotate; /* begin with the rotate-th of several hosts: libpq's asynchronous connect never leaves a mute one */
};

/** The caller's connection string plus what all our sessions need. Fails: ERR_CONFIG, logged without the string (passwords). */
MUST_USE enum err conn_params_make(
    struct arena *a, struct str conninfo, const struct conn_settings *settings, struct conn_params *out);

/** Notices go to our log (debug) instead of libpq's standard error. */
void conn_quiet(PGconn *conn);

#endif
