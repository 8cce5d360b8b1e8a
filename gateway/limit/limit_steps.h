#ifndef GATEWAY_LIMIT_LIMIT_STEPS_H
#define GATEWAY_LIMIT_LIMIT_STEPS_H

#include "common/http/client_address.h"
#include "gateway/limit/connections.h"
#include "gateway/limit/limits.h"
#include "gateway/settings.h"

struct gateway;

/** What a gateway needs for its limits: opened at boot. */
struct limiting {
	struct limits *limits; /* NULL: no contracts, no rates */
	struct connections *connections;
	struct trusted_proxies trusted;
	uint64_t *address[2]; /* let through, refused */
	uint64_t *rate[RATE_CLASS_COUNT][2];
};

/** Whose a request is, and how many connections one address may have. Fails: ERR_CONFIG (logged). */
MUST_USE enum err limiting_open(struct limiting *l, const struct settings *settings, struct metrics *metrics);
/** The rates of contracts. */
void limiting_open_rates(struct limiting *l, struct loop *loop, const struct settings *settings, struct str seal_key,
    struct metrics *metrics);

/** Room for what limit_lines writes. */
size_t limit_lines_bytes(const struct limit_state *state);
/** RateLimit-Policy and RateLimit of the nearest window, as whole lines (struct http_response, `tail`); returns what is behind them. */
char *limit_lines(const struct limit_state *state, char *to);
/** The names of the windows that were overstepped, and their number. */
unsigned limit_violated(const struct limit_state *state, struct str out[RATE_WINDOWS_MAX]);

#endif
