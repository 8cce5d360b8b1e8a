#ifndef GATEWAY_WORKERS_H
#define GATEWAY_WORKERS_H

/**
 * Runs `run` in `count` child processes and starts those again that die; SIGTERM, SIGINT and SIGHUP are passed on. Returns the
 * exit status once all have ended after a SIGTERM or SIGINT: the worst of theirs. A worker that refuses to start (78) ends all.
 */
int workers_run(unsigned count, int (*run)(unsigned worker));

#endif
