#ifndef GATEWAY_INTERNAL_H
#define GATEWAY_INTERNAL_H

#include "common/http/client.h"

/** The gateway's own calls to the identity service: made as the platform itself (kind system). */
struct internal {
	struct loop *loop;
	struct upstream *identity;
	const struct str *seal_key; /* follows reloads */
};

enum { INTERNAL_TIMEOUT_MS = 3000 };

/** Sends `method` `target` with a JSON body (absent: none). `done` as in upstream_send. All calls may be repeated. */
MUST_USE enum err internal_send(
    struct internal *i, struct str method, struct str target, struct str body, upstream_done *done, void *arg);
/** As internal_send, for what must not be done twice: when the answer is lost, `done` hears of the loss. */
MUST_USE enum err internal_send_once(
    struct internal *i, struct str method, struct str target, struct str body, upstream_done *done, void *arg);

#endif
