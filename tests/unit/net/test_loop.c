/* The drain point's order, tasks pushed from anywhere, timers, watches, signals and the bounded thread pool. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/core/clock.h"
#include "common/net/loop.h"

struct note {
	struct loop_task task;
	struct loop *loop;
	char letter;
	struct note *then; /* pushed when this one runs */
	enum loop_phase then_phase;
};

static char trace[64];
static size_t traced;

static void trace_add(char c)
{
	assert_true(traced + 1 < sizeof trace);
	trace[traced++] = c;
	trace[traced] = 0;
}

static void note_run(struct loop_task *task)
{
	struct note *n = CONTAINER_OF(task, struct note, task);
	trace_add(n->letter);
	if (n->then) loop_push(n->loop, n->then_phase, &n->then->task);
}

static struct loop *fresh(void)
{
	traced = 0;
	trace[0] = 0;
	return loop_new();
}

static void test_phases_run_in_order_and_start_over(void **state)
{
	struct loop *l = fresh();
	struct note late = { .task.run = note_run, .loop = l, .letter = 'r' };
	struct note database = {
		.task.run = note_run, .loop = l, .letter = 'd', .then = &late, .then_phase = PHASE_RUN
	};
	struct note client = { .task.run = note_run, .loop = l, .letter = 'c' };
	struct note upstream = { .task.run = note_run, .loop = l, .letter = 'u' };
	struct note last = { .task.run = note_run, .loop = l, .letter = 'l' };
	struct note run = { .task.run = note_run, .loop = l, .letter = 'a' };
	(void)state;
	loop_push(l, PHASE_LAST, &last.task);
	loop_push(l, PHASE_CLIENT, &client.task);
	loop_push(l, PHASE_UPSTREAM, &upstream.task);
	loop_push(l, PHASE_DATABASE, &database.task);
	loop_push(l, PHASE_RUN, &run.task);
	loop_push(l, PHASE_LAST, &run.task); /* queued already: no effect */
	loop_run(l);
	assert_string_equal(trace, "adrucl");
	loop_free(l);
}

static unsigned spins;

static void spin_run(struct loop_task *task)
{
	struct note *n = CONTAINER_OF(task, struct note, task);
	if (++spins < 250000) loop_push(n->loop, PHASE_RUN, &n->task);
}

static void test_endless_pushing_does_not_block_the_poll(void **state)
{
	struct loop *l = fresh();
	struct note n = { .task.run = spin_run, .loop = l };
	(void)state;
	spins = 0;
	loop_push(l, PHASE_RUN, &n.task);
	int64_t began_ms = clock_mono_ms();
	loop_run(l);
	assert_int_equal(spins, 250000);
	assert_true(clock_mono_ms() - began_ms < 5000);
	loop_free(l);
}

static struct note from_timer;
static struct timer *timer;
static unsigned ticks;

static void on_tick(void *arg)
{
	struct loop *l = arg;
	from_timer = (struct note){ .task.run = note_run, .loop = l, .letter = 't' };
	loop_push(l, PHASE_CLIENT, &from_timer.task);
	if (++ticks < 3) return;
	timer_free(timer);
}

static void test_timer_repeats_and_its_tasks_run(void **state)
{
	struct loop *l = fresh();
	(void)state;
	ticks = 0;
	timer = timer_new(l, on_tick, l);
	timer_start(timer, 1, 2);
	loop_run(l);
	assert_int_equal(ticks, 3);
	assert_string_equal(trace, "ttt");
	assert_true(loop_lag_us(l) >= 0);
	assert_int_equal(loop_lag_us(l), 0);
	loop_free(l);
}

static struct watch *watch;
static int watched_fd;

static void on_watch(void *arg, int events)
{
	char byte;
	(void)arg;
	assert_int_equal(events, WATCH_READ);
	assert_int_equal(read(watched_fd, &byte, 1), 1);
	trace_add(byte);
	watch_free(watch);
}

static void test_watch_is_freed_inside_its_callback(void **state)
{
	struct loop *l = fresh();
	int fds[2];
	(void)state;
	assert_int_equal(pipe(fds), 0);
	watched_fd = fds[0];
	watch = watch_new(l, fds[0], on_watch, NULL);
	assert_non_null(watch);
	watch_set(watch, WATCH_READ);
	assert_int_equal(write(fds[1], "w", 1), 1);
	loop_run(l);
	assert_string_equal(trace, "w");
	loop_free(l);
	close(fds[0]);
	close(fds[1]);
}

static void test_watch_refuses_a_file(void **state)
{
	struct loop *l = fresh();
	FILE *f = tmpfile();
	(void)state;
	assert_non_null(f);
	assert_null(watch_new(l, fileno(f), on_watch, NULL));
	fclose(f);
	loop_free(l);
}

static void on_signal(void *arg, int signo)
{
	assert_int_equal(signo, SIGUSR1);
	trace_add('s');
	timer_stop(timer);
	loop_stop(arg);
}

static void raise_signal(void *arg)
{
	(void)arg;
	raise(SIGUSR1);
}

static void test_signal_stops_the_loop(void **state)
{
	struct loop *l = fresh();
	(void)state;
	signal_watch(l, SIGUSR1, on_signal, l);
	timer = timer_new(l, raise_signal, NULL);
	timer_start(timer, 1, 1000);
	loop_run(l);
	assert_string_equal(trace, "s");
	timer_free(timer);
	loop_free(l);
}

static _Atomic unsigned worked;
static unsigned finished, aborted;

static void on_work(void *arg)
{
	(void)arg;
	usleep(100);
	worked++;
}

static void on_done(void *arg, enum err status)
{
	(void)arg;
	if (status) {
		aborted++;
	} else {
		finished++;
	}
}

static void test_work_is_bounded(void **state)
{
	struct loop *l = fresh();
	(void)state;
	worked = finished = aborted = 0;
	for (unsigned i = 0; i < WORK_QUEUE_MAX; i++)
		assert_int_equal(work_submit(l, on_work, on_done, NULL), ERR_NONE);
	assert_int_equal(work_submit(l, on_work, on_done, NULL), ERR_BUSY);
	loop_run(l);
	assert_int_equal(finished, WORK_QUEUE_MAX);
	for (unsigned i = 0; i < WORK_QUEUE_MAX; i++)
		assert_int_equal(work_submit(l, on_work, on_done, NULL), ERR_NONE);
	loop_free(l); /* what has not begun is given back, what has begun is waited for */
	assert_int_equal(finished + aborted, 2 * WORK_QUEUE_MAX);
	assert_int_equal(worked, finished);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phases_run_in_order_and_start_over),
		cmocka_unit_test(test_endless_pushing_does_not_block_the_poll),
		cmocka_unit_test(test_timer_repeats_and_its_tasks_run),
		cmocka_unit_test(test_watch_is_freed_inside_its_callback),
		cmocka_unit_test(test_watch_refuses_a_file),
		cmocka_unit_test(test_signal_stops_the_loop),
		cmocka_unit_test(test_work_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
