/* Puts a statement together from its parts: the row source of a batch, the file's own WITH list, the CTEs that save the answer
 * of an idempotent write, and the main statement. Also makes the statement that reads a saved answer back. */
#include "common/pg/sql_scan.h"
#include "common/pg/statement_parse.h"

enum { SQL_BYTES_MAX = 1024 * 1024, OID_JSON = 114, OID_RECORD = 2249 };

/* input as materialized (select * from unnest($1::uuid[], …) with ordinality as t("path.id", …, ord)) */
static void put_input(struct buf *b, const struct pg_statement *s)
{
	BUF_LIT(b, "input as materialized (select * from unnest(");
	for (unsigned i = 0; i < s->param_count; i++)
		buf_printf(b, "%s$%u::%.*s[]", i ? ", " : "", i + 1, STR_FMT(s->params[i].cast));
	BUF_LIT(b, ") with ordinality as t(");
	for (unsigned i = 0; i < s->param_count; i++) {
		statement_put_identifier(b, s->params[i].name);
		BUF_LIT(b, ", ");
	}
	BUF_LIT(b, "ord))");
}

/* A statement without RETURNING gets one, so that there is a row (and nothing in it) when it did something. */
static void put_effect(struct buf *b, const struct pg_statement *s)
{
	BUF_LIT(b, "effect as (");
	buf_str(b, s->main_text);
	if (s->column_count == 0) BUF_LIT(b, " returning true as done");
	BUF_LIT(b, "\n), saved as (insert into idempotency (id, operation, fingerprint, answer) select ");
	bool problem = pg_statement_column(s, STR("!problem")) >= 0;
	if (s->batch_max) { /* one answer per member, whatever the statement returns */
		buf_printf(b,
		    "distinct on (effect.ord) input.\"idempotency.id\", '%.*s', input.\"idempotency.fingerprint\", "
		    "to_json(effect) from effect join input on input.ord = effect.ord "
		    "where input.\"idempotency.id\" is not null%s order by effect.ord)",
		    STR_FMT(s->name), problem ? " and effect.\"!problem\" is null" : "");
	} else {
		/* An optional key that was not given saves nothing. */
		int id = pg_statement_param(s, STR("idempotency.id")) + 1;
		buf_printf(b,
		    "$%d::uuid, '%.*s', $%d::uuid, to_json(effect) from effect where $%d::uuid is not null%s limit 1)",
		    id, STR_FMT(s->name), pg_statement_param(s, STR("idempotency.fingerprint")) + 1, id,
		    problem ? " and effect.\"!problem\" is null" : "");
	}
}

bool statement_compose(struct arena *boot, struct pg_statement *s, bool save_answer)
{
	struct buf b;
	buf_init(&b, SQL_BYTES_MAX);
	const char *join = s->recursive ? "with recursive " : "with ";
	if (s->batch_max) {
		buf_str(&b, str_of(join));
		put_input(&b, s);
		join = ", ";
	}
	if (s->with_list.n) {
		buf_str(&b, str_of(join));
		buf_str(&b, s->with_list);
		join = ", ";
	}
	if (save_answer) {
		buf_str(&b, str_of(join));
		put_effect(&b, s);
		buf_str(&b, s->column_count ? STR(" select * from effect") : STR(" select from effect"));
		if (s->batch_max) BUF_LIT(&b, " order by ord");
	} else {
		if (b.n) buf_char(&b, ' ');
		buf_str(&b, s->main_text);
	}
	s->sql = buf_ok(&b) ? arena_str(boot, buf_view(&b)) : STR_NONE;
	buf_free(&b);
	return s->sql.p != NULL;
}

static bool is_json(const struct pg_column_info *c)
{
	return c->type == OID_JSON;
}

/*
 * Columns of type json are taken with ->, which keeps the very bytes; the others go through json_to_record, whose text
 * conversions are the inverse of to_json's.
 */
