/* Reads Signature-Input, Signature and Content-Digest, and builds the text that was signed. What could be read in two ways is refused:
 * two signatures, a component twice, parameters of a component that we do not know. */
#include "common/http/signature.h"

bool signature_shown(struct http_fields fields)
{
	for (unsigned i = 0; i < fields.count; i++) {
		struct str name = fields.items[i].name;
		if ((name.n == 9 || name.n == 15) && (name.p[0] | 0x20) == 's' &&
		    (str_eq_ci(name, STR("signature")) || str_eq_ci(name, STR("signature-input"))))
			return true;
	}
	return false;
}

/* A second member, even one of the same key, which the parser of RFC 9651 lets win over the first. */
static bool has_second_member(struct str text)
{
	bool quoted = false;
	for (size_t i = 0; i < text.n; i++) {
		if (quoted && text.p[i] == '\\')
			i++;
		else if (text.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && text.p[i] == ',')
			return true;
	}
	return false;
}

/* A dictionary of exactly one member. */
static enum err read_only_member(struct arena *a, struct http_fields fields, struct str name, struct sf_member *out)
{
	struct sf_members members;
	struct str text = sf_combined(a, fields, name);
	if (text.n == 0 || text.n > SIGNATURE_FIELD_BYTES_MAX) return a->overflow ? ERR_MEMORY : ERR_SYNTAX;
	TRY(sf_parse_dictionary(a, text, &members));
	if (members.count != 1 || has_second_member(text)) return ERR_SYNTAX;
	*out = members.items[0];
	return ERR_NONE;
}

static bool same_component(const struct sf_item *a, const struct sf_item *b)
{
	if (!str_eq(a->value.text, b->value.text) || a->parameter_count != b->parameter_count) return false;
	for (unsigned i = 0; i < a->parameter_count; i++) {
		const struct sf_value *other = sf_parameter(b, a->parameters[i].key);
		if (!other || !str_eq(other->text, a->parameters[i].value.text)) return false;
	}
	return true;
}

static bool components_are_sound(const struct sf_item *list)
{
	if (list->value.type != SF_INNER_LIST || list->count > SIGNATURE_COMPONENTS_MAX) return false;
	for (unsigned i = 0; i < list->count; i++) {
		if (list->items[i].value.type != SF_STRING || list->items[i].value.text.n == 0) return false;
		for (unsigned j = 0; j < i; j++)
			if (same_component(&list->items[i], &list->items[j])) return false;
	}
	return true;
}

static bool take_text(const struct sf_item *input, struct str key, struct str *out)
{
	const struct sf_value *v = sf_parameter(input, key);
	*out = v ? v->text : STR_NONE;
	return !v || v->type == SF_STRING;
}

static bool take_moment(const struct sf_item *input, struct str key, int64_t *out)
{
	const struct sf_value *v = sf_parameter(input, key);
	*out = v ? v->number : 0;
	return !v || (v->type == SF_INTEGER && v->number > 0);
}

enum err signature_read(struct arena *a, struct http_fields fields, struct message_signature *out)
{
	struct sf_member input, bytes;
	*out = (struct message_signature){ 0 };
	TRY(read_only_member(a, fields, STR("signature-input"), &input));
	TRY(read_only_member(a, fields, STR("signature"), &bytes));
	if (!str_eq(input.key, bytes.key) || bytes.item.value.type != SF_BYTES || !components_are_sound(&input.item))
		return ERR_SYNTAX;
	struct sf_item *kept = ARENA_NEW(a, struct sf_item);
	if (!kept) return ERR_MEMORY;
	*kept = input.item;
	out->label = input.key;
	out->input = kept;
	out->bytes = bytes.item.value.text;
	bool ok = out->bytes.n > 0 && out->bytes.n <= SIGNATURE_BYTES_MAX &&
		  take_text(kept, STR("keyid"), &out->keyid) && take_text(kept, STR("alg"), &out->alg) &&
		  take_text(kept, STR("nonce"), &out->nonce) && take_moment(kept, STR("created"), &out->created) &&
		  take_moment(kept, STR("expires"), &out->expires);
	return ok ? ERR_NONE : ERR_SYNTAX;
}

bool signature_covers(const struct message_signature *s, struct str component)
{
	for (unsigned i = 0; i < s->input->count; i++)
		if (s->input->items[i].parameter_count == 0 && str_eq(s->input->items[i].value.text, component))
			return true;
	return false;
}

/* ── the base ── */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decoded as a form's name or value and encoded again in the one way of RFC 9421 2.2.8. */
static void put_form_text(struct buf *out, struct str raw)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < raw.n; i++) {
		unsigned char c = (unsigned char)raw.p[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%' && raw.n - i > 2 && hex_value(raw.p[i + 1]) >= 0 && hex_value(raw.p[i + 2]) >= 0) {
			c = (unsigned char)(hex_value(raw.p[i + 1]) << 4 | hex_value(raw.p[i + 2]));
			i += 2;
		}
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			     (c && strchr("*-._", c));
		if (plain)
			buf_char(out, (char)c);
		else
			buf_append(out, (const char[3]){ '%', hex[c >> 4], hex[c & 15] }, 3);
	}
}

