/* Content codings: choosing, what is worth it, round trips against foreign bytes, bombs, entity tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/core/buf.h"
#include "common/http/coding.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 8 * 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static void test_choose(void **state)
{
	static const struct {
		const char *accept;
		enum coding coding;
	} rows[] = { { NULL, CODING_IDENTITY }, { "", CODING_IDENTITY }, { "gzip", CODING_GZIP }, { "br", CODING_BR },
		{ "gzip, deflate, br", CODING_BR }, { "gzip, deflate, br, zstd", CODING_BR },
		{ "br;q=0.5, gzip", CODING_GZIP }, { "br;q=0.5, gzip;q=0.5", CODING_BR }, { "GZIP", CODING_GZIP },
		{ "x-gzip", CODING_GZIP }, { "*", CODING_BR }, { "br;q=0, *", CODING_GZIP },
		{ "*;q=0", CODING_IDENTITY }, { "gzip;q=0", CODING_IDENTITY }, { "gzip;q=0.001", CODING_GZIP },
		{ "identity", CODING_IDENTITY }, { "identity, gzip;q=0.9", CODING_IDENTITY },
		{ "identity;q=0.9, gzip", CODING_GZIP }, { "identity;q=0.5, *;q=0.2", CODING_IDENTITY },
		{ "gzip;q=1.001", CODING_IDENTITY }, { "gzip;q=", CODING_IDENTITY }, { "gzip;q=2", CODING_IDENTITY },
		{ "gzip;x=1", CODING_IDENTITY }, { "gzip;", CODING_IDENTITY },
		{ "gzip ; q=0.5 , , br ;q=0.4", CODING_GZIP }, { "gzipped", CODING_IDENTITY },
		{ "deflate", CODING_IDENTITY }, { "gzip;Q=1.000", CODING_GZIP }, { ";q=1", CODING_IDENTITY } };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (coding_choose(str_of(rows[i].accept)) != rows[i].coding) fail_msg("%s", rows[i].accept);
}

static void test_parse(void **state)
{
	enum coding c;
	(void)state;
	assert_true(coding_parse(STR_NONE, &c) && c == CODING_IDENTITY);
	assert_true(coding_parse(STR(" Gzip "), &c) && c == CODING_GZIP);
	assert_true(coding_parse(STR("br"), &c) && c == CODING_BR);
	assert_false(coding_parse(STR("gzip, br"), &c));
	assert_false(coding_parse(STR("deflate"), &c));
	assert_true(str_eq(coding_name(CODING_GZIP), STR("gzip")));
}

static void test_suits(void **state)
{
	static const char *const yes[] = { "application/json", "application/problem+json", "text/html; charset=utf-8",
		"image/svg+xml", "Application/Ld+Json;profile=x", "application/rdf+xml", "text/csv" };
	static const char *const no[] = { "", "text/event-stream", "text/event-stream;charset=utf-8", "image/png",
		"application/octet-stream", "application/zip", "application/jsonx", "+xml" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) assert_true(coding_suits(str_of(yes[i])));
	for (size_t i = 0; i < ARRAY_LEN(no); i++) assert_false(coding_suits(str_of(no[i])));
}

static struct str text_of(size_t lines)
{
	struct buf b;
	buf_init(&b, 4 * 1024 * 1024);
	for (size_t i = 0; i < lines; i++) buf_printf(&b, "{\"id\":%zu,\"name\":\"item %zu\"}\n", i, i * 7919 % 1000);
	struct str out = arena_str(&arena, buf_view(&b));
	buf_free(&b);
	return out;
}

static void test_round_trip(void **state)
{
	(void)state;
	for (size_t lines = 1; lines <= 10000; lines *= 10) {
		struct str text = text_of(lines), coded, again;
		for (int c = CODING_GZIP; c < CODING_COUNT; c++) {
			coded = coding_compress(&arena, (enum coding)c, text);
			if (lines == 1 && !coded.p) continue;
			assert_true(coded.n > 0 && coded.n < text.n);
			assert_int_equal(coding_decompress(&arena, (enum coding)c, coded, text.n, &again), ERR_NONE);
			assert_true(str_eq(again, text));
			assert_true(str_eq(coded, coding_compress(&arena, (enum coding)c, text)));
			assert_int_equal(coding_decompress(&arena, (enum coding)c, coded, text.n - 1, &again),
			    ERR_PAYLOAD_TOO_LARGE);
			for (size_t cut = 0; cut < coded.n; cut += coded.n / 7 + 1)
				assert_int_equal(
				    coding_decompress(&arena, (enum coding)c, str_span(coded.p, cut), text.n, &again),
				    ERR_MALFORMED_REQUEST);
			struct str longer = arena_printf(&arena, "%.*s", 0, "");
			char *bytes = arena_alloc(&arena, coded.n + 1);
			memcpy(bytes, coded.p, coded.n);
			longer = str_span(bytes, coded.n + 1);
			assert_int_equal(coding_decompress(&arena, (enum coding)c, longer, text.n + 100, &again),
			    ERR_MALFORMED_REQUEST);
		}
	}
	assert_null(coding_compress(&arena, CODING_IDENTITY, STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaa")).p);
	assert_null(coding_compress(&arena, CODING_GZIP, STR("abc")).p);
	assert_null(coding_compress(&arena, CODING_BR, STR("")).p);
}

/* Bytes that other programs made: `printf hello | gzip -n9`, twice, and `| brotli -c`. */
static void test_foreign(void **state)
{
#define GZIP_HELLO                                                                                                     \
	"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00"
	struct str out;
	(void)state;
	assert_int_equal(coding_decompress(&arena, CODING_GZIP, STR(GZIP_HELLO), 5, &out), ERR_NONE);
	assert_true(str_eq(out, STR("hello")));
	assert_int_equal(coding_decompress(&arena, CODING_GZIP, STR(GZIP_HELLO GZIP_HELLO), 10, &out), ERR_NONE);
	assert_true(str_eq(out, STR("hellohello")));
	assert_int_equal(coding_decompress(&arena, CODING_BR, STR("\x0f\x02\x80hello\x03"), 5, &out), ERR_NONE);
	assert_true(str_eq(out, STR("hello")));
	assert_int_equal(coding_decompress(&arena, CODING_BR, STR("\x3f"), 5, &out), ERR_NONE);
	assert_true(out.p && out.n == 0);
	assert_int_equal(coding_decompress(&arena, CODING_GZIP, STR("hello"), 5, &out), ERR_MALFORMED_REQUEST);
	assert_int_equal(coding_decompress(&arena, CODING_GZIP, STR(""), 5, &out), ERR_MALFORMED_REQUEST);
	assert_int_equal(coding_decompress(&arena, CODING_IDENTITY, STR("hello"), 5, &out), ERR_NONE);
	assert_int_equal(coding_decompress(&arena, CODING_IDENTITY, STR("hello"), 4, &out), ERR_PAYLOAD_TOO_LARGE);
}

