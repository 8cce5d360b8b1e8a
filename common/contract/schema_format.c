/* Values of `format`: all are asserted. Chinese identifiers are checked down to their check digit. */
#include "common/contract/schema_node.h"

#include "common/core/clock.h"
#include "common/core/id.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static bool is_date_time(struct str s)
{
	int64_t us;
	return clock_parse_rfc3339(s, &us);
}

/* RFC 3986: a scheme, then only characters of a URI with whole %-escapes; brackets only around the host's address. */
static bool is_uri(struct str s)
{
	size_t i = 0;
	while (i < s.n && (is_alpha(s.p[i]) || (i && (is_digit(s.p[i]) || strchr("+-.", s.p[i]))))) {
		if (!s.p[i]) return false;
		i++;
	}
	if (i == 0 || i == s.n || s.p[i] != ':') return false;
	bool fragment = false;
	for (i++; i < s.n; i++) {
		char c = s.p[i];
		if (c == '%') {
			if (s.n - i < 3 || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2])) return false;
			i += 2;
		} else if (c == '#') {
			if (fragment) return false;
			fragment = true;
		} else if (!is_alpha(c) && !is_digit(c) && (!c || !strchr("-._~:/?[]@!$&'()*+,;=", c))) {
			return false;
		}
	}
	return true;
}

static bool is_domain(struct str s)
{
	struct str label;
	unsigned labels = 0;
	if (s.n == 0 || s.n > 253) return false;
	while (str_cut(&s, '.', &label)) {
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-') return false;
		for (size_t i = 0; i < label.n; i++)
			if (!is_alpha(label.p[i]) && !is_digit(label.p[i]) && label.p[i] != '-') return false;
		labels++;
	}
	return labels > 0;
}

/* RFC 5321 mailbox without quoted strings and address literals: nobody has those. */
static bool is_email(struct str s)
{
	ptrdiff_t at = str_index(s, '@');
	if (at <= 0 || at > 64 || s.p[0] == '.' || s.p[at - 1] == '.') return false;
	for (ptrdiff_t i = 0; i < at; i++) {
		char c = s.p[i];
		if (c == '.' && s.p[i + 1] == '.') return false;
		if (!is_alpha(c) && !is_digit(c) && (!c || !strchr("!#$%&'*+-/=?^_`{|}~.", c))) return false;
	}
	return is_domain(str_from(s, (size_t)at + 1));
}

static bool is_phone_cn(struct str s)
{
	if (s.n != 11 || s.p[0] != '1' || s.p[1] < '3' || s.p[1] > '9') return false;
	for (size_t i = 2; i < 11; i++)
		if (!is_digit(s.p[i])) return false;
	return true;
}

/* GB 11643: six digits of division, date of birth, sequence, ISO 7064 MOD 11-2 check symbol. */
static bool is_id_number_cn(struct str s)
{
	static const int weights[17] = { 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2 };
	int sum = 0;
	char date[10];
	if (s.n != 18 || s.p[0] == '0') return false;
	for (int i = 0; i < 17; i++) {
		if (!is_digit(s.p[i])) return false;
		sum += (s.p[i] - '0') * weights[i];
	}
	if (s.p[17] != "10X98765432"[sum % 11]) return false;
	memcpy(date, s.p + 6, 4);
	date[4] = date[7] = '-';
	memcpy(date + 5, s.p + 10, 2);
	memcpy(date + 8, s.p + 12, 2);
	return clock_is_date(str_span(date, sizeof date));
}

/* GB 32100: 18 symbols without I, O, S, V, Z; weights are powers of 3 modulo 31. */
static bool is_uscc(struct str s)
{
	static const char symbols[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
	int sum = 0, weight = 1;
	if (s.n != 18) return false;
	for (int i = 0; i < 18; i++) {
		const char *at = s.p[i] ? strchr(symbols, s.p[i]) : NULL;
		if (!at) return false;
		if (i == 17) return (31 - sum % 31) % 31 == at - symbols;
		if (i >= 2 && i < 8 && !is_digit(s.p[i])) return false;
		sum += (int)(at - symbols) * weight;
		weight = weight * 3 % 31;
	}
	return false;
}

static bool is_decimal_int64(struct str s)
{
	int64_t v;
	struct str digits = str_from(s, s.n && s.p[0] == '-');
	if (!str_to_i64(s, &v)) return false;
	return digits.p[0] != '0' || s.n == 1;
}

static bool any_string(struct str s)
{
	(void)s;
	return true;
}

static bool is_int32(int64_t v)
{
	return v >= INT32_MIN && v <= INT32_MAX;
}

static bool is_int64(int64_t v)
{
	(void)v;
	return true;
}

static const struct schema_format formats[] = {
	{ STR("date-time"), KIND_DATE_TIME, true, is_date_time, NULL,
	    "must be an RFC 3339 date and time with offset, such as 2026-11-24T08:30:00+08:00",
	    "必须是带时区的 RFC 3339 日期时间，例如 2026-11-24T08:30:00+08:00" },
	{ STR("date"), KIND_DATE, true, clock_is_date, NULL, "must be a date, such as 2026-11-24",
	    "必须是日期，例如 2026-11-24" },
	{ STR("uuid"), KIND_UUID, true, id_is_uuid, NULL, "must be a UUID", "必须是 UUID" },
	{ STR("uri"), KIND_STRING, false, is_uri, NULL, "must be an absolute URI", "必须是完整的 URI" },
	{ STR("email"), KIND_STRING, false, is_email, NULL, "must be an e-mail address", "必须是电子邮件地址" },
	{ STR("public-code"), KIND_STRING, true, id_is_public_code, NULL, "must be a public code of 16 symbols",
	    "必须是 16 位查询码" },
	{ STR("phone-cn"), KIND_STRING, true, is_phone_cn, NULL, "must be a mobile number of mainland China",
	    "必须是 11 位手机号码" },
	{ STR("id-number-cn"), KIND_STRING, true, is_id_number_cn, NULL, "must be a valid resident identity number",
	    "必须是有效的居民身份证号码" },
	{ STR("uscc"), KIND_STRING, true, is_uscc, NULL, "must be a valid unified social credit code",
	    "必须是有效的统一社会信用代码" },
	{ STR("decimal-int64"), KIND_STRING, true, is_decimal_int64, NULL, "must be a whole number written as a string",
	    "必须是字符串形式的整数" },
	{ STR("binary"), KIND_STRING, false, any_string, NULL, "", "" },
	{ STR("int32"), KIND_INTEGER, true, NULL, is_int32, "must fit 32 bits", "超出 32 位整数范围" },
	{ STR("int64"), KIND_INTEGER, true, NULL, is_int64, "must fit 64 bits", "超出 64 位整数范围" },
};

const struct schema_format *schema_format_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (str_eq(formats[i].name, name)) return &formats[i];
	return NULL;
}
