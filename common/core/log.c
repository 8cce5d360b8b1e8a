/* JSON log lines, gathered so that a request costs no system call of its own. */
#include "common/core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "common/core/buf.h"
#include "common/core/clock.h"
#include "common/core/word.h"

enum { LOG_BYTES_MAX = 1024 * 1024, LOG_WRITE_BYTES = 32 * 1024, PREFIX_BYTES = 160 };

static struct {
	struct buf out;
	size_t line_start;
	int64_t written_ms; /* when log_turn wrote last */
	bool urgent; /* a warning or worse is among the lines */
	uint64_t lost;
	int64_t prefix_ms; /* the millisecond and level that `prefix` was made for */
	enum log_level prefix_level;
	char prefix[PREFIX_BYTES];
	size_t prefix_bytes;
	const char *process;
	enum log_level least;
} state = { .out = { .max = LOG_BYTES_MAX }, .process = "-", .least = LOG_INFO };

void log_init(const char *process, enum log_level least)
{
	state.process = process;
	state.least = least;
}

bool log_wants(enum log_level level)
{
	return level >= state.least;
}

uint64_t log_lines_lost(void)
{
	return state.lost;
}

/* No control byte, quote or backslash: such text stands as it is in JSON. */
static bool is_plain(struct str s)
{
	size_t i = 0;
	for (; s.n - i >= 8; i += 8) {
		uint64_t word = word_load(s.p + i);
		if (word_has_less(word, 0x20) || word_has(word, '"') || word_has(word, '\\')) return false;
	}
	for (; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c == '"' || c == '\\') return false;
	}
	return true;
}

static void put_escaped(struct str s)
{
	static const char hex[] = "0123456789abcdef";
	size_t start = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 0x20 && c != '"' && c != '\\') continue;
		buf_append(&state.out, s.p + start, i - start);
		start = i + 1;
		if (c == '"' || c == '\\') {
			buf_char(&state.out, '\\');
			buf_char(&state.out, (char)c);
		} else {
			char u[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
			buf_append(&state.out, u, sizeof u);
		}
	}
	buf_append(&state.out, s.p + start, s.n - start);
}

static void make_prefix(int64_t now_us, enum log_level level)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	char time[RFC3339_BYTES];
	size_t time_bytes = clock_format_rfc3339(now_us, time);
	int n = snprintf(state.prefix, sizeof state.prefix,
	    "{\"time\":\"%.*s\",\"level\":\"%s\",\"process\":\"%.64s\",\"msg\":\"", (int)time_bytes, time, names[level],
	    state.process);
	state.prefix_bytes = n < 0 ? 0 : (size_t)n;
	state.prefix_ms = now_us / 1000;
	state.prefix_level = level;
}

void log_begin(enum log_level level, const char *msg)
{
	int64_t now_us = clock_wall_us();
	if (now_us / 1000 != state.prefix_ms || level != state.prefix_level) make_prefix(now_us, level);
	state.line_start = state.out.n;
	if (level >= LOG_WARN) state.urgent = true;
	buf_append(&state.out, state.prefix, state.prefix_bytes);
	put_escaped(str_of(msg));
	buf_char(&state.out, '"');
}

void log_put_str(struct str key, struct str value)
{
	char *to = is_plain(value) ? buf_reserve(&state.out, key.n + value.n + 2) : NULL;
	if (to) { /* nearly always: one piece */
		memcpy(to, key.p, key.n);
		to += key.n;
		*to++ = '"';
		if (value.n) memcpy(to, value.p, value.n);
		to[value.n] = '"';
		state.out.n += key.n + value.n + 2;
		return;
	}
	buf_str(&state.out, key);
	buf_char(&state.out, '"');
	put_escaped(value);
	buf_char(&state.out, '"');
}

void log_put_word(struct str key, struct str word)
{
	char *to = buf_reserve(&state.out, key.n + word.n + 1);
	if (!to) return;
	to = str_put(str_put(to, key), word);
	*to = '"';
	state.out.n += key.n + word.n + 1;
}

void log_put_int(struct str key, int64_t value)
{
	buf_str(&state.out, key);
	buf_i64(&state.out, value);
}

void log_put_fields(struct str fields)
{
	buf_str(&state.out, fields);
}

void log_end(void)
{
	BUF_LIT(&state.out, "}\n");
	if (!state.out.overflow) return;
	state.out.n = state.line_start;
	state.out.overflow = false;
	state.lost++;
}

void log_line(enum log_level level, const char *msg, const char *detail_fmt, ...)
{
	char detail[2048];
	va_list args;
	if (!log_wants(level)) return;
	va_start(args, detail_fmt);
	int n = vsnprintf(detail, sizeof detail, detail_fmt, args);
	va_end(args);
	size_t bytes = n < 0 ? 0 : (size_t)n < sizeof detail ? (size_t)n : sizeof detail - 1;
	log_begin(level, msg);
	if (bytes) log_str("detail", str_span(detail, bytes));
	log_end();
}

bool log_turn(int64_t now_ms)
{
	if (!state.out.n) return false;
	if (!state.urgent && state.out.n < LOG_WRITE_BYTES && now_ms - state.written_ms < LOG_PAUSE_MS) return true;
	state.written_ms = now_ms;
	log_flush();
	return state.out.n > 0;
}

void log_flush(void)
{
	state.urgent = false;
	while (state.out.n) {
		ssize_t n = write(STDERR_FILENO, state.out.p, state.out.n);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) return;
		buf_consume(&state.out, (size_t)n);
	}
	buf_reset(&state.out);
}
