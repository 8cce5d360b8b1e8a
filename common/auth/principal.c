/* Who is asking: names of kinds, scopes, units, and what characters the parts may have. */
#include "common/auth/principal.h"

enum { PART_BYTES_MAX = 128, SCOPES_BYTES_MAX = 1024, THUMBPRINT_BYTES = 43, CERTIFICATES_BYTES_MAX = 8 * 44 };

static const struct str kinds[] = {
	[PRINCIPAL_ANONYMOUS] = { "anonymous", 9 },
	[PRINCIPAL_CITIZEN] = { "citizen", 7 },
	[PRINCIPAL_STAFF] = { "staff", 5 },
	[PRINCIPAL_PARTNER] = { "partner", 7 },
	[PRINCIPAL_SYSTEM] = { "system", 6 },
};

struct str principal_kind_name(enum principal_kind k)
{
	CHECK((size_t)k < ARRAY_LEN(kinds));
	return kinds[k];
}

bool principal_kind_parse(struct str s, enum principal_kind *out)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!str_eq(s, kinds[i])) continue;
		*out = (enum principal_kind)i;
		return true;
	}
	return false;
}

bool scope_has(struct str scopes, struct str scope)
{
	return scope.n > 0 && str_list_has(scopes, ' ', scope);
}

bool organization_within(struct str unit, struct str scope)
{
	if (scope.n == 0 || !str_starts(unit, scope)) return false;
	return unit.n == scope.n || (unit.p[scope.n] == '/' && unit.n > scope.n + 1);
}

static bool is_part(struct str s)
{
	if (!s.p) return true;
	if (s.n == 0 || s.n > PART_BYTES_MAX || str_eq(s, STR("-"))) return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
			  c == ':' || c == '/' || c == '-';
		if (!ok) return false;
	}
	return true;
}

/* RFC 6749 3.3: printable ASCII but '"' and '\', tokens between single spaces. */
static bool is_scopes(struct str s)
{
	if (s.n > SCOPES_BYTES_MAX) return false;
	if (s.n && (s.p[0] == ' ' || s.p[s.n - 1] == ' ')) return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c < ' ' || c > '~' || c == '"' || c == '\\') return false;
		if (c == ' ' && s.p[i - 1] == ' ') return false;
	}
	return true;
}

/* Thumbprints are base64url of SHA-256, so two never run together. */
static bool is_thumbprints(struct str s)
{
	struct str rest = s, one;
	if (s.n > CERTIFICATES_BYTES_MAX) return false;
	while (s.n && str_cut(&rest, ' ', &one))
		if (one.n != THUMBPRINT_BYTES || !is_part(one)) return false;
	return true;
}

bool principal_is_valid(const struct principal *p)
{
	return (size_t)p->kind < ARRAY_LEN(kinds) && is_part(p->subject) && is_part(p->organization) &&
	       is_part(p->session) && is_part(p->client) && is_scopes(p->scopes) && is_thumbprints(p->certificates);
}
