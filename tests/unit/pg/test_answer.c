/* Describe, saved answers and their replay, rows as JSON, migrations: against a real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/pg/batch.h"
#include "common/pg/migrate.h"
#include "common/pg/rows.h"
#include "tests/support/pg_fixture.c"
#include "tests/support/pg_sync.c"

#define WRITE "-- shape: one\n-- tx: write\n"
#define ID1   "0190a000-0000-7000-8000-000000000001"
#define ID2   "0190a000-0000-7000-8000-000000000002"
#define ID3   "0190a000-0000-7000-8000-000000000003"
#define PRINT "0190a000-0000-7000-8000-00000000000f"

/* Every type the row writer knows, and NULLs. */
#define TYPES                                                                                                          \
	"select :body.id::uuid as id, true as yes, false as \"flags.no\", null::boolean as \"flags.maybe\", "          \
	"7::smallint as small, "                                                                                       \
	"-9223372036854775808 as big, 1.10::numeric as amount, 'NaN'::numeric as nan, 0.1::float8 as f8, "             \
	"1e300::float8 as f8big, "                                                                                     \
	"'Infinity'::float8 as inf, 1.5::float4 as f4, '2026-11-24 08:30:00.123456+08'::timestamptz as at, "           \
	"'infinity'::timestamptz as never, '1900-01-01 00:05:43+08:05:43'::timestamptz as lmt, '2026-11-24'::date as " \
	"day, "                                                                                                        \
	"'08:30'::time as clock, '1 day 02:00'::interval as span, '2026-11-24 08:30'::timestamp as local, "            \
	"'a\"b\\c\n中'::text as t, "                                                                                  \
	"'x'::varchar(3) as v, 'c'::char(3) as c, '\\xdeadbeef'::bytea as raw, 'on'::mood as mood, '{\"a\" : [1, "     \
	"2.50, null]}'::json "                                                                                         \
	"as j, '\"\\u00e9\"'::json as js, '{\"z\":1, \"a\":2}'::jsonb as jb, array[3,null,1] as ints, "                \
	"array['a,b','','NULL',null] "                                                                                 \
	"as texts, array['2026-01-01 00:00+08'::timestamptz] as stamps, array[[1,2],[3,4]] as grid, '{}'::int[] as "   \
	"none, "                                                                                                       \
	"array['{\"k\":1}'::json] as docs, null::text as gone, null::json as nojson, 'null'::json as jsonnull, "       \
	"null::text as \"empty.a\", null::text as \"empty.b\", 1 as \"deep.er.x\", 2 as \"deep.er.y\", 3 as "          \
	"\"deep.z\", "                                                                                                 \
	"'e1'::text as \"!etag\", null::text as \"!problem\", now() as \"page.at\""

static const char *const statements[] = {
	"all_types",
	WRITE TYPES "\n",
	"create_note",
	WRITE "with made as (insert into note (id, words) values (:body.id::int, :body.words) returning *) "
	      "select id, words, case when words = 'no' then 'note-refused' end as \"!problem\" from made\n",
	"insert_only",
	WRITE "insert into note (id, words) values (:body.id::int, :body.words) returning id, words -- the end\n",
	"touch",
	"-- shape: none\n-- tx: write\nupdate note set words = :body.words where id = :path.id::int\n",
	"bulk",
	"-- shape: one\n-- tx: write\n-- batch: 16\n"
	"with made as (insert into note (id, words) select :body.id::int, :body.words::text from input returning *) "
	"select made.id, made.words, input.ord, case when made.words = 'no' then 'note-refused' end as \"!problem\" "
	"from made join input on made.id = :body.id::int\n",
	"look",
	"-- shape: one\n-- tx: read\nselect words from note where id = :id::int\n",
	NULL,
};

static struct arena memory;
static struct pg_statement_set set;
static struct pg_sync sync_;
static struct map constraints;

static struct pg_statement *st(const char *name)
{
	return map_get(&set.by_name, str_of(name));
}

