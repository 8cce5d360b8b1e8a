#ifndef COMMON_PG_STATEMENT_PARSE_H
#define COMMON_PG_STATEMENT_PARSE_H

#include "common/pg/statement.h"

/** Makes s->sql from its parts; with save_answer also the CTEs that store the answer. False when the arena is full. */
bool statement_compose(struct arena *boot, struct pg_statement *s, bool save_answer);
/** Index of the parameter, added if new; -1 when the statement has too many. */
int statement_param_add(struct arena *boot, struct pg_statement *s, struct str name, struct str cast);
/** "name" with inner quotes doubled. */
void statement_put_identifier(struct buf *b, struct str name);

#endif
