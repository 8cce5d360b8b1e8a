#ifndef COMMON_CORE_LOG_H
#define COMMON_CORE_LOG_H

#include "common/core/check.h"
#include "common/core/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/** One JSON object per line on standard error, gathered in memory and written once per loop turn (log_flush). */
void log_init(const char *process, enum log_level least);
bool log_wants(enum log_level level);
/** Writes what is gathered. Lines that cannot be written at once are kept up to 1 MiB, then counted as lost. */
void log_flush(void);
uint64_t log_lines_lost(void);

/**
 * Starts a line with time, level, process and message; add fields, then log_end. Between begin and end no other line may start.
 * Values are escaped; never pass personal data.
 */
void log_begin(enum log_level level, const char *msg);
void log_str(const char *key, struct str value);
void log_int(const char *key, int64_t value);
void log_end(void);

/** A whole line: message and one formatted detail. */
PRINTF_LIKE(3, 4) void log_line(enum log_level level, const char *msg, const char *detail_fmt, ...);

#endif