static int setup_all(void **state)
{
	(void)state;
	struct buf report;
	struct pg_pool_config config = { .conninfo = pg_fixture_start(), .application_name = "unit" };
	arena_init(&memory, 65536, 32 * 1024 * 1024);
	buf_init(&report, 65536);
	map_init(&constraints, &memory);
	pg_fixture_sql(
	    "create type mood as enum ('on', 'off');"
	    "create table note (id int primary key, words text constraint note_words_bad check (words <> 'bad') "
	    "unique);"
	    "create table idempotency (id uuid primary key, operation text not null, fingerprint uuid not null, "
	    "answer json, created_at timestamptz not null default now());"
	    "create table part (id int primary key constraint part_positive check (id > 0)) partition by range (id);"
	    "create table part_1 partition of part for values from (1) to (10);"
	    "create unique index note_lower on note (lower(words))");
	pg_sync_set(&memory, &set, statements);
	assert_int_equal(pg_describe(&memory, config.conninfo, &set, &constraints, &report), ERR_NONE);
	unsigned count = set.count;
	for (unsigned i = 0; i < count; i++) {
		struct pg_statement *replay;
		if (set.items[i]->tx != TX_WRITE) continue;
		enum err e = pg_statement_save_answer(&memory, set.items[i], &replay, &report);
		if (e) fail_msg("%.*s", STR_FMT(buf_view(&report)));
		assert_true(pg_statement_set_add(&memory, &set, replay));
	}
	enum err e = pg_describe(&memory, config.conninfo, &set, NULL, &report);
	if (e) fail_msg("%.*s", STR_FMT(buf_view(&report)));
	buf_free(&report);
	pg_sync_start(&sync_, &config, &set);
	pg_sync_ready(&sync_);
	return 0;
}

static int teardown_all(void **state)
{
	(void)state;
	pg_sync_stop(&sync_);
	arena_release(&memory);
	return 0;
}

static void described(void **state)
{
	(void)state;
	const struct pg_statement *s = st("bulk");
	assert_true(s->described && s->idempotent);
	assert_int_equal(s->params[pg_statement_param(s, STR("body.id"))].type, 23); /* the element, not int[] */
	assert_int_equal(s->params[pg_statement_param(s, STR("idempotency.id"))].type, 2950);
	s = st("all_types");
	int at = pg_statement_column(s, STR("at"));
	assert_int_equal(s->columns[at].type, 1184);
	assert_true(str_eq(s->columns[at].type_name, STR("timestamp with time zone")));
	assert_int_equal(s->columns[pg_statement_column(s, STR("texts"))].element, 25);
	static const char *const there[] = { "note_pkey", "note_words_bad", "note_words_key", "note_lower", "part_pkey",
		"part_positive" };
	for (size_t i = 0; i < ARRAY_LEN(there); i++)
		if (!map_get(&constraints, str_of(there[i]))) fail_msg("%s", there[i]);
	assert_null(map_get(&constraints, STR("part_1_pkey")));
	assert_string_equal(map_get(&constraints, STR("note_words_bad")), "c");
}

static void describe_refuses(void **state)
{
	(void)state;
	static const char *const wrong[] = { "no_table", WRITE "select * from nowhere\n", "fine", WRITE "select 1\n",
		"bad_type", WRITE "select :a::nothing\n", "no_ord",
		WRITE "-- batch: 4\nselect :a::int as x from input\n", NULL };
	struct pg_statement_set bad;
	struct buf report;
	buf_init(&report, 65536);
	pg_sync_set(&memory, &bad, wrong);
	assert_int_equal(pg_describe(&memory, pg_fixture_start(), &bad, NULL, &report), ERR_CONFIG);
	static const char *const said[] = { "no_table: ", "\"nowhere\"",
		"bad_type: ", "no_ord: a batch statement must" };
	for (size_t i = 0; i < ARRAY_LEN(said); i++) assert_true(str_contains(buf_view(&report), str_of(said[i])));
	assert_false(str_contains(buf_view(&report), STR("fine")));
	buf_reset(&report);
	assert_int_equal(pg_describe(&memory, STR("host=/nowhere-at-all"), &bad, NULL, &report), ERR_UNAVAILABLE);
	buf_free(&report);
}

struct json_look {
	const struct row_shape *shape;
	struct buf json;
	char fingerprint[64];
	char pending[4];
};

static void look(void *arg, const struct pg_outcome *o)
{
	struct json_look *l = arg;
	struct json_writer w;
	const struct pg_result *r = o->result_count ? o->results[0] : NULL;
	if (!r || !pg_rows(r)) return;
	json_write_init(&w, &l->json);
	row_write(l->shape, &w, r, 0);
	int f = pg_column(r, "!fingerprint"), p = pg_column(r, "!pending");
	if (f >= 0) snprintf(l->fingerprint, sizeof l->fingerprint, "%.*s", STR_FMT(pg_get(r, 0, (unsigned)f)));
	if (p >= 0) snprintf(l->pending, sizeof l->pending, "%.*s", STR_FMT(pg_get(r, 0, (unsigned)p)));
}

