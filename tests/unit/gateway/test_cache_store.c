/* Entries and the first level: variants, bounds, what survives a scan, and the way to bytes and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/core/id.h"
#include "gateway/cache/store.h"

static struct str text(const char *word, int n)
{
	static char out[8][64];
	static unsigned turn;
	char *p = out[turn++ % ARRAY_LEN(out)];
	int len = snprintf(p, sizeof out[0], "%s%d", word, n);
	return str_span(p, (size_t)len);
}

static struct entry *make(struct str key, struct http_fields fields, struct http_fields asked, struct str body)
{
	struct policy p = { .lifetime_ms = 60000, .initial_age_ms = 2000, .storable = true };
	struct entry *e = entry_new(&(struct entry_source){ .key = key,
	    .status = 200,
	    .fields = fields,
	    .body = body,
	    .asked = asked,
	    .policy = &p,
	    .got_ms = 10000,
	    .got_wall_us = 1 });
	assert_non_null(e);
	return e;
}

static void put(struct store *s, struct str key, size_t bytes)
{
	char *body = calloc(1, bytes + 1);
	struct entry *e = make(key, (struct http_fields){ 0 }, (struct http_fields){ 0 }, str_span(body, bytes));
	(void)store_put(s, e, (struct http_fields){ 0 });
	entry_release(e);
	free(body);
}

static bool has(struct store *s, struct str key)
{
	return store_find(s, id_hash(key), key, (struct http_fields){ 0 }) != NULL;
}

static void makes_lines_ready_to_send(void **unused)
{
	(void)unused;
	struct http_field items[] = { { STR("Age"), STR("7") }, { STR("Content-type"), STR("a/b") },
		{ STR("ETag"), STR("\"e\"") }, { STR("Secret"), STR("x") }, { STR("content-length"), STR("99") },
		{ STR("Content-Location"), STR("/l") }, { STR("Content-Encoding"), STR("br") },
		{ STR("Date"), STR("d") } };
	struct policy p = { .hidden = STR("a, secret"), .initial_age_ms = 2000 };
	struct entry_source s = { .key = STR("k"),
		.status = 200,
		.fields = { items, ARRAY_LEN(items) },
		.body = STR("hello"),
		.policy = &p,
		.got_ms = 10000 };
	struct entry *e = entry_new(&s);
	struct str brief = STR("ETag: \"e\"\r\nContent-Location: /l\r\nDate: d\r\n");
	struct str bare =
	    STR("ETag: \"e\"\r\nContent-Location: /l\r\nDate: d\r\nContent-type: a/b\r\nContent-Encoding: br\r\n");
	assert_true(str_eq(str_span(e->lines.p, e->lines_brief_n), brief));
	assert_true(str_eq(str_span(e->lines.p, e->lines_bare_n), bare));
	assert_true(str_eq(str_from(e->lines, bare.n), STR("Content-Length: 5\r\n")));
	assert_int_equal(entry_age_ms(e, 11500), 3500);
	items[0] = (struct http_field){ STR("X"), STR("a\r\nSet-Cookie: b") };
	assert_null(entry_new(&s));
	items[0] = (struct http_field){ STR("X: y\r\nZ"), STR("a") };
	assert_null(entry_new(&s));
	entry_release(e);
}

static void keeps_variants_apart(void **unused)
{
	(void)unused;
	struct store *s = store_new(1 << 20, 0);
	struct http_fields vary = { &(struct http_field){ STR("Vary"), STR("Foo") }, 1 };
	for (int i = 0; i < STORE_VARIANTS_MAX + 5; i++) {
		struct http_fields asked = { &(struct http_field){ STR("foo"), text("", i) }, 1 };
		struct entry *e = make(STR("k"), vary, asked, text("body ", i));
		assert_true(store_put(s, e, asked));
		entry_release(e);
	}
	assert_int_equal(store_stats(s).entries, STORE_VARIANTS_MAX);
	struct http_fields last = { &(struct http_field){ STR("Foo"), STR("20") }, 1 };
	struct entry *e = store_find(s, id_hash(STR("k")), STR("k"), last);
	assert_true(e && str_eq(entry_body(e), STR("body 20")));
	struct http_fields first = { &(struct http_field){ STR("Foo"), STR("0") }, 1 };
	assert_null(store_find(s, id_hash(STR("k")), STR("k"), first));
	struct entry *again = make(STR("k"), vary, last, STR("newer"));
	assert_true(store_put(s, again, last));
	entry_release(again);
	assert_int_equal(store_stats(s).entries, STORE_VARIANTS_MAX);
	assert_int_equal(store_drop(s, STR("k")), STORE_VARIANTS_MAX);
	assert_int_equal(store_stats(s).bytes, 0);
	store_free(s);
}

static void compares_the_whole_key(void **unused)
{
	(void)unused;
	struct store *s = store_new(1 << 20, 0);
	put(s, STR("one"), 10);
	/* the same hash, another key */
	assert_null(store_find(s, id_hash(STR("one")), STR("two"), (struct http_fields){ 0 }));
	assert_true(has(s, STR("one")));
	store_free(s);
}

