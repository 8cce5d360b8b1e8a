/* The parser of SQL files, and the rewriting of what it accepted.
 * links: pg */
#include <stdint.h>

#include "common/pg/sql_scan.h"
#include "common/pg/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte belongs to one token, and the depth never runs away. */
static void scan_all(struct str text)
{
	struct sql_scan s = { .text = text };
	size_t seen = 0;
	for (struct sql_token t; (t = sql_next(&s)).kind != SQL_END;) {
		CHECK(s.at > seen && s.at <= text.n);
		CHECK(t.text.n == s.at - seen || (t.kind == SQL_NAME && t.text.n + 1 == s.at - seen));
		seen = s.at;
	}
	CHECK(seen == text.n && s.depth <= text.n);
	for (size_t i = 0; i < text.n && i < 64; i++) CHECK(sql_type_end(text, i) <= text.n);
}

/* What came out holds no name and no semicolon that the server would read. */
static void check_text(struct str sql)
{
	struct sql_scan s = { .text = sql };
	for (struct sql_token t; (t = sql_next(&s)).kind != SQL_END;)
		CHECK(t.kind != SQL_COMMENT && !sql_is_char(t, ';'));
}

static void rewrite(struct arena *a, struct pg_statement *s, struct buf *report)
{
	struct pg_column_info columns[] = { { STR("ord"), 20, STR("bigint"), 0 }, { STR("a'\"b"), 114, STR("json"), 0 },
		{ STR("x.\"y"), 1184, STR("timestamp with time zone"), 0 }, { STR("!problem"), 25, STR("text"), 0 } };
	struct pg_statement *replay;
	s->columns = columns;
	s->column_count = (unsigned)(s->sql.n % 5);
	s->described = true;
	if (pg_statement_save_answer(a, s, &replay, report)) return;
	check_text(s->sql);
	check_text(replay->sql);
	CHECK(s->idempotent && replay->param_count == 1 && str_ends(replay->name, STR("__replay")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct arena a;
	struct buf report;
	struct pg_statement *s;
	arena_init(&a, 4096, 4 * 1024 * 1024);
	buf_init(&report, 65536);
	if (size) scan_all(text);
	enum err e = pg_statement_parse(&a, STR("gift_get"), STR("gift_get.sql"), text, &s, &report);
	CHECK((e == ERR_NONE) == (s != NULL));
	CHECK(e == ERR_NONE || report.n > 0 || a.overflow);
	if (s) {
		CHECK(s->param_count <= PG_STATEMENT_PARAMS_MAX);
		check_text(s->sql);
		rewrite(&a, s, &report);
	}
	buf_free(&report);
	arena_release(&a);
	return 0;
}
