/* Signed notes, checkpoints and cosignatures: published vectors, vectors of an independent script (node:crypto), and malformed ones. */
#include "common/crypto/note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define DASH    "\xe2\x80\x94 "
#define LOG_KEY "log.example.org/gifts+818aebc2+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
#define WITNESS "witness.example.org+b6efb787+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"
#define TEXT                                                                                                           \
	"log.example.org/gifts\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nextra "                        \
	"\xe5\x85\xac\xe5\xbc\x80\n"
#define LOG_LINE                                                                                                       \
	DASH "log.example.org/gifts "                                                                                  \
	     "gYrrwnaNdrRsfHkY6/zNbBj/8vAq4z3x+5NAEnHkkqpakcV4ZFiIF/VFR2aoM2JVTbGz0PasVviwPV86hkABm5Xo6Qw=\n"
#define WITNESS_LINE                                                                                                   \
	DASH "witness.example.org "                                                                                    \
	     "tu+3hwAAAABpJIEAHOXWDHkCc2Ayk4iMRCqA14SCC5/"                                                             \
	     "+fq9qUQplfisSAzZF5fD/XaEoheksmUGz1gY5m/QYCW4woOMe8ZDk1ndWCQ==\n"

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

static struct note_key read_key(const char *text)
{
	struct note_key k;
	assert_int_equal(note_key_read(&arena, str_of(text), &k), ERR_NONE);
	return k;
}

/* The example in the documentation of Go's note package. */
static void test_published(void **state)
{
	static const char message[] =
	    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem "
	    "is.\n\n" DASH "PeterNeumann "
	    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n" DASH
	    "EnochRoot "
	    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
	struct note_key peter = read_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
	struct note_key enoch = read_key("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop");
	struct note n;
	(void)state;
	assert_int_equal(note_read(&arena, str_of(message), &n), ERR_NONE);
	assert_int_equal(n.count, 2);
	assert_int_equal(note_check(&n, &peter, NULL), NOTE_SIGNED);
	assert_int_equal(note_check(&n, &enoch, NULL), NOTE_SIGNED);
	n.text.n--;
	assert_int_equal(note_check(&n, &peter, NULL), NOTE_FORGED);
	key_free(peter.key);
	key_free(enoch.key);
}

static void test_checkpoint_note(void **state)
{
	struct note_key log = read_key(LOG_KEY), witness = read_key(WITNESS);
	struct note n;
	struct checkpoint c;
	struct str text;
	uint64_t when = 0;
	(void)state;
	assert_int_equal(note_read(&arena, STR(TEXT "\n" LOG_LINE WITNESS_LINE), &n), ERR_NONE);
	assert_true(str_eq(n.text, STR(TEXT)));
	assert_int_equal(note_check(&n, &log, NULL), NOTE_SIGNED);
	assert_int_equal(note_check(&n, &witness, &when), NOTE_SIGNED);
	assert_int_equal(when, 1764000000);
	assert_int_equal(checkpoint_read(n.text, &c), ERR_NONE);
	assert_true(str_eq(c.origin, STR("log.example.org/gifts")));
	assert_int_equal(c.size, 20852163);
	assert_int_equal(c.extension_count, 1);
	struct buf b;
	buf_init(&b, 4096);
	assert_int_equal(checkpoint_write(&b, &c), ERR_NONE);
	assert_true(str_eq(buf_view(&b), STR(TEXT)));
	buf_free(&b);
	assert_int_equal(note_key_write(&arena, &log, &text), ERR_NONE);
	assert_true(str_eq(text, STR(LOG_KEY)));
	assert_int_equal(note_key_write(&arena, &witness, &text), ERR_NONE);
	assert_true(str_eq(text, STR(WITNESS)));
	assert_int_equal(note_read(&arena, STR(TEXT "\n" WITNESS_LINE), &n), ERR_NONE);
	assert_int_equal(note_check(&n, &log, NULL), NOTE_UNSIGNED);
	n.item[0].bytes.n--;
	assert_int_equal(note_check(&n, &witness, &when), NOTE_FORGED);
	key_free(log.key);
	key_free(witness.key);
}

