/* Values of the second level, written and read. Redis may hold what an older version wrote, or somebody else: reading is strict. */
#include "gateway/cache/l2_value.h"

enum { DIGITS = 16, LENGTHS_BYTES = 10, HEAD_BYTES = L2_ORDER_AT + L2_ORDER_BYTES + LENGTHS_BYTES, NAMES_MAX = 16 };

static bool put_digits(int64_t v, char *out)
{
	if (v < 0) return false;
	for (int i = DIGITS - 1; i >= 0; i--, v /= 10) out[i] = (char)('0' + v % 10);
	return v == 0;
}

static bool get_digits(const char *p, int64_t *out)
{
	int64_t v = 0;
	for (int i = 0; i < DIGITS; i++) {
		if (p[i] < '0' || p[i] > '9') return false;
		v = v * 10 + (p[i] - '0');
	}
	*out = v;
	return true;
}

bool l2_value_order(int64_t seq, int64_t response_time_us, char out[L2_ORDER_BYTES])
{
	return put_digits(seq, out) && put_digits(response_time_us, out + DIGITS);
}

static void put_number(char *p, size_t v, int bytes)
{
	for (int i = 0; i < bytes; i++) p[i] = (char)(v >> (8 * i));
}

static size_t get_number(const char *p, int bytes)
{
	size_t v = 0;
	for (int i = 0; i < bytes; i++) v |= (size_t)(unsigned char)p[i] << (8 * i);
	return v;
}

static bool fits(const struct l2_value *v)
{
	if (v->key.n > L2_KEY_BYTES_MAX || v->variant.n > L2_VARIANT_BYTES_MAX || v->blob.n > L2_BLOB_BYTES_MAX ||
	    v->tag_count > TAGS_PER_ENTRY_MAX)
		return false;
	for (unsigned i = 0; i < v->tag_count; i++)
		if (!tag_is_valid(v->tags[i])) return false;
	return true;
}

static size_t tags_bytes(const struct l2_value *v)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < v->tag_count; i++) bytes += v->tags[i].n + 1;
	return bytes;
}

bool l2_value_write(struct buf *out, const struct l2_value *v)
{
	char head[HEAD_BYTES] = "YG2";
	if (!fits(v) || !l2_value_order(v->seq, v->response_time_us, head + L2_ORDER_AT)) return false;
	char *lengths = head + L2_ORDER_AT + L2_ORDER_BYTES;
	put_number(lengths, v->key.n, 4);
	put_number(lengths + 4, v->variant.n, 4);
	put_number(lengths + 8, tags_bytes(v), 2);
	buf_append(out, head, sizeof head);
	buf_str(out, v->key);
	buf_str(out, v->variant);
	for (unsigned i = 0; i < v->tag_count; i++) { /* each ends with a space, which none contains */
		buf_str(out, v->tags[i]);
		buf_char(out, ' ');
	}
	buf_str(out, v->blob);
	return buf_ok(out);
}

static bool read_tags(struct str text, struct l2_value *out)
{
	struct str tag;
	out->tag_count = 0;
	if (text.n == 0) return true;
	if (text.p[text.n - 1] != ' ') return false;
	text.n--;
	while (str_cut(&text, ' ', &tag)) {
		if (out->tag_count == TAGS_PER_ENTRY_MAX || !tag_is_valid(tag)) return false;
		out->tags[out->tag_count++] = tag;
	}
	return true;
}

bool l2_value_read(struct str bytes, struct l2_value *out)
{
	if (bytes.n < HEAD_BYTES || memcmp(bytes.p, "YG2", 3) != 0) return false;
	const char *order = bytes.p + L2_ORDER_AT, *lengths = order + L2_ORDER_BYTES;
	size_t key = get_number(lengths, 4), variant = get_number(lengths + 4, 4), tags = get_number(lengths + 8, 2);
	struct str rest = str_from(bytes, HEAD_BYTES);
	if (!get_digits(order, &out->seq) || !get_digits(order + DIGITS, &out->response_time_us)) return false;
	if (key > L2_KEY_BYTES_MAX || variant > L2_VARIANT_BYTES_MAX || key + variant + tags > rest.n) return false;
	out->key = str_span(rest.p, key);
	out->variant = str_span(rest.p + key, variant);
	out->blob = str_from(rest, key + variant + tags);
	return read_tags(str_span(rest.p + key + variant, tags), out) && out->blob.n <= L2_BLOB_BYTES_MAX;
}

/* ---- names of Vary ---- */

static unsigned collect(struct str list, struct str *names, unsigned count)
{
	struct str name;
	while (list.n && str_cut(&list, ',', &name)) {
		unsigned at = 0;
		name = str_trim(name);
		if (name.n == 0) continue;
		while (at < count && str_cmp(names[at], name) < 0) at++;
		if (at < count && str_eq(names[at], name)) continue;
		if (count == NAMES_MAX) return NAMES_MAX + 1;
		memmove(names + at + 1, names + at, (count - at) * sizeof *names);
		names[at] = name;
		count++;
	}
	return count;
}

bool l2_vary_union(struct str a, struct str b, char out[L2_VARY_BYTES_MAX], size_t *out_bytes)
{
	struct str names[NAMES_MAX + 1];
	size_t n = 0;
	unsigned count = collect(a, names, 0);
	if (count <= NAMES_MAX) count = collect(b, names, count);
	if (count > NAMES_MAX) return false;
	for (unsigned i = 0; i < count; i++) {
		if (n + names[i].n + 1 > L2_VARY_BYTES_MAX) return false;
		if (i) out[n++] = ',';
		memcpy(out + n, names[i].p, names[i].n);
		n += names[i].n;
	}
	*out_bytes = n;
	return true;
}
