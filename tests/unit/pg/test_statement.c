/* The statement parser: what becomes of names, quotes, comments and headers, and every fault it must report. No server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/pg/sql_scan.h"
#include "common/pg/statement.h"

#define HEAD   "-- shape: one\n-- tx: read\n"
#define BATCH  "-- shape: one\n-- tx: write\n-- batch: 8\n"
#define INPUT1 "with input as materialized (select * from unnest($1::uuid[]) with ordinality as t(\"a.id\", ord))"

struct good_case {
	const char *text, *sql;
	unsigned params;
};

static const struct good_case good_cases[] = {
	{ HEAD "select 1\n", "select 1", 0 },
	{ HEAD "select :path.id\n", "select $1", 1 },
	{ HEAD "select :path.id, :path.id, :query.b_c;\n", "select $1, $1, $2", 2 },
	{ HEAD "select :a.id::uuid, x::text from t\n", "select $1::uuid, x::text from t", 1 },
	{ HEAD "select ':a.b', E'it\\'s :a', \"fund.:name\", U&'\\0041:x'\n",
	    "select ':a.b', E'it\\'s :a', \"fund.:name\", U&'\\0041:x'", 0 },
	{ HEAD "select 'it''s :a' as \"a\"\"b:c\"\n", "select 'it''s :a' as \"a\"\"b:c\"", 0 },
	{ HEAD "select $$ :a '$$, $t$ $$ :b $t$, :c\n", "select $$ :a '$$, $t$ $$ :b $t$, $1", 1 },
	{ HEAD "select 1 -- :no ; 'x\n , /* :no /* nested ' */ ; */ :yes\n", "select 1  \n ,   $1", 1 },
	{ HEAD "select a[1:2], a[:lo:3], b := 3\n", "select a[1:2], a[$1:3], b := 3", 1 },
	{ HEAD "select t.a$b$, :body.x.y.\n", "select t.a$b$, $1.", 1 },
	{ HEAD "select :body\n", "select $1", 1 },
	{ "-- Gifts: what people see.\n-- shape: raw  one column\n-- tx: read\n\nselect 1 ; -- the end\n", "select 1",
	    0 },
	{ HEAD "with x as (select ')' as a), y (b) as not materialized (select 1) select * from x, y\n",
	    "with x as (select ')' as a), y (b) as not materialized (select 1) select * from x, y", 0 },
	{ HEAD "with recursive r as (select 1 union all select 2 from r) select * from r\n",
	    "with recursive r as (select 1 union all select 2 from r) select * from r", 0 },
	{ BATCH "select ord, :a.id::uuid as id from input\n",
	    INPUT1 " select ord, input.\"a.id\"::uuid as id from input", 1 },
	{ BATCH "with b as (select 1) insert into t select :a.id, :a.id::uuid from input, b returning 1\n",
	    INPUT1
	    ", b as (select 1) insert into t select input.\"a.id\", input.\"a.id\"::uuid from input, b returning 1",
	    1 },
	{ BATCH "with recursive b as (select 1) select :a.id::uuid from input\n",
	    "with recursive input as materialized (select * from unnest($1::uuid[]) with ordinality as t(\"a.id\", "
	    "ord)), "
	    "b as (select 1) select input.\"a.id\"::uuid from input",
	    1 },
};

struct bad_case {
	const char *name, *text, *said;
};