static void run(const char *name, const char *const *pairs, struct json_look *l, struct pg_answer *a)
{
	const struct pg_statement *s = st(name);
	const char *v[PG_STATEMENT_PARAMS_MAX] = { 0 };
	for (; pairs && *pairs; pairs += 2) {
		int at = pg_statement_param(s, str_of(pairs[0]));
		assert_true(at >= 0);
		v[at] = pairs[1];
	}
	*a = (struct pg_answer){ 0 };
	if (l) {
		buf_init(&l->json, 1 << 20);
		a->look = look;
		a->arg = l;
	}
	assert_int_equal(pg_sync_send(&sync_, a, s->tx == TX_READ ? PG_READ : PG_WRITE, s, v, 5000), ERR_NONE);
	pg_sync_wait(&sync_);
}

static void all_types_replay(void **state)
{
	(void)state;
	struct json_look first = { 0 }, again = { 0 };
	struct pg_answer a;
	struct buf report;
	buf_init(&report, 65536);
	enum err e = row_shape_compile(&memory, st("all_types"), NULL, &first.shape, &report);
	if (e) fail_msg("%.*s", STR_FMT(buf_view(&report)));
	again.shape = first.shape;
	const char *v[] = { "body.id", ID3, "idempotency.id", ID1, "idempotency.fingerprint", PRINT, NULL };
	run("all_types", v, &first, &a);
	if (a.err) fail_msg("%s %s", a.sqlstate, a.text);
	static const char want[] =
	    "{\"id\":\"" ID3
	    "\",\"yes\":true,\"flags\":{\"no\":false},\"small\":7,\"big\":-9223372036854775808,\"amount\":\"1.10\","
	    "\"nan\":\"NaN\",\"f8\":0.1,\"f8big\":1e+300,\"f4\":1.5,\"at\":\"2026-11-24T08:30:00.123456+08:00\","
	    "\"lmt\":\"1900-01-01T00:00:00+08:00\",\"day\":\"2026-11-24\",\"clock\":\"08:30:00\",\"span\":\"1 day "
	    "02:00:00\","
	    "\"local\":\"2026-11-24T08:30:00\",\"t\":\"a\\\"b\\\\c\\n中\",\"v\":\"x\",\"c\":\"c  "
	    "\",\"raw\":\"\\\\xdeadbeef\","
	    "\"mood\":\"on\",\"j\":{\"a\" : [1, 2.50, null]},\"js\":\"\\u00e9\",\"jb\":{\"a\": 2, \"z\": "
	    "1},\"ints\":[3,null,1],"
	    "\"texts\":[\"a,b\",\"\",\"NULL\",null],\"stamps\":[\"2026-01-01T00:00:00+08:00\"],\"grid\":[[1,2],[3,4]],"
	    "\"none\":[],"
	    "\"docs\":[{\"k\":1}],\"deep\":{\"er\":{\"x\":1,\"y\":2},\"z\":3}}";
	assert_string_equal(arena_strz(&memory, buf_view(&first.json)), want);
	const char *key[] = { "idempotency.id", ID1, NULL };
	run("all_types__replay", key, &again, &a);
	assert_int_equal(a.err, ERR_NONE);
	assert_string_equal(arena_strz(&memory, buf_view(&again.json)), want);
	assert_string_equal(again.fingerprint, PRINT);
	assert_string_equal(again.pending, "f");
	buf_free(&first.json);
	buf_free(&again.json);
	buf_free(&report);
	run("all_types", v, NULL, &a); /* the key is taken: nothing happens */
	assert_int_equal(a.err, ERR_CONSTRAINT);
	assert_string_equal(a.constraint, "idempotency_pkey");
}