/* The value of the one query parameter of that (encoded) name; false when there is none, or several. */
static bool put_query_parameter(struct buf *out, struct str query, struct str name)
{
	struct str part, rest = query;
	bool found = false;
	while (rest.p && str_cut(&rest, '&', &part)) {
		struct str key = STR_NONE, value = part;
		size_t from = out->n;
		if (part.n == 0 || !str_cut(&value, '=', &key)) continue;
		put_form_text(out, key);
		bool same = buf_ok(out) && str_eq(str_span(out->p + from, out->n - from), name);
		out->n = from;
		if (!same) continue;
		if (found) return false;
		found = true;
		put_form_text(out, value);
	}
	return found;
}

static bool put_derived(struct buf *out, const struct sf_item *component, const struct signed_message *m)
{
	struct str name = component->value.text;
	if (str_eq(name, STR("@query-param"))) {
		const struct sf_value *which = sf_parameter(component, STR("name"));
		return component->parameter_count == 1 && which && which->type == SF_STRING &&
		       put_query_parameter(out, m->query, which->text);
	}
	if (component->parameter_count) return false;
	bool target = str_eq(name, STR("@target-uri")), all = target || str_eq(name, STR("@request-target"));
	if (str_eq(name, STR("@method"))) {
		buf_str(out, m->method);
	} else if (str_eq(name, STR("@authority"))) {
		buf_str(out, m->authority);
	} else if (str_eq(name, STR("@scheme"))) {
		buf_str(out, m->scheme);
	} else if (str_eq(name, STR("@query"))) {
		buf_char(out, '?');
		buf_str(out, m->query);
	} else if (all || str_eq(name, STR("@path"))) {
		if (target) buf_printf(out, "%.*s://%.*s", STR_FMT(m->scheme), STR_FMT(m->authority));
		buf_str(out, m->path);
		if (all && m->query.p) buf_char(out, '?');
		if (all) buf_str(out, m->query);
	} else {
		return false;
	}
	return true;
}

/* All lines of the field, each without white space around it. */
static bool put_field(struct buf *out, const struct sf_item *component, struct http_fields fields)
{
	struct str name = component->value.text;
	bool any = false;
	if (component->parameter_count) return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] >= 'A' && name.p[i] <= 'Z') return false;
	for (unsigned i = 0; i < fields.count; i++) {
		if (!str_eq_ci(fields.items[i].name, name)) continue;
		if (any) BUF_LIT(out, ", ");
		buf_str(out, str_trim(fields.items[i].value));
		any = true;
	}
	return any;
}

static enum err write_base(struct buf *out, const struct message_signature *s, const struct signed_message *m)
{
	for (unsigned i = 0; i < s->input->count; i++) {
		const struct sf_item *component = &s->input->items[i];
		TRY(sf_write_item(out, component));
		BUF_LIT(out, ": ");
		bool known = component->value.text.p[0] == '@' ? put_derived(out, component, m)
							       : put_field(out, component, m->fields);
		if (!known) return ERR_SYNTAX;
		buf_char(out, '\n');
	}
	BUF_LIT(out, "\"@signature-params\": ");
	return sf_write_item(out, s->input);
}

enum err signature_base(
    struct arena *a, const struct message_signature *s, const struct signed_message *m, struct str *out)
{
	enum { BASE_BYTES_MAX = 64 * 1024 };
	struct buf b;
	buf_init(&b, BASE_BYTES_MAX);
	enum err e = write_base(&b, s, m);
	if (e == ERR_NONE && !buf_ok(&b)) e = ERR_SYNTAX;
	*out = e == ERR_NONE ? arena_str(a, buf_view(&b)) : STR_NONE;
	buf_free(&b);
	return e == ERR_NONE && !out->p ? ERR_MEMORY : e;
}

/* ── digests ── */

static bool take_digest(const struct sf_members *members, struct str name, size_t bytes, struct str *out)
{
	const struct sf_item *item = sf_get(members, name);
	*out = STR_NONE;
	if (!item) return true;
	*out = item->value.text;
	return item->value.type == SF_BYTES && item->value.text.n == bytes;
}

enum err content_digests_read(struct arena *a, struct http_fields fields, struct content_digests *out)
{
	struct sf_members members;
	struct str text = sf_combined(a, fields, STR("content-digest"));
	if (text.n == 0 || text.n > SIGNATURE_FIELD_BYTES_MAX) return a->overflow ? ERR_MEMORY : ERR_SYNTAX;
	TRY(sf_parse_dictionary(a, text, &members));
	bool ok = take_digest(&members, STR("sha-256"), DIGEST_SHA256_BYTES, &out->sha256) &&
		  take_digest(&members, STR("sha-512"), DIGEST_SHA512_BYTES, &out->sha512);
	return ok && (out->sha256.p || out->sha512.p) ? ERR_NONE : ERR_SYNTAX;
}
