/* A scanner for SQL text. It knows quoting, comments, parentheses and :names; it does not know grammar, which is left to
 * PostgreSQL at boot (pg_describe). Every byte of the text belongs to exactly one token. */
#include "common/pg/sql_scan.h"

#include "common/core/check.h"

static bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word_part(char c)
{
	return is_word_start(c) || is_digit(c);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static char peek(const struct sql_scan *s, size_t ahead)
{
	return s->at + ahead < s->text.n ? s->text.p[s->at + ahead] : '\0';
}

/* End of a quoted text that opens at `at`; 0 when it is not closed. A doubled quote stands for itself. */
static size_t quoted_end(struct str t, size_t at, bool backslash)
{
	char quote = t.p[at++];
	for (; at < t.n; at++) {
		if (backslash && t.p[at] == '\\')
			at++;
		else if (t.p[at] == quote) {
			if (at + 1 >= t.n || t.p[at + 1] != quote) return at + 1;
			at++;
		}
	}
	return 0;
}

/* End of a (nesting) block comment; 0 when it is not closed. */
static size_t block_comment_end(struct str t, size_t at)
{
	unsigned level = 0;
	while (at + 1 < t.n) {
		if (t.p[at] == '/' && t.p[at + 1] == '*') {
			level++;
			at += 2;
		} else if (t.p[at] == '*' && t.p[at + 1] == '/') {
			at += 2;
			if (--level == 0) return at;
		} else {
			at++;
		}
	}
	return 0;
}

/* End of $tag$…$tag$ opening at `at`; 0 when not closed, `at` when it is no dollar quote. */
static size_t dollar_end(struct str t, size_t at)
{
	size_t tag = at + 1;
	if (tag < t.n && is_digit(t.p[tag])) return at;
	while (tag < t.n && is_word_part(t.p[tag])) tag++;
	if (tag >= t.n || t.p[tag] != '$') return at;
	size_t n = tag + 1 - at;
	for (size_t i = tag + 1; i + n <= t.n; i++)
		if (t.p[i] == '$' && memcmp(t.p + i, t.p + at, n) == 0) return i + n;
	return 0;
}

static struct sql_token take(struct sql_scan *s, enum sql_token_kind kind, size_t end)
{
	if (end == 0) { /* not closed: the rest is one broken token */
		kind = SQL_BROKEN;
		end = s->text.n;
	}
	struct sql_token t = { kind, str_span(s->text.p + s->at, end - s->at), s->depth };
	s->at = end;
	return t;
}

static struct sql_token take_word(struct sql_scan *s)
{
	char c = s->text.p[s->at];
	if ((c == 'e' || c == 'E') && peek(s, 1) == '\'')
		return take(s, SQL_STRING, quoted_end(s->text, s->at + 1, true));
	if (strchr("bBxXnN", c) && peek(s, 1) == '\'')
		return take(s, SQL_STRING, quoted_end(s->text, s->at + 1, false));
	if ((c == 'u' || c == 'U') && peek(s, 1) == '&' && (peek(s, 2) == '\'' || peek(s, 2) == '"'))
		return take(s, peek(s, 2) == '"' ? SQL_IDENTIFIER : SQL_STRING, quoted_end(s->text, s->at + 2, false));
	size_t end = s->at + 1;
	while (end < s->text.n && (is_word_part(s->text.p[end]) || s->text.p[end] == '$')) end++;
	return take(s, SQL_WORD, end);
}

static struct sql_token take_colon(struct sql_scan *s)
{
	if (peek(s, 1) == ':') return take(s, SQL_CAST, s->at + 2);
	char first = peek(s, 1);
	if (!is_word_start(first) || (unsigned char)first >= 0x80) return take(s, SQL_PUNCTUATION, s->at + 1);
	size_t end = s->at + 1;
	while (end < s->text.n) {
		char c = s->text.p[end];
		bool part = is_word_part(c) && (unsigned char)c < 0x80;
		bool dot = c == '.' && end + 1 < s->text.n && is_word_part(s->text.p[end + 1]);
		if (!part && !dot) break;
		end++;
	}
	struct sql_token t = take(s, SQL_NAME, end);
	t.text = str_from(t.text, 1);
	return t;
}

static struct sql_token take_dollar(struct sql_scan *s)
{
	size_t end = dollar_end(s->text, s->at);
	if (end != s->at) return take(s, SQL_STRING, end);
	end = s->at + 1;
	while (end < s->text.n && is_digit(s->text.p[end])) end++;
	return take(s, end > s->at + 1 ? SQL_POSITION : SQL_PUNCTUATION, end);
}

static struct sql_token take_number(struct sql_scan *s)
{
	size_t end = s->at + 1;
	while (end < s->text.n && (is_word_part(s->text.p[end]) || s->text.p[end] == '.')) end++;
	return take(s, SQL_NUMBER, end);
}

struct sql_token sql_next(struct sql_scan *s)
{
	if (s->at >= s->text.n) return (struct sql_token){ SQL_END, str_span(s->text.p + s->text.n, 0), s->depth };
	char c = s->text.p[s->at];
	size_t end = s->at + 1;
	if (is_space(c)) {
		while (end < s->text.n && is_space(s->text.p[end])) end++;
		return take(s, SQL_SPACE, end);
	}
	if (c == '-' && peek(s, 1) == '-') {
		while (end < s->text.n && s->text.p[end] != '\n') end++;
		return take(s, SQL_COMMENT, end);
	}
	if (c == '/' && peek(s, 1) == '*') return take(s, SQL_COMMENT, block_comment_end(s->text, s->at));
	if (c == '\'') return take(s, SQL_STRING, quoted_end(s->text, s->at, false));
	if (c == '"') return take(s, SQL_IDENTIFIER, quoted_end(s->text, s->at, false));
	if (c == '$') return take_dollar(s);
	if (c == ':') return take_colon(s);
	if (is_word_start(c)) return take_word(s);
	if (is_digit(c)) return take_number(s);
	if (c == ')' && s->depth) s->depth--;
	struct sql_token t = take(s, SQL_PUNCTUATION, end);
	if (c == '(') s->depth++;
	return t;
}

struct sql_token sql_next_solid(struct sql_scan *s)
{
	struct sql_token t;
	do t = sql_next(s);
	while (t.kind == SQL_SPACE || t.kind == SQL_COMMENT);
	return t;
}

bool sql_is_word(struct sql_token t, const char *word)
{
	return t.kind == SQL_WORD && str_eq_ci(t.text, str_of(word));
}

bool sql_is_char(struct sql_token t, char c)
{
	return t.kind == SQL_PUNCTUATION && t.text.n == 1 && t.text.p[0] == c;
}

/* Goes on in *s only if the next words are `words`. */
static bool skip_words(struct sql_scan *s, const char *const *words)
{
	struct sql_scan ahead = *s;
	for (; *words; words++)
		if (!sql_is_word(sql_next_solid(&ahead), *words)) return false;
	*s = ahead;
	return true;
}

static bool skip_char(struct sql_scan *s, char c)
{
	struct sql_scan ahead = *s;
	if (!sql_is_char(sql_next_solid(&ahead), c)) return false;
	*s = ahead;
	return true;
}

/* "(10, 2)" */
static void skip_modifiers(struct sql_scan *s)
{
	struct sql_scan ahead = *s;
	if (!skip_char(&ahead, '(')) return;
	for (struct sql_token t = sql_next_solid(&ahead); t.kind == SQL_NUMBER || sql_is_char(t, ',');)
		t = sql_next_solid(&ahead);
	if (ahead.at > 0 && ahead.text.p[ahead.at - 1] == ')') *s = ahead;
}

size_t sql_type_end(struct str text, size_t at)
{
	static const char *const tails[][4] = { { "precision", NULL }, { "varying", NULL },
		{ "with", "time", "zone", NULL }, { "without", "time", "zone", NULL } };
	static const char *const heads[][3] = { { "double", NULL }, { "character", "bit", NULL },
		{ "timestamp", "time", NULL }, { "timestamp", "time", NULL } };
	struct sql_scan s = { .text = text, .at = at };
	struct sql_token name = sql_next_solid(&s);
	if (name.kind != SQL_WORD && name.kind != SQL_IDENTIFIER) return at;
	if (skip_char(&s, '.')) {
		struct sql_token second = sql_next_solid(&s);
		if (second.kind != SQL_WORD && second.kind != SQL_IDENTIFIER) return at;
	}
	bool stamp = sql_is_word(name, "timestamp") || sql_is_word(name, "time");
	if (stamp) skip_modifiers(&s);
	for (size_t i = 0; i < ARRAY_LEN(tails); i++)
		for (size_t h = 0; h < 2 && heads[i][h]; h++)
			if (sql_is_word(name, heads[i][h])) skip_words(&s, tails[i]);
	if (!stamp) skip_modifiers(&s);
	while (skip_char(&s, '[')) {
		struct sql_scan ahead = s;
		if (sql_next_solid(&ahead).kind == SQL_NUMBER) s = ahead;
		if (!skip_char(&s, ']')) return at;
	}
	return s.at;
}