static const struct bad_case bad_cases[] = {
	{ "a", "-- tx: read\nselect 1\n", "lacks \"-- shape:\"" },
	{ "a", "-- shape: one\nselect 1\n", "lacks \"-- tx:\"" },
	{ "a", "-- shape: many\n-- tx: read\nselect 1\n", "unknown shape: many" },
	{ "a", "-- shape: one two\n-- tx: read\nselect 1\n", "unknown shape: one two" },
	{ "a", "-- shape: one\n-- tx: maybe\nselect 1\n", "unknown tx: maybe" },
	{ "a", HEAD "-- tx: read\nselect 1\n", "a.sql:3: header key given twice: tx" },
	{ "a", HEAD "-- speed: high\nselect 1\n", "a.sql:3: unknown header key: speed" },
	{ "a", HEAD "-- batch: 1\nselect :x::int\n", "batch must be" },
	{ "a", HEAD "-- batch: 5000\nselect :x::int\n", "batch must be" },
	{ "a", HEAD "-- batch: 9\nselect 1\n", "needs at least one :name" },
	{ "a", HEAD "-- batch: 9\nselect :x\n", "needs a ::type: x" },
	{ "a", HEAD "-- batch: 9\nselect :x::int[]\n", "cannot carry arrays: x" },
	{ "a", HEAD "select 1; select 2\n", "a.sql:3: more than one statement" },
	{ "a", HEAD "select 1;;\n", "more than one statement" },
	{ "a", HEAD "select 1", "no newline at the end" },
	{ "a", HEAD "select $1\n", "use :names instead of positions: $1" },
	{ "a", HEAD "select 'x\n", "a.sql:3: unclosed quote" },
	{ "a", HEAD "select \"x\n", "unclosed quote" },
	{ "a", HEAD "select $q$ x $p$\n", "unclosed quote" },
	{ "a", HEAD "select /* x\n", "unclosed quote or comment" },
	{ "a", HEAD "select (1\n", "unclosed parenthesis" },
	{ "a", HEAD "\n", "there is no statement" },
	{ "a", HEAD "with x as select 1\n", "WITH list is not understood" },
	{ "a", HEAD "with recursive x as (select 1) cycle a set b using c select 1\n", "CYCLE" },
	{ "a", HEAD "select :a.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	    "longer than 63" },
	{ "a", HEAD "select '\xff'\n", "not UTF-8" },
	{ "a", "", "is empty" },
	{ "A-b", HEAD "select 1\n", "names of SQL files" },
	{ "", HEAD "select 1\n", "names of SQL files" },
	{ "a23456789012345678901234567890123456789012345678901234567", HEAD "select 1\n", "names of SQL files" },
};

static enum err parse(struct arena *a, struct buf *report, const char *name, struct str text, struct pg_statement **s)
{
	arena_init(a, 4096, 4 * 1024 * 1024);
	buf_init(report, 65536);
	return pg_statement_parse(a, str_of(name), STR("a.sql"), text, s, report);
}

static void good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good_cases); i++) {
		struct arena a;
		struct buf report;
		struct pg_statement *s;
		enum err e = parse(&a, &report, "gift_get", str_of(good_cases[i].text), &s);
		if (e) fail_msg("%s: %.*s", good_cases[i].text, STR_FMT(buf_view(&report)));
		assert_string_equal(s->sql.p, good_cases[i].sql);
		assert_int_equal(s->param_count, good_cases[i].params);
		buf_free(&report);
		arena_release(&a);
	}
}

static void bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_cases); i++) {
		struct arena a;
		struct buf report;
		struct pg_statement *s;
		enum err e = parse(&a, &report, bad_cases[i].name, str_of(bad_cases[i].text), &s);
		if (e != ERR_CONFIG || !str_contains(buf_view(&report), str_of(bad_cases[i].said)))
			fail_msg("%s: got \"%.*s\"", bad_cases[i].text, STR_FMT(buf_view(&report)));
		assert_null(s);
		buf_free(&report);
		arena_release(&a);
	}
}

static void nul_byte(void **state)
{
	(void)state;
	struct arena a;
	struct buf report;
	struct pg_statement *s;
	assert_int_equal(parse(&a, &report, "a", STR(HEAD "select '\0'\n"), &s), ERR_CONFIG);
	assert_true(str_contains(buf_view(&report), STR("NUL")));
	buf_free(&report);
	arena_release(&a);
}

static void all_faults_at_once(void **state)
{
	(void)state;
	struct arena a;
	struct buf report;
	struct pg_statement *s;
	assert_int_equal(
	    parse(&a, &report, "a", STR("-- shap: one\n-- tx: perhaps\nselect $1 where $2"), &s), ERR_CONFIG);
	unsigned lines = 0;
	for (size_t i = 0; i < report.n; i++) lines += report.p[i] == '\n';
	assert_int_equal(lines, 6); /* newline, key, tx, shape missing, two positions */
	buf_free(&report);
	arena_release(&a);
}

