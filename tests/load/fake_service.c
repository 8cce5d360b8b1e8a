/*
 * The smallest service that a gateway can stand in front of, for measuring the gateway alone: every path is answered with 200
 * bytes of JSON at once; the identity service's key set and list of closed sessions are there too. No database, no checks.
 *   fake_service <address> [jwks file]
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/core/config.h"
#include "common/core/log.h"
#include "common/http/server.h"

static struct str jwks = { "{\"keys\":[]}", 11 };
static char body[201];

static void on_request(void *arg, struct http_exchange *x)
{
	static const struct http_field fields[] = { { { "Cache-Control", 13 }, { "public, max-age=60", 18 } },
		{ { "ETag", 4 }, { "\"1\"", 3 } } };
	struct http_response r = {
		.status = 200, .content_type = STR("application/json"), .body = str_span(body, 200)
	};
	(void)arg;
	if (str_eq(x->path, STR("/.well-known/jwks.json")))
		r.body = jwks;
	else if (str_eq(x->path, STR("/internal/revocations")))
		r.body = STR("{\"items\":[],\"next_after\":0}");
	else if (str_eq(x->path, STR("/livez")))
		r.body = STR("{\"status\":\"pass\"}");
	else
		r.fields = fields, r.field_count = ARRAY_LEN(fields);
	http_respond(x, &r);
}

static void stop(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg);
}

int main(int argc, char **argv)
{
	struct arena boot;
	struct http_server *server;
	struct http_server_config config = { .pipeline_max = 1024, .on_request = on_request };
	arena_init(&boot, 4096, 1 << 20);
	log_init("fake-service", LOG_WARN);
	if (argc < 2) {
		fprintf(stderr, "usage: fake_service <address> [jwks file]\n");
		return 64;
	}
	if (argc > 2 && config_read_file(&boot, argv[2], 65536, &jwks) != ERR_NONE) return 66;
	memset(body, 'x', sizeof body);
	memcpy(body, "{\"text\":\"", 9);
	memcpy(body + 198, "\"}", 2);
	signal(SIGPIPE, SIG_IGN);
	struct loop *loop = loop_new();
	if (http_server_open(loop, str_of(argv[1]), false, &config, &server) != ERR_NONE) return 71;
	signal_watch(loop, SIGTERM, stop, loop);
	signal_watch(loop, SIGINT, stop, loop);
	loop_run(loop);
	http_server_free(server);
	loop_free(loop);
	arena_release(&boot);
	return 0;
}
