/* Reads structured fields (RFC 9651 section 4.2), one function per algorithm of the RFC. A cursor walks the text; nothing is looked at twice. */
#include "common/http/structured.h"

#include "common/core/utf8.h"

enum { INTEGER_DIGITS_MAX = 15, WHOLE_DIGITS_MAX = 12, FRACTION_DIGITS_MAX = 3, FIRST_ROOM = 4 };

struct cursor {
	struct arena *arena;
	struct str text;
	size_t at;
};

/* A growing array in the arena. */
struct array {
	void *items;
	unsigned count, room, max;
	size_t bytes; /* of one element */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
	return is_lower((char)(c | 0x20));
}

static bool is_key_char(char c)
{
	return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}

static bool is_token_char(char c)
{
	return is_alpha(c) || is_digit(c) || (c && strchr("!#$%&'*+-.^_`|~:/", c));
}

bool sf_is_key(struct str s)
{
	if (s.n == 0 || !(is_lower(s.p[0]) || s.p[0] == '*')) return false;
	for (size_t i = 1; i < s.n; i++)
		if (!is_key_char(s.p[i])) return false;
	return true;
}

bool sf_is_token(struct str s)
{
	if (s.n == 0 || !(is_alpha(s.p[0]) || s.p[0] == '*')) return false;
	for (size_t i = 1; i < s.n; i++)
		if (!is_token_char(s.p[i])) return false;
	return true;
}

/* The next byte; 0, which no value may hold, at the end. */
static char peek(const struct cursor *c)
{
	return c->at < c->text.n ? c->text.p[c->at] : 0;
}

static bool take(struct cursor *c, char wanted)
{
	if (c->at == c->text.n || c->text.p[c->at] != wanted) return false;
	c->at++;
	return true;
}

static void skip_spaces(struct cursor *c)
{
	while (take(c, ' '))
		;
}

static void skip_blanks(struct cursor *c)
{
	while (take(c, ' ') || take(c, '\t'))
		;
}

/* Room for one more element, zeroed; NULL when there are enough of them or the arena is full. */
static void *push(struct cursor *c, struct array *array)
{
	if (array->count == array->max) return NULL;
	if (array->count == array->room) {
		unsigned room = array->room ? array->room * 2 : FIRST_ROOM;
		char *items = arena_array(c->arena, room, array->bytes);
		if (!items) return NULL;
		if (array->count) memcpy(items, array->items, array->count * array->bytes);
		array->items = items;
		array->room = room;
	}
	return (char *)array->items + array->bytes * array->count++;
}

static enum err full(const struct cursor *c)
{
	return c->arena->overflow ? ERR_MEMORY : ERR_SYNTAX;
}

static enum err read_key(struct cursor *c, struct str *key)
{
	size_t from = c->at;
	if (!is_lower(peek(c)) && peek(c) != '*') return ERR_SYNTAX;
	while (is_key_char(peek(c))) c->at++;
	*key = str_span(c->text.p + from, c->at - from);
	return ERR_NONE;
}

static enum err read_number(struct cursor *c, struct sf_value *out)
{
	bool negative = take(c, '-'), fraction = false;
	unsigned whole = 0, parts = 0;
	int64_t number = 0;
	for (;; c->at++) {
		char digit = peek(c);
		if (digit == '.' && !fraction) {
			if (whole == 0 || whole > WHOLE_DIGITS_MAX) return ERR_SYNTAX;
			fraction = true;
			continue;
		}
		if (!is_digit(digit)) break;
		if (fraction ? ++parts > FRACTION_DIGITS_MAX : ++whole > INTEGER_DIGITS_MAX) return ERR_SYNTAX;
		number = number * 10 + (digit - '0');
	}
	if (whole == 0 || (fraction && parts == 0)) return ERR_SYNTAX;
	for (; fraction && parts < FRACTION_DIGITS_MAX; parts++) number *= 10;
	*out = (struct sf_value){ .type = fraction ? SF_DECIMAL : SF_INTEGER, .number = negative ? -number : number };
	return ERR_NONE;
}

static enum err read_date(struct cursor *c, struct sf_value *out)
{
	c->at++;
	TRY(read_number(c, out));
	if (out->type != SF_INTEGER) return ERR_SYNTAX;
	out->type = SF_DATE;
	return ERR_NONE;
}

/* Without its backslashes; borrowed when it has none. */
static enum err unescape(struct cursor *c, struct str raw, size_t escapes, struct str *out)
{
	*out = raw;
	if (escapes == 0) return ERR_NONE;
	char *to = arena_alloc(c->arena, raw.n - escapes + 1);
	if (!to) return ERR_MEMORY;
	out->p = to;
	out->n = raw.n - escapes;
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\\') i++;
		*to++ = raw.p[i];
	}
	return ERR_NONE;
}

