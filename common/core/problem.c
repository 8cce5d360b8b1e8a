/* What is wrong with a request, gathered before it is said. */
#include "common/core/problem.h"

void violations_init(struct violations *v, struct arena *a)
{
	*v = (struct violations){ .arena = a };
}

void violations_add(
    struct violations *v, struct str pointer, struct str parameter, const char *code, struct str en, struct str zh)
{
	if (v->count++ >= VIOLATIONS_MAX) return;
	struct violation *item = ARENA_NEW(v->arena, struct violation);
	if (!item) return;
	*item = (struct violation){ .pointer = arena_str(v->arena, pointer),
		.parameter = arena_str(v->arena, parameter),
		.code = str_of(code),
		.detail = { arena_str(v->arena, zh), arena_str(v->arena, en) } };
	*(v->last ? &v->last->next : &v->first) = item;
	v->last = item;
}
