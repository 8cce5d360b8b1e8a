/* record: counters and one line in the access log. Templates and names only: no raw path, no query, no header of the client. */
#include "gateway/request.h"

#include "common/core/clock.h"

static struct str method_name(const struct request *r)
{
	if (r->operation) return r->method; /* the contract has it */
	return str_list_has(STR("GET HEAD POST PUT PATCH DELETE OPTIONS"), ' ', r->method) ? r->method : STR("-");
}

static struct str operation_name(const struct request *r)
{
	if (r->operation) return r->operation->id;
	if (r->proxy) return r->proxy->config.name;
	return r->metrics == &r->gateway->pages ? STR("page") : STR("unmatched");
}

static void export_span(const struct request *r, int64_t duration_ns)
{
	struct otlp_request span = { .method = r->method,
		.route = r->operation ? r->operation->path
			 : r->proxy   ? r->proxy->config.prefix
				      : STR_NONE,
		.operation = operation_name(r),
		.request_id = str_span(r->id, sizeof r->id),
		.status = r->sent_status,
		.duration_ns = duration_ns,
		.secure = r->x->secure };
	otlp_add(r->gateway->otlp, &r->trace, &span);
}

enum next record_write(struct request *r)
{
	struct gateway *g = r->gateway;
	int64_t duration_ns = clock_mono_ns() - r->x->received_ns;
	operation_metrics_count(r->metrics, r->sent_status, duration_ns);
	*g->bytes_in += r->x->body.n;
	*g->bytes_out += r->sent_bytes;
	if (otlp_wants(g->otlp, &r->trace)) export_span(r, duration_ns);
	if (!log_wants(LOG_INFO)) return NEXT_STEP;
	log_begin(LOG_INFO, "request");
	log_word("method", method_name(r));
	if (r->operation) {
		log_put_fields(r->plan->operations[r->operation->index].log_fields);
	} else {
		log_str("operation", operation_name(r));
		log_str("path", r->proxy ? r->proxy->config.prefix : STR("-"));
	}
	log_int("status", r->sent_status);
	log_int("duration_us", duration_ns / 1000);
	log_int("bytes", (int64_t)r->sent_bytes);
	log_word("request_id", str_span(r->id, sizeof r->id));
	log_word("trace_id", str_span(r->trace.trace_id, sizeof r->trace.trace_id));
	log_word("kind", r->known ? principal_kind_name(r->caller.principal.kind) : STR("unknown"));
	log_str("address", r->client);
	if (r->cache.policy) log_word("cache", cache_outcome_name(r->cache.outcome));
	if (r->problem.err != ERR_NONE) log_word("problem", err_info(r->problem.err)->slug);
	log_end();
	return NEXT_STEP;
}
