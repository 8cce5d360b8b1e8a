#ifndef COMMON_PG_MIGRATE_H
#define COMMON_PG_MIGRATE_H

#include "common/core/arena.h"
#include "common/core/err.h"

/**
 * Applies the *.sql files of the folders, in order of file name per folder, that are not yet in <schema>.migration; each in its own
 * transaction (search_path <schema>, public) with its SHA-256. A file is known as "<folder>/<file>", where a folder called "migrations" goes by
 * the one around it. A changed file that was applied before is an error (ERR_CONFIG). Blocking; boot only; takes an advisory lock.
 */
MUST_USE enum err pg_migrate(struct arena *a, struct str conninfo, struct str schema, const char *const *dirs);

#endif