static enum err read_string(struct cursor *c, struct sf_value *out)
{
	size_t from = ++c->at, escapes = 0;
	for (;; c->at++) {
		char next = peek(c);
		if (next == '"') break;
		if (next < 0x20 || next > 0x7e) return ERR_SYNTAX; /* the end too */
		if (next != '\\') continue;
		c->at++;
		escapes++;
		if (peek(c) != '"' && peek(c) != '\\') return ERR_SYNTAX;
	}
	out->type = SF_STRING;
	TRY(unescape(c, str_span(c->text.p + from, c->at - from), escapes, &out->text));
	c->at++;
	return ERR_NONE;
}

static enum err read_token(struct cursor *c, struct sf_value *out)
{
	size_t from = c->at++;
	while (is_token_char(peek(c))) c->at++;
	*out = (struct sf_value){ .type = SF_TOKEN, .text = str_span(c->text.p + from, c->at - from) };
	return ERR_NONE;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z') return c - 'A';
	if (is_lower(c)) return c - 'a' + 26;
	if (is_digit(c)) return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static enum err read_bytes(struct cursor *c, struct sf_value *out)
{
	struct str rest = str_from(c->text, ++c->at);
	ptrdiff_t end = str_index(rest, ':');
	if (end < 0 || end % 4) return ERR_SYNTAX;
	size_t symbols = (size_t)end, n = 0;
	for (int i = 0; i < 2 && symbols && rest.p[symbols - 1] == '='; i++) symbols--;
	char *to = arena_alloc(c->arena, symbols + 1);
	if (!to) return ERR_MEMORY;
	uint32_t bits = 0;
	unsigned held = 0;
	for (size_t i = 0; i < symbols; i++) {
		int value = base64_value(rest.p[i]);
		if (value < 0) return ERR_SYNTAX;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held < 8) continue;
		held -= 8;
		to[n++] = (char)(bits >> held & 0xff);
	}
	/* A group of four has no more padding than it needs, and no bit that means nothing. */
	if (held >= 6 || bits & ((1u << held) - 1)) return ERR_SYNTAX;
	c->at += (size_t)end + 1;
	*out = (struct sf_value){ .type = SF_BYTES, .text = { to, n } };
	return ERR_NONE;
}

static enum err read_boolean(struct cursor *c, struct sf_value *out)
{
	c->at++;
	char digit = peek(c);
	if (digit != '0' && digit != '1') return ERR_SYNTAX;
	c->at++;
	*out = (struct sf_value){ .type = SF_BOOLEAN, .number = digit - '0' };
	return ERR_NONE;
}

