/* Fields of a request and an answer, as anybody may send them: the rules end, within bounds, and agree with themselves. */
/* links: gateway */
#include <stdlib.h>

#include "gateway/cache/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 24, NOW_S = 1700000000 };

static struct http_fields read_fields(struct str text, struct http_field *items)
{
	struct str line, name;
	unsigned count = 0;
	while (count < FIELDS_MAX && str_cut(&text, '\n', &line)) {
		if (!str_cut(&line, ':', &name) || !name.n) continue;
		items[count++] = (struct http_field){ name, str_trim(line).p ? str_trim(line) : STR("") };
	}
	return (struct http_fields){ items, count };
}

static void check_policy(const struct policy *p)
{
	const int64_t most = (INT64_C(1) << 32) * 1000;
	CHECK(p->lifetime_ms >= 0 && p->initial_age_ms >= 0);
	CHECK(p->while_revalidate_ms >= 0 && p->while_revalidate_ms <= most);
	CHECK(p->if_error_ms >= 0 && p->if_error_ms <= most);
	CHECK(!p->no_cache || p->strict);
}

static void check_dates(struct http_fields f)
{
	for (unsigned i = 0; i < f.count; i++) {
		int64_t s;
		if (rules_date(f.items[i].value, NOW_S, &s)) CHECK(s >= -62167219200 && s < 253402300800 + 86400 * 31);
	}
}

static void check_ranges(struct http_fields asked, size_t size)
{
	size_t from, to;
	if (rules_range(asked, STR("\"a\""), size, &from, &to)) CHECK(from <= to && to < size);
}

/* A kept entry is found by the request that it answered, goes to bytes and comes back the same. */
static void check_entry(struct http_fields f, struct http_fields asked, const struct policy *p)
{
	struct entry *e = entry_new(&(struct entry_source){ .key = STR("k"),
	    .status = 200,
	    .fields = f,
	    .body = STR("body"),
	    .asked = asked,
	    .policy = p,
	    .got_ms = 1000000 });
	if (!e) return;
	CHECK(rules_varies_by_all(f) || entry_selects(e, asked));
	struct buf out;
	buf_init(&out, 1 << 20);
	entry_write(e, 1000000, 5, &out);
	struct entry *back = entry_read(buf_view(&out), STR("k"), &(struct entry_found){ 0 }, 1000000, 5);
	CHECK(back && str_eq(back->lines, e->lines) && back->vary_count == e->vary_count);
	CHECK(rules_varies_by_all(f) || entry_selects(back, asked));
	entry_release(back);
	entry_release(e);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_field items[FIELDS_MAX], asked_items[FIELDS_MAX];
	struct str text = str_span((const char *)data, size), head;
	struct policy p;
	struct arena a;
	if (size == 0 || size > 4096) return 0;
	arena_init(&a, 4096, 1 << 20);
	if (!str_cut(&text, 1, &head)) head = STR_NONE;
	struct http_fields asked = read_fields(head, asked_items), f = read_fields(text, items);
	rules_policy(&a, 200, f, (struct answer_times){ NOW_S * INT64_C(1000), NOW_S * INT64_C(1000) + 5 }, &p);
	check_policy(&p);
	check_dates(f);
	check_ranges(asked, size);
	(void)rules_not_modified(asked, STR("\"a\""), http_get(f, STR("last-modified")), NOW_S);
	(void)rules_keep(STR("GET"), 200, f, asked, &p, &(struct keep_options){ .heuristics = true });
	check_entry(f, asked, &p);
	struct http_fields renewed = rules_renew(&a, f, asked);
	CHECK(renewed.count <= f.count + asked.count);
	arena_release(&a);
	return 0;
}
