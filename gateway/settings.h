#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include "common/core/arena.h"
#include "common/core/err.h"
#include "common/core/log.h"
#include "common/net/tls.h"
#include "common/net/workers.h"

/** The gateway's settings (ARCHITECTURE.md, table of variables). Strings are NUL-terminated and live in the boot arena. */
struct settings {
	struct str listen;
	struct str tls_listen; /* absent: no TLS */
	struct tls_settings tls;
	bool redirect_plain; /* requests without TLS are sent to public_url */
	struct str pid_file; /* absent: none */
	struct str metrics_listen; /* absent: no private listener */
	struct str proto;
	struct str docs_dir;
	struct str identity_key_file;
	struct str upstreams;
	struct str public_url;
	struct str cors_origins;
	struct str config; /* YG_CONFIG or --config: plain proxy routes; absent: none */
	bool contracts; /* false: plain proxy routes only, and nothing that contracts need is set */
	struct str redis; /* absent: the cache is this process's alone */
	bool cache_shared; /* answers stand in Redis too */
	size_t cache_bytes; /* of this process; 0: nothing is kept here */
	struct str rate_policies;
	struct str address_rules; /* absent: everybody is served */
	struct str trusted_proxies;
	struct str trusted_proxy_field;
	bool proxied_plain, proxied_tls; /* connections there begin with a head of PROXY protocol v2 */
	unsigned connections_max; /* of one process; more are answered 503 */
	unsigned connections_per_address;
	int64_t head_timeout_ms;
	int64_t body_timeout_ms;
	int64_t idle_timeout_ms;
	int64_t write_timeout_ms;
	unsigned workers;
	enum log_level log;
};

/** Reads the environment; a missing or wrong setting is logged and the process exits with 78. With a file of plain proxy routes and no
 * YG_UPSTREAMS nothing else is needed. */
void settings_read(struct arena *boot, struct settings *out);
/** First line of the identity key file, decoded. Fails: ERR_IO, ERR_CONFIG (logged): unreadable, not hexadecimal, or under 16 bytes. */
MUST_USE enum err settings_read_identity_key(struct arena *a, struct str path, struct str *out);

#endif
