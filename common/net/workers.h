#ifndef COMMON_NET_WORKERS_H
#define COMMON_NET_WORKERS_H

#include <stdbool.h>
#include <sys/types.h>

enum { WORKERS_MAX = 64 };

/** What the parent does besides. Each may be NULL. */
struct workers_hooks {
	void (*stopping)(void); /* the end begins */
	void (*hand_over)(void); /* SIGUSR2; without it the signal is not ours */
	bool (*other_child)(pid_t pid, int status); /* one that has ended; true: it was none of the workers */
	int (*turn)(void); /* after each wake-up; a signal to end the workers with, or 0 */
	bool hurried; /* wake up often: something is under way */
};

/**
 * Runs `run` in `count` child processes and starts those again that die; SIGTERM, SIGINT and SIGHUP are passed on, SIGQUIT too where
 * `hooks` hands over. Returns the exit status once all have ended after one of them but SIGHUP: the worst of theirs. A worker that refuses to start
 * (78) ends all. `hooks` is looked at anew each time. Before any loop or thread exists.
 */
int workers_run(unsigned count, int (*run)(unsigned worker), const struct workers_hooks *hooks);

#endif
