#ifndef COMMON_HTTP_CONNECTION_H
#define COMMON_HTTP_CONNECTION_H

#include "common/core/list.h"
#include "common/http/intake.h"

/* Inside common/http: the server's connections and exchanges. */

struct connection;

/** The owner's http_exchange and what the server keeps beside it. */
struct exchange {
	struct http_exchange x; /* first: http_respond gets back from it */
	struct list link; /* in connection->owed, then ->leaving; or in the server's spare ones */
	struct connection *connection;
	struct intake intake;
	struct str call; /* what the peer calls it, when answers may leave in any order */
	size_t body_held; /* its part of server->body_bytes while it is answered */
	struct buf held; /* the answer while earlier ones are still owed */
	bool announced; /* the owner has seen it: on_finished will be called */
	bool dispatched; /* complete, or refused: an answer is owed */
	bool answered;
	bool refused;
	bool close; /* the connection ends behind this answer */
	bool wants_continue;
	int status;
	size_t answer_bytes;
};

/** What a connection is waited for with a deadline. Each has one constant limit, so its list is in order of expiry. */
enum wait { WAIT_NONE, WAIT_IDLE, WAIT_HEAD, WAIT_BODY, WAIT_WRITE, WAIT_LINGER, WAIT_COUNT };

struct connection {
	struct list link; /* in server->connections */
	struct http_server *server;
	struct stream *stream; /* NULL once gone */
	struct wire *wire;
	struct exchange *reading; /* the request that is arriving; NULL between requests */
	struct list owed; /* dispatched, oldest first */
	struct list leaving; /* answers in `out` */
	unsigned in_flight; /* members of both */
	struct buf out;
	struct buf backlog; /* read but not parsed: too many in flight */
	struct loop_task flush;
	enum wait wait;
	struct list wait_link;
	int64_t wait_since_ms;
	size_t counted; /* its part of server->pending_bytes */
	size_t body_counted; /* its part of server->body_bytes */
	size_t body_mark; /* of that, when its present 16 KiB began */
	struct list body_link; /* in server->bodies, whatever else is waited for */
	size_t wait_mark; /* progress when the wait began: body bytes received, or bytes still pending */
	size_t lingered;
	bool input_over; /* nothing more is parsed */
	bool ended; /* the peer will send no more */
	bool unread; /* bytes were received and dropped: a plain close could reset the answer away */
	bool closing; /* the last answer is in `out` */
	bool lingering;
	bool cut; /* aborted: its pending bytes are as good as gone */
	bool paused;
	bool secure;
	struct tls_client *certificate; /* owned */
	char peer[48];
};

enum {
	SPARE_EXCHANGES_MAX = 512,
	SPARE_EXCHANGE_BYTES = 4 * 1024,
	SPARE_BUFFERS_MAX = 64,
	SPARE_BUFFER_BYTES = 64 * 1024,
	EXCHANGE_FIRST_BYTES = 4096,
	PENDING_FLUSH_BYTES = 256 * 1024
};

struct http_server {
	struct loop *loop;
	struct listener *listeners[HTTP_LISTENERS_MAX];
	unsigned listener_count;
	struct timer *tick;
	bool ticking;
	struct http_server_config config;
	struct list connections;
	struct list waits[WAIT_COUNT];
	struct list spare;
	unsigned spare_count;
	struct buf spare_buffers[SPARE_BUFFERS_MAX];
	unsigned spare_buffer_count;
	struct http_server_stats stats;
	size_t pending_bytes; /* answers that their clients do not take, of all connections */
	size_t body_bytes; /* of bodies that come or are being answered, of all connections */
	struct list bodies; /* those connections, in the order in which their present 16 KiB began */
	int64_t date_s, date_checked_ms;
	char date[32];
	bool draining;
	int64_t retire_at_ms; /* draining: idle connections are left alone until then; 0: they are not */
	bool freed;
	void (*drained)(void *arg);
	void *drained_arg;
	struct loop_task drained_task;
};

struct exchange *exchange_new(struct connection *c);
/** Reports the end to the owner if it knows the exchange, and recycles it. */
void exchange_finish(struct exchange *e, int status, size_t bytes);

void connection_accept(void *server, struct stream *s);
/** A deadline has passed. */
void connection_expire(struct connection *c);
/** No more requests: closes if nothing is owed. */
void connection_drain(struct connection *c);
/** Drops a client that does not read, and what waits for it. */
void connection_cut(struct connection *c);
/** Tells a client whose body is still coming that there is no room for it (ERR_BUSY), and ends its connection. */
void connection_turn_away(struct connection *c);
/** Brings server->pending_bytes and ->body_bytes up to date. */
void connection_count(struct connection *c);
/** Puts the connection on the list of what it now waits for. */
void connection_wait(struct connection *c);
/** Over the budget of unread answers: the clients that have taken nothing for longest are cut. */
void server_cut_slow(struct http_server *s);
/** Over the budget of unfinished bodies: those that have come least far for longest are turned away. */
void server_turn_away_slow(struct http_server *s);
/** The last step of a connection that is gone. */
void server_forget(struct connection *c);

struct str server_date(struct http_server *s);

/** Appends an answer's head. */
void answer_write(struct buf *out, struct exchange *e, const struct http_response *r, struct str date);
/** Lets the owner (or this library) answer what the server itself refuses. */
void answer_refused(struct exchange *e, enum err why);

#endif
