/* "limit address" and "limit rate": which limit a request falls under, and what the client hears of it. */
#include "gateway/limit/limit_steps.h"

#include "gateway/limit/address_rules.h"
#include "gateway/request.h"

static void count(uint64_t *cells[2], enum limit_verdict verdict)
{
	++*cells[verdict == LIMIT_REFUSE];
}

static double read_refused(void *arg)
{
	return (double)connections_refused(arg);
}

static void open_counters(struct limiting *l, struct metrics *m)
{
	static const char *const name = "yg_limit_requests_total", *const help = "Requests by the limit they met.";
	static const char *const outcomes[2] = { "passed", "refused" };
	for (unsigned i = 0; i < 2; i++) {
		struct metric_label labels[3] = { { "limit", STR("address") }, { "class", STR("any") },
			{ "outcome", str_of(outcomes[i]) } };
		l->address[i] = metrics_counter(m, name, help, labels, 3);
		labels[0].value = STR("rate");
		for (enum rate_class c = RATE_ANONYMOUS; c < RATE_CLASS_COUNT; c++) {
			labels[1].value = rate_class_name(c);
			l->rate[c][i] = metrics_counter(m, name, help, labels, 3);
		}
	}
}

enum err limiting_open(struct limiting *l, const struct settings *settings, struct metrics *metrics)
{
	TRY(trusted_proxies_read(&l->trusted, settings->trusted_proxies, settings->trusted_proxy_field));
	l->connections = connections_new(settings->connections_per_address, &l->trusted);
	metrics_counter_fn(metrics, "yg_limit_connections_refused_total",
	    "Connections of addresses that have their share.", NULL, 0, read_refused, l->connections);
	return ERR_NONE;
}

void limiting_open_rates(struct limiting *l, struct loop *loop, const struct settings *settings, struct str seal_key,
    struct metrics *metrics)
{
	struct limits_config config = { .redis = settings->redis, .key = seal_key, .share = settings->workers };
	l->limits = limits_new(loop, &config, metrics);
	open_counters(l, metrics);
}

/* ── the steps ── */

static enum next refuse(struct request *r)
{
	r->problem.retry_after_s = (int)(r->limit.retry_after_s < INT32_MAX ? r->limit.retry_after_s : INT32_MAX);
	return request_fail(r, ERR_QUOTA_EXCEEDED);
}

static void woken(struct limit_wait *w, enum limit_verdict verdict)
{
	struct request *r = CONTAINER_OF(w, struct request, wait.limit);
	count(r->limit_counters, verdict);
	if (verdict == LIMIT_PASS) {
		steps_run(r, AT_BODY);
		return;
	}
	(void)refuse(r);
	steps_fail(r);
}

static enum next check(struct request *r, const struct rate_limit *limit, struct str client, uint64_t *counters[2],
    struct limit_wait *wait)
{
	if (!limit->window_count) return NEXT_STEP;
	r->limit_counters = counters;
	if (wait) wait->wake = woken;
	enum limit_verdict v = limits_check(r->gateway->limiting.limits, limit, client, &r->limit, wait);
	if (v == LIMIT_WAIT) return NEXT_WAIT;
	count(counters, v);
	return v == LIMIT_PASS ? NEXT_STEP : refuse(r);
}

static bool is_denied(const struct request *r)
{
	struct str place = r->operation ? r->operation->id : r->proxy ? r->proxy->config.name : STR_NONE;
	if (address_rules_allow(r->gateway->address_rules, place, r->client)) return false;
	++*r->gateway->denied;
	return true;
}

enum next limit_address(struct request *r)
{
	char key[ADDRESS_KEY_BYTES_MAX];
	if (r->gateway->address_rules && is_denied(r)) return request_fail(r, ERR_ADDRESS_FORBIDDEN);
	if (!r->plan) return NEXT_STEP; /* no contracts, no policies */
	return check(r, &r->plan->policies->address, address_key(r->client, key), r->gateway->limiting.address, NULL);
}

static enum rate_class class_of(enum principal_kind kind)
{
	switch (kind) {
	case PRINCIPAL_CITIZEN:
		return RATE_CITIZEN;
	case PRINCIPAL_STAFF:
		return RATE_STAFF;
	case PRINCIPAL_PARTNER:
	case PRINCIPAL_SYSTEM:
		return RATE_PARTNER;
	case PRINCIPAL_ANONYMOUS:
		break;
	}
	return RATE_ANONYMOUS;
}

/* A partner's programs share its quota, each client id of it has its own; people have one wherever they are signed in. */
static struct str name_of(const struct request *r, enum rate_class class, char key[ADDRESS_KEY_BYTES_MAX])
{
	const struct principal *p = &r->caller.principal;
	struct str name = class == RATE_PARTNER && p->client.n ? p->client : p->subject;
	return class == RATE_ANONYMOUS || !name.n ? address_key(r->client, key) : name;
}

enum next limit_rate(struct request *r)
{
	const struct rate_policy *policy = r->plan->policies->by_operation[r->operation->index];
	enum rate_class class = class_of(r->caller.principal.kind);
	char key[ADDRESS_KEY_BYTES_MAX];
	return check(
	    r, &policy->classes[class], name_of(r, class, key), r->gateway->limiting.rate[class], &r->wait.limit);
}

/* ── what is told ── */

enum { LIMIT_WORDS_BYTES = 96 /* of both lines, with two numbers */ };

size_t limit_lines_bytes(const struct limit_state *state)
{
	if (!state->limit) return 0;
	return LIMIT_WORDS_BYTES + state->limit->field.n + state->limit->windows[state->window].name.n;
}

char *limit_lines(const struct limit_state *state, char *to)
{
	if (!state->limit) return to;
	to = str_put(to, STR("RateLimit-Policy: "));
	to = str_put(to, state->limit->field);
	to = str_put(to, STR("\r\nRateLimit: \""));
	to = str_put(to, state->limit->windows[state->window].name);
	to = str_put(to, STR("\";r="));
	to = str_put_u64(to, (uint64_t)state->left);
	to = str_put(to, STR(";t="));
	to = str_put_u64(to, (uint64_t)state->reset_s);
	return str_put(to, STR("\r\n"));
}

unsigned limit_violated(const struct limit_state *state, struct str out[RATE_WINDOWS_MAX])
{
	unsigned n = 0;
	for (unsigned i = 0; state->limit && i < state->limit->window_count; i++)
		if (state->violated & (1u << i)) out[n++] = state->limit->windows[i].name;
	return n;
}
