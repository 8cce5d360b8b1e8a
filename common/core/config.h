#ifndef COMMON_CORE_CONFIG_H
#define COMMON_CORE_CONFIG_H

#include "common/core/arena.h"
#include "common/core/err.h"

/** Settings come from the environment only (12-factor); secrets from files named there (NAME_FILE). All live in the boot arena. */

/** Value of the variable, or `fallback` when unset or empty. */
struct str config_str(struct arena *boot, const char *name, const char *fallback);
/** A decimal integer in [least, most]; anything else logs an error and exits with 78 (EX_CONFIG). */
int64_t config_int(const char *name, int64_t fallback, int64_t least, int64_t most);
/** The variable must be set; else logs and exits with 78. */
struct str config_need(struct arena *boot, const char *name);
/** Whole file, at most `bytes_max`; ERR_IO with a log line when it cannot be read, ERR_PAYLOAD_TOO_LARGE when longer. */
MUST_USE enum err config_read_file(struct arena *a, const char *path, size_t bytes_max, struct str *out);

#endif
