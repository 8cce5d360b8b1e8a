/* One SQL file: header, :names to $n (or to columns of `input` in a batch file), and the split into WITH list and main
 * statement that later rewrites need. All faults of a file are reported, not only the first. Comments do not travel to the
 * server; line breaks do, so that PostgreSQL's "LINE n" still helps. */
#include "common/core/utf8.h"
#include "common/pg/sql_scan.h"
#include "common/pg/statement_parse.h"

enum { NAME_BYTES_MAX = 54, /* with "__replay" it fits PostgreSQL's 63 */ IDENTIFIER_BYTES_MAX = 63 };

struct parser {
	struct arena *boot;
	struct buf *report;
	struct str file;
	struct str text;
	struct pg_statement *s;
	bool has_shape, has_tx, has_batch;
	bool failed;
};

static unsigned line_of(const struct parser *p, const char *at)
{
	unsigned line = 1;
	for (const char *c = p->text.p; c < at; c++) line += *c == '\n';
	return line;
}

static void fault(struct parser *p, const char *at, const char *what, struct str detail)
{
	p->failed = true;
	buf_printf(p->report, "%.*s:%u: %s", STR_FMT(p->file), line_of(p, at), what);
	if (detail.n) BUF_LIT(p->report, ": ");
	buf_str(p->report, detail);
	buf_char(p->report, '\n');
}

static int choose(struct str value, const char *const *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (str_eq(value, str_of(names[i]))) return (int)i;
	return -1;
}

static void header_value(struct parser *p, struct str key, struct str value, bool *seen)
{
	static const char *const shapes[] = { "one", "list", "page", "none", "raw" }, *const txs[] = { "read",
		"write" };
	int64_t n;
	int i;
	if (*seen) fault(p, key.p, "header key given twice", key);
	*seen = true;
	if (seen == &p->has_shape) {
		if ((i = choose(value, shapes, ARRAY_LEN(shapes))) < 0)
			fault(p, key.p, "unknown shape", value);
		else
			p->s->shape = (enum sql_shape)i;
	} else if (seen == &p->has_tx) {
		if ((i = choose(value, txs, ARRAY_LEN(txs))) < 0)
			fault(p, key.p, "unknown tx", value);
		else
			p->s->tx = (enum sql_tx)i;
	} else if (str_to_i64(value, &n) && n >= 2 && n <= PG_BATCH_MAX) {
		p->s->batch_max = (unsigned)n;
	} else {
		fault(p, key.p, "batch must be from 2 to 1024", value);
	}
}

/* "-- key: value", optionally followed by two blanks and an explanation. Other comment lines are for people. */
static void header_line(struct parser *p, struct str line)
{
	struct str rest = str_trim(str_from(line, 2)), key = STR_NONE;
	if (!str_contains(rest, STR(":")) || !str_cut(&rest, ':', &key)) return;
	for (size_t i = 0; i < key.n; i++)
		if ((key.p[i] < 'a' || key.p[i] > 'z') && key.p[i] != '_') return;
	if (key.n == 0) return;
	struct str value = str_trim(rest);
	for (size_t i = 0; i + 1 < value.n; i++)
		if (value.p[i] == ' ' && value.p[i + 1] == ' ') value.n = i;
	if (str_eq(key, STR("shape")))
		header_value(p, key, value, &p->has_shape);
	else if (str_eq(key, STR("tx")))
		header_value(p, key, value, &p->has_tx);
	else if (str_eq(key, STR("batch")))
		header_value(p, key, value, &p->has_batch);
	else
		fault(p, key.p, "unknown header key", key);
}

static void parse_header(struct parser *p)
{
	struct sql_scan scan = { .text = p->text };
	for (;;) {
		struct sql_token t = sql_next(&scan);
		if (t.kind == SQL_COMMENT && t.text.p[0] == '-')
			header_line(p, t.text);
		else if (t.kind != SQL_SPACE && t.kind != SQL_COMMENT)
			break;
	}
	const char *at = p->text.p;
	if (!p->has_shape) fault(p, at, "the header lacks \"-- shape:\"", STR_NONE);
	if (!p->has_tx) fault(p, at, "the header lacks \"-- tx:\"", STR_NONE);
}

void statement_put_identifier(struct buf *b, struct str name)
{
	buf_char(b, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"') buf_char(b, '"');
		buf_char(b, name.p[i]);
	}
	buf_char(b, '"');
}

