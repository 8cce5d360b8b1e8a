/* Signed notes. A note is text, an empty line, and a line per signature: "— name base64(key id, signature)". Whoever made the
 * note is not trusted, so what has two readings is refused; signatures by unknown keys are skipped, as the format wants it. */
#include "common/crypto/note.h"

#include <stdio.h>

#include "common/core/id.h"
#include "common/core/utf8.h"
#include "common/crypto/key.h"

enum { SIGNATURE_ARENA_BYTES = 1024, TIME_BYTES = 8, KEY_TEXT_BYTES = 1 + ED25519_KEY_BYTES };
enum { SIGNATURE_BYTES_MAX = 4096 }; /* of kinds that we do not know */

static const struct str dash = { "\xe2\x80\x94 ", 4 };

/* Names have no spaces (of Unicode: White_Space) and no plus; control characters are refused too. */
static bool is_name(struct str s)
{
	size_t at = 0;
	if (s.n == 0 || s.n > NOTE_NAME_BYTES_MAX || !utf8_valid(s)) return false;
	while (at < s.n) {
		uint32_t c = utf8_next(s, &at);
		if (c <= 0x20 || c == '+' || (c >= 0x7f && c <= 0xa0)) return false;
		if (c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029) return false;
		if (c == 0x202f || c == 0x205f || c == 0x3000) return false;
	}
	return true;
}

static bool is_text(struct str s)
{
	if (s.n == 0 || s.p[s.n - 1] != '\n' || !utf8_valid(s)) return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\n') return false;
	return true;
}

/* The first bytes of SHA-256(name LF kind key). */
static void key_id(struct str name, const unsigned char public[KEY_TEXT_BYTES], unsigned char id[NOTE_KEY_ID_BYTES])
{
	char all[NOTE_NAME_BYTES_MAX + 1 + KEY_TEXT_BYTES];
	unsigned char hash[SHA256_BYTES];
	memcpy(all, name.p, name.n);
	all[name.n] = '\n';
	memcpy(all + name.n + 1, public, KEY_TEXT_BYTES);
	sha256(str_span(all, name.n + 1 + KEY_TEXT_BYTES), hash);
	memcpy(id, hash, NOTE_KEY_ID_BYTES);
}

static bool public_bytes(const struct key *key, enum note_kind kind, unsigned char out[KEY_TEXT_BYTES])
{
	size_t n = ED25519_KEY_BYTES;
	out[0] = (unsigned char)kind;
	return key->alg == ALG_EDDSA && EVP_PKEY_get_raw_public_key(key->pkey, out + 1, &n) == 1 &&
	       n == ED25519_KEY_BYTES;
}

enum err note_key_init(struct note_key *out, struct str name, enum note_kind kind, struct key *key)
{
	unsigned char public[KEY_TEXT_BYTES];
	if (!is_name(name)) return ERR_SYNTAX;
	if (!public_bytes(key, kind, public)) return ERR_CRYPTO;
	*out = (struct note_key){ .name = name, .kind = kind, .key = key };
	key_id(name, public, out->id);
	return ERR_NONE;
}

enum err note_key_read(struct arena *a, struct str text, struct note_key *out)
{
	struct str name, id, bytes;
	unsigned char given[NOTE_KEY_ID_BYTES];
	char lower[2 * NOTE_KEY_ID_BYTES];
	*out = (struct note_key){ 0 };
	if (!str_cut(&text, '+', &name) || !str_cut(&text, '+', &id) || !is_name(name)) return ERR_SYNTAX;
	if (!id_unhex(id, given, sizeof given)) return ERR_SYNTAX;
	id_hex(given, sizeof given, lower);
	if (!str_eq(id, str_span(lower, sizeof lower))) return ERR_SYNTAX;
	TRY(base64_decode(a, text, &bytes));
	if (bytes.n != KEY_TEXT_BYTES) return ERR_SYNTAX;
	unsigned char kind = (unsigned char)bytes.p[0];
	if (kind != NOTE_ED25519 && kind != NOTE_COSIGNATURE_V1) return ERR_SYNTAX;
	key_id(name, (const unsigned char *)bytes.p, out->id);
	if (memcmp(given, out->id, sizeof given) != 0) return ERR_SYNTAX;
	out->kind = kind == NOTE_ED25519 ? NOTE_ED25519 : NOTE_COSIGNATURE_V1;
	out->name = arena_str(a, name);
	if (!out->name.p) return ERR_MEMORY;
	EVP_PKEY *pkey =
	    EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)bytes.p + 1, ED25519_KEY_BYTES);
	return pkey && key_adopt(pkey, false, &out->key) == ERR_NONE ? ERR_NONE : ERR_SYNTAX;
}

enum err note_key_write(struct arena *a, const struct note_key *k, struct str *out)
{
	unsigned char public[KEY_TEXT_BYTES];
	char id[2 * NOTE_KEY_ID_BYTES];
	if (!public_bytes(k->key, k->kind, public)) return ERR_CRYPTO;
	id_hex(k->id, NOTE_KEY_ID_BYTES, id);
	struct str encoded = base64_encode(a, str_span((const char *)public, sizeof public));
	*out = arena_printf(a, "%.*s+%.*s+%.*s", STR_FMT(k->name), (int)sizeof id, id, STR_FMT(encoded));
	return encoded.p && out->p ? ERR_NONE : ERR_MEMORY;
}

