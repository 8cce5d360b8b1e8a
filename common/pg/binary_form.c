/* Binary values as text: integers, days and microseconds since 2000-01-01 in network byte order (datatype/timestamp.h). */
#include "common/pg/binary_form.h"

#include "common/core/id.h"
#include "common/pg/type_oid.h"

enum { SHANGHAI_S = 8 * 3600, DAY_S = 86400, EPOCH_2000_DAYS = 10957, YEAR_MAX = 9999 };

static const char pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
    "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
    "9899";

bool binary_form_reads(unsigned type)
{
	switch (type) {
	case OID_BOOL:
	case OID_NAME:
	case OID_INT8:
	case OID_INT2:
	case OID_INT4:
	case OID_TEXT:
	case OID_OID:
	case OID_JSON:
	case OID_VARCHAR:
	case OID_DATE:
	case OID_TIMESTAMPTZ:
	case OID_UUID:
		return true;
	default:
		return false;
	}
}

static uint64_t read_be(struct str v)
{
	uint64_t n = 0;
	for (size_t i = 0; i < v.n; i++) n = n << 8 | (unsigned char)v.p[i];
	return n;
}

static struct str put_u64(uint64_t n, bool negative, char out[BINARY_TEXT_BYTES])
{
	char *end = out + BINARY_TEXT_BYTES, *p = end;
	while (n >= 100) {
		p -= 2;
		memcpy(p, pairs + n % 100 * 2, 2);
		n /= 100;
	}
	if (n >= 10) {
		p -= 2;
		memcpy(p, pairs + n * 2, 2);
	} else {
		*--p = (char)('0' + n);
	}
	if (negative) *--p = '-';
	return str_span(p, (size_t)(end - p));
}

static struct str put_integer(struct str v, bool is_signed, char out[BINARY_TEXT_BYTES])
{
	uint64_t n = read_be(v);
	if (is_signed && v.n < 8 && n >> (8 * v.n - 1)) n |= UINT64_MAX << (8 * v.n);
	bool negative = is_signed && n >> 63;
	return put_u64(negative ? -n : n, negative, out);
}

static void put2(char *out, unsigned n)
{
	memcpy(out, pairs + n * 2, 2);
}

/* Proleptic Gregorian date of a day number since 1970; false outside of years 1 to 9999. Years are counted from March. */
static bool put_date(int64_t days, char out[10])
{
	int64_t z = days + 719468;
	if (z < 306 || z > 3652424 + 60) return false;
	unsigned era = (unsigned)z / 146097, day = (unsigned)z % 146097;
	unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned of_year = day - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * of_year + 2) / 153;
	unsigned of_month = of_year - (153 * month + 2) / 5 + 1;
	year += era * 400 + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	if (year < 1 || year > YEAR_MAX) return false;
	put2(out, year / 100);
	put2(out + 2, year % 100);
	out[4] = '-';
	put2(out + 5, month);
	out[7] = '-';
	put2(out + 8, of_month);
	return true;
}

static int64_t floor_div(int64_t n, int64_t by)
{
	return n / by - (n % by < 0);
}

static struct str put_day(int32_t day, char out[BINARY_TEXT_BYTES])
{
	if (day == INT32_MAX) return STR("infinity");
	if (day == INT32_MIN) return STR("-infinity");
	return put_date((int64_t)day + EPOCH_2000_DAYS, out) ? str_span(out, 10) : STR_NONE;
}

/* PostgreSQL leaves out the zeros at the end of a fraction; so do we, so that both forms of a result give the same answer. */
static size_t put_fraction(char *out, unsigned us)
{
	size_t n = 6;
	if (us == 0) return 0;
	out[0] = '.';
	put2(out + 1, us / 10000);
	put2(out + 3, us / 100 % 100);
	put2(out + 5, us % 100);
	while (out[n] == '0') n--;
	return n + 1;
}

static struct str put_time(int64_t us, char out[BINARY_TEXT_BYTES])
{
	if (us == INT64_MAX) return STR("infinity");
	if (us == INT64_MIN) return STR("-infinity");
	int64_t s = floor_div(us, 1000000);
	unsigned fraction = (unsigned)(us - s * 1000000);
	s += SHANGHAI_S;
	int64_t day = floor_div(s, DAY_S);
	unsigned of_day = (unsigned)(s - day * DAY_S);
	if (!put_date(day + EPOCH_2000_DAYS, out)) return STR_NONE;
	out[10] = 'T';
	put2(out + 11, of_day / 3600);
	out[13] = ':';
	put2(out + 14, of_day / 60 % 60);
	out[16] = ':';
	put2(out + 17, of_day % 60);
	size_t n = 19 + put_fraction(out + 19, fraction);
	memcpy(out + n, "+08:00", 6);
	return str_span(out, n + 6);
}

static struct str put_uuid(struct str v, char out[BINARY_TEXT_BYTES])
{
	static const unsigned char ends[] = { 4, 6, 8, 10, 16 };
	size_t at = 0, n = 0;
	for (size_t i = 0; i < sizeof ends; i++) {
		if (i) out[n++] = '-';
		id_hex(v.p + at, ends[i] - at, out + n);
		n += 2 * (ends[i] - at);
		at = ends[i];
	}
	return str_span(out, n);
}

struct str binary_form_text(unsigned type, struct str v, char out[BINARY_TEXT_BYTES])
{
	switch (type) {
	case OID_BOOL:
		if (v.n != 1) return STR_NONE;
		return v.p[0] ? STR("t") : STR("f");
	case OID_INT2:
		return v.n == 2 ? put_integer(v, true, out) : STR_NONE;
	case OID_INT4:
		return v.n == 4 ? put_integer(v, true, out) : STR_NONE;
	case OID_INT8:
		return v.n == 8 ? put_integer(v, true, out) : STR_NONE;
	case OID_OID:
		return v.n == 4 ? put_integer(v, false, out) : STR_NONE;
	case OID_DATE:
		return v.n == 4 ? put_day((int32_t)(uint32_t)read_be(v), out) : STR_NONE;
	case OID_TIMESTAMPTZ:
		return v.n == 8 ? put_time((int64_t)read_be(v), out) : STR_NONE;
	case OID_UUID:
		return v.n == 16 ? put_uuid(v, out) : STR_NONE;
	default:
		return v;
	}
}
