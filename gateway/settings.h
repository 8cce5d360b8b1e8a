#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include "common/core/arena.h"
#include "common/core/err.h"
#include "common/core/log.h"

/** The gateway's settings (ARCHITECTURE.md, table of variables). Strings are NUL-terminated and live in the boot arena. */
struct settings {
	struct str listen;
	struct str metrics_listen; /* absent: no private listener */
	struct str proto;
	struct str identity_key_file;
	struct str upstreams;
	struct str public_url;
	struct str cors_origins;
	struct str redis; /* absent: nothing is asked there */
	unsigned workers;
	enum log_level log;
};

/** Reads the environment; a missing or wrong setting is logged and the process exits with 78. */
void settings_read(struct arena *boot, struct settings *out);
/** First line of the identity key file, decoded. Fails: ERR_IO, ERR_CONFIG (logged): unreadable, not hexadecimal, or under 16 bytes. */
MUST_USE enum err settings_read_identity_key(struct arena *a, struct str path, struct str *out);

#endif
