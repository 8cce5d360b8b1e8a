#ifndef COMMON_CORE_LOG_H
#define COMMON_CORE_LOG_H

#include "common/core/check.h"
#include "common/core/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/** One JSON object per line on standard error, gathered in memory and written by the loop (log_turn). */
void log_init(const char *process, enum log_level least);
bool log_wants(enum log_level level);
/** Writes what is gathered. Lines that cannot be written at once are kept up to 1 MiB, then counted as lost. */
void log_flush(void);
/**
 * At the end of a loop turn: writes if a line is a warning or worse, if there is much, or if the last write is LOG_PAUSE_MS ago. True:
 * lines wait, and the turn after that pause must come. Few large writes cost a busy process half of many small ones.
 */
bool log_turn(int64_t now_ms);
enum { LOG_PAUSE_MS = 10 };
uint64_t log_lines_lost(void);

/**
 * Starts a line with time, level, process and message; add fields, then log_end. Between begin and end no other line may start.
 * Values are escaped; never pass personal data.
 */
void log_begin(enum log_level level, const char *msg);
#define log_str(key, value)  log_put_str(STR(",\"" key "\":"), value)
/** For words and numbers of our own that hold nothing to escape. */
#define log_word(key, value) log_put_word(STR(",\"" key "\":\""), value)
#define log_int(key, value)  log_put_int(STR(",\"" key "\":"), value)
void log_put_str(struct str key, struct str value);
void log_put_word(struct str key, struct str word);
void log_put_int(struct str key, int64_t value);
/** Whole fields, each with a comma before it (`,"a":1,"b":"c"`): what is the same in many lines is written once. */
void log_put_fields(struct str fields);
void log_end(void);

/** A whole line: message and one formatted detail. */
PRINTF_LIKE(3, 4) void log_line(enum log_level level, const char *msg, const char *detail_fmt, ...);

#endif