int statement_param_add(struct arena *boot, struct pg_statement *s, struct str name, struct str cast)
{
	int at = pg_statement_param(s, name);
	if (at < 0) {
		if (s->param_count == PG_STATEMENT_PARAMS_MAX) return -1;
		/* Power-of-two growth; old arrays stay in the boot arena. */
		if ((s->param_count & (s->param_count - 1)) == 0) {
			struct pg_param *grown =
			    arena_array(boot, s->param_count ? s->param_count * 2 : 1, sizeof *grown);
			if (!grown) return -1;
			if (s->param_count) memcpy(grown, s->params, s->param_count * sizeof *grown);
			s->params = grown;
		}
		at = (int)s->param_count++;
		s->params[at] = (struct pg_param){ .name = arena_str(boot, name) };
	}
	if (cast.n && !s->params[at].cast.n) s->params[at].cast = arena_str(boot, cast);
	return at;
}

/* The type after "::" that follows a name, or absent. */
static struct str cast_after(const struct sql_scan *scan)
{
	struct sql_scan ahead = *scan;
	struct sql_token t = sql_next_solid(&ahead);
	if (t.kind != SQL_CAST) return STR_NONE;
	size_t end = sql_type_end(ahead.text, ahead.at);
	return str_trim(str_span(ahead.text.p + ahead.at, end - ahead.at));
}

static void put_name(struct parser *p, struct buf *out, struct sql_token t, struct str cast)
{
	if (t.text.n > IDENTIFIER_BYTES_MAX) {
		fault(p, t.text.p, "name is longer than 63 bytes", t.text);
		return;
	}
	int at = statement_param_add(p->boot, p->s, t.text, cast);
	if (at < 0) {
		fault(p, t.text.p, "more than 128 different names", t.text);
	} else if (p->s->batch_max) {
		BUF_LIT(out, "input.");
		statement_put_identifier(out, t.text);
	} else {
		buf_printf(out, "$%d", at + 1);
	}
}

/* Copies the statement with names replaced, comments dropped and the closing semicolon taken off. */
static void replace_names(struct parser *p, struct buf *out)
{
	struct sql_scan scan = { .text = p->text };
	const char *semicolon = NULL;
	for (struct sql_token t; (t = sql_next(&scan)).kind != SQL_END;) {
		if (t.kind == SQL_COMMENT || (t.kind == SQL_SPACE && out->n == 0)) {
			if (t.kind == SQL_COMMENT && out->n) buf_char(out, ' ');
			continue;
		}
		if (semicolon && t.kind != SQL_SPACE) {
			fault(p, t.text.p, "more than one statement", STR_NONE);
			return;
		}
		if (sql_is_char(t, ';'))
			semicolon = t.text.p;
		else if (t.kind == SQL_NAME)
			put_name(p, out, t, cast_after(&scan));
		else
			buf_str(out, t.text);
		if (t.kind == SQL_BROKEN) fault(p, t.text.p, "unclosed quote or comment", STR_NONE);
		if (t.kind == SQL_POSITION) fault(p, t.text.p, "use :names instead of positions", t.text);
	}
	if (scan.depth) fault(p, p->text.p + p->text.n, "unclosed parenthesis", STR_NONE);
}

/* Walks "name [(columns)] as [not] [materialized] (…)"; true when well-formed, *s is then behind it. */
static bool skip_cte(struct sql_scan *s)
{
	struct sql_token t = sql_next_solid(s);
	if (t.kind != SQL_WORD && t.kind != SQL_IDENTIFIER) return false;
	t = sql_next_solid(s);
	if (sql_is_char(t, '(')) {
		do t = sql_next_solid(s);
		while (t.kind != SQL_END && !(sql_is_char(t, ')') && t.depth == 0));
		t = sql_next_solid(s);
	}
	if (!sql_is_word(t, "as")) return false;
	t = sql_next_solid(s);
	if (sql_is_word(t, "not")) t = sql_next_solid(s);
	if (sql_is_word(t, "materialized")) t = sql_next_solid(s);
	if (!sql_is_char(t, '(')) return false;
	do t = sql_next_solid(s);
	while (t.kind != SQL_END && !(sql_is_char(t, ')') && t.depth == 0));
	return t.kind != SQL_END;
}

