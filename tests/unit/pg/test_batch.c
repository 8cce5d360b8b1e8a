/* Batches against a real server: each member gets its own rows and its own fate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/pg/batch.h"
#include "tests/support/pg_fixture.c"
#include "tests/support/pg_sync.c"

enum { MEMBERS = 64 };

static const char *const statements[] = {
	"gift",
	"-- shape: one\n-- tx: write\n-- batch: 64\n"
	"with done as (insert into gift (id, note) select :body.id::int, :body.note::text from input returning id, "
	"note)\n"
	"select done.id, coalesce(done.note, '(null)') as note, input.ord from done join input on done.id = "
	":body.id::int order by ord\n",
	"words",
	"-- shape: list\n-- tx: read\n-- batch: 64\n"
	"select w as word, ord from input, regexp_split_to_table(:query.text::text, ' ') as w order by ord\n",
	"mixed",
	"-- shape: list\n-- tx: read\n-- batch: 64\n"
	"select :query.a::int as a, ord from input, generate_series(1, 2) as g order by g, ord\n",
	"slow",
	"-- shape: one\n-- tx: write\n-- batch: 64\nselect pg_sleep(:a::float8)::text, ord from input order by ord\n",
	"look",
	"-- shape: one\n-- tx: read\nselect count(*) from gift\n",
	NULL,
};

struct member_answer {
	unsigned calls, count;
	enum err err;
	char text[128], constraint[64];
};

static struct arena memory;
static struct pg_statement_set set;
static struct pg_sync sync_;

static int setup_all(void **state)
{
	(void)state;
	(void)pg_fixture_start();
	arena_init(&memory, 65536, 16 * 1024 * 1024);
	pg_fixture_sql("create table gift (id int primary key, note text constraint note_long check (note <> 'bad'))");
	pg_sync_set(&memory, &set, statements);
	return 0;
}

static int teardown_all(void **state)
{
	(void)state;
	arena_release(&memory);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	struct pg_pool_config config = { .conninfo = pg_fixture_start(), .application_name = "unit", .queue_max = 200 };
	pg_fixture_sql("truncate gift");
	pg_sync_start(&sync_, &config, &set);
	pg_sync_ready(&sync_);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pg_sync_stop(&sync_);
	return 0;
}

static void on_member(void *arg, const struct pg_outcome *o, const struct pg_result *r, unsigned first, unsigned count)
{
	struct member_answer *a = arg;
	a->calls++;
	a->err = o->err;
	a->count = count;
	snprintf(a->constraint, sizeof a->constraint, "%.*s", STR_FMT(o->constraint));
	a->text[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		size_t n = strlen(a->text);
		struct str v = pg_get(r, first + i, pg_columns(r) > 2 ? 1 : 0);
		snprintf(a->text + n, sizeof a->text - n, "%s%.*s", i ? "," : "", STR_FMT(v));
	}
	if (--sync_.pending == 0) loop_stop(sync_.loop);
}

static enum err add(struct pg_batch *b, struct member_answer *a, const char *one, const char *two, int64_t ms)
{
	struct pg_value v[] = { { str_of(one) }, { str_of(two) } };
	enum err e = pg_batch_add(b, v, loop_now_ms(sync_.loop) + ms, on_member, a);
	if (!e) sync_.pending++;
	return e;
}

static void happy(void **state)
{
	(void)state;
	static const char *const notes[] = { "", NULL, "NULL", "a,b", "{x}", "\"q\"", "back\\slash", "两行\n", "'" };
	struct member_answer a[MEMBERS * 2] = { 0 };
	struct pg_batch *b = pg_batch_new(sync_.pool, pg_sync_find(&set, "gift"));
	uint64_t syncs = pg_pool_stats(sync_.pool).syncs;
	char id[16];
	for (unsigned i = 0; i < MEMBERS * 2; i++) {
		snprintf(id, sizeof id, "%u", i);
		assert_int_equal(add(b, &a[i], id, notes[i % ARRAY_LEN(notes)], 5000), ERR_NONE);
	}
	pg_sync_wait(&sync_);
	for (unsigned i = 0; i < MEMBERS * 2; i++) {
		const char *note = notes[i % ARRAY_LEN(notes)];
		assert_int_equal(a[i].calls, 1);
		assert_int_equal(a[i].err, ERR_NONE);
		assert_string_equal(a[i].text, note ? note : "(null)");
	}
	assert_int_equal(pg_pool_stats(sync_.pool).syncs - syncs, 2); /* 128 requests, two commits */
	assert_string_equal(pg_fixture_value("select count(*) from gift where note is null"), "15");
	pg_batch_free(b);
}

