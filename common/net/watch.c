/* Timers, watches of foreign descriptors and signals: thin owners of libuv handles that may be freed inside their callbacks. */
#include "common/net/uv_loop.h"

#include <errno.h>
#include <stdlib.h>

#include "common/core/log.h"

struct timer {
	uv_timer_t uv; /* first: the close callback frees it as a handle */
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
};

struct watch {
	uv_poll_t uv;
	struct loop *loop;
	void (*fn)(void *arg, int events);
	void *arg;
	int events;
};

struct signal {
	uv_signal_t uv;
	struct list link;
	struct loop *loop;
	void (*fn)(void *arg, int signo);
	void *arg;
};

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

struct timer *timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct timer *t = calloc(1, sizeof *t);
	CHECK(t != NULL);
	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	uv_timer_init(&l->uv, &t->uv);
	return t;
}

static void on_timer(uv_timer_t *uv)
{
	struct timer *t = CONTAINER_OF(uv, struct timer, uv);
	loop_begin_turn(t->loop);
	t->fn(t->arg);
}

void timer_start(struct timer *t, int64_t delay_ms, int64_t repeat_ms)
{
	CHECK(repeat_ms >= 0);
	uv_timer_start(&t->uv, on_timer, delay_ms > 0 ? (uint64_t)delay_ms : 0, (uint64_t)repeat_ms);
}

void timer_stop(struct timer *t)
{
	uv_timer_stop(&t->uv);
}

void timer_free(struct timer *t)
{
	if (!t) return;
	uv_close((uv_handle_t *)&t->uv, free_handle);
}

struct watch *watch_new(struct loop *l, int fd, void (*fn)(void *arg, int events), void *arg)
{
	struct watch *w = calloc(1, sizeof *w);
	CHECK(w != NULL);
	int e = uv_poll_init(&l->uv, &w->uv, fd);
	if (e) {
		log_line(LOG_ERROR, "cannot watch a descriptor", "%s", uv_strerror(e));
		free(w);
		return NULL;
	}
	w->loop = l;
	w->fn = fn;
	w->arg = arg;
	return w;
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
	struct watch *w = CONTAINER_OF(uv, struct watch, uv);
	loop_begin_turn(w->loop);
	if (status < 0) {
		/* libuv has stopped the handle and will never report again: the owner must hear of it now. */
		w->events = 0;
		w->fn(w->arg, WATCH_ERROR);
		return;
	}
	int ready =
	    ((events & (UV_READABLE | UV_DISCONNECT)) ? WATCH_READ : 0) | ((events & UV_WRITABLE) ? WATCH_WRITE : 0);
	w->fn(w->arg, ready);
}

void watch_set(struct watch *w, int events)
{
	if (events == w->events) return;
	w->events = events;
	if (!events) {
		uv_poll_stop(&w->uv);
		return;
	}
	int wanted = ((events & WATCH_READ) ? UV_READABLE : 0) | ((events & WATCH_WRITE) ? UV_WRITABLE : 0);
	CHECK(uv_poll_start(&w->uv, wanted, on_poll) == 0);
}

void watch_free(struct watch *w)
{
	if (!w) return;
	uv_poll_stop(&w->uv);
	uv_close((uv_handle_t *)&w->uv, free_handle);
}

static void on_signal(uv_signal_t *uv, int signo)
{
	struct signal *s = CONTAINER_OF(uv, struct signal, uv);
	loop_begin_turn(s->loop);
	s->fn(s->arg, signo);
}

void signal_watch(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg)
{
	struct signal *s = calloc(1, sizeof *s);
	CHECK(s != NULL);
	s->loop = l;
	s->fn = fn;
	s->arg = arg;
	CHECK(uv_signal_init(&l->uv, &s->uv) == 0);
	CHECK(uv_signal_start(&s->uv, on_signal, signo) == 0);
	uv_unref((uv_handle_t *)&s->uv); /* waiting for a signal is no reason to live */
	list_push(&l->signals, &s->link);
}

void signals_close(struct loop *l)
{
	struct list *item;
	while ((item = list_shift(&l->signals))) {
		struct signal *s = CONTAINER_OF(item, struct signal, link);
		uv_close((uv_handle_t *)&s->uv, free_handle);
	}
}
