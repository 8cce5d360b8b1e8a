#ifndef COMMON_CORE_ERR_H
#define COMMON_CORE_ERR_H

#include "common/core/str.h"

/** Every fallible function returns one of these; ERR_NONE (0) is success. Rows and texts: err.def. */
enum err {
	ERR_NONE = 0,
#define E(name, status, slug, en, zh) ERR_##name,
#include "common/core/err.def"
#undef E
	ERR_COUNT
};

enum language { LANGUAGE_ZH, LANGUAGE_EN };

struct err_info {
	const char *name;
	int status;
	struct str slug;
	struct str title[2]; /* by enum language */
};

/** The row of `e`; static. */
const struct err_info *err_info(enum err e);
/** The error whose slug is `slug`, or ERR_NONE. */
enum err err_by_slug(struct str slug);

#endif
