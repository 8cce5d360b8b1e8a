/* Settings of the gateway, from the environment. */
#include "gateway/settings.h"

#include "common/core/config.h"
#include "common/core/id.h"

enum { WORKERS_MAX = 64, KEY_FILE_BYTES_MAX = 4096, KEY_BYTES_MIN = 16, KEY_BYTES_MAX = 64 };

static enum log_level read_level(struct str s)
{
	if (str_eq(s, STR("debug"))) return LOG_DEBUG;
	if (str_eq(s, STR("warn"))) return LOG_WARN;
	if (str_eq(s, STR("error"))) return LOG_ERROR;
	return LOG_INFO;
}

void settings_read(struct arena *boot, struct settings *out)
{
	*out = (struct settings){
		.listen = config_str(boot, "YG_LISTEN", "127.0.0.1:8080"),
		.metrics_listen = config_str(boot, "YG_METRICS_LISTEN", NULL),
		.proto = config_str(boot, "YG_PROTO", "proto"),
		.identity_key_file = config_need(boot, "YG_IDENTITY_KEY_FILE"),
		.upstreams = config_need(boot, "YG_UPSTREAMS"),
		.public_url = config_need(boot, "YG_PUBLIC_URL"),
		.redis = config_str(boot, "YG_REDIS", NULL),
		.cors_origins = config_str(boot, "YG_CORS_ORIGINS", NULL),
		.workers = (unsigned)config_int("YG_WORKERS", 1, 1, WORKERS_MAX),
		.log = read_level(config_str(boot, "YG_LOG", "info")),
	};
}

enum err settings_read_identity_key(struct arena *a, struct str path, struct str *out)
{
	struct str text, line;
	TRY(config_read_file(a, path.p, KEY_FILE_BYTES_MAX, &text));
	if (!str_cut(&text, '\n', &line)) line = STR_NONE;
	line = str_trim(line);
	size_t n = line.n / 2;
	char *bytes = n >= KEY_BYTES_MIN && n <= KEY_BYTES_MAX ? arena_alloc(a, n) : NULL;
	if (!bytes || !id_unhex(line, bytes, n)) {
		log_line(LOG_ERROR, "identity key file is not valid",
		    "%.*s: first line must be %d to %d bytes in hexadecimal", STR_FMT(path), KEY_BYTES_MIN,
		    KEY_BYTES_MAX);
		return ERR_CONFIG;
	}
	*out = str_span(bytes, n);
	return ERR_NONE;
}
