/* The vault's file: who may read it, and its lines. Key bytes exist in the vault only; the file's text is wiped after reading. */
#include "common/crypto/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/log.h"

enum { FILE_BYTES_MAX = 8192, LINE_ARENA_BYTES_MAX = 4096, REFUSED_MODE = S_IRWXO | S_IWGRP | S_IXGRP };

const struct vault_key *vault_find(const struct vault *v, struct str id)
{
	for (unsigned i = 0; id.n && i < v->key_count; i++)
		if (str_eq(v->keys[i].id, id)) return &v->keys[i];
	return NULL;
}

static bool is_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool ok =
		    (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
		if (!ok) return false;
	}
	return s.n >= 1 && s.n <= VAULT_ID_BYTES_MAX;
}

static bool read_key(struct str text, unsigned char out[AES_KEY_BYTES])
{
	struct arena scratch;
	struct str bytes;
	arena_init(&scratch, 128, LINE_ARENA_BYTES_MAX);
	bool ok = base64_decode(&scratch, text, &bytes) == ERR_NONE && bytes.n == AES_KEY_BYTES;
	if (ok) {
		memcpy(out, bytes.p, AES_KEY_BYTES);
		crypto_wipe((char *)(uintptr_t)bytes.p, bytes.n);
	}
	arena_release(&scratch);
	return ok;
}

struct parsed {
	struct arena *boot;
	struct vault *vault;
	struct str current;
	bool has_index;
};

static bool add_key(struct parsed *p, struct str id, struct str text)
{
	struct vault *v = p->vault;
	if (v->key_count == VAULT_KEYS_MAX || !is_id(id) || vault_find(v, id)) return false;
	struct vault_key *k = &v->keys[v->key_count];
	if (!read_key(text, k->bytes)) return false;
	k->id = arena_str(p->boot, id);
	v->key_count++;
	return k->id.p != NULL;
}

static bool read_line(struct parsed *p, struct str line)
{
	struct str word, value, rest;
	line = str_trim(line);
	if (line.n == 0 || line.p[0] == '#') return true;
	rest = line;
	if (!str_cut(&rest, ' ', &word) || !str_cut(&rest, ' ', &value)) return false;
	if (str_eq(word, STR("key"))) return rest.p && add_key(p, value, rest);
	if (rest.p) return false;
	if (str_eq(word, STR("current"))) {
		if (p->current.p || !is_id(value)) return false;
		p->current = value;
		return true;
	}
	if (!str_eq(word, STR("index")) || p->has_index) return false;
	p->has_index = true;
	return read_key(value, p->vault->index);
}

static bool read_text(struct parsed *p, struct str text, const char *path)
{
	struct str line;
	for (int number = 1; str_cut(&text, '\n', &line); number++) {
		if (read_line(p, line)) continue;
		log_line(LOG_ERROR, "bad vault file", "%s: line %d", path, number);
		return false;
	}
	p->vault->current = vault_find(p->vault, p->current);
	if (p->vault->current && p->has_index) return true;
	log_line(LOG_ERROR, "bad vault file", "%s: needs 'current' naming a key, and 'index'", path);
	return false;
}

static enum err read_file(const char *path, char text[FILE_BYTES_MAX], size_t *bytes)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		log_line(LOG_ERROR, "cannot open vault file", "%s: %s", path, strerror(errno));
		if (fd >= 0) close(fd);
		return ERR_IO;
	}
	enum err e = ERR_CONFIG;
	ssize_t n = 0;
	if (st.st_mode & REFUSED_MODE) {
		log_line(LOG_ERROR, "bad vault file", "%s: mode %03o, want 600", path, (unsigned)st.st_mode & 0777);
	} else if (st.st_size >= FILE_BYTES_MAX) {
		log_line(LOG_ERROR, "bad vault file", "%s: too long", path);
	} else {
		n = read(fd, text, FILE_BYTES_MAX);
		e = n < 0 ? ERR_IO : n == FILE_BYTES_MAX ? ERR_CONFIG : ERR_NONE;
	}
	close(fd);
	*bytes = n > 0 ? (size_t)n : 0;
	return e;
}

enum err vault_open(struct arena *boot, const char *path, struct vault **out)
{
	char text[FILE_BYTES_MAX];
	size_t n = 0;
	*out = NULL;
	enum err e = read_file(path, text, &n);
	struct vault *v = e == ERR_NONE ? ARENA_NEW(boot, struct vault) : NULL;
	if (e == ERR_NONE && !v) e = ERR_MEMORY;
	if (v) {
		struct parsed p = { .boot = boot, .vault = v };
		if (!read_text(&p, str_span(text, n), path)) {
			vault_close(v);
			e = ERR_CONFIG;
		} else {
			*out = v;
		}
	}
	crypto_wipe(text, sizeof text);
	return e;
}

void vault_close(struct vault *v)
{
	crypto_wipe(v, v ? sizeof *v : 0);
}