/* One right signature does not make up for a wrong one by the same key. */
static void test_right_and_wrong(void **state)
{
	struct note_key log = read_key(LOG_KEY);
	struct note n;
	(void)state;
	assert_int_equal(note_read(&arena, STR(TEXT "\n" LOG_LINE LOG_LINE), &n), ERR_NONE);
	assert_int_equal(note_check(&n, &log, NULL), NOTE_SIGNED);
	char *p = (char *)(uintptr_t)n.item[1].bytes.p;
	p[9] ^= 1;
	assert_int_equal(note_check(&n, &log, NULL), NOTE_FORGED);
	n.item[1].id[0] ^= 1; /* another key of the same name: not ours to judge */
	assert_int_equal(note_check(&n, &log, NULL), NOTE_SIGNED);
	key_free(log.key);
}

static void round_trip(enum note_kind kind, uint64_t time_s)
{
	struct key *key;
	struct note_key k;
	struct note n;
	struct buf b;
	uint64_t when = 0;
	assert_int_equal(key_generate(ALG_EDDSA, &key), ERR_NONE);
	assert_int_equal(note_key_init(&k, STR("example.org/a"), kind, key), ERR_NONE);
	buf_init(&b, NOTE_BYTES_MAX);
	buf_str(&b, STR(TEXT "\n"));
	assert_int_equal(note_sign(&b, STR(TEXT), &k, time_s), ERR_NONE);
	assert_int_equal(note_read(&arena, buf_view(&b), &n), ERR_NONE);
	assert_int_equal(note_check(&n, &k, &when), NOTE_SIGNED);
	assert_int_equal(when, kind == NOTE_COSIGNATURE_V1 ? time_s : 0);
	n.text = STR("x\n");
	assert_int_equal(note_check(&n, &k, &when), NOTE_FORGED);
	buf_free(&b);
	key_free(key);
}

static void test_sign(void **state)
{
	struct key *other;
	struct note_key k;
	(void)state;
	round_trip(NOTE_ED25519, 0);
	round_trip(NOTE_COSIGNATURE_V1, 1764000000);
	round_trip(NOTE_COSIGNATURE_V1, INT64_MAX);
	assert_int_equal(key_generate(ALG_ES256, &other), ERR_NONE);
	assert_int_equal(note_key_init(&k, STR("a"), NOTE_ED25519, other), ERR_CRYPTO);
	assert_int_equal(note_key_init(&k, STR("a b"), NOTE_ED25519, other), ERR_SYNTAX);
	assert_int_equal(note_key_init(&k, STR("a\xe3\x80\x80"), NOTE_ED25519, other), ERR_SYNTAX);
	key_free(other);
}

#define B64 "gYrrwnaNdrRsfHkY6/zNbBj/8vAq4z3x+5NAEnHkkqpakcV4ZFiIF/VFR2aoM2JVTbGz0PasVviwPV86hkABm5Xo6Qw="

static void test_malformed_notes(void **state)
{
	static const struct str rows[] = { { "", 0 }, { "\n", 1 }, { "\n\n", 2 }, STR("text\n"), STR("text\n\n"),
		STR("text\n\n\n"), STR("\n" DASH "a " B64 "\n"), STR("text" DASH "a " B64 "\n"),
		STR("text\n" DASH "a " B64 "\n"), STR("text\n\n" DASH "a " B64), STR("text\n\n" DASH "a " B64 "\n\n"),
		STR("text\n\n- a " B64 "\n"), STR("text\n\n" DASH " " B64 "\n"), STR("text\n\n" DASH B64 "\n"),
		STR("text\n\n" DASH "a+b " B64 "\n"), STR("text\n\n" DASH "a  " B64 "\n"),
		STR("text\n\n" DASH "a " B64 " \n"), STR("text\n\n" DASH "a " B64 "\r\n"),
		STR("text\n\n" DASH "a AAAAAA==\n"), STR("text\n\n" DASH "a AAAAAAB=\n"),
		STR("text\n\n" DASH "a AAAAAAA\n"), STR("text\n\n" DASH "a\n"), STR("te\txt\n\n" DASH "a " B64 "\n"),
		STR("te\0xt\n\n" DASH "a " B64 "\n"), STR("te\xffxt\n\n" DASH "a " B64 "\n"),
		STR("text\n\n" DASH "a " B64 "\nmore\n"), STR("text\r\n\r\n" DASH "a " B64 "\n") };
	struct note n;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (note_read(&arena, rows[i], &n) != ERR_SYNTAX) fail_msg("row %zu was read", i);
	assert_int_equal(note_read(&arena, STR("text\n\n" DASH "a " B64 "\n"), &n), ERR_NONE);
	assert_int_equal(note_read(&arena, STR("te\n\n\nxt\n\n" DASH "a AAAAAAA=\n"), &n), ERR_NONE);
}

