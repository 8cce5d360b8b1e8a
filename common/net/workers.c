/*
 * The parent of several workers: it has no loop and only waits for signals. Workers share a port by SO_REUSEPORT, or have Unix
 * sockets side by side; they end with their parent (PR_SET_PDEATHSIG), so that a killed parent leaves nobody
 * behind.
 */
#include "common/net/workers.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/core/check.h"
#include "common/core/clock.h"
#include "common/core/log.h"

enum { EXIT_CONFIG_STATUS = 78, RESTART_PAUSE_MS = 1000, PAUSE_MS = 200, HURRIED_PAUSE_MS = 20 };

struct worker {
	pid_t pid; /* 0: not running */
	int64_t start_at_ms;
};

struct workers {
	struct worker items[WORKERS_MAX];
	unsigned count;
	int (*run)(unsigned worker);
	const struct workers_hooks *hooks;
	bool stopping;
	int status;
	sigset_t signals;
};

static void start(struct workers *w, unsigned index)
{
	pid_t parent = getpid();
	log_flush();
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		sigprocmask(SIG_UNBLOCK, &w->signals, NULL);
		if (getppid() != parent) _exit(0);
		exit(w->run(index));
	}
	if (pid < 0) log_line(LOG_ERROR, "worker not started", "fork failed");
	w->items[index].pid = pid > 0 ? pid : 0;
	w->items[index].start_at_ms = clock_mono_ms() + RESTART_PAUSE_MS; /* earliest next start */
}

static void pass_on(const struct workers *w, int signo)
{
	for (unsigned i = 0; i < w->count; i++)
		if (w->items[i].pid) kill(w->items[i].pid, signo);
}

static void stop_all(struct workers *w, int signo)
{
	if (!w->stopping && w->hooks->stopping) w->hooks->stopping();
	w->stopping = true;
	pass_on(w, signo);
}

static void reap(struct workers *w)
{
	int how;
	for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;) {
		int status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
		/* told to end before it had its handlers: it held nothing yet */
		if (w->stopping && WIFSIGNALED(how) && WTERMSIG(how) == SIGTERM) status = 0;
		if (w->hooks->other_child && w->hooks->other_child(pid, status)) continue;
		for (unsigned i = 0; i < w->count; i++) {
			if (w->items[i].pid != pid) continue;
			w->items[i].pid = 0;
			if (w->stopping && status > w->status) w->status = status;
			if (!w->stopping) log_line(LOG_ERROR, "worker ended", "worker %u, status %d", i, status);
		}
		if (status == EXIT_CONFIG_STATUS && !w->stopping) {
			w->status = status;
			stop_all(w, SIGTERM);
		}
	}
}

static unsigned start_due(struct workers *w)
{
	unsigned running = 0;
	for (unsigned i = 0; i < w->count; i++) {
		if (!w->items[i].pid && !w->stopping && clock_mono_ms() >= w->items[i].start_at_ms) start(w, i);
		running += w->items[i].pid != 0;
	}
	return running;
}

static void take_signal(struct workers *w, int signo)
{
	switch (signo) {
	case SIGTERM:
	case SIGINT:
		stop_all(w, SIGTERM);
		break;
	case SIGQUIT:
		stop_all(w, SIGQUIT);
		break;
	case SIGHUP:
		pass_on(w, SIGHUP);
		break;
	case SIGUSR2:
		if (!w->stopping) w->hooks->hand_over();
		break;
	default:
		break;
	}
}

static void watch_signals(struct workers *w)
{
	static const int always[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	sigemptyset(&w->signals);
	for (unsigned i = 0; i < ARRAY_LEN(always); i++) sigaddset(&w->signals, always[i]);
	if (w->hooks->hand_over) {
		sigaddset(&w->signals, SIGUSR2);
		sigaddset(&w->signals, SIGQUIT);
	}
	sigprocmask(SIG_BLOCK, &w->signals, NULL);
}

int workers_run(unsigned count, int (*run)(unsigned worker), const struct workers_hooks *hooks)
{
	struct workers w = { .count = count, .run = run, .hooks = hooks };
	CHECK(count <= WORKERS_MAX);
	watch_signals(&w);
	while (start_due(&w) || !w.stopping) {
		struct timespec pause = { .tv_nsec = (hooks->hurried ? HURRIED_PAUSE_MS : PAUSE_MS) * 1000000L };
		take_signal(&w, sigtimedwait(&w.signals, NULL, &pause));
		reap(&w);
		int end = hooks->turn ? hooks->turn() : 0;
		if (end) stop_all(&w, end);
		log_flush();
	}
	return w.status;
}
