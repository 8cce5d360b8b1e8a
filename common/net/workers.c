/*
 * The parent of several workers: it has no loop and only waits for signals. Workers share a port by SO_REUSEPORT, or a Unix socket
 * that the parent opened (listener_share); they end with their parent (PR_SET_PDEATHSIG), so that a killed parent leaves nobody
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

enum { EXIT_CONFIG_STATUS = 78, RESTART_PAUSE_MS = 1000 };

struct worker {
	pid_t pid; /* 0: not running */
	int64_t start_at_ms;
};

struct workers {
	struct worker items[WORKERS_MAX];
	unsigned count;
	int (*run)(unsigned worker);
	void (*on_stopping)(void);
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

static void stop_all(struct workers *w)
{
	if (!w->stopping && w->on_stopping) w->on_stopping();
	w->stopping = true;
	pass_on(w, SIGTERM);
}

static void reap(struct workers *w)
{
	int how;
	for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;) {
		int status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
		for (unsigned i = 0; i < w->count; i++) {
			if (w->items[i].pid != pid) continue;
			w->items[i].pid = 0;
			if (w->stopping && status > w->status) w->status = status;
			if (!w->stopping) log_line(LOG_ERROR, "worker ended", "worker %u, status %d", i, status);
		}
		if (status == EXIT_CONFIG_STATUS && !w->stopping) {
			w->status = status;
			stop_all(w);
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

int workers_run(unsigned count, int (*run)(unsigned worker), void (*stopping)(void))
{
	struct workers w = { .count = count, .run = run, .on_stopping = stopping };
	CHECK(count <= WORKERS_MAX);
	sigemptyset(&w.signals);
	sigaddset(&w.signals, SIGTERM);
	sigaddset(&w.signals, SIGINT);
	sigaddset(&w.signals, SIGHUP);
	sigaddset(&w.signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &w.signals, NULL);
	while (start_due(&w) || !w.stopping) {
		struct timespec pause = { .tv_nsec = 200000000 };
		int signo = sigtimedwait(&w.signals, NULL, &pause);
		if (signo == SIGTERM || signo == SIGINT)
			stop_all(&w);
		else if (signo == SIGHUP)
			pass_on(&w, SIGHUP);
		reap(&w);
		log_flush();
	}
	return w.status;
}
