/* Clocks and the two date formats of the platform. No time zone files: Asia/Shanghai is +08:00 since 1991. */
#include "common/core/clock.h"

#include <stdio.h>
#include <time.h>

enum { SHANGHAI_S = 8 * 3600 };

int64_t clock_mono_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant's civil-from-days arithmetic, public domain). */
static int64_t days_of(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_of(int64_t days, int *y, int *m, int *d)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = (int)(yoe + era * 400 + (*m <= 2));
}

static int days_in_month(int y, int m)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	return m == 2 && leap ? 29 : days[m - 1];
}

static bool digits(struct str s, size_t at, size_t n, int *out)
{
	int v = 0;
	if (at + n > s.n) return false;
	for (size_t i = at; i < at + n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9') return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*out = v;
	return true;
}

static bool parse_date(struct str s, int *y, int *m, int *d)
{
	return s.n >= 10 && s.p[4] == '-' && s.p[7] == '-' && digits(s, 0, 4, y) && digits(s, 5, 2, m) &&
	       digits(s, 8, 2, d) && *m >= 1 && *m <= 12 && *d >= 1 && *d <= days_in_month(*y, *m);
}

bool clock_is_date(struct str text)
{
	int y, m, d;
	return text.n == 10 && parse_date(text, &y, &m, &d);
}

/* The offset at `at` ("Z" or "+08:00") in seconds; false unless it ends the text. */
static bool parse_offset(struct str s, size_t at, int *offset_s)
{
	int h, m;
	if (at >= s.n) return false;
	if ((s.p[at] == 'Z' || s.p[at] == 'z') && at + 1 == s.n) {
		*offset_s = 0;
		return true;
	}
	if ((s.p[at] != '+' && s.p[at] != '-') || at + 6 != s.n || s.p[at + 3] != ':') return false;
	if (!digits(s, at + 1, 2, &h) || !digits(s, at + 4, 2, &m) || h > 23 || m > 59) return false;
	*offset_s = (h * 3600 + m * 60) * (s.p[at] == '-' ? -1 : 1);
	return true;
}

bool clock_parse_rfc3339(struct str s, int64_t *wall_us)
{
	int y, mo, d, h, mi, sec, offset_s;
	if (s.n < 20 || !parse_date(s, &y, &mo, &d)) return false;
	if ((s.p[10] != 'T' && s.p[10] != 't' && s.p[10] != ' ') || s.p[13] != ':' || s.p[16] != ':') return false;
	if (!digits(s, 11, 2, &h) || !digits(s, 14, 2, &mi) || !digits(s, 17, 2, &sec)) return false;
	size_t at = 19;
	int64_t us = 0;
	if (s.p[at] == '.') {
		int64_t unit = 100000;
		size_t start = ++at;
		for (; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++, unit /= 10) us += (s.p[at] - '0') * unit;
		if (at == start) return false;
	}
	if (!parse_offset(s, at, &offset_s) || h > 23 || mi > 59 || sec > 60) return false;
	int64_t local_s = days_of(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec - offset_s;
	/* A leap second is only possible at the end of a UTC day (RFC 3339 5.7). */
	if (sec == 60 && (local_s % 86400 + 86400) % 86400 != 0) return false;
	*wall_us = local_s * 1000000 + us;
	return true;
}

size_t clock_format_rfc3339(int64_t wall_us, char out[RFC3339_BYTES])
{
	int64_t ms = wall_us / 1000 - (wall_us % 1000 < 0);
	int64_t local_s = ms / 1000 - (ms % 1000 < 0) + SHANGHAI_S;
	int64_t days = local_s / 86400 - (local_s % 86400 < 0);
	int second = (int)(local_s - days * 86400), y, m, d;
	civil_of(days, &y, &m, &d);
	if (y < 0 || y > 9999) y = y < 0 ? 0 : 9999;
	unsigned milli = (unsigned)(((ms % 1000) + 1000) % 1000);
	int n = snprintf(out, RFC3339_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03u+08:00", y, m, d, second / 3600,
	    second / 60 % 60, second % 60, milli);
	return n < 0 ? 0 : (size_t)n;
}

void clock_format_http(int64_t wall_s, char out[HTTP_DATE_BYTES])
{
	static const char *const day[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char *const month[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
		"Nov", "Dec" };
	int64_t days = wall_s / 86400;
	int second = (int)(wall_s % 86400), y, m, d;
	char text[64];
	civil_of(days, &y, &m, &d);
	snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", day[days % 7], d, month[m - 1], y,
	    second / 3600, second / 60 % 60, second % 60);
	memcpy(out, text, HTTP_DATE_BYTES);
}