static void stays_within_its_bytes(void **unused)
{
	(void)unused;
	struct store *s = store_new(256 * 1024, 0);
	for (int i = 0; i < 5000; i++) {
		put(s, text("k", i), (size_t)(i * 37 % 3000));
		assert_true(store_stats(s).bytes <= 256 * 1024);
	}
	assert_true(store_stats(s).entries > 20 && store_stats(s).evictions > 1000);
	put(s, STR("big"), 200 * 1024);
	assert_false(has(s, STR("big")));
	store_free(s);
}

static void a_scan_drives_nothing_out(void **unused)
{
	(void)unused;
	struct store *s = store_new(512 * 1024, 0);
	for (int i = 0; i < 50; i++) put(s, text("hot", i), 1000);
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 50; i++) (void)has(s, text("hot", i));
		for (int i = 0; i < 200; i++) put(s, text("cold", round * 200 + i), 1000);
	}
	int kept = 0;
	for (int i = 0; i < 50; i++) kept += has(s, text("hot", i));
	assert_int_equal(kept, 50);
	store_free(s);
}

static void replaces_only_what_is_there(void **unused)
{
	(void)unused;
	struct store *s = store_new(1 << 20, 0);
	struct http_fields none = { 0 };
	struct entry *old = make(STR("k"), none, none, STR("old")), *e = make(STR("k"), none, none, STR("new"));
	assert_true(store_put(s, old, none));
	assert_true(store_replace(s, old, e));
	assert_true(str_eq(entry_body(store_find(s, id_hash(STR("k")), STR("k"), none)), STR("new")));
	assert_false(store_replace(s, old, e));
	assert_true(str_eq(entry_body(old), STR("old"))); /* whoever holds it can still send it */
	entry_release(old);
	entry_release(e);
	store_free(s);
}

