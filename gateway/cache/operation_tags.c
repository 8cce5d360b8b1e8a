/* From the contract's templates and a service's Cache-Tag to the tags of one exchange. Pure. */
#include "gateway/cache/operation_tags.h"

static struct str make(
    const struct operation *op, struct str template, const struct str *values, unsigned count, struct arena *a)
{
	char out[CONTRACT_TAG_BYTES_MAX];
	struct str tag = contract_tag(op, template, values, count, out);
	return tag.p == out ? arena_str(a, tag) : tag;
}

static bool add_field(struct operation_tags *t, struct str list, unsigned most)
{
	struct str tag;
	while (str_cut(&list, ',', &tag)) {
		tag = str_trim(tag);
		if (tag.n == 0) continue;
		if (t->count == most || !tag_is_valid(tag) || str_eq(tag, TAG_ALL)) return false;
		t->items[t->count++] = tag;
	}
	return true;
}

bool operation_tags_of_answer(const struct operation *op, const struct str *path_values, unsigned path_value_count,
    struct http_fields answer, struct arena *a, unsigned most, struct operation_tags *out)
{
	out->count = 0;
	if (most > TAGS_PER_ENTRY_MAX || op->cache_tag_count > most) return false;
	for (unsigned i = 0; i < op->cache_tag_count; i++) {
		struct str tag = make(op, op->cache_tags[i], path_values, path_value_count, a);
		if (!tag.p) return false;
		out->items[out->count++] = tag;
	}
	for (unsigned i = 0; i < answer.count; i++)
		if (answer.items[i].name.n == 9 && str_eq_ci(answer.items[i].name, STR("cache-tag")) &&
		    !add_field(out, arena_str(a, answer.items[i].value), most))
			return false;
	return !a->overflow;
}

void operation_tags_to_purge(const struct operation *op, const struct str *path_values, unsigned path_value_count,
    struct arena *a, struct operation_tags *out)
{
	out->count = 0;
	for (unsigned i = 0; i < op->purge_count && out->count < TAGS_PER_ENTRY_MAX; i++) {
		struct str tag = make(op, op->purges[i], path_values, path_value_count, a);
		if (tag.p) out->items[out->count++] = tag;
	}
}