static void put_replay(struct buf *b, const struct pg_statement *s)
{
	unsigned typed = 0;
	BUF_LIT(b, "select ");
	for (unsigned i = 0; i < s->column_count; i++) {
		const struct pg_column_info *c = &s->columns[i];
		if (is_json(c)) {
			BUF_LIT(b, "idempotency.answer -> '");
			for (size_t k = 0; k < c->name.n; k++) {
				if (c->name.p[k] == '\'') buf_char(b, '\'');
				buf_char(b, c->name.p[k]);
			}
			BUF_LIT(b, "' as ");
		} else {
			BUF_LIT(b, "x.");
			statement_put_identifier(b, c->name);
			BUF_LIT(b, " as ");
			typed++;
		}
		statement_put_identifier(b, c->name);
		BUF_LIT(b, ", ");
	}
	BUF_LIT(b,
	    "idempotency.fingerprint as \"!fingerprint\", idempotency.answer is null as \"!pending\" from idempotency");
	const char *before = " left join lateral json_to_record(idempotency.answer) as x(";
	for (unsigned i = 0; i < s->column_count; i++) {
		if (is_json(&s->columns[i])) continue;
		buf_str(b, str_of(before));
		statement_put_identifier(b, s->columns[i].name);
		buf_char(b, ' ');
		buf_str(b, s->columns[i].type_name);
		before = ", ";
	}
	buf_str(b, typed ? STR(") on true where idempotency.id = $1") : STR(" where idempotency.id = $1"));
}

static bool make_replay(struct arena *boot, const struct pg_statement *s, struct pg_statement **out)
{
	struct pg_statement *r = ARENA_NEW(boot, struct pg_statement);
	struct buf b;
	if (!r) return false;
	buf_init(&b, SQL_BYTES_MAX);
	put_replay(&b, s);
	*r = (struct pg_statement){ .name = arena_printf(boot, "%.*s__replay", STR_FMT(s->name)),
		.file = s->file,
		.shape = s->shape,
		.tx = TX_READ };
	if (buf_ok(&b)) r->main_text = arena_str(boot, buf_view(&b));
	buf_free(&b);
	if (!r->main_text.p || statement_param_add(boot, r, STR("idempotency.id"), STR("uuid")) < 0) return false;
	*out = r;
	return statement_compose(boot, r, false);
}

static bool refuse(const struct pg_statement *s, struct buf *report, const char *why, struct str what)
{
	buf_printf(report, "%.*s: its answer cannot be saved: %s%s%.*s\n", STR_FMT(s->file), why, what.n ? " " : "",
	    STR_FMT(what));
	return false;
}

static bool may_save(const struct pg_statement *s, struct buf *report)
{
	bool good = true;
	if (!s->described) return refuse(s, report, "it was not described", STR(""));
	if (s->tx != TX_WRITE) good = refuse(s, report, "it is not tx: write", STR(""));
	if (s->shape == SHAPE_LIST || s->shape == SHAPE_PAGE) good = refuse(s, report, "it has many rows", STR(""));
	if (s->batch_max && pg_statement_column(s, STR("ord")) < 0)
		good = refuse(s, report, "it has no column ord", STR(""));
	for (unsigned i = 0; i < s->column_count; i++)
		if (s->columns[i].type == OID_RECORD || pg_statement_column(s, s->columns[i].name) != (int)i)
			good = refuse(s, report, "a record or doubled column", s->columns[i].name);
	struct sql_scan scan = { .text = s->main_text };
	if (s->column_count == 0) {
		struct sql_token t = sql_next_solid(&scan);
		if (!sql_is_word(t, "insert") && !sql_is_word(t, "update") && !sql_is_word(t, "delete"))
			good = refuse(s, report, "it gives no row", STR(""));
	}
	return good;
}

enum err pg_statement_save_answer(
    struct arena *boot, struct pg_statement *s, struct pg_statement **replay, struct buf *report)
{
	*replay = NULL;
	if (!may_save(s, report)) return ERR_CONFIG;
	if (statement_param_add(boot, s, STR("idempotency.id"), STR("uuid")) < 0 ||
	    statement_param_add(boot, s, STR("idempotency.fingerprint"), STR("uuid")) < 0 ||
	    !statement_compose(boot, s, true) || !make_replay(boot, s, replay)) {
		refuse(s, report, "it is too large", STR(""));
		return ERR_CONFIG;
	}
	s->idempotent = true;
	return ERR_NONE;
}