static void test_bomb(void **state)
{
	enum { BOMB_BYTES = 8 * 1024 * 1024 };
	char *zeros = calloc(1, BOMB_BYTES);
	struct str out, coded;
	(void)state;
	for (int c = CODING_GZIP; c < CODING_COUNT; c++) {
		coded = coding_compress(&arena, (enum coding)c, str_span(zeros, BOMB_BYTES));
		assert_true(coded.n < BOMB_BYTES / 500);
		/* the ratio stops it, though the limit would let it through */
		assert_int_equal(
		    coding_decompress(&arena, (enum coding)c, coded, BOMB_BYTES, &out), ERR_PAYLOAD_TOO_LARGE);
	}
	free(zeros);
}

static void test_etags(void **state)
{
	struct str etag = STR("\"v1\"");
	(void)state;
	assert_true(str_eq(coding_etag(&arena, etag, CODING_IDENTITY), etag));
	assert_true(str_eq(coding_etag(&arena, etag, CODING_GZIP), STR("\"v1~gzip\"")));
	assert_true(str_eq(coding_etag(&arena, STR("W/\"v1\""), CODING_BR), STR("W/\"v1~br\"")));
	assert_true(str_eq(coding_etags_plain(&arena, etag), etag));
	assert_true(str_eq(coding_etags_plain(&arena, STR("\"v1~br\", W/\"v2~gzip\" ,\"~\",\"a~br~x\", *")),
	    STR("\"v1\", W/\"v2\" ,\"~\",\"a~br~x\", *")));
	assert_true(str_eq(coding_etag_match(STR("\"v0\", \"v1~br\""), etag), STR("\"v1~br\"")));
	assert_true(str_eq(coding_etag_match(STR("\"v1\""), etag), etag));
	assert_null(coding_etag_match(STR("\"v1~x\", \"v\", *"), etag).p);
	assert_null(coding_etag_match(STR_NONE, etag).p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_choose), cmocka_unit_test(test_parse),
		cmocka_unit_test(test_suits), cmocka_unit_test(test_round_trip), cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_bomb), cmocka_unit_test(test_etags) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
