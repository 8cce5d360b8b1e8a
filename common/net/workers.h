#ifndef COMMON_NET_WORKERS_H
#define COMMON_NET_WORKERS_H

enum { WORKERS_MAX = 64 };

/**
 * Runs `run` in `count` child processes and starts those again that die; SIGTERM, SIGINT and SIGHUP are passed on. Returns the
 * exit status once all have ended after a SIGTERM or SIGINT: the worst of theirs. A worker that refuses to start (78) ends all. `stopping`
 * (may be NULL) is called in the parent when that begins. Before any loop or thread exists.
 */
int workers_run(unsigned count, int (*run)(unsigned worker), void (*stopping)(void));

#endif