static void saved_with_the_effect(void **state)
{
	(void)state;
	struct pg_answer a;
	pg_fixture_sql("truncate note, idempotency");
	const char *one[] = { "body.id", "1", "body.words", "hello", "idempotency.id", ID1, "idempotency.fingerprint",
		PRINT, NULL };
	run("create_note", one, NULL, &a);
	assert_int_equal(a.err, ERR_NONE);
	const char *again[] = { "body.id", "2", "body.words", "other", "idempotency.id", ID1, "idempotency.fingerprint",
		PRINT, NULL };
	run("insert_only", again, NULL, &a);
	assert_int_equal(a.err, ERR_CONSTRAINT);
	assert_string_equal(pg_fixture_value("select count(*) from note"), "1");
	const char *refused[] = { "body.id", "3", "body.words", "no", "idempotency.id", ID2, "idempotency.fingerprint",
		PRINT, NULL };
	run("create_note", refused, NULL, &a);
	assert_int_equal(a.err, ERR_NONE);
	assert_string_equal(pg_fixture_value("select count(*) from idempotency where id = '" ID2 "'"),
	    "0"); /* a refusal is no answer */
	const char *touch[] = { "path.id", "1", "body.words", "bye", "idempotency.id", ID2, "idempotency.fingerprint",
		PRINT, NULL };
	run("touch", touch, NULL, &a);
	assert_int_equal(a.err, ERR_NONE);
	assert_int_equal(a.rows, 1);
	assert_int_equal(a.affected, 1);
	const char *missed[] = { "path.id", "999", "body.words", "bye", "idempotency.id", ID3,
		"idempotency.fingerprint", PRINT, NULL };
	run("touch", missed, NULL, &a);
	assert_int_equal(a.affected, 0);
	assert_string_equal(pg_fixture_value("select string_agg(operation, ',' order by operation) from idempotency"),
	    "create_note,touch");
	struct json_look l = { 0 };
	struct buf report;
	buf_init(&report, 1000);
	assert_int_equal(row_shape_compile(&memory, st("touch"), NULL, &l.shape, &report), ERR_NONE);
	const char *key[] = { "idempotency.id", ID2, NULL };
	run("touch__replay", key, &l, &a);
	assert_true(str_eq(buf_view(&l.json), STR("{}")));
	assert_string_equal(l.pending, "f");
	buf_free(&l.json);
	pg_fixture_sql(
	    "insert into idempotency (id, operation, fingerprint) values ('" ID3 "', 'create_note', '" PRINT "')");
	const char *claimed[] = { "idempotency.id", ID3, NULL };
	assert_int_equal(row_shape_compile(&memory, st("create_note"), NULL, &l.shape, &report), ERR_NONE);
	run("create_note__replay", claimed, &l, &a);
	assert_string_equal(l.pending, "t");
	assert_string_equal(l.fingerprint, PRINT);
	buf_free(&l.json);
	buf_free(&report);
}

static void on_member(void *arg, const struct pg_outcome *o, const struct pg_result *r, unsigned first, unsigned count)
{
	char *text = arg;
	if (o->err)
		snprintf(text, 64, "%.*s", STR_FMT(o->constraint));
	else if (count == 1)
		snprintf(text, 64, "%.*s", STR_FMT(pg_get(r, first, 1)));
	if (--sync_.pending == 0) loop_stop(sync_.loop);
}

static void batch_saves_each(void **state)
{
	(void)state;
	static const char *const rows[][3] = { { "11", "one", ID1 }, { "12", "no", ID2 }, { "13", "three", NULL },
		{ "14", "four", ID3 } };
	char text[4][64] = { "" };
	const struct pg_statement *s = st("bulk");
	struct pg_batch *b = pg_batch_new(sync_.pool, s);
	pg_fixture_sql("truncate note, idempotency");
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 4; i++) {
			struct pg_value v[4];
			v[pg_statement_param(s, STR("body.id"))].text = str_of(rows[i][0]);
			v[pg_statement_param(s, STR("body.words"))].text = str_of(rows[i][1]);
			v[pg_statement_param(s, STR("idempotency.id"))].text = str_of(rows[i][2]);
			v[pg_statement_param(s, STR("idempotency.fingerprint"))].text = STR(PRINT);
			assert_int_equal(pg_batch_add(b, v, INT64_MAX, on_member, text[i]), ERR_NONE);
			sync_.pending++;
		}
		pg_sync_wait(&sync_);
		if (round == 0) {
			assert_string_equal(text[0], "one");
			assert_string_equal(text[1], "no");
			assert_string_equal(text[2], "three");
			assert_string_equal(
			    pg_fixture_value("select string_agg(right(id::text, 1), '' order by id) from idempotency"),
			    "13");
			assert_string_equal(
			    pg_fixture_value("select answer->>'words' from idempotency where id = '" ID3 "'"), "four");
			pg_fixture_sql("truncate note");
		}
	}
	assert_string_equal(text[0], "idempotency_pkey"); /* duplicates found one by one; the others went through */
	assert_string_equal(text[1], "no");
	assert_string_equal(text[2], "three");
	assert_string_equal(text[3], "idempotency_pkey");
	assert_string_equal(pg_fixture_value("select count(*) from note"), "2");
	pg_batch_free(b);
}