static enum err read_signature(struct arena *a, struct str line, struct note_signature *out)
{
	struct str bytes;
	if (!str_starts(line, dash)) return ERR_SYNTAX;
	line = str_from(line, dash.n);
	if (!str_cut(&line, ' ', &out->name) || !is_name(out->name)) return ERR_SYNTAX;
	if (line.n > SIGNATURE_BYTES_MAX) return ERR_SYNTAX;
	TRY(base64_decode(a, line, &bytes));
	if (bytes.n <= NOTE_KEY_ID_BYTES) return ERR_SYNTAX;
	memcpy(out->id, bytes.p, NOTE_KEY_ID_BYTES);
	out->bytes = str_from(bytes, NOTE_KEY_ID_BYTES);
	return ERR_NONE;
}

enum err note_read(struct arena *a, struct str message, struct note *out)
{
	size_t at = message.n;
	*out = (struct note){ 0 };
	if (message.n > NOTE_BYTES_MAX || !is_text(message)) return ERR_SYNTAX;
	while (at >= 2 && (message.p[at - 1] != '\n' || message.p[at - 2] != '\n')) at--; /* the last empty line */
	if (at < 2) return ERR_SYNTAX;
	out->text = str_span(message.p, at - 1);
	if (!is_text(out->text)) return ERR_SYNTAX;
	struct str rest = str_from(message, at), line;
	while (rest.n) {
		CHECK(str_cut(&rest, '\n', &line));
		if (out->count == NOTE_SIGNATURES_MAX) return ERR_SYNTAX;
		TRY(read_signature(a, line, &out->item[out->count++]));
	}
	return out->count ? ERR_NONE : ERR_SYNTAX;
}

static uint64_t read_time(struct str bytes)
{
	uint64_t t = 0;
	for (size_t i = 0; i < TIME_BYTES; i++) t = t << 8 | (unsigned char)bytes.p[i];
	return t;
}

/* What a witness signs: a header with the time, then the text. */
static void put_cosigned(struct buf *out, struct str text, uint64_t time_s)
{
	buf_printf(out, "cosignature/v1\ntime %llu\n", (unsigned long long)time_s);
	buf_str(out, text);
}

static bool verify_cosignature(const struct note *n, const struct note_key *k, struct str bytes, uint64_t *time_s)
{
	struct buf signed_text;
	if (bytes.n != TIME_BYTES + ED25519_SIGNATURE_BYTES) return false;
	uint64_t t = read_time(bytes);
	if (t == 0 || t > INT64_MAX) return false;
	buf_init(&signed_text, NOTE_BYTES_MAX + 64);
	put_cosigned(&signed_text, n->text, t);
	bool ok =
	    buf_ok(&signed_text) && key_verify(k->key, buf_view(&signed_text), str_from(bytes, TIME_BYTES)) == ERR_NONE;
	buf_free(&signed_text);
	if (ok && time_s) *time_s = t;
	return ok;
}

enum note_answer note_check(const struct note *n, const struct note_key *k, uint64_t *time_s)
{
	enum note_answer answer = NOTE_UNSIGNED;
	for (unsigned i = 0; i < n->count; i++) {
		const struct note_signature *s = &n->item[i];
		if (!str_eq(s->name, k->name) || memcmp(s->id, k->id, NOTE_KEY_ID_BYTES) != 0) continue;
		bool ok = k->kind == NOTE_COSIGNATURE_V1 ? verify_cosignature(n, k, s->bytes, time_s)
							 : key_verify(k->key, n->text, s->bytes) == ERR_NONE;
		if (!ok) return NOTE_FORGED;
		answer = NOTE_SIGNED;
	}
	return answer;
}

static enum err make_signature(
    struct arena *a, struct str text, const struct note_key *k, uint64_t time_s, struct str *out)
{
	struct buf all;
	struct str signature;
	char head[NOTE_KEY_ID_BYTES + TIME_BYTES];
	size_t n = NOTE_KEY_ID_BYTES;
	memcpy(head, k->id, n);
	buf_init(&all, NOTE_BYTES_MAX + 64);
	if (k->kind == NOTE_COSIGNATURE_V1) {
		for (int shift = 56; shift >= 0; shift -= 8) head[n++] = (char)(time_s >> shift & 0xff);
		put_cosigned(&all, text, time_s);
	} else {
		buf_str(&all, text);
	}
	enum err e = buf_ok(&all) ? key_sign(a, k->key, buf_view(&all), &signature) : ERR_MEMORY;
	buf_reset(&all);
	buf_append(&all, head, n);
	if (!e) buf_str(&all, signature);
	*out = base64_encode(a, buf_view(&all));
	buf_free(&all);
	return e ? e : out->p ? ERR_NONE : ERR_MEMORY;
}

enum err note_sign(struct buf *out, struct str text, const struct note_key *k, uint64_t time_s)
{
	struct arena a;
	struct str encoded;
	CHECK(is_text(text) && (k->kind == NOTE_ED25519 || (time_s > 0 && time_s <= INT64_MAX)));
	arena_init(&a, SIGNATURE_ARENA_BYTES, 1 << 16);
	enum err e = make_signature(&a, text, k, time_s, &encoded);
	if (!e) buf_printf(out, "%.*s%.*s %.*s\n", STR_FMT(dash), STR_FMT(k->name), STR_FMT(encoded));
	arena_release(&a);
	if (e) return e;
	return buf_ok(out) ? ERR_NONE : ERR_MEMORY;
}