static void parts_and_params(void **state)
{
	(void)state;
	struct arena a;
	struct buf report;
	struct pg_statement *s;
	const char *text = BATCH
	    "with x as (select 1) insert into t select :body.a::numeric(10,2), :body.b :: timestamp(3) with time zone, "
	    ":body.c::double precision from input returning ord\n";
	assert_int_equal(parse(&a, &report, "a", str_of(text), &s), ERR_NONE);
	assert_string_equal(s->with_list.p ? "yes" : "no", "yes");
	assert_true(str_eq(s->with_list, STR("x as (select 1)")));
	assert_true(str_starts(s->main_text, STR("insert into t")));
	assert_true(str_eq(s->params[0].cast, STR("numeric(10,2)")));
	assert_true(str_eq(s->params[1].cast, STR("timestamp(3) with time zone")));
	assert_true(str_eq(s->params[2].cast, STR("double precision")));
	assert_int_equal(pg_statement_param(s, STR("body.b")), 1);
	assert_int_equal(pg_statement_param(s, STR("body.z")), -1);
	assert_int_equal(s->batch_max, 8);
	assert_int_equal(s->tx, TX_WRITE);
	buf_free(&report);
	arena_release(&a);
}

static void types(void **state)
{
	(void)state;
	static const struct {
		const char *text, *type;
	} cases[] = { { "int)", "int" }, { "text as x", "text" }, { "donations.gift_state,", "donations.gift_state" },
		{ "varchar(20) ", "varchar(20)" }, { "character varying(20) x", "character varying(20)" },
		{ "time without time zone x", "time without time zone" }, { "timestamp with x", "timestamp" },
		{ "int[] x", "int[]" }, { "int[3][] x", "int[3][]" }, { "\"My Type\" x", "\"My Type\"" }, { "(x)", "" },
		{ "", "" } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t end = sql_type_end(str_of(cases[i].text), 0);
		assert_int_equal(end, strlen(cases[i].type));
	}
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void folders(void **state)
{
	(void)state;
	char one[] = "/tmp/yg-sql-XXXXXX", two[] = "/tmp/yg-sql-XXXXXX", command[128];
	assert_non_null(mkdtemp(one));
	assert_non_null(mkdtemp(two));
	write_file(one, "b.sql", HEAD "select 1\n");
	write_file(one, "a.sql", HEAD "select 2\n");
	write_file(one, "notes.txt", "nothing");
	write_file(two, "c.sql", HEAD "select 3\n");
	struct arena a;
	struct buf report;
	struct pg_statement_set set;
	const char *dirs[] = { one, two, NULL };
	arena_init(&a, 4096, 4 * 1024 * 1024);
	buf_init(&report, 65536);
	assert_int_equal(pg_statements_load(&a, dirs, &set, &report), ERR_NONE);
	assert_int_equal(set.count, 3);
	assert_true(str_eq(set.items[0]->name, STR("a")));
	assert_true(str_eq(pg_statement_find(&set, STR("c"))->sql, STR("select 3")));
	assert_null(pg_statement_find(&set, STR("d")));
	write_file(two, "a.sql", HEAD "select 4\n");
	write_file(two, "e.sql", "select 5\n");
	assert_int_equal(pg_statements_load(&a, dirs, &set, &report), ERR_CONFIG);
	assert_true(str_contains(buf_view(&report), STR("another folder")));
	assert_true(str_contains(buf_view(&report), STR("e.sql:1")));
	const char *missing[] = { "/tmp/yg-sql-nowhere", NULL };
	assert_int_equal(pg_statements_load(&a, missing, &set, &report), ERR_CONFIG);
	buf_free(&report);
	arena_release(&a);
	snprintf(command, sizeof command, "rm -rf %s %s", one, two);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(nul_byte),
		cmocka_unit_test(all_faults_at_once),
		cmocka_unit_test(parts_and_params),
		cmocka_unit_test(types),
		cmocka_unit_test(folders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
