/* Writes structured fields (RFC 9651 section 4.1): one spelling for every value, and none for what is no value. */
#include "common/core/utf8.h"
#include "common/http/structured.h"

enum { THOUSANDTHS = 1000 };

static bool in_range(int64_t number)
{
	return number >= -SF_INTEGER_MAX && number <= SF_INTEGER_MAX;
}

static enum err write_integer(struct buf *out, int64_t number)
{
	if (!in_range(number)) return ERR_SYNTAX;
	buf_i64(out, number);
	return ERR_NONE;
}

/* At least one digit behind the point, and no needless zero. */
static enum err write_decimal(struct buf *out, int64_t thousandths)
{
	if (!in_range(thousandths)) return ERR_SYNTAX;
	int64_t size = thousandths < 0 ? -thousandths : thousandths;
	if (thousandths < 0) buf_char(out, '-');
	buf_i64(out, size / THOUSANDTHS);
	buf_char(out, '.');
	unsigned rest = (unsigned)(size % THOUSANDTHS), unit = THOUSANDTHS / 10;
	do {
		buf_char(out, (char)('0' + rest / unit));
		rest %= unit;
		unit /= 10;
	} while (rest);
	return ERR_NONE;
}

static enum err write_string(struct buf *out, struct str s)
{
	buf_char(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e) return ERR_SYNTAX;
		if (s.p[i] == '"' || s.p[i] == '\\') buf_char(out, '\\');
		buf_char(out, s.p[i]);
	}
	buf_char(out, '"');
	return ERR_NONE;
}

static enum err write_token(struct buf *out, struct str s)
{
	if (!sf_is_token(s)) return ERR_SYNTAX;
	buf_str(out, s);
	return ERR_NONE;
}

static enum err write_bytes(struct buf *out, struct str s)
{
	static const char symbols[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	buf_char(out, ':');
	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t group = 0;
		size_t held = s.n - i < 3 ? s.n - i : 3;
		for (size_t j = 0; j < 3; j++) group = group << 8 | (j < held ? (unsigned char)s.p[i + j] : 0);
		for (size_t j = 0; j < 4; j++) buf_char(out, j <= held ? symbols[group >> (18 - 6 * j) & 63] : '=');
	}
	buf_char(out, ':');
	return ERR_NONE;
}

static enum err write_display(struct buf *out, struct str s)
{
	static const char hex[] = "0123456789abcdef";
	if (!utf8_valid(s)) return ERR_SYNTAX;
	BUF_LIT(out, "%\"");
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 0x20 && c <= 0x7e && c != '%' && c != '"') {
			buf_char(out, (char)c);
			continue;
		}
		buf_append(out, (const char[3]){ '%', hex[c >> 4], hex[c & 15] }, 3);
	}
	buf_char(out, '"');
	return ERR_NONE;
}

enum err sf_write_value(struct buf *out, const struct sf_value *value)
{
	switch (value->type) {
	case SF_INTEGER:
		return write_integer(out, value->number);
	case SF_DECIMAL:
		return write_decimal(out, value->number);
	case SF_STRING:
		return write_string(out, value->text);
	case SF_TOKEN:
		return write_token(out, value->text);
	case SF_BYTES:
		return write_bytes(out, value->text);
	case SF_BOOLEAN:
		buf_append(out, value->number ? "?1" : "?0", 2);
		return ERR_NONE;
	case SF_DATE:
		buf_char(out, '@');
		return write_integer(out, value->number);
	case SF_DISPLAY:
		return write_display(out, value->text);
	case SF_INNER_LIST:
	default:
		return ERR_SYNTAX;
	}
}

static bool is_true(const struct sf_value *value)
{
	return value->type == SF_BOOLEAN && value->number;
}

static enum err write_key(struct buf *out, struct str key)
{
	if (!sf_is_key(key)) return ERR_SYNTAX;
	buf_str(out, key);
	return ERR_NONE;
}

static enum err write_parameters(struct buf *out, const struct sf_item *item)
{
	for (unsigned i = 0; i < item->parameter_count; i++) {
		const struct sf_parameter *p = &item->parameters[i];
		buf_char(out, ';');
		TRY(write_key(out, p->key));
		if (is_true(&p->value)) continue;
		buf_char(out, '=');
		TRY(sf_write_value(out, &p->value));
	}
	return ERR_NONE;
}

enum err sf_write_item(struct buf *out, const struct sf_item *item)
{
	if (item->value.type != SF_INNER_LIST) {
		TRY(sf_write_value(out, &item->value));
		return write_parameters(out, item);
	}
	buf_char(out, '(');
	for (unsigned i = 0; i < item->count; i++) {
		const struct sf_item *inner = &item->items[i];
		if (i) buf_char(out, ' ');
		TRY(sf_write_value(out, &inner->value));
		TRY(write_parameters(out, inner));
	}
	buf_char(out, ')');
	return write_parameters(out, item);
}

enum err sf_write_list(struct buf *out, const struct sf_members *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (i) BUF_LIT(out, ", ");
		TRY(sf_write_item(out, &list->items[i].item));
	}
	return ERR_NONE;
}

enum err sf_write_dictionary(struct buf *out, const struct sf_members *dictionary)
{
	for (unsigned i = 0; i < dictionary->count; i++) {
		const struct sf_member *m = &dictionary->items[i];
		if (i) BUF_LIT(out, ", ");
		TRY(write_key(out, m->key));
		if (is_true(&m->item.value)) {
			TRY(write_parameters(out, &m->item));
			continue;
		}
		buf_char(out, '=');
		TRY(sf_write_item(out, &m->item));
	}
	return ERR_NONE;
}