static void test_limits(void **state)
{
	struct buf b;
	struct note n;
	(void)state;
	buf_init(&b, 2 * NOTE_BYTES_MAX);
	BUF_LIT(&b, "text\n\n");
	for (int i = 0; i < NOTE_SIGNATURES_MAX; i++) BUF_LIT(&b, DASH "a " B64 "\n");
	assert_int_equal(note_read(&arena, buf_view(&b), &n), ERR_NONE);
	BUF_LIT(&b, DASH "a " B64 "\n");
	assert_int_equal(note_read(&arena, buf_view(&b), &n), ERR_SYNTAX);
	buf_reset(&b);
	for (int i = 0; i < NOTE_BYTES_MAX; i++) buf_char(&b, 'x');
	BUF_LIT(&b, "\n\n" DASH "a " B64 "\n");
	assert_int_equal(note_read(&arena, buf_view(&b), &n), ERR_SYNTAX);
	buf_free(&b);
}

static void test_malformed_keys(void **state)
{
	static const char *const rows[] = { "", "a", "a+b", "+818aebc2+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
		"log.example.org/gifts+818aebc3+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
		"log.example.org/gifts+818AEBC2+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
		"log.example.org/gift+818aebc2+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
		"log.example.org/gifts+818aebc2+AoqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
		"log.example.org/gifts+818aebc2+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29",
		"log.example.org/gifts+818aebc2+AYqI4910CfGV", "log.example.org/gifts+818aebc2+", LOG_KEY "\n",
		LOG_KEY "+" };
	struct note_key k;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (note_key_read(&arena, str_of(rows[i]), &k) != ERR_SYNTAX) fail_msg("%s was read", rows[i]);
}

static void test_malformed_checkpoints(void **state)
{
#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
	static const struct str rows[] = { { "", 0 }, STR("o\n"), STR("o\n1\n"), STR("o\n1\n" ROOT),
		STR("\n1\n" ROOT "\n"), STR("o\n01\n" ROOT "\n"), STR("o\n-1\n" ROOT "\n"), STR("o\n+1\n" ROOT "\n"),
		STR("o\n\n" ROOT "\n"), STR("o\n1 \n" ROOT "\n"), STR("o\n9223372036854775808\n" ROOT "\n"),
		STR("o\n18446744073709551617\n" ROOT "\n"), STR("o\n1\nAAAA\n"), STR("o\n1\n" ROOT "=\n"),
		STR("o\n1\n" ROOT "\n\n"), STR("o\n1\n" ROOT "\nx"), STR("o\n1\n" ROOT "\nx\n\ny\n"),
		STR("o\n1\n" ROOT "\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n") };
	struct checkpoint c;
	struct buf b;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (checkpoint_read(rows[i], &c) != ERR_SYNTAX) fail_msg("row %zu was read", i);
	assert_int_equal(checkpoint_read(STR("o\n0\n" ROOT "\n"), &c), ERR_NONE);
	assert_int_equal(checkpoint_read(STR("o\n9223372036854775807\n" ROOT "\n"), &c), ERR_NONE);
	buf_init(&b, 256);
	c.origin = STR("a\nb");
	assert_int_equal(checkpoint_write(&b, &c), ERR_SYNTAX);
	c.origin = STR("a");
	c.extension_count = 1;
	assert_int_equal(checkpoint_write(&b, &c), ERR_SYNTAX);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_checkpoint_note),
		cmocka_unit_test(test_right_and_wrong),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_malformed_notes),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_malformed_keys),
		cmocka_unit_test(test_malformed_checkpoints),
	};
	return cmocka_run_group_tests_name("note", tests, setup, teardown);
}
