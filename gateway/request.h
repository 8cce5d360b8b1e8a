#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include "common/http/client.h"
#include "common/http/coding.h"
#include "common/service/trace.h"
#include "gateway/gateway.h"
#include "gateway/proof.h"
#include "gateway/proxy/proxy.h"

/* One request on its way through steps.c. It lives in the exchange's arena. */

enum next { NEXT_STEP, NEXT_WAIT, NEXT_DONE /* the answer is ready */, NEXT_FAIL /* request->problem says why */ };

/** When a step may run: with the head alone, with the body, once an answer is ready, or after it has left. */
enum stage { AT_HEAD, AT_BODY, AT_ANSWER, AT_END };

struct request {
	struct gateway *gateway;
	struct http_exchange *x;
	struct plan *plan;
	const struct operation *operation; /* NULL: none was met */
	bool proxied; /* it came in where only plain proxy routes are, or met one */
	struct proxy_route *proxy; /* NULL: none was met */
	const struct operation_metrics *metrics;
	struct str method; /* after X-HTTP-Method-Override; HEAD stays HEAD */
	struct str path; /* normalised */
	struct str path_values[PATH_PARAMETERS_MAX]; /* decoded, in the order of the template */
	unsigned path_value_count;
	struct str allow; /* methods of the path, for 405 and OPTIONS */
	struct credential credential;
	struct str client; /* its address; a proxy's word when that is trusted */
	struct caller caller;
	bool known; /* caller is set */
	union {
		struct keyring_wait keyring;
		struct credential_wait credential;
		struct nonce_wait nonce;
		struct limit_wait limit;
	} wait;
	struct proof *proof; /* of a signed request */
	struct str coded; /* the answer's body in `coding`; absent: as it is */
	enum coding coding;
	struct str etag; /* to be said in place of the answer's own */
	bool varies; /* by Accept-Encoding */
	bool decoded; /* x->body is no longer what came: Content-Encoding has been undone */
	struct trace trace;
	char id[36];
	int64_t deadline_ms;
	struct cached cache;
	const struct http_reply *reply; /* the service's answer; only inside the turn that brought it */
	struct http_response answer; /* the gateway's own answer */
	const struct page *page; /* what it is, when it is one of ours */
	struct problem problem;
	enum err behind; /* what failed behind the gateway, for Proxy-Status; ERR_NONE: nothing did */
	struct limit_state limit; /* what the client is told of its quota */
	uint64_t **limit_counters;
	unsigned own_count; /* own.c: tags that are being purged */
	int sent_status; /* told by the server at the end; 0: the client was gone */
	size_t sent_bytes;
	unsigned step;
	enum stage reached;
};

_Static_assert(sizeof((struct request *)NULL)->id == 36, "a UUID in text");

/** Makes the request of an exchange, at its first event. NULL when the arena is full. */
struct request *request_new(struct gateway *g, struct http_exchange *x);
/** From here on the steps of plain proxy routes are its steps. At its beginning only; route NULL: none was met. */
void request_use_proxy(struct request *r, struct proxy_route *route);
/** The server refused the exchange (framing, sizes, time): counted against its address like any other, and told why. r NULL: no memory. */
void request_refused(struct request *r, struct http_exchange *x, enum err why);
/** http_server_config.on_finished of every listener. */
void request_finished(void *arg, struct http_exchange *x, int status, size_t bytes_sent);
enum next request_fail(struct request *r, enum err e);
/** As request_fail, with a sentence for people in their language. Both texts are static. */
enum next request_fail_detail(struct request *r, enum err e, const char *en, const char *zh);
/** As request_fail, of a failure behind the gateway: the client hears `e`, and in Proxy-Status (RFC 9209) what `behind` was. */
enum next request_fail_behind(struct request *r, enum err e, enum err behind);
/** Answers from the gateway itself. The fields and the body must live in the arena, the plan, or for ever. */
enum next request_answer(struct request *r, int status, struct str type, const struct http_field *fields,
    unsigned field_count, struct str body);
enum language request_language(const struct request *r);

/** Goes on from where the request stands, as far as `stage` allows. */
void steps_run(struct request *r, enum stage stage);
/** Straight to the answer: request->answer (or request->problem) is set. */
void steps_answer(struct request *r);
/** Straight to the answer: request->problem is set. */
void steps_fail(struct request *r);
/** The exchange is over, answered or not: only "record" is left. */
void steps_end(struct request *r);

/** What X-Yangguang-Certificate tells a service: the thumbprint of the client's good certificate, "expired", "untrusted"; absent without one. */
struct str transport_certificate(const struct request *r);

/* The steps, by file. */
enum next route_receive(struct request *r);
enum next route_normalise(struct request *r);
enum next route_find(struct request *r);
enum next transport_redirect(struct request *r);
enum next pages_serve(struct request *r);
enum next own_serve(struct request *r);
enum next preflight_answer(struct request *r);
enum next auth_authenticate(struct request *r);
enum next auth_identify(struct request *r);
enum next transport_bind(struct request *r);
enum next auth_authorize(struct request *r);
enum next proof_begin(struct request *r); /* of auth_authenticate, for a signed request */
enum next proof_check(struct request *r); /* of auth_identify */
enum next proof_claimed(struct request *r);
enum next decode_body(struct request *r);
enum next limit_address(struct request *r);
enum next limit_rate(struct request *r);
enum next cached_look_up(struct request *r);
enum next cached_join_flight(struct request *r);
enum next cached_look_up_shared(struct request *r);
enum next cached_take_lease(struct request *r);
enum next forward_send(struct request *r);
enum next encode_answer(struct request *r);
enum next respond_write(struct request *r);
enum next proxy_receive(struct request *r);
enum next proxy_serve(struct request *r);
enum next record_write(struct request *r);

/** What a service is asked when its answer may be kept: nothing of the client but path, query and language. `e`: is it still good? */
void forward_write_cached(struct buf *out, struct request *r, const struct entry *e, int64_t left_ms);

#endif
