/* A kept answer in another coding is an answer of its own, with its own lines and entity tag, that hangs on the first: so conditions,
 * ranges and lengths are right by themselves. */
#include "gateway/cache/entry.h"

bool entry_wants_coding(struct entry *e, enum coding c)
{
	if (c == CODING_IDENTITY || !e->may_be_coded || e->codings_tried & 1u << c) return false;
	e->codings_tried |= 1u << c;
	return true;
}

static bool is_etag(struct str name)
{
	return name.n == 4 && str_eq_ci(name, STR("etag"));
}

static struct entry *make(const struct entry *e, enum coding c, struct str body, struct arena *a)
{
	unsigned count = e->fields.count;
	struct http_field *items = arena_array(a, count + 2, sizeof *items);
	if (!items) return NULL;
	for (unsigned i = 0; i < count; i++) {
		items[i] = e->fields.items[i];
		if (is_etag(items[i].name)) items[i].value = coding_etag(a, items[i].value, c);
	}
	items[count++] = (struct http_field){ STR("Content-Encoding"), coding_name(c) };
	items[count++] = (struct http_field){ STR("Vary"), STR("Accept-Encoding") };
	if (a->overflow) return NULL;
	return entry_new(&(struct entry_source){ .key = e->key,
	    .status = e->status,
	    .reason = e->reason,
	    .fields = { items, count },
	    .body = body,
	    .policy = &e->policy,
	    .got_ms = e->born_ms + e->policy.initial_age_ms,
	    .got_wall_us = e->got_wall_us });
}

/* The entry has paid for its body once more: for both codings together. */
void entry_set_coded(struct entry *e, enum coding c, struct str body)
{
	struct arena a;
	if (!body.p || body.n > e->body->n / 2 || e->coded[c]) return;
	arena_init(&a, 4096, 1024 * 1024);
	e->coded[c] = make(e, c, body, &a);
	arena_release(&a);
}
