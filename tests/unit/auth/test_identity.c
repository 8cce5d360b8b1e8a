/* The sealed identity: opens as it was sealed, for a minute, and in no other spelling. */
#include "common/auth/principal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/crypto/crypto.h"

static const int64_t now_s = 1764000000;
static const struct str key_old = { "0123456789abcdef0123456789abcdef", 32 };
static const struct str key_new = { "fedcba9876543210fedcba9876543210", 32 };
static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 1 << 22);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static struct principal staff(void)
{
	return (struct principal){ .kind = PRINCIPAL_STAFF,
		.subject = STR("01938f2e-0000-7000-8000-000000000001"),
		.organization = STR("4412/441223"),
		.scopes = STR("gift.read gift.write"),
		.session = STR("01938f2e-0000-7000-8000-000000000002"),
		.client = STR("console"),
		.expires_s = now_s + 3600 };
}

static enum err open_one(struct str text, int64_t at_s, struct principal *p)
{
	return identity_open(&arena, &key_old, 1, text, at_s, p);
}

static void test_round_trip(void **state)
{
	struct principal p = staff(), q;
	(void)state;
	struct str text = identity_seal(&arena, key_old, &p, now_s);
	assert_int_equal(open_one(text, now_s, &q), ERR_NONE);
	assert_int_equal(q.kind, p.kind);
	assert_true(str_eq(q.subject, p.subject));
	assert_true(str_eq(q.organization, p.organization));
	assert_true(str_eq(q.scopes, p.scopes));
	assert_true(str_eq(q.session, p.session));
	assert_true(str_eq(q.client, p.client));
	assert_int_equal(q.expires_s, now_s + 60);
	p = (struct principal){ .kind = PRINCIPAL_ANONYMOUS };
	text = identity_seal(&arena, key_old, &p, now_s);
	assert_true(str_starts(text, STR("v1.anonymous.-.-.-.-.1764000060.-.")));
	assert_int_equal(open_one(text, now_s, &q), ERR_NONE);
	assert_int_equal(q.kind, PRINCIPAL_ANONYMOUS);
	assert_null(q.subject.p);
	assert_null(q.scopes.p);
}

/* The MAC is over all bytes before the last dot: computed here again, as the header file describes it. */
static void test_format(void **state)
{
	struct principal p = staff();
	unsigned char mac[SHA256_BYTES];
	(void)state;
	struct str sealed = STR(
	    "v1.staff.01938f2e-0000-7000-8000-000000000001.4412/441223.01938f2e-0000-7000-8000-000000000002.console."
	    "1764000060.Z2lmdC5yZWFkIGdpZnQud3JpdGU");
	hmac_sha256(key_old, sealed, mac);
	struct str text = base64url_encode(&arena, str_span((char *)mac, sizeof mac));
	assert_true(str_eq(identity_seal(&arena, key_old, &p, now_s),
	    arena_printf(&arena, "%.*s.%.*s", STR_FMT(sealed), STR_FMT(text))));
}

static void test_expiry(void **state)
{
	struct principal p = staff(), q;
	(void)state;
	struct str text = identity_seal(&arena, key_old, &p, now_s);
	assert_int_equal(open_one(text, now_s + 59, &q), ERR_NONE);
	assert_int_equal(open_one(text, now_s + 60, &q), ERR_TOKEN_EXPIRED);
	assert_int_equal(q.kind, PRINCIPAL_ANONYMOUS);
	assert_null(q.subject.p);
	p.expires_s = now_s + 10;
	text = identity_seal(&arena, key_old, &p, now_s);
	assert_int_equal(open_one(text, now_s + 10, &q), ERR_TOKEN_EXPIRED);
	assert_int_equal(open_one(text, now_s + 9, &q), ERR_NONE);
}

