/* The table behind enum err. */
#include "common/core/err.h"

#include "common/core/check.h"

static const struct err_info table[ERR_COUNT] = {
	[ERR_NONE] = { "NONE", 200, { "ok", 2 }, { { "成功", 6 }, { "OK", 2 } } },
#define E(name, status, slug, en, zh)                                                                                  \
	[ERR_##name] = { #name, status, { slug, sizeof slug - 1 }, { { zh, sizeof zh - 1 }, { en, sizeof en - 1 } } },
#include "common/core/err.def"
#undef E
};

const struct err_info *err_info(enum err e)
{
	CHECK(e >= 0 && e < ERR_COUNT);
	return &table[e];
}

enum err err_by_slug(struct str slug)
{
	for (int e = 1; e < ERR_COUNT; e++)
		if (str_eq(table[e].slug, slug)) return (enum err)e;
	return ERR_NONE;
}
