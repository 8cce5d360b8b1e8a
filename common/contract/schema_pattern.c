/* Regular expressions of `pattern`: PCRE2 in UTF mode, read as close to ECMA-262 as it can, with a bound on the work of a match.
 * An expression that runs into the bound does not match: refusing is the safe side. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/contract/schema_node.h"

enum { MATCH_LIMIT = 100000, DEPTH_LIMIT = 1000, PATTERN_BYTES_MAX = 1024 };

struct pattern {
	pcre2_code *code;
};

static void free_code(void *code)
{
	pcre2_code_free(code);
}

const struct pattern *pattern_compile(struct arena *boot, struct str text, const char **why)
{
	static _Thread_local PCRE2_UCHAR message[128];
	int number;
	PCRE2_SIZE at;
	*why = "is too long";
	if (text.n > PATTERN_BYTES_MAX) return NULL;
	uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
			   PCRE2_MATCH_UNSET_BACKREF | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_NEVER_BACKSLASH_C;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)text.p, text.n, options, &number, &at, NULL);
	if (!code) {
		pcre2_get_error_message(number, message, sizeof message);
		*why = (const char *)message;
		return NULL;
	}
	struct pattern *p = ARENA_NEW(boot, struct pattern);
	*why = "does not fit the memory";
	arena_on_release(boot, free_code, code);
	if (!p) return NULL;
	p->code = code;
	return p;
}

bool pattern_matches(const struct pattern *p, struct str text)
{
	static _Thread_local pcre2_match_data *data;
	static _Thread_local pcre2_match_context *context;
	if (!data) {
		data = pcre2_match_data_create(1, NULL);
		context = pcre2_match_context_create(NULL);
		CHECK(data && context);
		pcre2_set_match_limit(context, MATCH_LIMIT);
		pcre2_set_depth_limit(context, DEPTH_LIMIT);
	}
	return pcre2_match(p->code, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0, PCRE2_NO_UTF_CHECK, data, context) >=
	       0;
}

bool pattern_is_bounded(struct str text)
{
	bool in_class = false;
	if (text.n < 2 || text.p[0] != '^' || text.p[text.n - 1] != '$' || text.p[text.n - 2] == '\\') return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '\\')
			i++;
		else if (c == '[')
			in_class = true;
		else if (c == ']')
			in_class = false;
		else if (!in_class && (c == '*' || c == '+' || c == '|'))
			return false;
		else if (!in_class && c == ',' && i + 1 < text.n && text.p[i + 1] == '}')
			return false;
	}
	return true;
}
