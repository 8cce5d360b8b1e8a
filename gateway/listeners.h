#ifndef GATEWAY_LISTENERS_H
#define GATEWAY_LISTENERS_H

#include "gateway/proxy/config.h"
#include "gateway/settings.h"

/*
 * The listening sockets of the gateway. The first process opens them, before any worker exists, and keeps them: a worker that dies
 * loses nobody who waits to be accepted. Or they come from before: from systemd (LISTEN_FDS), or from the gateway that this one
 * replaces (handover.h). A socket is known by its address alone.
 */
enum listener_kind {
	LISTENER_PLAIN,
	LISTENER_TLS,
	LISTENER_PRIVATE,
	LISTENER_PROXY, /* the first of the plain proxy routes' own */
	LISTENER_KINDS = LISTENER_PROXY + PROXY_LISTENERS_MAX
};

struct listeners {
	int fds[LISTENER_KINDS][WORKERS_MAX]; /* -1: none */
	unsigned workers;
	bool taken_over; /* another gateway serves until this one is ready */
};

/** Takes what was handed on, opens the rest. `proxy`: the file of plain proxy routes, NULL without. Fails: ERR_IO (logged). */
MUST_USE enum err listeners_open(
    struct listeners *l, const struct settings *settings, const struct proxy_config *proxy);
/** The address to listen at ("fd:7"); absent when there is no such listener. */
struct str listeners_address(const struct listeners *l, struct arena *a, unsigned kind, unsigned worker);
/** Closes this process's part. */
void listeners_close(struct listeners *l);

#endif