static void errors_cost_their_owner(void **state)
{
	(void)state;
	struct member_answer a[MEMBERS] = { 0 };
	struct pg_batch *b = pg_batch_new(sync_.pool, pg_sync_find(&set, "gift"));
	char id[16];
	for (unsigned i = 0; i < MEMBERS; i++) {
		snprintf(id, sizeof id, "%u", i == 40 ? 3 : i); /* 40 repeats the id of 3 */
		assert_int_equal(
		    add(b, &a[i], i == 50 ? "x" : id, i == 10 || i == 20 ? "bad" : "good", 5000), ERR_NONE);
	}
	pg_sync_wait(&sync_);
	for (unsigned i = 0; i < MEMBERS; i++) {
		enum err want = i == 10 || i == 20 || i == 40 ? ERR_CONSTRAINT : i == 50 ? ERR_SQL : ERR_NONE;
		assert_int_equal(a[i].calls, 1);
		assert_int_equal(a[i].err, want);
	}
	assert_string_equal(a[10].constraint, "note_long");
	assert_string_equal(a[40].constraint, "gift_pkey");
	assert_string_equal(pg_fixture_value("select count(*) from gift"), "60");
	pg_batch_free(b);
}

static void several_rows(void **state)
{
	(void)state;
	struct member_answer a[4] = { 0 };
	static const char *const texts[] = { "a b c", "d", NULL, "e f" };
	struct pg_batch *b = pg_batch_new(sync_.pool, pg_sync_find(&set, "words"));
	for (unsigned i = 0; i < 4; i++) assert_int_equal(add(b, &a[i], texts[i], NULL, 5000), ERR_NONE);
	pg_sync_wait(&sync_);
	assert_string_equal(a[0].text, "a,b,c");
	assert_string_equal(a[1].text, "d");
	assert_int_equal(a[2].count, 0);
	assert_int_equal(a[2].err, ERR_NONE);
	assert_string_equal(a[3].text, "e,f");
	pg_batch_free(b);
	b = pg_batch_new(sync_.pool, pg_sync_find(&set, "mixed")); /* a statement that forgot to order by ord */
	for (unsigned i = 0; i < 2; i++) assert_int_equal(add(b, &a[i], "1", NULL, 5000), ERR_NONE);
	pg_sync_wait(&sync_);
	assert_int_equal(a[0].err, ERR_SQL);
	assert_int_equal(a[1].err, ERR_SQL);
	pg_batch_free(b);
}

static void lost_and_late(void **state)
{
	(void)state;
	struct member_answer a[3] = { 0 }, late = { 0 };
	struct pg_batch *b = pg_batch_new(sync_.pool, pg_sync_find(&set, "slow"));
	for (unsigned i = 0; i < 3; i++) assert_int_equal(add(b, &a[i], "0.3", NULL, 5000), ERR_NONE);
	pg_sync_sleep(&sync_, 50);
	assert_int_equal(add(b, &late, "0", NULL, 50), ERR_NONE); /* its time is over before the lane is free */
	pg_sync_sleep(&sync_, 150);
	assert_int_equal(late.calls, 1);
	assert_int_equal(late.err, ERR_TIMEOUT);
	pg_fixture_sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'unit'");
	pg_sync_wait(&sync_);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(a[i].calls, 1);
		assert_int_equal(a[i].err, ERR_UNAVAILABLE);
	}
	pg_sync_ready(&sync_);
	assert_int_equal(add(b, &a[0], "0", NULL, 5000), ERR_NONE);
	assert_int_equal(add(b, &a[1], "0.4", NULL, 100), ERR_NONE); /* in flight when its time is over */
	pg_sync_wait(&sync_);
	assert_int_equal(a[1].err, ERR_TIMEOUT);
	pg_sync_sleep(&sync_, 500);
	assert_int_equal(a[0].calls, 2);
	assert_int_equal(a[1].calls, 2);
	pg_batch_free(b);
}

static void bounded(void **state)
{
	(void)state;
	static struct member_answer a[201];
	struct pg_batch *b = pg_batch_new(sync_.pool, pg_sync_find(&set, "words"));
	for (unsigned i = 0; i < 200; i++) assert_int_equal(add(b, &a[i], "x", NULL, 5000), ERR_NONE);
	assert_int_equal(add(b, &a[200], "x", NULL, 5000), ERR_BUSY);
	pg_batch_free(b); /* those waiting hear at once */
	assert_int_equal(sync_.pending, 0);
	for (unsigned i = 0; i < 200; i++) assert_int_equal(a[i].err, ERR_UNAVAILABLE);
}

static void pool_ends_first(void **state)
{
	(void)state;
	struct member_answer a[2] = { 0 };
	struct pg_batch *b = pg_batch_new(sync_.pool, pg_sync_find(&set, "slow"));
	assert_int_equal(add(b, &a[0], "0.5", NULL, 5000), ERR_NONE);
	pg_sync_sleep(&sync_, 30);
	assert_int_equal(add(b, &a[1], "0.5", NULL, 5000), ERR_NONE);
	pg_sync_stop(&sync_);
	assert_int_equal(a[0].err, ERR_UNAVAILABLE);
	assert_int_equal(a[1].err, ERR_UNAVAILABLE);
	pg_batch_free(b);
	(void)setup(state);
}

int main(void)
{
#define BATCH_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = { BATCH_TEST(happy), BATCH_TEST(errors_cost_their_owner),
		BATCH_TEST(several_rows), BATCH_TEST(lost_and_late), BATCH_TEST(bounded), BATCH_TEST(pool_ends_first) };
	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
