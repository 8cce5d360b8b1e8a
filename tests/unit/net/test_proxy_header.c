/* PROXY protocol v2: each row is a head and what it says, or that it says nothing we take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/net/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\xc0\x00\x02\x01\x7f\x00\x00\x01\xc3\x50\x00\x50"
#define V6                                                                                                             \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                                                                   \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xc3\x50\x00\x50"
#define MAPPED                                                                                                         \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x09"                                                                 \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xc3\x50\x00\x50"
#define EIGHT "\0/a.sock"
#define UNIX                                                                                                           \
	EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT    \
	    EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT
#define ROW(state, source, bytes)                                                                                      \
	{                                                                                                              \
		bytes, sizeof(bytes) - 1, state, source                                                                \
	}

struct row {
	const char *bytes;
	size_t n;
	enum proxy_header_state state;
	const char *source;
};

static const struct row rows[] = {
	ROW(PROXY_HEADER_DONE, "192.0.2.1", SIGNATURE "\x21\x11\x00\x0c" V4),
	ROW(PROXY_HEADER_DONE, "192.0.2.1", SIGNATURE "\x21\x11\x00\x0c" V4 "GET / HTTP/1.1\r\n"),
	ROW(PROXY_HEADER_DONE, "2001:db8::7", SIGNATURE "\x21\x21\x00\x24" V6),
	ROW(PROXY_HEADER_DONE, "192.0.2.9", SIGNATURE "\x21\x21\x00\x24" MAPPED),
	ROW(PROXY_HEADER_DONE, "", SIGNATURE "\x20\x00\x00\x00"), /* LOCAL: the proxy asks how we are */
	ROW(PROXY_HEADER_DONE, "", SIGNATURE "\x20\x11\x00\x0c" V4),
	ROW(PROXY_HEADER_DONE, "", SIGNATURE "\x20\x99\x00\x03\x01\x02\x03"), /* its family is not looked at */
	ROW(PROXY_HEADER_DONE, "unknown", SIGNATURE "\x21\x00\x00\x00"), /* it does not say */
	ROW(PROXY_HEADER_DONE, "unknown", SIGNATURE "\x21\x00\x00\x0c" V4), /* it does not say, whatever stands there */
	ROW(PROXY_HEADER_DONE, "unknown", SIGNATURE "\x21\x00\x00\x03\x01\x02\x03"),
	ROW(PROXY_HEADER_DONE, "unknown", SIGNATURE "\x21\x31\x00\xd8" UNIX),
	ROW(PROXY_HEADER_DONE, "unknown", SIGNATURE "\x21\x31\x00\xdd" UNIX "\x04\x00\x02zz"),
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x31\x00\xda" UNIX "\x04\x00"),
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x31\x00\x0c" V4), /* too short for a path */
	ROW(PROXY_HEADER_DONE, "unknown",
	    SIGNATURE "\x21\x12\x00\x0c" V4), /* a datagram: a valid pair that we do not support */
	ROW(PROXY_HEADER_DONE, "unknown", SIGNATURE "\x21\x22\x00\x24" V6),
	ROW(PROXY_HEADER_DONE, "unknown", SIGNATURE "\x21\x32\x00\xd8" UNIX),
	ROW(PROXY_HEADER_BAD, "",
	    SIGNATURE "\x21\x10\x00\x0c" V4), /* IPv4 by no transport, a transport of no family, … */
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x01\x00\x0c" V4),
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x13\x00\x0c" V4),
	ROW(PROXY_HEADER_DONE, "192.0.2.1", SIGNATURE "\x21\x11\x00\x11" V4 "\x04\x00\x02zz"), /* something added */
	ROW(PROXY_HEADER_DONE, "192.0.2.1", SIGNATURE "\x21\x11\x00\x13" V4 "\x03\x00\x04\xa4\x29\x42\x1d"),
	ROW(PROXY_HEADER_BAD, "",
	    SIGNATURE "\x21\x11\x00\x13" V4 "\x03\x00\x04\xa4\x29\x42\x1e"), /* its sum is wrong */
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x11\x00\x11" V4 "\x03\x00\x02zz"),
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x11\x00\x0e" V4 "\x04\x00"),
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x11\x00\x10" V4 "\x04\x00\x02z"),
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x11\x00\x0b\xc0\x00\x02\x01\x7f\x00\x00\x01\xc3\x50\x00"),
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x21\x00\x0c" V4), /* too short for IPv6 */
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x41\x00\x0c" V4), /* a family that is not defined */
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x31\x11\x00\x0c" V4), /* another version */
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x22\x11\x00\x0c" V4), /* another command */
	ROW(PROXY_HEADER_BAD, "", SIGNATURE "\x21\x11\xff\xff" V4), /* longer than any */
	ROW(PROXY_HEADER_BAD, "", "PROXY TCP4 192.0.2.1 127.0.0.1 50000 80\r\n"), /* version 1 */
	ROW(PROXY_HEADER_BAD, "", "GET / HTTP/1.1\r\n"),
	ROW(PROXY_HEADER_BAD, "", "\x16\x03\x01"),
	ROW(PROXY_HEADER_MORE, "", ""),
	ROW(PROXY_HEADER_MORE, "", "\r\n\r"),
	ROW(PROXY_HEADER_MORE, "", SIGNATURE),
	ROW(PROXY_HEADER_MORE, "", SIGNATURE "\x21\x11\x00\x0c\xc0\x00"),
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct proxy_header h;
		enum proxy_header_state got = proxy_header_read(str_span(rows[i].bytes, rows[i].n), &h);
		if (got != rows[i].state) print_message("row %zu\n", i);
		assert_int_equal(got, rows[i].state);
		if (got == PROXY_HEADER_DONE) assert_string_equal(h.source, rows[i].source);
	}
}

/* It may come a byte at a time: nothing is decided too early. */
static void test_prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct proxy_header whole, part;
		if (proxy_header_read(str_span(rows[i].bytes, rows[i].n), &whole) != PROXY_HEADER_DONE) continue;
		for (size_t n = 0; n < whole.bytes; n++)
			assert_int_equal(proxy_header_read(str_span(rows[i].bytes, n), &part), PROXY_HEADER_MORE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_prefixes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