/* Cuts "with [recursive] <list> <main>" apart. */
static void split_with(struct parser *p, struct str sql)
{
	struct pg_statement *s = p->s;
	struct sql_scan scan = { .text = sql };
	struct sql_token t = sql_next_solid(&scan);
	s->main_text = sql;
	if (!sql_is_word(t, "with")) return;
	struct sql_scan ahead = scan;
	t = sql_next_solid(&ahead);
	if (sql_is_word(t, "recursive")) {
		s->recursive = true;
		scan = ahead;
	}
	size_t from = scan.at;
	for (;;) {
		if (!skip_cte(&scan)) {
			fault(p, p->text.p, "the WITH list is not understood", STR_NONE);
			return;
		}
		ahead = scan;
		t = sql_next_solid(&ahead);
		if (!sql_is_char(t, ',')) break;
		scan = ahead;
	}
	if (sql_is_word(t, "search") || sql_is_word(t, "cycle"))
		fault(p, p->text.p, "SEARCH and CYCLE are not supported", STR_NONE);
	s->with_list = str_trim(str_span(sql.p + from, scan.at - from));
	s->main_text = str_trim(str_from(sql, scan.at));
}

static void check_batch(struct parser *p)
{
	struct pg_statement *s = p->s;
	if (!s->batch_max) return;
	if (s->param_count == 0) fault(p, p->text.p, "a batch statement needs at least one :name", STR_NONE);
	for (unsigned i = 0; i < s->param_count; i++) {
		struct pg_param *param = &s->params[i];
		if (!param->cast.n)
			fault(p, p->text.p, "a name in a batch statement needs a ::type", param->name);
		else if (str_contains(param->cast, STR("[")))
			fault(p, p->text.p, "a batch cannot carry arrays", param->name);
	}
}

/* Things of the text as a whole. False: looking further makes no sense. */
static bool check_text(struct parser *p)
{
	struct str t = p->text;
	if (t.n > PG_STATEMENT_BYTES_MAX)
		fault(p, t.p, "the file is larger than 64 KiB", STR_NONE);
	else if (t.n && memchr(t.p, 0, t.n))
		fault(p, t.p, "the file has a NUL byte", STR_NONE);
	else if (!utf8_valid(t))
		fault(p, t.p, "the file is not UTF-8", STR_NONE);
	else if (t.n == 0)
		fault(p, t.p, "the file is empty", STR_NONE);
	else if (t.p[t.n - 1] != '\n')
		fault(p, t.p + t.n, "no newline at the end of the file", STR_NONE);
	return !p->failed || (t.n && t.n <= PG_STATEMENT_BYTES_MAX && !memchr(t.p, 0, t.n) && utf8_valid(t));
}

static void check_name(struct parser *p)
{
	struct str name = p->s->name;
	bool good = name.n > 0 && name.n <= NAME_BYTES_MAX && name.p[0] >= 'a' && name.p[0] <= 'z';
	for (size_t i = 0; i < name.n && good; i++) {
		char c = name.p[i];
		good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
	}
	if (!good) fault(p, p->text.p, "names of SQL files are [a-z][a-z0-9_]*, at most 54 bytes", name);
}

enum err pg_statement_parse(struct arena *boot, struct str name, struct str file, struct str text,
    struct pg_statement **out, struct buf *report)
{
	*out = NULL;
	struct pg_statement *s = ARENA_NEW(boot, struct pg_statement);
	if (!s) return ERR_CONFIG;
	s->name = arena_str(boot, name);
	s->file = arena_str(boot, file);
	struct parser p = { .boot = boot, .report = report, .file = s->file, .text = text, .s = s };
	check_name(&p);
	if (!check_text(&p)) return ERR_CONFIG;
	parse_header(&p);
	struct buf sql;
	buf_init(&sql, PG_STATEMENT_BYTES_MAX * 4); /* input."…" is longer than :… */
	replace_names(&p, &sql);
	struct str replaced = arena_str(boot, str_trim(buf_view(&sql)));
	if (!buf_ok(&sql))
		fault(&p, text.p, "the statement is too long", STR_NONE);
	else if (!replaced.n)
		fault(&p, text.p, "there is no statement", STR_NONE);
	buf_free(&sql);
	if (replaced.n && !p.failed) split_with(&p, replaced);
	check_batch(&p);
	if (p.failed || boot->overflow) return ERR_CONFIG;
	if (!statement_compose(boot, s, false)) return ERR_CONFIG;
	*out = s;
	return ERR_NONE;
}
