/* Looking things up in a message: fields, lists, preferred language, reason phrases. Nothing here knows how HTTP/1 is written. */
#include "common/http/message.h"

struct str http_get(struct http_fields f, struct str name)
{
	for (unsigned i = 0; i < f.count; i++)
		if (f.items[i].name.n == name.n && str_eq_ci(f.items[i].name, name)) return f.items[i].value;
	return STR_NONE;
}

unsigned http_count(struct http_fields f, struct str name)
{
	unsigned count = 0;
	for (unsigned i = 0; i < f.count; i++)
		if (f.items[i].name.n == name.n && str_eq_ci(f.items[i].name, name)) count++;
	return count;
}

struct str http_bare_member(struct str member)
{
	ptrdiff_t semicolon = str_index(member, ';');
	if (semicolon >= 0) member.n = (size_t)semicolon;
	return str_trim(member);
}

static bool list_has(struct str list, struct str member)
{
	struct str part;
	while (str_cut(&list, ',', &part))
		if (str_eq_ci(http_bare_member(part), member)) return true;
	return false;
}

bool http_list_has(struct http_fields f, struct str name, struct str member)
{
	for (unsigned i = 0; i < f.count; i++)
		if (str_eq_ci(f.items[i].name, name) && list_has(f.items[i].value, member)) return true;
	return false;
}

/* The weight of a language range in thousandths: "q=0.85" is 850; -1 when the parameter is not a weight of RFC 9110 12.4.2. */
static int weight_of(struct str range)
{
	ptrdiff_t semicolon = str_index(range, ';');
	if (semicolon < 0) return 1000;
	struct str q = str_trim(str_from(range, (size_t)semicolon + 1));
	if (q.n < 3 || q.n > 7 || (q.p[0] | 0x20) != 'q' || q.p[1] != '=' || (q.p[2] != '0' && q.p[2] != '1'))
		return -1;
	int weight = (q.p[2] - '0') * 1000, unit = 100;
	if (q.n > 3 && q.p[3] != '.') return -1;
	for (size_t i = 4; i < q.n; i++, unit /= 10) {
		if (q.p[i] < '0' || q.p[i] > '9') return -1;
		weight += (q.p[i] - '0') * unit;
	}
	return weight > 1000 ? -1 : weight;
}

static bool is_range_of(struct str tag, struct str language)
{
	return tag.n >= 2 && str_eq_ci(str_span(tag.p, 2), language) && (tag.n == 2 || tag.p[2] == '-');
}

enum language http_language(struct http_fields f)
{
	struct str list = http_get(f, STR("accept-language")), range;
	int english = -1, chinese = -1, any = -1;
	while (str_cut(&list, ',', &range)) {
		struct str tag = http_bare_member(range);
		int weight = weight_of(range);
		if (is_range_of(tag, STR("en")) && weight > english) english = weight;
		if (is_range_of(tag, STR("zh")) && weight > chinese) chinese = weight;
		if (str_eq(tag, STR("*"))) any = weight;
	}
	if (chinese < 0) chinese = any;
	return english > 0 && english > chinese ? LANGUAGE_EN : LANGUAGE_ZH;
}

/* The frequent ones first. */
static const struct {
	int status;
	struct str reason;
} reasons[] = {
#define R(status, text)                                                                                                \
	{                                                                                                              \
		status,                                                                                                \
		{                                                                                                      \
			text, sizeof(text) - 1                                                                         \
		}                                                                                                      \
	}
	R(200, "OK"),
	R(201, "Created"),
	R(202, "Accepted"),
	R(204, "No Content"),
	R(206, "Partial Content"),
	R(304, "Not Modified"),
	R(400, "Bad Request"),
	R(401, "Unauthorized"),
	R(403, "Forbidden"),
	R(404, "Not Found"),
	R(409, "Conflict"),
	R(422, "Unprocessable Content"),
	R(100, "Continue"),
	R(101, "Switching Protocols"),
	R(102, "Processing"),
	R(103, "Early Hints"),
	R(203, "Non-Authoritative Information"),
	R(205, "Reset Content"),
	R(207, "Multi-Status"),
	R(300, "Multiple Choices"),
	R(301, "Moved Permanently"),
	R(302, "Found"),
	R(303, "See Other"),
	R(307, "Temporary Redirect"),
	R(308, "Permanent Redirect"),
	R(402, "Payment Required"),
	R(405, "Method Not Allowed"),
	R(406, "Not Acceptable"),
	R(407, "Proxy Authentication Required"),
	R(408, "Request Timeout"),
	R(410, "Gone"),
	R(411, "Length Required"),
	R(412, "Precondition Failed"),
	R(413, "Content Too Large"),
	R(414, "URI Too Long"),
	R(415, "Unsupported Media Type"),
	R(416, "Range Not Satisfiable"),
	R(417, "Expectation Failed"),
	R(421, "Misdirected Request"),
	R(423, "Locked"),
	R(425, "Too Early"),
	R(426, "Upgrade Required"),
	R(428, "Precondition Required"),
	R(429, "Too Many Requests"),
	R(431, "Request Header Fields Too Large"),
	R(451, "Unavailable For Legal Reasons"),
	R(500, "Internal Server Error"),
	R(501, "Not Implemented"),
	R(502, "Bad Gateway"),
	R(503, "Service Unavailable"),
	R(504, "Gateway Timeout"),
	R(505, "HTTP Version Not Supported"),
	R(507, "Insufficient Storage"),
#undef R
};

struct str http_reason(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status) return reasons[i].reason;
	return STR("");
}

bool http_is_hop_by_hop(struct str name, struct str connection)
{
	static const struct str names[] = { { "connection", 10 }, { "keep-alive", 10 }, { "te", 2 }, { "trailer", 7 },
		{ "transfer-encoding", 17 }, { "upgrade", 7 } };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (name.n == names[i].n && (name.p[0] | 0x20) == names[i].p[0] && str_eq_ci(name, names[i]))
			return true;
	if (name.n > 6 && str_eq_ci(str_span(name.p, 6), STR("proxy-"))) return true;
	return connection.n > 0 && list_has(connection, name);
}

bool http_is_type(struct str content_type, struct str type)
{
	struct str rest = content_type, media;
	if (!str_cut(&rest, ';', &media)) return false;
	return str_eq_ci(str_trim(media), type);
}

bool http_is_utf8(struct str content_type)
{
	static const struct str name = STR("charset=");
	struct str rest = content_type, part;
	if (!str_cut(&rest, ';', &part)) return true; /* the media type itself */
	while (str_cut(&rest, ';', &part)) {
		part = str_trim(part);
		if (part.n < name.n || !str_eq_ci(str_span(part.p, name.n), name)) continue;
		struct str value = str_from(part, name.n);
		if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
			value = str_span(value.p + 1, value.n - 2);
		if (!str_eq_ci(value, STR("utf-8")) && !str_eq_ci(value, STR("utf8"))) return false;
	}
	return true;
}
