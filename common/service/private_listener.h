#ifndef COMMON_SERVICE_PRIVATE_LISTENER_H
#define COMMON_SERVICE_PRIVATE_LISTENER_H

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/net/loop.h"
#include "common/service/metrics.h"

/*
 * The process's private HTTP listener, for operators and orchestrators, never for the public:
 *   /metrics   Prometheus text
 *   /livez     200 while the loop turns
 *   /startupz  200 once private_listener_set_started was called
 *   /readyz    200 when started, not draining, and no check fails; warnings do not make it fail
 * The last three answer application/health+json.
 */
struct private_listener;

enum health { HEALTH_PASS, HEALTH_WARN, HEALTH_FAIL };

/** What a check may say besides its verdict; nothing secret. */
struct health_note {
	struct buf output; /* a short reason, for people */
	int64_t value; /* what was measured */
	const char *unit; /* of value; NULL: nothing was */
};
/** Asked at each /readyz. */
typedef enum health health_check(void *arg, struct health_note *note);

/** Opens the listener. An absent address opens nothing and *out is NULL: every other call takes NULL. Fails: ERR_IO (logged). */
MUST_USE enum err private_listener_open(struct loop *l, struct str address, const char *process,
    const struct metrics *metrics, struct private_listener **out);
enum { HEALTH_CHECKS_MAX = 32 };
/** Adds a check. `name` is copied; "component:measurement", for example "postgresql:connections". `type`: component, datastore or system. */
void private_listener_add_check(
    struct private_listener *p, struct str name, const char *type, health_check *check, void *arg);
void private_listener_set_started(struct private_listener *p);
/** /readyz fails from now on, so that nobody sends new work here. */
void private_listener_set_draining(struct private_listener *p);
void private_listener_close(struct private_listener *p);
/** The address of worker `index`: port + index, or path.index; the address itself for worker 0. */
struct str private_listener_address(struct arena *a, struct str address, unsigned index);

#endif
