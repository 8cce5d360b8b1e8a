#ifndef SERVICES_DONATIONS_PROVIDER_H
#define SERVICES_DONATIONS_PROVIDER_H

#include "common/service/service.h"
#include "services/donations/wechat_pay.h"

/* One signed call to WeChat Pay, in three steps of a flow: sign (thread pool), send, read. */

enum provider_result {
	PROVIDER_NONE,
	PROVIDER_OK, /* 2xx with a right signature; `reply` is set unless the body was empty */
	PROVIDER_REFUSED, /* 4xx: `code` says why */
	PROVIDER_FAILED, /* no answer, 5xx, 429, or a reply that WeChat did not sign: may be asked again */
};

/** An RSA signature made in the thread pool; the work must not touch the request, so it has an arena of its own. */
struct signing {
	struct arena arena;
	const struct key *key;
	struct str text;
	struct str signature;
	enum err err;
};

struct provider_call {
	const char *method;
	struct str target; /* path and query */
	struct str body; /* absent for GET */
	int64_t timeout_ms;
	/* filled in on the way */
	int64_t signed_at_s;
	struct str nonce;
	struct signing signing;
	enum provider_result result;
	enum err transport; /* why there was no answer */
	struct str code;
	const struct json *reply;
};

/** Signs `text` with our key; the next step finds s->signature or s->err. */
enum next signing_start(struct request *r, struct signing *s, struct str text);

/** For jobs: waits for the next turn to call (services/donations/pace.h). */
enum next provider_turn(struct request *r);
/** WeChat has asked to be left alone: a job takes nothing new. */
bool provider_rests(struct request *r);

/** Fills method, target, body and timeout into *c beforehand. */
enum next provider_sign(struct request *r, struct provider_call *c);
enum next provider_send(struct request *r, struct provider_call *c);
/** Sets result, code, reply. Always NEXT_STEP. */
enum next provider_read(struct request *r, struct provider_call *c);

#endif