/* Only lower case, so that a value has one spelling. */
static int hex_value(char c)
{
	if (is_digit(c)) return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum err read_display(struct cursor *c, struct sf_value *out)
{
	c->at++;
	if (!take(c, '"')) return ERR_SYNTAX;
	ptrdiff_t end = str_index(str_from(c->text, c->at), '"');
	if (end < 0) return ERR_SYNTAX;
	size_t n = 0, stop = c->at + (size_t)end;
	char *to = arena_alloc(c->arena, (size_t)end + 1);
	if (!to) return ERR_MEMORY;
	for (; c->at < stop; c->at++) {
		char next = c->text.p[c->at];
		if (next < 0x20 || next > 0x7e) return ERR_SYNTAX;
		if (next == '%') {
			if (stop - c->at < 3) return ERR_SYNTAX;
			int high = hex_value(c->text.p[c->at + 1]), low = hex_value(c->text.p[c->at + 2]);
			if (high < 0 || low < 0) return ERR_SYNTAX;
			next = (char)(high << 4 | low);
			c->at += 2;
		}
		to[n++] = next;
	}
	c->at++;
	*out = (struct sf_value){ .type = SF_DISPLAY, .text = { to, n } };
	return utf8_valid(out->text) ? ERR_NONE : ERR_SYNTAX;
}

static enum err read_value(struct cursor *c, struct sf_value *out)
{
	char first = peek(c);
	*out = (struct sf_value){ 0 };
	switch (first) {
	case '"':
		return read_string(c, out);
	case ':':
		return read_bytes(c, out);
	case '?':
		return read_boolean(c, out);
	case '@':
		return read_date(c, out);
	case '%':
		return read_display(c, out);
	default:
		if (first == '-' || is_digit(first)) return read_number(c, out);
		return first == '*' || is_alpha(first) ? read_token(c, out) : ERR_SYNTAX;
	}
}

static struct sf_value *find_parameter(const struct array *array, struct str key)
{
	struct sf_parameter *items = array->items;
	for (unsigned i = 0; i < array->count; i++)
		if (str_eq(items[i].key, key)) return &items[i].value;
	return NULL;
}

static enum err read_parameters(struct cursor *c, struct sf_item *item)
{
	struct array array = { .max = SF_PARAMETERS_MAX, .bytes = sizeof(struct sf_parameter) };
	while (take(c, ';')) {
		struct str key;
		struct sf_value value = { .type = SF_BOOLEAN, .number = 1 };
		skip_spaces(c);
		TRY(read_key(c, &key));
		if (take(c, '=')) TRY(read_value(c, &value));
		struct sf_value *earlier = find_parameter(&array, key);
		if (earlier) {
			*earlier = value;
			continue;
		}
		struct sf_parameter *added = push(c, &array);
		if (!added) return full(c);
		*added = (struct sf_parameter){ key, value };
	}
	item->parameters = array.items;
	item->parameter_count = array.count;
	return ERR_NONE;
}

static enum err read_item(struct cursor *c, struct sf_item *out)
{
	TRY(read_value(c, &out->value));
	return read_parameters(c, out);
}

static enum err read_inner_list(struct cursor *c, struct sf_item *out)
{
	struct array array = { .max = SF_INNER_MAX, .bytes = sizeof(struct sf_item) };
	c->at++;
	for (;;) {
		skip_spaces(c);
		if (take(c, ')')) break;
		struct sf_item *added = push(c, &array);
		if (!added) return full(c);
		TRY(read_item(c, added));
		if (peek(c) != ' ' && peek(c) != ')') return ERR_SYNTAX;
	}
	out->value = (struct sf_value){ .type = SF_INNER_LIST };
	out->items = array.items;
	out->count = array.count;
	return read_parameters(c, out);
}

static enum err read_member(struct cursor *c, struct sf_item *out)
{
	return peek(c) == '(' ? read_inner_list(c, out) : read_item(c, out);
}

/* "key", "key=value" or "key;parameters"; a key that was there already keeps its place and takes the new value. */
static enum err read_entry(struct cursor *c, struct array *array)
{
	struct str key;
	struct sf_item item = { .value = { .type = SF_BOOLEAN, .number = 1 } };
	TRY(read_key(c, &key));
	if (take(c, '='))
		TRY(read_member(c, &item));
	else
		TRY(read_parameters(c, &item));
	struct sf_member *members = array->items;
	for (unsigned i = 0; i < array->count; i++)
		if (str_eq(members[i].key, key)) {
			members[i].item = item;
			return ERR_NONE;
		}
	struct sf_member *added = push(c, array);
	if (!added) return full(c);
	*added = (struct sf_member){ key, item };
	return ERR_NONE;
}

static enum err read_listed(struct cursor *c, struct array *array)
{
	struct sf_member *added = push(c, array);
	return added ? read_member(c, &added->item) : full(c);
}

static enum err parse_members(
    struct arena *a, struct str text, enum err (*read)(struct cursor *, struct array *), struct sf_members *out)
{
	struct cursor c = { a, text, 0 };
	struct array array = { .max = SF_MEMBERS_MAX, .bytes = sizeof(struct sf_member) };
	skip_spaces(&c);
	while (c.at < text.n) {
		TRY(read(&c, &array));
		skip_blanks(&c);
		if (c.at == text.n) break;
		if (!take(&c, ',')) return ERR_SYNTAX;
		skip_blanks(&c);
		if (c.at == text.n) return ERR_SYNTAX; /* a comma at the end */
	}
	*out = (struct sf_members){ array.items, array.count };
	return ERR_NONE;
}

enum err sf_parse_list(struct arena *a, struct str text, struct sf_members *out)
{
	return parse_members(a, text, read_listed, out);
}

enum err sf_parse_dictionary(struct arena *a, struct str text, struct sf_members *out)
{
	return parse_members(a, text, read_entry, out);
}

enum err sf_parse_item(struct arena *a, struct str text, struct sf_item *out)
{
	struct cursor c = { a, text, 0 };
	*out = (struct sf_item){ 0 };
	skip_spaces(&c);
	TRY(read_item(&c, out));
	skip_spaces(&c);
	return c.at == text.n ? ERR_NONE : ERR_SYNTAX;
}

struct str sf_combined(struct arena *a, struct http_fields fields, struct str name)
{
	unsigned lines = http_count(fields, name);
	if (lines <= 1) return http_get(fields, name);
	size_t n = 0;
	for (unsigned i = 0; i < fields.count; i++)
		if (str_eq_ci(fields.items[i].name, name)) n += fields.items[i].value.n + 2;
	char *joined = arena_alloc(a, n + 1), *to = joined;
	if (!joined) return STR_NONE;
	for (unsigned i = 0; i < fields.count; i++) {
		struct str value = fields.items[i].value;
		if (!str_eq_ci(fields.items[i].name, name)) continue;
		if (to > joined) to = (char *)memcpy(to, ", ", 2) + 2;
		if (value.n) memcpy(to, value.p, value.n);
		to += value.n;
	}
	return str_span(joined, (size_t)(to - joined));
}

const struct sf_item *sf_get(const struct sf_members *dictionary, struct str key)
{
	for (unsigned i = 0; i < dictionary->count; i++)
		if (str_eq(dictionary->items[i].key, key)) return &dictionary->items[i].item;
	return NULL;
}

const struct sf_value *sf_parameter(const struct sf_item *item, struct str key)
{
	for (unsigned i = 0; i < item->parameter_count; i++)
		if (str_eq(item->parameters[i].key, key)) return &item->parameters[i].value;
	return NULL;
}
