#ifndef GATEWAY_HANDOVER_H
#define GATEWAY_HANDOVER_H

#include <sys/types.h>

#include "common/core/err.h"
#include "gateway/listeners.h"

/*
 * Restart without a closed port. The running gateway starts the program that now lies where its own lay, with the listening sockets
 * open; the new one says when it can serve, and only then the old one stops accepting and finishes what it has. A new one that cannot
 * start, or is not ready in time, ends, and nothing has happened.
 */

/** At the start of the process: remembers the program's path and what was inherited. */
void handover_init(void);
/** True in the new gateway. */
bool handover_is_successor(void);
/** The inherited descriptors, "5,6,7"; absent without. */
struct str handover_sockets(void);
/**
 * This process serves: tells the gateway before, systemd (NOTIFY_SOCKET) and the pid file. Once. `pid_file` may be absent.
 */
void handover_tell_ready(struct str pid_file);

struct handover {
	pid_t pid; /* of the new gateway; 0: none */
	int ready_fd;
	int64_t deadline_ms;
};
enum handover_state { HANDOVER_NONE, HANDOVER_WAITING, HANDOVER_DONE, HANDOVER_FAILED };
enum { HANDOVER_MS = 30 * 1000, HANDOVER_POLL_MS = 20 };

/** Starts the new gateway. Fails: ERR_BUSY while one is starting, ERR_IO (logged). */
MUST_USE enum err handover_begin(struct handover *h, const struct listeners *l);
/** How it goes; DONE and FAILED (logged) are told once. Never waits. */
enum handover_state handover_check(struct handover *h);
/** For who reaps children himself: true when it was the new gateway (logged). */
bool handover_ended(struct handover *h, pid_t pid, int status);
/** The old one is told to end meanwhile: the new one is not needed. */
void handover_cancel(struct handover *h);

#endif
