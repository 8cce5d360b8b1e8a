#ifndef COMMON_AUTH_PRINCIPAL_H
#define COMMON_AUTH_PRINCIPAL_H

#include "common/core/arena.h"
#include "common/core/err.h"

enum principal_kind { PRINCIPAL_ANONYMOUS, PRINCIPAL_CITIZEN, PRINCIPAL_STAFF, PRINCIPAL_PARTNER, PRINCIPAL_SYSTEM };

/** Who is asking. Strings are borrowed from whatever it was read from. */
struct principal {
	enum principal_kind kind;
	struct str subject; /* uuid of person, staff member or partner; absent when anonymous */
	struct str organization; /* path of the unit: "4412", "4412/441223"; absent without one */
	struct str scopes; /* space-separated */
	struct str session; /* uuid of the login session, or the key's id */
	struct str client; /* client_id of the application */
	struct str
	    certificates; /* RFC 8705: thumbprints of the client certificates that the credential is bound to, space-separated; absent: to none */
	int64_t expires_s; /* of the credential */
};

struct str principal_kind_name(enum principal_kind k); /* "anonymous", "citizen", "staff", "partner", "system" */
bool principal_kind_parse(struct str s, enum principal_kind *out);
bool scope_has(struct str scopes, struct str scope);
/**
 * True when every part fits the sealed identity: [A-Za-z0-9_:/-], at most 128 bytes, not "-" alone; scopes printable, at most 1024
 * bytes, single spaces. Tokens with other parts are neither signed nor accepted.
 */
bool principal_is_valid(const struct principal *p);
/** True when `unit` is `scope` or below it: "4412/441223" is in "4412". */
bool organization_within(struct str unit, struct str scope);

enum { IDENTITY_TTL_S = 60, IDENTITY_BYTES_MAX = 2048 };

/**
 * The gateway's statement to a service, header X-Yangguang-Identity:
 *   v1.<kind>.<subject>.<organization>.<session>.<client>.<expires unix s>.<base64url(scopes)>.<base64url(HMAC-SHA256 of all before)>
 * '-' stands for an absent part. Valid IDENTITY_TTL_S seconds, or until the credential expires (0: it does not) if that is sooner.
 * Keys: current and previous, so that they can be rotated; at least IDENTITY_KEY_BYTES_MIN long. Absent when p is not valid.
 */
enum { IDENTITY_KEY_BYTES_MIN = 16 };
struct str identity_seal(struct arena *a, struct str key, const struct principal *p, int64_t now_s);
/** ERR_SIGNATURE_INVALID, ERR_TOKEN_EXPIRED, ERR_SYNTAX. out->expires_s is that of the identity. Scopes are decoded into the arena, the rest is borrowed from text. */
MUST_USE enum err identity_open(
    struct arena *a, const struct str *keys, unsigned key_count, struct str text, int64_t now_s, struct principal *out);

#endif
