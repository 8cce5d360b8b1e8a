#ifndef COMMON_NET_UV_LOOP_H
#define COMMON_NET_UV_LOOP_H

#include <sys/socket.h>
#include <sys/un.h>

#include <uv.h>

#include "common/core/list.h"
#include "common/net/loop.h"
#include "common/net/stream.h"

/* Inside common/net only: what its files share. */

enum { READ_BYTES = 64 * 1024 };

struct task_queue {
	struct loop_task *first;
	struct loop_task **last;
};

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t awake; /* active while tasks are left over, so that the poll does not block */
	uv_timer_t log_pause; /* active while log lines wait to be written together with later ones */
	struct task_queue queues[PHASE_COUNT];
	bool draining;
	bool stopped;
	uint64_t turn_began_ns; /* 0: nothing has happened since the last poll */
	uint64_t lag_ns;
	struct list signals;
	struct list streams; /* all that exist, so that none outlives the loop */
	unsigned job_count; /* in the thread pool, running or waiting */
	struct list jobs;
	char *read_bytes; /* READ_BYTES, lent to one read at a time */
	char *plain_bytes; /* the same for what TLS has opened; NULL before it has */
	struct buf sealed; /* what TLS is about to send; empty between calls */
};

/** Notes that a turn's work has begun; called first by every callback of libuv. */
static inline void loop_begin_turn(struct loop *l)
{
	if (!l->turn_began_ns) l->turn_began_ns = uv_hrtime();
}

/** Stops and forgets the signal watches (loop_free). */
void signals_close(struct loop *l);
/** Takes back jobs that have not begun (loop_free); their `done` runs with ERR_ABORTED. */
void work_abort(struct loop *l);

/** A parsed address. */
struct address {
	bool is_unix;
	struct sockaddr_storage ip;
	struct sockaddr_un local;
};

/** Strict: "a.b.c.d:port", "[v6]:port" or "unix:/path"; ERR_SYNTAX otherwise. */
MUST_USE enum err address_parse(struct str text, struct address *out);

enum { PEER_BYTES = 46 };

struct stream {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	int fd; /* -1 until it is accepted or connected */
	struct loop *loop;
	struct list link;
	struct stream_events events;
	void *arg;
	void (*connected)(void *arg, enum err status);
	uv_connect_t connect;
	uv_shutdown_t shutdown;
	enum err why;
	bool started;
	bool reading; /* the owner wants data */
	bool ended; /* the peer has finished sending */
	bool finishing; /* stream_close: closes once everything queued has left */
	bool closing; /* uv_close was called */
	bool shut; /* stream_end was called */
	struct tls_link *tls; /* NULL: plain */
	char peer[PEER_BYTES];
};

/** The socket's own side of a stream: TLS sits on top of these. */
MUST_USE enum err stream_send(struct stream *s, struct buf *b); /* as stream_write_buf, unsealed and unchecked */
void stream_close_now(struct stream *s, enum err why);
void stream_read_on(struct stream *s); /* no effect if it reads already */
void stream_read_stop(struct stream *s);

/** An initialised stream of the right kind, not connected; NULL when the system refuses. */
struct stream *stream_make(struct loop *l, bool is_unix);
/** Fills in peer, no delay, and so on of a stream that has just been accepted or connected. */
void stream_settle(struct stream *s);
/** Frees a stream that was never handed out. */
void stream_discard(struct stream *s);

#endif