static void test_rotation(void **state)
{
	struct principal p = staff(), q;
	const struct str both[] = { key_new, key_old };
	const struct str empty[] = { STR_NONE };
	(void)state;
	struct str text = identity_seal(&arena, key_old, &p, now_s);
	assert_int_equal(identity_open(&arena, both, 2, text, now_s, &q), ERR_NONE);
	assert_int_equal(identity_open(&arena, &key_new, 1, text, now_s, &q), ERR_SIGNATURE_INVALID);
	assert_int_equal(identity_open(&arena, both, 0, text, now_s, &q), ERR_SIGNATURE_INVALID);
	/* a missing key is no key that everybody knows */
	unsigned char mac[SHA256_BYTES];
	struct str sealed = STR("v1.system.-.-.-.-.1764000060.-");
	hmac_sha256(STR_NONE, sealed, mac);
	struct str forged = base64url_encode(&arena, str_span((char *)mac, sizeof mac));
	forged = arena_printf(&arena, "%.*s.%.*s", STR_FMT(sealed), STR_FMT(forged));
	assert_int_equal(identity_open(&arena, empty, 1, forged, now_s, &q), ERR_SIGNATURE_INVALID);
}

static void test_every_byte_counts(void **state)
{
	struct principal p = staff(), q;
	(void)state;
	struct str text = identity_seal(&arena, key_old, &p, now_s);
	for (size_t i = 0; i < text.n; i++) {
		for (int bit = 0; bit < 8; bit++) {
			struct str copy = arena_str(&arena, text);
			((char *)(uintptr_t)copy.p)[i] ^= (char)(1 << bit);
			assert_int_not_equal(open_one(copy, now_s, &q), ERR_NONE);
		}
		assert_int_not_equal(open_one(arena_str(&arena, str_span(text.p, i)), now_s, &q), ERR_NONE);
	}
	assert_int_not_equal(open_one(arena_printf(&arena, "%.*s.", STR_FMT(text)), now_s, &q), ERR_NONE);
	assert_int_not_equal(open_one(arena_printf(&arena, "%.*s=", STR_FMT(text)), now_s, &q), ERR_NONE);
	assert_int_equal(open_one(STR_NONE, now_s, &q), ERR_SYNTAX);
	struct str overlong =
	    arena_printf(&arena, "%*s.%s", IDENTITY_BYTES_MAX, "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	assert_int_equal(open_one(overlong, now_s, &q), ERR_SYNTAX);
}

/* Rightly sealed nonsense: a gateway with a fault, or another use of the same key. */
static void test_strict_parts(void **state)
{
	static const char *const bad[] = {
		"v2.system.-.-.-.-.1764000060.-",
		"v1.root.-.-.-.-.1764000060.-",
		"v1.system..-.-.-.1764000060.-",
		"v1.system.-.-.-.-.01764000060.-",
		"v1.system.-.-.-.-.-1.-",
		"v1.system.-.-.-.-.+1764000060.-",
		"v1.system.-.-.-.-..-",
		"v1.system.-.-.-.-.9999999999999.-",
		"v1.system.-.-.-.-.1764000060.",
		"v1.system.-.-.-.-.1764000060",
		"v1.system.-.-.-.-.1764000060.-.-",
		"v1.system.-.-.-.-.1764000060.Zh",
		"v1.system.-.-.-.-.1764000060.IGE",
		"v1.system.a b.-.-.-.1764000060.-",
		"v1.system.-.-.-.-.1764000060.Zg==",
	};
	struct principal q;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		unsigned char mac[SHA256_BYTES];
		hmac_sha256(key_old, str_of(bad[i]), mac);
		struct str text = base64url_encode(&arena, str_span((char *)mac, sizeof mac));
		text = arena_printf(&arena, "%s.%.*s", bad[i], STR_FMT(text));
		if (open_one(text, now_s, &q) != ERR_SYNTAX) fail_msg("accepted %s", bad[i]);
	}
}

static void test_seal_refuses(void **state)
{
	struct principal p = staff();
	char many[1100];
	(void)state;
	p.client = STR("a.system");
	assert_null(identity_seal(&arena, key_old, &p, now_s).p);
	p = staff();
	memset(many, 'a', sizeof many);
	p.scopes = str_span(many, 1025);
	assert_null(identity_seal(&arena, key_old, &p, now_s).p);
	/* the longest that is allowed still opens */
	p.scopes = str_span(many, 1024);
	p.subject = p.organization = p.session = p.client = str_span(many, 128);
	struct str text = identity_seal(&arena, key_old, &p, now_s);
	assert_true(text.n > 1500 && text.n <= IDENTITY_BYTES_MAX);
	struct principal q;
	assert_int_equal(open_one(text, now_s, &q), ERR_NONE);
	assert_int_equal(q.scopes.n, 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_format, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_byte_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strict_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seal_refuses, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