static void shapes_refused(void **state)
{
	(void)state;
	static const char *const cases[][3] = { { "a.x", "b", "a.y" }, { "a", "a.b", NULL }, { "a.b", "a", NULL },
		{ "a", "a", NULL }, { "a.b", "a.b", NULL }, { "a..b", NULL, NULL }, { ".a", NULL, NULL },
		{ "a.", NULL, NULL }, { "", NULL, NULL } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pg_column_info columns[3] = { 0 };
		struct pg_statement s = { .file = STR("f.sql"), .columns = columns };
		const struct row_shape *shape;
		struct buf report;
		for (; s.column_count < 3 && cases[i][s.column_count]; s.column_count++)
			columns[s.column_count] =
			    (struct pg_column_info){ .name = str_of(cases[i][s.column_count]), .type = 25 };
		buf_init(&report, 1000);
		assert_int_equal(row_shape_compile(&memory, &s, NULL, &shape, &report), ERR_CONFIG);
		assert_true(str_starts(buf_view(&report), STR("f.sql: column")));
		assert_null(shape);
		buf_free(&report);
	}
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static enum err migrate(const char *const *dirs)
{
	struct arena a;
	arena_init(&a, 4096, 16 * 1024 * 1024);
	enum err e = pg_migrate(&a, pg_fixture_start(), STR("yard"), dirs);
	arena_release(&a);
	return e;
}

static void migrations(void **state)
{
	(void)state;
	char base[] = "/tmp/yg-mig-XXXXXX", one[64], two[64], command[256];
	assert_non_null(mkdtemp(base));
	snprintf(one, sizeof one, "%s/first/migrations", base);
	snprintf(two, sizeof two, "%s/second/migrations/", base);
	snprintf(command, sizeof command, "mkdir -p %s %s", one, two);
	assert_int_equal(system(command), 0);
	const char *dirs[] = { one, two, NULL };
	put(one, "0001_a.sql", "create table a (x int);\ninsert into a values (1); select * from a;\n");
	put(two, "0001_a.sql", "insert into a values (2);\n");
	assert_int_equal(migrate(dirs), ERR_NONE);
	assert_int_equal(migrate(dirs), ERR_NONE); /* once only */
	assert_string_equal(pg_fixture_value("select sum(x) from yard.a"), "3");
	assert_string_equal(pg_fixture_value("select string_agg(name, ' ' order by name) from yard.migration"),
	    "first/0001_a.sql second/0001_a.sql");
	put(two, "0002_b.sql", "insert into a values (4);\ninsert into nowhere values (1);\n");
	assert_int_equal(migrate(dirs), ERR_SQL); /* as a whole or not at all */
	assert_string_equal(pg_fixture_value("select sum(x) from yard.a"), "3");
	put(two, "0002_b.sql", "insert into a values (4);\ncommit;\n");
	assert_int_equal(migrate(dirs), ERR_CONFIG);
	assert_string_equal(pg_fixture_value("select sum(x) from yard.a"), "3");
	put(two, "0002_b.sql", "insert into a values (8);\n");
	assert_int_equal(migrate(dirs), ERR_NONE);
	put(one, "0001_a.sql", "create table a (x int, y int);\n");
	put(two, "0003_c.sql", "insert into a values (16);\n");
	assert_int_equal(migrate(dirs), ERR_CONFIG); /* history was changed: nothing more is applied */
	assert_string_equal(pg_fixture_value("select count(*) from yard.a where x = 16"), "0");
	snprintf(command, sizeof command, "rm -rf %s", base);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(described),
		cmocka_unit_test(describe_refuses),
		cmocka_unit_test(all_types_replay),
		cmocka_unit_test(saved_with_the_effect),
		cmocka_unit_test(batch_saves_each),
		cmocka_unit_test(shapes_refused),
		cmocka_unit_test(migrations),
	};
	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
