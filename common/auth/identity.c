/* The sealed identity: what the gateway found out about a caller, in a form that only the gateway can have made. The MAC covers
 * every byte before the last dot, and each identity has exactly one spelling. */
#include "common/auth/principal.h"

#include "common/crypto/crypto.h"

enum { PARTS = 8, MAC_TEXT_BYTES = 43, EXPIRES_TEXT_BYTES_MAX = 12 };
enum { PART_VERSION, PART_KIND, PART_SUBJECT, PART_ORGANIZATION, PART_SESSION, PART_CLIENT, PART_EXPIRES, PART_SCOPES };

static struct str or_dash(struct str part)
{
	return part.n ? part : STR("-");
}

static struct str seal_text(struct arena *a, struct str key, struct str text)
{
	unsigned char mac[SHA256_BYTES];
	hmac_sha256(key, text, mac);
	struct str encoded = base64url_encode(a, str_span((const char *)mac, sizeof mac));
	if (!encoded.p) return STR_NONE;
	return arena_printf(a, "%.*s.%.*s", STR_FMT(text), STR_FMT(encoded));
}

struct str identity_seal(struct arena *a, struct str key, const struct principal *p, int64_t now_s)
{
	CHECK(key.n >= IDENTITY_KEY_BYTES_MIN);
	if (!principal_is_valid(p) || now_s < 0) return STR_NONE;
	int64_t expires_s = now_s + IDENTITY_TTL_S;
	if (p->expires_s > 0 && p->expires_s < expires_s) expires_s = p->expires_s;
	struct str kind = principal_kind_name(p->kind), subject = or_dash(p->subject),
		   organization = or_dash(p->organization), session = or_dash(p->session), client = or_dash(p->client);
	struct str scopes = p->scopes.n ? base64url_encode(a, p->scopes) : STR("-");
	if (!scopes.p) return STR_NONE;
	struct str text = arena_printf(a, "v1.%.*s.%.*s.%.*s.%.*s.%.*s.%lld.%.*s", STR_FMT(kind), STR_FMT(subject),
	    STR_FMT(organization), STR_FMT(session), STR_FMT(client), (long long)expires_s, STR_FMT(scopes));
	return text.p ? seal_text(a, key, text) : STR_NONE;
}

/* Tries every key, so that the time does not tell which one was right. */
static bool mac_is_right(const struct str *keys, unsigned key_count, struct str text, struct str mac)
{
	bool right = false;
	for (unsigned i = 0; i < key_count; i++) {
		unsigned char expected[SHA256_BYTES];
		if (keys[i].n < IDENTITY_KEY_BYTES_MIN) continue;
		hmac_sha256(keys[i], text, expected);
		right |= crypto_equal(mac, str_span((const char *)expected, sizeof expected));
	}
	return right;
}

static struct str or_absent(struct str part)
{
	return str_eq(part, STR("-")) ? STR_NONE : part;
}

static bool parse_expires(struct str part, int64_t *out)
{
	bool canonical = part.n == 1 || (part.n && part.p[0] != '0');
	return canonical && part.n <= EXPIRES_TEXT_BYTES_MAX && str_to_i64(part, out) && *out >= 0;
}

static enum err parse(struct arena *a, struct str text, struct principal *out)
{
	struct str parts[PARTS], rest = text;
	for (int i = 0; i < PARTS; i++)
		if (!str_cut(&rest, '.', &parts[i])) return ERR_SYNTAX;
	if (rest.p || !str_eq(parts[PART_VERSION], STR("v1"))) return ERR_SYNTAX;
	struct principal p = {
		.subject = or_absent(parts[PART_SUBJECT]),
		.organization = or_absent(parts[PART_ORGANIZATION]),
		.session = or_absent(parts[PART_SESSION]),
		.client = or_absent(parts[PART_CLIENT]),
	};
	if (!principal_kind_parse(parts[PART_KIND], &p.kind) || !parse_expires(parts[PART_EXPIRES], &p.expires_s))
		return ERR_SYNTAX;
	struct str scopes = or_absent(parts[PART_SCOPES]);
	if (scopes.p) TRY(base64url_decode(a, scopes, &p.scopes));
	if ((scopes.p && p.scopes.n == 0) || !principal_is_valid(&p)) return ERR_SYNTAX;
	*out = p;
	return ERR_NONE;
}

enum err identity_open(
    struct arena *a, const struct str *keys, unsigned key_count, struct str text, int64_t now_s, struct principal *out)
{
	struct str mac;
	*out = (struct principal){ .kind = PRINCIPAL_ANONYMOUS };
	if (text.n > IDENTITY_BYTES_MAX || text.n < MAC_TEXT_BYTES + 2) return ERR_SYNTAX;
	size_t sealed_bytes = text.n - MAC_TEXT_BYTES - 1;
	if (text.p[sealed_bytes] != '.') return ERR_SYNTAX;
	TRY(base64url_decode(a, str_from(text, sealed_bytes + 1), &mac));
	struct str sealed = { text.p, sealed_bytes };
	if (!mac_is_right(keys, key_count, sealed, mac)) return ERR_SIGNATURE_INVALID;
	struct principal p;
	TRY(parse(a, sealed, &p));
	if (now_s >= p.expires_s) return ERR_TOKEN_EXPIRED;
	*out = p;
	return ERR_NONE;
}
