#ifndef COMMON_PG_SQL_SCAN_H
#define COMMON_PG_SQL_SCAN_H

#include "common/core/str.h"

/* Tokens of PostgreSQL's SQL, as far as finding :names, the WITH list and the end of a statement needs. */

enum sql_token_kind {
	SQL_END,
	SQL_SPACE,
	SQL_COMMENT,
	SQL_STRING, /* '…', E'…', $tag$…$tag$ */
	SQL_IDENTIFIER, /* "…" */
	SQL_WORD, /* keyword or bare identifier */
	SQL_NUMBER,
	SQL_NAME, /* :body.amount_fen; text is without the colon */
	SQL_CAST, /* :: */
	SQL_POSITION, /* $1 */
	SQL_PUNCTUATION,
	SQL_BROKEN, /* an unclosed string, comment or quote up to the end */
};

struct sql_token {
	enum sql_token_kind kind;
	struct str text;
	unsigned depth; /* of parentheses: that of the token's surroundings, for '(' and ')' themselves too */
};

struct sql_scan {
	struct str text;
	size_t at;
	unsigned depth;
};

/** The next token; SQL_END at the end, for ever. */
struct sql_token sql_next(struct sql_scan *s);
/** The next token that is neither space nor comment. */
struct sql_token sql_next_solid(struct sql_scan *s);
/** A bare word, compared without case. */
bool sql_is_word(struct sql_token t, const char *word);
bool sql_is_char(struct sql_token t, char c);
/** Where a type name after '::' ends, from `at` on (space before it skipped); `at` itself when there is none. */
size_t sql_type_end(struct str text, size_t at);

#endif