static void goes_to_bytes_and_back(void **unused)
{
	(void)unused;
	struct http_field items[] = { { STR("Vary"), STR("A, B, Accept-Language") }, { STR("ETag"), STR("\"e\"") } };
	struct http_field asked_items[] = { { STR("a"), STR("1 , 2") },
		{ STR("accept-language"), STR("zh, EN;q=0.1") } };
	struct http_fields asked = { asked_items, 2 };
	struct str tags[] = { STR("gifts") };
	struct entry_found found = { .tags = tags, .tag_count = 1, .stamp = { .seq = 7 }, .response_time_us = 5 };
	struct policy p = { .lifetime_ms = 60000, .if_error_ms = 5000, .strict = true, .explicit_lifetime = true };
	struct entry *e = entry_new(&(struct entry_source){ .key = STR("key"),
	    .status = 299,
	    .reason = STR("Fine"),
	    .fields = { items, 2 },
	    .body = STR("body"),
	    .asked = asked,
	    .tags = tags,
	    .tag_count = 1,
	    .policy = &p,
	    .got_ms = 1000 });
	struct buf out;
	buf_init(&out, 1 << 16);
	entry_write(e, 4000, 100000, &out);
	struct entry *back = entry_read(buf_view(&out), STR("key"), &found, 9000, 102000);
	assert_non_null(back);
	assert_int_equal(back->status, 299);
	assert_true(str_eq(back->reason, STR("Fine")));
	assert_true(str_eq(back->lines, e->lines));
	assert_true(str_eq(entry_body(back), STR("body")));
	assert_int_equal(entry_age_ms(back, 9000), 5000); /* 3 s when written, 2 s on the way */
	assert_true(back->policy.strict && back->policy.explicit_lifetime && !back->policy.no_cache);
	assert_int_equal(back->policy.if_error_ms, 5000);
	assert_int_equal(back->tag_count, 1);
	assert_int_equal(back->stamp.seq, 7);
	assert_true(entry_selects(back, asked));
	assert_false(entry_selects(back, (struct http_fields){ 0 }));
	entry_release(back);
	assert_null(entry_read(buf_view(&out), STR("kez"), &found, 9000, 102000));
	for (size_t n = 0; n < out.n; n++)
		assert_null(entry_read(str_span(out.p, n), STR("key"), &found, 9000, 102000));
	/* a clock that is behind makes nothing younger */
	back = entry_read(buf_view(&out), STR("key"), &found, 9000, 1);
	assert_int_equal(entry_age_ms(back, 9000), 3000);
	entry_release(back);
	entry_release(e);
	buf_free(&out);
}

/* What no-cache="…" names is hidden in the second level and in another coding as it is in the first. */
static void hides_everywhere(void **unused)
{
	(void)unused;
	char body[4096] = { 0 };
	struct http_field items[] = { { STR("Secret"), STR("x") }, { STR("Content-Type"), STR("text/plain") } };
	struct policy p = { .hidden = STR("a , SECRET"), .lifetime_ms = 1000 };
	struct entry *e = entry_new(&(struct entry_source){ .key = STR("k"),
	    .status = 200,
	    .fields = { items, 2 },
	    .body = str_span(body, sizeof body),
	    .policy = &p,
	    .may_be_coded = true });
	p.hidden = STR("what the source had may go");
	struct buf out;
	buf_init(&out, 1 << 16);
	entry_write(e, 0, 0, &out);
	struct entry *back = entry_read(buf_view(&out), STR("k"), &(struct entry_found){ 0 }, 0, 0);
	assert_true(str_eq(back->lines, e->lines));
	assert_null(http_get(back->fields, STR("secret")).p);
	assert_true(entry_wants_coding(e, CODING_GZIP));
	entry_set_coded(e, CODING_GZIP, STR("small"));
	assert_ptr_not_equal(entry_in_coding(e, CODING_GZIP), e);
	assert_null(memmem(e->coded[CODING_GZIP]->lines.p, e->coded[CODING_GZIP]->lines.n, "Secret", 6));
	entry_release(back);
	/* An age past all sense is refused, not carried on: it could not be written again. */
	for (size_t i = 0; i < 8; i++) out.p[1 + 8 + 1 + 8 + i] = i < 7 ? (char)0xff : 0x0f;
	back = entry_read(buf_view(&out), STR("k"), &(struct entry_found){ 0 }, 0, 0);
	assert_non_null(back);
	entry_release(back);
	assert_null(entry_read(buf_view(&out), STR("k"), &(struct entry_found){ 0 }, 0, 1000));
	entry_release(e);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_lines_ready_to_send),
		cmocka_unit_test(keeps_variants_apart),
		cmocka_unit_test(compares_the_whole_key),
		cmocka_unit_test(stays_within_its_bytes),
		cmocka_unit_test(a_scan_drives_nothing_out),
		cmocka_unit_test(replaces_only_what_is_there),
		cmocka_unit_test(goes_to_bytes_and_back),
		cmocka_unit_test(hides_everywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
