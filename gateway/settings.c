/* Settings of the gateway, from the environment. */
#include "gateway/settings.h"

#include <stdlib.h>

#include "common/core/config.h"
#include "common/core/id.h"

enum { CACHE_BYTES = 64 * 1024 * 1024 };
enum {
	EXIT_CONFIG_STATUS = 78,
	KEY_FILE_BYTES_MAX = 4096,
	KEY_BYTES_MIN = 16,
	KEY_BYTES_MAX = 64,
	TIMEOUT_MS_MAX = 3600 * 1000
};

static enum log_level read_level(struct str s)
{
	if (str_eq(s, STR("debug"))) return LOG_DEBUG;
	if (str_eq(s, STR("warn"))) return LOG_WARN;
	if (str_eq(s, STR("error"))) return LOG_ERROR;
	return LOG_INFO;
}

static void refuse(const char *variable, const char *why)
{
	log_line(LOG_ERROR, "setting is not valid", "%s: %s", variable, why);
	log_flush();
	exit(EXIT_CONFIG_STATUS);
}

/* One of two words. */
static bool read_choice(struct arena *boot, const char *variable, const char *no, const char *yes)
{
	struct str value = config_str(boot, variable, no);
	if (str_eq(value, str_of(yes))) return true;
	if (!str_eq(value, str_of(no))) refuse(variable, "one of two words is meant, see ARCHITECTURE.md");
	return false;
}

/* What somebody hears who speaks HTTP to the TLS port. */
#define PLAIN_BODY                                                                                                     \
	"{\"type\":\"/problems/malformed-request\",\"title\":\"This port speaks TLS: use https\",\"status\":400,"      \
	"\"code\":\"malformed-request\"}\n"
#define PLAIN_ANSWER                                                                                                   \
	"HTTP/1.1 400 Bad Request\r\nServer: yangguang\r\nContent-Type: application/problem+json\r\n"                  \
	"Content-Language: en\r\nContent-Length: 121\r\nConnection: close\r\n\r\n" PLAIN_BODY
_Static_assert(sizeof PLAIN_BODY - 1 == 121, "the Content-Length above");

static void read_tls(struct arena *boot, struct settings *out)
{
	out->tls_listen = config_str(boot, "YG_TLS_LISTEN", NULL); /* of the contracts' routes */
	out->redirect_plain = read_choice(boot, "YG_PLAIN_HTTP", "serve", "redirect");
	if (out->redirect_plain && !str_starts(out->public_url, STR("https://")))
		refuse("YG_PLAIN_HTTP", "redirect needs a YG_PUBLIC_URL with https");
	if (!out->contracts) out->tls_listen = STR_NONE;
	if (!out->tls_listen.n) return;
	out->tls = (struct tls_settings){
		.certificates = config_need(boot, "YG_TLS_CERTIFICATES"),
		.ticket_key_file = config_str(boot, "YG_TLS_TICKET_KEY_FILE", NULL),
		.client_ca = config_str(boot, "YG_TLS_CLIENT_CA", NULL),
		.client_names = config_str(boot, "YG_TLS_CLIENT_NAMES", NULL),
		.refuse_unknown_names = read_choice(boot, "YG_TLS_UNKNOWN_NAME", "default", "refuse"),
		.plain_answer = STR(PLAIN_ANSWER),
	};
}

static void read_proxied(struct arena *boot, struct settings *out)
{
	struct str value = config_str(boot, "YG_PROXY_PROTOCOL", "off");
	bool both = str_eq(value, STR("both"));
	out->proxied_plain = both || str_eq(value, STR("plain"));
	out->proxied_tls = both || str_eq(value, STR("tls"));
	if (!out->proxied_plain && !out->proxied_tls && !str_eq(value, STR("off")))
		refuse("YG_PROXY_PROTOCOL", "off, plain, tls or both");
	if ((out->proxied_plain || out->proxied_tls) && !out->trusted_proxies.n)
		refuse("YG_PROXY_PROTOCOL", "needs YG_TRUSTED_PROXIES: nobody else could connect");
}

void settings_read(struct arena *boot, struct settings *out)
{
	struct str config = config_str(boot, "YG_CONFIG", NULL);
	bool contracts = !config.p || config_str(boot, "YG_UPSTREAMS", NULL).p;
	*out = (struct settings){
		.listen = config_str(boot, "YG_LISTEN", "127.0.0.1:8080"),
		.metrics_listen = config_str(boot, "YG_METRICS_LISTEN", NULL),
		.proto = config_str(boot, "YG_PROTO", "proto"),
		.docs_dir = config_str(boot, "YG_DOCS_DIR", "gateway/docs"),
		.identity_key_file = contracts ? config_need(boot, "YG_IDENTITY_KEY_FILE") : STR_NONE,
		.upstreams = contracts ? config_need(boot, "YG_UPSTREAMS") : STR_NONE,
		.public_url = contracts ? config_need(boot, "YG_PUBLIC_URL") : STR_NONE,
		.config = config,
		.contracts = contracts,
		.redis = config_str(boot, "YG_REDIS", NULL),
		.cache_shared = !read_choice(boot, "YG_CACHE_SHARED", "on", "off"),
		.cache_bytes = (size_t)config_int("YG_CACHE_BYTES", CACHE_BYTES, 0, INT64_C(1) << 40),
		.cors_origins = config_str(boot, "YG_CORS_ORIGINS", NULL),
		.rate_policies = config_str(boot, "YG_RATE_POLICIES", NULL),
		.address_rules = config_str(boot, "YG_ADDRESS_RULES", NULL),
		.trusted_proxies = config_str(boot, "YG_TRUSTED_PROXIES", NULL),
		.trusted_proxy_field = config_str(boot, "YG_TRUSTED_PROXY_FIELD", "X-Forwarded-For"),
		.connections_max = (unsigned)config_int("YG_CONNECTIONS_MAX", 20000, 1, 1000000),
		.connections_per_address = (unsigned)config_int("YG_CONNECTIONS_PER_ADDRESS", 2000, 1, 1000000),
		.head_timeout_ms = config_int("YG_HEAD_TIMEOUT_MS", 10000, 100, TIMEOUT_MS_MAX),
		.body_timeout_ms = config_int("YG_BODY_TIMEOUT_MS", 20000, 100, TIMEOUT_MS_MAX),
		.idle_timeout_ms = config_int("YG_IDLE_TIMEOUT_MS", 75000, 100, TIMEOUT_MS_MAX),
		.write_timeout_ms = config_int("YG_WRITE_TIMEOUT_MS", 30000, 100, TIMEOUT_MS_MAX),
		.workers = (unsigned)config_int("YG_WORKERS", 1, 1, WORKERS_MAX),
		.pid_file = config_str(boot, "YG_PID_FILE", NULL),
		.log = read_level(config_str(boot, "YG_LOG", "info")),
	};
	if (!out->rate_policies.p) out->rate_policies = arena_printf(boot, "%.*s/policies.yaml", STR_FMT(out->proto));
	read_tls(boot, out);
	read_proxied(boot, out);
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
