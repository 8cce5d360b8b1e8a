/* Fills in verdicts. Text that others wrote is shown without its control characters: it ends on a terminal. */
#include "deploy/verify/verdict.h"

#include <stdarg.h>
#include <stdio.h>

PRINTF_LIKE(4, 0)
static void fill(struct verdict *v, enum verdict_kind kind, const char *check, const char *fmt, va_list args)
{
	v->kind = kind;
	v->check = check;
	vsnprintf(v->text, sizeof v->text, fmt, args);
	for (char *p = v->text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = '?';
}

bool verdict_no(struct verdict *v, const char *check, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fill(v, VERDICT_NO, check, fmt, args);
	va_end(args);
	return false;
}

bool verdict_cannot(struct verdict *v, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fill(v, VERDICT_CANNOT, "files", fmt, args);
	va_end(args);
	return false;
}

bool verdict_yes(struct verdict *v, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fill(v, VERDICT_YES, "", fmt, args);
	va_end(args);
	return true;
}
