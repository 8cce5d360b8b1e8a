#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include "common/http/client.h"
#include "common/http/coding.h"
#include "common/service/trace.h"
#include "gateway/gateway.h"
#include "gateway/proof.h"

/* One request on its way through steps.c. It lives in the exchange's arena. */

enum next { NEXT_STEP, NEXT_WAIT, NEXT_DONE /* the answer is ready */, NEXT_FAIL /* request->problem says why */ };

/** When a step may run: with the head alone, with the body, once an answer is ready, or after it has left. */
enum stage { AT_HEAD, AT_BODY, AT_ANSWER, AT_END };

struct request {
	struct gateway *gateway;
	struct http_exchange *x;
	struct plan *plan;
	const struct operation *operation; /* NULL: none was met */
	const struct operation_metrics *metrics;
	struct str method; /* after X-HTTP-Method-Override; HEAD stays HEAD */
	struct str path; /* normalised */
	struct str allow; /* methods of the path, for 405 and OPTIONS */
	struct credential credential;
	struct caller caller;
	bool known; /* caller is set */
	union {
		struct keyring_wait keyring;
		struct credential_wait credential;
		struct nonce_wait nonce;
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
	const struct http_reply *reply; /* the service's answer; only inside the turn that brought it */
	struct http_response answer; /* the gateway's own answer */
	struct problem problem;
	int sent_status; /* told by the server at the end; 0: the client was gone */
	size_t sent_bytes;
	unsigned step;
	enum stage reached;
};

_Static_assert(sizeof((struct request *)NULL)->id == 36, "a UUID in text");

/** Makes the request of an exchange, at its first event. NULL when the arena is full. */
struct request *request_new(struct gateway *g, struct http_exchange *x);
enum next request_fail(struct request *r, enum err e);
/** As request_fail, with a sentence for people in their language. Both texts are static. */
enum next request_fail_detail(struct request *r, enum err e, const char *en, const char *zh);
/** Answers from the gateway itself. The fields and the body must live in the arena, the plan, or for ever. */
enum next request_answer(struct request *r, int status, struct str type, const struct http_field *fields,
    unsigned field_count, struct str body);
enum language request_language(const struct request *r);

/** Goes on from where the request stands, as far as `stage` allows. */
void steps_run(struct request *r, enum stage stage);
/** Straight to the answer: request->problem is set. */
void steps_fail(struct request *r);
/** The exchange is over, answered or not: only "record" is left. */
void steps_end(struct request *r);

/* The steps, by file. */
enum next route_receive(struct request *r);
enum next route_normalise(struct request *r);
enum next route_find(struct request *r);
enum next pages_serve(struct request *r);
enum next preflight_answer(struct request *r);
enum next auth_authenticate(struct request *r);
enum next auth_identify(struct request *r);
enum next auth_authorize(struct request *r);
enum next proof_begin(struct request *r); /* of auth_authenticate, for a signed request */
enum next proof_check(struct request *r); /* of auth_identify */
enum next proof_claimed(struct request *r);
enum next decode_body(struct request *r);
enum next forward_send(struct request *r);
enum next encode_answer(struct request *r);
enum next respond_write(struct request *r);
enum next record_write(struct request *r);

#endif
