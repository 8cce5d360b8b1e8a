/* The event loop and its drain point. I/O callbacks only push tasks; the queues run after each poll (check) and, for what
 * timers pushed, before the next (prepare), so the poll never blocks while a task waits. Gathered log lines leave there too. */
#include "common/net/uv_loop.h"

#include <signal.h>
#include <stdlib.h>

#include "common/core/log.h"

/* Tasks that keep pushing each other, or are many and large, must not starve the sockets: the rest runs after a non-blocking poll. */
enum { DRAIN_TASKS_MAX = 100000, DRAIN_NS_MAX = 20 * 1000 * 1000, CLOCK_EVERY_TASKS = 32 };

void loop_push(struct loop *l, enum loop_phase phase, struct loop_task *task)
{
	CHECK(phase < PHASE_COUNT && task->run);
	if (task->queued) return;
	task->queued = true;
	task->next = NULL;
	*l->queues[phase].last = task;
	l->queues[phase].last = &task->next;
}

static struct loop_task *take(struct task_queue *q)
{
	struct loop_task *task = q->first;
	if (!task) return NULL;
	q->first = task->next;
	if (!q->first) q->last = &q->first;
	task->next = NULL;
	task->queued = false;
	return task;
}

static bool is_idle(const struct loop *l)
{
	for (unsigned i = 0; i < PHASE_COUNT; i++)
		if (l->queues[i].first) return false;
	return true;
}

/* After each phase the search starts over, so a later phase (a write) never runs while an earlier one could add to it. */
static void drain(struct loop *l)
{
	if (l->draining) return;
	l->draining = true;
	unsigned budget = DRAIN_TASKS_MAX;
	uint64_t until_ns = uv_hrtime() + DRAIN_NS_MAX;
	for (unsigned phase = 0; phase < PHASE_COUNT && budget;) {
		struct loop_task *task = take(&l->queues[phase]);
		if (!task) {
			phase++;
			continue;
		}
		do {
			task->run(task);
			if (budget % CLOCK_EVERY_TASKS == 1 && uv_hrtime() > until_ns) budget = 1;
		} while (--budget && (task = take(&l->queues[phase])));
		phase = 0;
	}
	l->draining = false;
}

static void on_check(uv_check_t *check)
{
	struct loop *l = check->data;
	loop_begin_turn(l);
	drain(l);
}

static void on_idle(uv_idle_t *awake)
{
	(void)awake;
}

/* Nothing to do: the turn that it makes writes the log. */
static void on_log_pause(uv_timer_t *pause)
{
	(void)pause;
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *l = prepare->data;
	drain(l);
	if (is_idle(l)) {
		uv_idle_stop(&l->awake);
	} else {
		uv_idle_start(&l->awake, on_idle);
	}
	if (log_turn((int64_t)uv_now(&l->uv)) && !uv_is_active((uv_handle_t *)&l->log_pause))
		uv_timer_start(&l->log_pause, on_log_pause, LOG_PAUSE_MS, 0);
	if (!l->turn_began_ns) return;
	uint64_t spent_ns = uv_hrtime() - l->turn_began_ns;
	if (spent_ns > l->lag_ns) l->lag_ns = spent_ns;
	l->turn_began_ns = 0;
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof *l);
	CHECK(l != NULL);
	signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error of the write, not the end of the process */
	CHECK(uv_loop_init(&l->uv) == 0);
	for (unsigned i = 0; i < PHASE_COUNT; i++) l->queues[i].last = &l->queues[i].first;
	list_init(&l->signals);
	list_init(&l->streams);
	list_init(&l->jobs);
	l->read_bytes = malloc(READ_BYTES);
	CHECK(l->read_bytes != NULL);
	uv_prepare_init(&l->uv, &l->prepare);
	uv_check_init(&l->uv, &l->check);
	uv_idle_init(&l->uv, &l->awake);
	uv_timer_init(&l->uv, &l->log_pause);
	l->prepare.data = l->check.data = l->awake.data = l;
	uv_prepare_start(&l->prepare, on_prepare);
	uv_check_start(&l->check, on_check);
	uv_unref((uv_handle_t *)&l->prepare);
	uv_unref((uv_handle_t *)&l->check);
	uv_unref((uv_handle_t *)&l->awake);
	uv_unref((uv_handle_t *)&l->log_pause);
	return l;
}

void loop_run(struct loop *l)
{
	l->stopped = false;
	while (!l->stopped) {
		int alive = uv_run(&l->uv, is_idle(l) ? UV_RUN_DEFAULT : UV_RUN_NOWAIT);
		if (!l->stopped) drain(l);
		if (!alive && is_idle(l)) break;
	}
	log_flush();
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
	uv_stop(&l->uv);
}

void loop_free(struct loop *l)
{
	if (!l) return;
	signals_close(l);
	work_abort(l);
	for (struct list *i = l->streams.next; i != &l->streams; i = i->next)
		stream_abort(CONTAINER_OF(i, struct stream, link));
	/* Streams that are closing report it from here; what their owners push then still runs. */
	do {
		uv_run(&l->uv, UV_RUN_DEFAULT);
		drain(l);
	} while (!is_idle(l));
	uv_close((uv_handle_t *)&l->prepare, NULL);
	uv_close((uv_handle_t *)&l->check, NULL);
	uv_close((uv_handle_t *)&l->awake, NULL);
	uv_close((uv_handle_t *)&l->log_pause, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	CHECK(uv_loop_close(&l->uv) == 0);
	log_flush();
	free(l->read_bytes);
	free(l->plain_bytes);
	buf_free(&l->sealed);
	free(l);
}

int64_t loop_now_ms(const struct loop *l)
{
	return (int64_t)uv_now(&l->uv);
}

int64_t loop_lag_us(struct loop *l)
{
	uint64_t lag_ns = l->lag_ns;
	l->lag_ns = 0;
	return (int64_t)(lag_ns / 1000);
}
