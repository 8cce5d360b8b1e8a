/* Tags of cached answers: texts of the contract with path parameters in them, made into the tags of one request. */
#include "common/contract/load.h"

#include "common/core/id.h"

static bool is_tag_byte(char c)
{
	return c > ' ' && c <= '~' && c != ',' && c != '"' && c != '\\';
}

/* "{name}" at the front of *rest, taken off; absent when it is not closed. */
static struct str take_name(struct str *rest)
{
	ptrdiff_t end = str_index(*rest, '}');
	if (end < 1) return STR_NONE;
	struct str name = str_span(rest->p + 1, (size_t)end - 1);
	*rest = str_from(*rest, (size_t)end + 1);
	return name;
}

/* Index among the path parameters, which come first, or -1. */
static int path_parameter(const struct operation *op, struct str name)
{
	for (unsigned i = 0; i < op->parameter_count && op->parameters[i].in == IN_PATH; i++)
		if (str_eq(op->parameters[i].name, name)) return (int)i;
	return -1;
}

void load_check_tags(struct loader *l, const struct document *in, const struct operation *op, const char *key,
    const struct str *tags, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct str rest = tags[i], name;
		bool good = rest.n > 0 && rest.n <= CONTRACT_TAG_BYTES_MAX && !str_eq(rest, STR("*"));
		while (good && rest.n) {
			if (rest.p[0] == '{') {
				name = take_name(&rest);
				good = name.p && path_parameter(op, name) >= 0;
			} else {
				good = is_tag_byte(rest.p[0]) && rest.p[0] != '}';
				rest = str_from(rest, 1);
			}
		}
		if (!good)
			load_fault(l, in->root, op->node,
			    "%s: %.*s is no tag (visible ASCII without space, comma, quote and backslash; {names} of "
			    "path "
			    "parameters; not *)",
			    key, STR_FMT(tags[i]));
	}
}

/* UUIDs may be written in both cases and mean the same. */
static bool put_value(struct str value, char *out, size_t *n)
{
	bool uuid = id_is_uuid(value);
	if (value.n == 0 || value.n > CONTRACT_TAG_BYTES_MAX - *n) return false;
	for (size_t i = 0; i < value.n; i++) {
		if (!is_tag_byte(value.p[i])) return false;
		out[(*n)++] = uuid && value.p[i] >= 'A' && value.p[i] <= 'F' ? (char)(value.p[i] | 0x20) : value.p[i];
	}
	return true;
}

struct str contract_tag(const struct operation *op, struct str template, const struct str *path_values, unsigned count,
    char out[CONTRACT_TAG_BYTES_MAX])
{
	size_t n = 0;
	if (str_index(template, '{') < 0) return template;
	for (struct str rest = template; rest.n;) {
		if (rest.p[0] == '{') {
			int index = path_parameter(op, take_name(&rest));
			if (index < 0 || (unsigned)index >= count || !put_value(path_values[index], out, &n))
				return STR_NONE;
		} else {
			if (n == CONTRACT_TAG_BYTES_MAX) return STR_NONE;
			out[n++] = rest.p[0];
			rest = str_from(rest, 1);
		}
	}
	return str_span(out, n);
}
