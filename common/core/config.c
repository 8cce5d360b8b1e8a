/* Settings from the environment. */
#include "common/core/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/log.h"

enum { EXIT_CONFIG = 78 };

static NORETURN void refuse(const char *name, const char *why)
{
	log_line(LOG_ERROR, "bad configuration", "%s %s", name, why);
	log_flush();
	exit(EXIT_CONFIG);
}

struct str config_str(struct arena *boot, const char *name, const char *fallback)
{
	const char *value = getenv(name);
	return arena_str(boot, str_of(value && *value ? value : fallback));
}

struct str config_need(struct arena *boot, const char *name)
{
	struct str value = config_str(boot, name, NULL);
	if (!value.p) refuse(name, "must be set");
	return value;
}

int64_t config_int(const char *name, int64_t fallback, int64_t least, int64_t most)
{
	const char *value = getenv(name);
	int64_t v;
	if (!value || !*value) return fallback;
	if (!str_to_i64(str_of(value), &v)) refuse(name, "must be a whole number");
	if (v < least || v > most) refuse(name, "is out of range");
	return v;
}

enum err config_read_file(struct arena *a, const char *path, size_t bytes_max, struct str *out)
{
	FILE *f = fopen(path, "rbe");
	if (!f) {
		log_line(LOG_ERROR, "cannot open file", "%s: %s", path, strerror(errno));
		return ERR_IO;
	}
	enum err e = ERR_IO;
	long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
	char *p = NULL;
	if (size >= 0 && (size_t)size > bytes_max)
		e = ERR_PAYLOAD_TOO_LARGE;
	else if (size >= 0 && fseek(f, 0, SEEK_SET) == 0)
		p = arena_alloc(a, (size_t)size + 1);
	if (p && fread(p, 1, (size_t)size, f) == (size_t)size) {
		*out = (struct str){ p, (size_t)size };
		e = ERR_NONE;
	}
	fclose(f);
	return e;
}
