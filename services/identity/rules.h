#ifndef SERVICES_IDENTITY_RULES_H
#define SERVICES_IDENTITY_RULES_H

#include "common/core/arena.h"
#include "common/core/err.h"

/* Pure rules: bytes in, decisions out. No clock, no database, no randomness. */

/* ── slowing attempts down ── */

enum throttle_class {
	THROTTLE_PAIR, /* one user name on one device, with two codes, or from one network: what a person's own mistakes fill */
	THROTTLE_USER, /* one user name from all networks that no staff signed in from */
	THROTTLE_NETWORK, /* one such network over all user names */
	THROTTLE_CLASS_COUNT
};
enum { THROTTLE_SCHEDULE_LENGTH = 32 };

/** Seconds to wait after the nth failure (in a row, for PAIR; within a day, for the others). */
int throttle_delay_s(enum throttle_class class, unsigned failures);
/** The delays after 0, 1, 2 … failures as a PostgreSQL array; the last one holds for all more. */
struct str throttle_schedule(struct arena *a, enum throttle_class class);

/* ── networks ── */

enum { NETWORK_BYTES_MAX = 64 };
struct network {
	char exact[NETWORK_BYTES_MAX]; /* for counting: an IPv4 address, an IPv6 /64, "unknown" */
	char shown[NETWORK_BYTES_MAX]; /* for people and the log: IPv4 /24, IPv6 /48, "" */
};
/** Of the last address in an X-Forwarded-For value, the only one that our gateway wrote. */
void network_of(struct str forwarded_for, struct network *out);

/* ── what a token may say ── */

struct grant {
	struct str organization;
	struct str scopes; /* space-separated */
};
enum { SCOPES_MAX = 64 };
/**
 * The unit and the scopes of a login: the unit `wanted`, or else the topmost of the grants (fewest steps, then path order). The
 * scopes are those of all grants at the unit or above it, each once, sorted: they hold in the unit and everything below, and never
 * wider than any grant says.
 * Fails: ERR_INSUFFICIENT_SCOPE when no grant covers the unit; ERR_MEMORY.
 */
MUST_USE enum err grants_choose(struct arena *a, const struct grant *grants, size_t count, struct str wanted,
    struct str *organization, struct str *scopes);
/** The scopes asked for (absent: all that are held); ERR_INSUFFICIENT_SCOPE when one is not held, ERR_SYNTAX when malformed. */
MUST_USE enum err scopes_narrow(struct arena *a, struct str held, struct str asked, struct str *out);

/* ── bytes from outside ── */

struct client_credentials {
	struct str id;
	struct str secret;
};
enum { CLIENT_ID_BYTES_MAX = 64, CLIENT_SECRET_BYTES_MAX = 128 };
/** HTTP Basic as RFC 6749 2.3.1 has it: both parts are form-encoded inside the base64. ERR_SYNTAX, ERR_MEMORY. */
MUST_USE enum err basic_auth_read(struct arena *a, struct str authorization, struct client_credentials *out);
/** RFC 3986 percent-encoding of all but unreserved characters; absent when the arena is full. */
struct str percent_encode(struct arena *a, struct str s);

/** What an errcode of jscode2session means to the client; ERR_NONE for 0. */
enum err wechat_login_error(int64_t errcode);
/** True when the access token has to be fetched anew. */
bool wechat_token_is_stale(int64_t errcode);

/** A contact (free text) as others see it: its first character and stars. */
struct str mask_contact(struct arena *a, struct str contact);

/** ASCII letters in lower case. */
struct str lower_case(struct arena *a, struct str s);

#endif
