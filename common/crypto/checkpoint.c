/* The text of a log's checkpoint: origin, size, root, then lines that only some readers know. One spelling for one meaning. */
#include "common/crypto/note.h"

enum { ROOT_TEXT_BYTES = 44 };

static bool read_size(struct str s, uint64_t *out)
{
	if (s.n == 0 || (s.n > 1 && s.p[0] == '0')) return false;
	return str_to_u64(s, out) && *out <= MERKLE_SIZE_MAX;
}

static bool read_root(struct str s, struct merkle_hash *out)
{
	struct arena a;
	struct str bytes;
	if (s.n != ROOT_TEXT_BYTES) return false;
	arena_init(&a, 128, 1024);
	bool ok = base64_decode(&a, s, &bytes) == ERR_NONE && bytes.n == SHA256_BYTES;
	if (ok) memcpy(out->bytes, bytes.p, SHA256_BYTES);
	arena_release(&a);
	return ok;
}

/* A line with its line feed; false at the end of the text or when the line feed is missing. */
static bool cut_line(struct str *text, struct str *line)
{
	if (!text->p || str_index(*text, '\n') < 0) return false;
	return str_cut(text, '\n', line);
}

enum err checkpoint_read(struct str text, struct checkpoint *out)
{
	struct str size, root, line;
	*out = (struct checkpoint){ 0 };
	if (!cut_line(&text, &out->origin) || out->origin.n == 0) return ERR_SYNTAX;
	if (!cut_line(&text, &size) || !read_size(size, &out->size)) return ERR_SYNTAX;
	if (!cut_line(&text, &root) || !read_root(root, &out->root)) return ERR_SYNTAX;
	while (text.n) {
		if (!cut_line(&text, &line) || line.n == 0) return ERR_SYNTAX;
		if (out->extension_count == CHECKPOINT_EXTENSIONS_MAX) return ERR_SYNTAX;
		out->extension[out->extension_count++] = line;
	}
	return ERR_NONE;
}

static bool is_line(struct str s)
{
	return s.n > 0 && str_index(s, '\n') < 0;
}

enum err checkpoint_write(struct buf *out, const struct checkpoint *c)
{
	struct arena a;
	if (!is_line(c->origin) || c->size > MERKLE_SIZE_MAX || c->extension_count > CHECKPOINT_EXTENSIONS_MAX)
		return ERR_SYNTAX;
	for (unsigned i = 0; i < c->extension_count; i++)
		if (!is_line(c->extension[i])) return ERR_SYNTAX;
	arena_init(&a, 128, 1024);
	struct str root = base64_encode(&a, str_span((const char *)c->root.bytes, SHA256_BYTES));
	buf_printf(out, "%.*s\n%llu\n%.*s\n", STR_FMT(c->origin), (unsigned long long)c->size, STR_FMT(root));
	arena_release(&a);
	for (unsigned i = 0; i < c->extension_count; i++) buf_printf(out, "%.*s\n", STR_FMT(c->extension[i]));
	return buf_ok(out) ? ERR_NONE : ERR_MEMORY;
}
