#ifndef COMMON_NET_LOOP_H
#define COMMON_NET_LOOP_H

#include "common/core/check.h"
#include "common/core/err.h"

/* The event loop, one per process. Only common/net includes <uv.h>. */
struct loop;

/**
 * The drain point. Completions only push tasks; after each poll the queues run in this order, again from the first until all
 * are empty, so that whatever became ready in one turn leaves in one write per connection.
 */
enum loop_phase { PHASE_RUN, PHASE_DATABASE, PHASE_UPSTREAM, PHASE_CLIENT, PHASE_LAST, PHASE_COUNT };

struct loop_task {
	struct loop_task *next;
	void (*run)(struct loop_task *task);
	bool queued;
};

struct loop *loop_new(void);
/** Closes what is still open and frees; all streams, timers and watches must have been freed or closed before. */
void loop_free(struct loop *l);
/** Runs until loop_stop or nothing is left to wait for. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/** Queues the task; no effect while it is queued. */
void loop_push(struct loop *l, enum loop_phase phase, struct loop_task *task);
/** Monotonic milliseconds of this turn. */
int64_t loop_now_ms(const struct loop *l);
/** Longest time a turn's work took since the last call, in microseconds: the loop lag gauge. */
int64_t loop_lag_us(struct loop *l);

struct timer;
struct timer *timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
/** Fires after delay_ms, then every repeat_ms (0: once). Restarts a running timer. */
void timer_start(struct timer *t, int64_t delay_ms, int64_t repeat_ms);
void timer_stop(struct timer *t);
void timer_free(struct timer *t);

enum { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_ERROR = 4 };
/** Readiness of somebody else's descriptor (libpq, hiredis, curl). WATCH_ERROR is reported when the poll itself failed. */
struct watch;
/** NULL (logged) when the descriptor cannot be polled. */
struct watch *watch_new(struct loop *l, int fd, void (*fn)(void *arg, int events), void *arg);
void watch_set(struct watch *w, int events);
/** May be called inside the callback; never closes fd. */
void watch_free(struct watch *w);

/** Calls fn on the loop for each delivery of the signal. */
void signal_watch(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg);

/**
 * Runs `work` in the thread pool, then `done` on the loop (status ERR_NONE, or ERR_ABORTED when stopped before it ran).
 * Fails: ERR_BUSY when `WORK_QUEUE_MAX` jobs wait already.
 */
enum { WORK_QUEUE_MAX = 64 };
MUST_USE enum err work_submit(
    struct loop *l, void (*work)(void *arg), void (*done)(void *arg, enum err status), void *arg);

#endif
