/* What of a donor is shown: masked by default, the alias if he wants one, never the name itself. */
#include "services/donations/rules.h"

#include "common/core/utf8.h"
#include "common/crypto/secret.h"

static bool is_space(uint32_t c)
{
	return c == ' ' || c == 0x3000 || c == 0xa0 || (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
	       c == 0x205f || c == 0xfeff;
}

/* No control characters, nothing that turns the direction of the text around, and something to see. */
static bool is_showable(struct str s)
{
	size_t at = 0;
	bool seen = false;
	if (!utf8_valid(s)) return false;
	while (at < s.n) {
		uint32_t c = utf8_next(s, &at);
		if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
			return false;
		if (!is_space(c)) seen = true;
	}
	return seen;
}

const char *rules_shown_name(struct arena *a, const struct gift_names *n, struct str *shown)
{
	bool alias = str_eq(n->disclosure, STR("ALIAS")), named = str_eq(n->disclosure, STR("NAMED"));
	*shown = STR_NONE;
	if (alias && !n->alias.p) return "gift-alias-missing";
	if (named && !n->real_name.p) return "gift-name-missing";
	if (n->alias.p && !alias) return "gift-alias-unexpected";
	if ((n->alias.p && !is_showable(n->alias)) || (n->real_name.p && !is_showable(n->real_name)))
		return "gift-name-unusable";
	if (alias) *shown = n->alias;
	if (named) *shown = mask_name(a, n->real_name);
	return NULL;
}
