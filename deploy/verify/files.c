/* Files of a downloaded log. A missing file is never a "no": whoever asks may have fetched too little. */
#include "deploy/verify/files.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static bool read_open(struct buf *out, FILE *f, const char *path, struct verdict *v)
{
	struct stat st;
	if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) return verdict_cannot(v, "%s is not a file", path);
	if ((size_t)st.st_size > out->max) return verdict_cannot(v, "%s is longer than %zu bytes", path, out->max);
	if (st.st_size == 0) return true;
	char *to = buf_reserve(out, (size_t)st.st_size);
	if (fread(to, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
		return verdict_cannot(v, "%s cannot be read to its end", path);
	out->n = (size_t)st.st_size;
	return true;
}

bool file_read(struct buf *out, const char *path, struct verdict *v)
{
	FILE *f = fopen(path, "rbe");
	buf_reset(out);
	if (!f) return verdict_cannot(v, "%s: %s", path, strerror(errno));
	bool ok = read_open(out, f, path, v);
	fclose(f);
	return ok;
}

static bool path_of(const char *dir, const struct tile *t, char out[PATH_BYTES])
{
	char name[TILE_PATH_BYTES];
	tile_path(t, name);
	int n = snprintf(out, PATH_BYTES, "%s/%s", dir, name);
	return n > 0 && n < PATH_BYTES && access(out, F_OK) == 0;
}

static bool find_tile(const char *dir, const struct tile *t, char path[PATH_BYTES], bool *full)
{
	const struct tile whole = { t->level, t->index, TILE_WIDTH };
	*full = t->width == TILE_WIDTH;
	if (path_of(dir, t, path)) return true;
	if (*full) return false;
	*full = path_of(dir, &whole, path);
	return *full;
}

bool file_has_tile(const char *dir, const struct tile *t)
{
	char path[PATH_BYTES];
	bool full;
	return find_tile(dir, t, path, &full);
}

bool file_read_tile(struct buf *out, const char *dir, const struct tile *t, bool *full, struct verdict *v)
{
	char path[PATH_BYTES], name[TILE_PATH_BYTES];
	tile_path(t, name);
	if (!find_tile(dir, t, path, full)) return verdict_cannot(v, "%s is not in %s", name, dir);
	return file_read(out, path, v);
}

bool file_open_checkpoint(
    struct arena *a, const struct trust *t, const char *path, struct checkpoint *out, struct verdict *v)
{
	struct buf b;
	buf_init(&b, NOTE_BYTES_MAX);
	bool ok = file_read(&b, path, v);
	if (ok) {
		struct str kept = arena_str(a, buf_view(&b));
		ok = checkpoint_open(a, t, kept.p ? kept : STR(""), path, out, v);
	}
	buf_free(&b);
	return ok;
}
