#ifndef COMMON_HTTP_SERVER_H
#define COMMON_HTTP_SERVER_H

#include "common/core/arena.h"
#include "common/core/problem.h"
#include "common/http/message.h"
#include "common/net/stream.h"

/* HTTP/1.1 server side: keep-alive, pipelining answered in order, limits, deadlines. Bodies are whole before on_request. */
struct http_server;

/** One request and the answer owed to it. Everything in it lives in its arena until the answer has been written (or dropped). */
struct http_exchange {
	struct arena arena;
	struct str method;
	struct str target; /* as received */
	struct str path; /* raw, before '?' */
	struct str query; /* raw, after '?'; absent without one */
	struct str host;
	struct http_fields fields;
	struct str body;
	struct str peer; /* address of the other end */
	const struct tls_client *certificate; /* that the client has shown, good or not; NULL without one */
	bool secure; /* came by TLS */
	int64_t received_ns; /* monotonic, when the head was complete */
	bool head; /* HEAD: the body of the answer is not sent */
	bool abandoned; /* the client is gone; an answer is still owed, and dropped */
	void *user; /* the owner's request state */
};

/** What `lines` already says, so that it is not written again. */
enum { HTTP_LINES_DATE = 1, HTTP_LINES_SERVER = 2, HTTP_LINES_LENGTH = 4 };

struct http_response {
	int status;
	struct str reason; /* absent: the usual one */
	struct str content_type;
	struct str lines; /* fields ready to be sent, whole lines, checked when they were made; they come first */
	unsigned lines_have; /* HTTP_LINES_… */
	const struct http_field *fields;
	unsigned field_count;
	struct str tail; /* as `lines`; they come behind the fields */
	struct str body;
	bool close; /* close the connection behind it */
};

struct http_server_config {
	size_t head_bytes_max; /* 431; default 16 KiB */
	size_t target_bytes_max; /* 414; default 8 KiB */
	unsigned field_count_max; /* 431; default 100 */
	size_t body_bytes_max; /* 413; hard ceiling, default 1 MiB */
	unsigned
	    pipeline_max; /* exchanges in flight per connection before reading pauses; default 64 (1024 between our own processes) */
	unsigned connections_max; /* more are answered 503 and closed; default 20000, less where descriptors are few */
	size_t
	    unread_bytes_max; /* answers a client has not taken: with more, none of its requests is read; default 1 MiB */
	size_t unread_total_max; /* the same of all clients: beyond it the slowest are cut; default 64 MiB */
	size_t
	    bodies_total_max; /* bodies that come or are being answered, of all clients: beyond it the slowest to come are turned away, and who has a request under way sends no more; default 128 MiB */
	size_t arena_bytes_max; /* per exchange; default 4 MiB */
	int64_t head_timeout_ms; /* from first byte to complete head: 408; default 10 s */
	int64_t body_timeout_ms; /* default 20 s */
	int64_t idle_timeout_ms; /* between requests; default 75 s */
	int64_t write_timeout_ms; /* a peer that does not read; default 30 s */
	/** Between our own processes: an answer to a request with CALL_FIELD leaves when it is ready, whatever is owed before it, and says the field again. */
	bool any_order;
	bool
	    require_host; /* 400 for HTTP/1.1 without Host (RFC 9112 3.2: set it); a malformed or doubled one is refused always */
	/** A connection was accepted: false refuses it with 503. NULL: all are welcome. Whoever was let in is told of once more when it goes. */
	bool (*on_connect)(void *arg, struct str peer);
	void (*on_disconnect)(void *arg, struct str peer);
	/** Head complete: return ERR_NONE and set *body_bytes_max for this request, or refuse with problem filled. NULL: default limit. */
	enum err (*on_head)(void *arg, struct http_exchange *x, size_t *body_bytes_max);
	/** Whole request. Must lead to exactly one http_respond, now or later. */
	void (*on_request)(void *arg, struct http_exchange *x);
	/** The server itself refuses (bad framing, limits): write the answer with http_respond at once; the connection is closed behind it. */
	void (*on_refused)(void *arg, struct http_exchange *x, enum err why);
	/** The answer has been written or dropped; x is reset when it returns. status 0: dropped, or the client vanished between on_head and on_request. */
	void (*on_finished)(void *arg, struct http_exchange *x, int status, size_t bytes_sent);
	void *arg;
};

MUST_USE enum err http_server_open(struct loop *l, struct str address, bool reuse_port,
    const struct http_server_config *config, struct http_server **out);
enum { HTTP_LISTENERS_MAX = 4 };
/** One more address for the same server; TLS unless `tls` is NULL. Fails: ERR_IO (logged). */
MUST_USE enum err http_server_listen(struct http_server *s, struct str address, bool reuse_port, struct tls *tls);
/** Its last listener is for proxies that say whose connection it is (listener_expect_proxies). */
void http_server_expect_proxies(struct http_server *s, bool (*trusts)(void *arg, struct str peer), void *arg);
/** Of the first listener. */
int http_server_port(const struct http_server *s);
/** Queues the answer (copied); it leaves at the end of the turn, after those before it on the connection. Date, Content-Length, Server and Connection are added here. */
void http_respond(struct http_exchange *x, const struct http_response *r);
/** An answer before the answer (102, 103). Dropped when the client speaks HTTP/1.0, is gone, or still waits for earlier answers. */
void http_respond_interim(struct http_exchange *x, int status, struct http_fields fields);
/** Stops accepting; each connection closes after the answers owed. `drained` is called once none is left. */
void http_server_drain(struct http_server *s, void (*drained)(void *arg), void *arg);
/**
 * As http_server_drain, for a server whose sockets another process has taken over: nobody notices. Handshakes are finished, and a
 * connection between two requests may send one more, whose answer says that it is the last; after grace_ms it is closed.
 */
void http_server_retire(struct http_server *s, int64_t grace_ms, void (*drained)(void *arg), void *arg);
/** Drops all connections. Answers still owed must be given nevertheless; their on_finished comes with status 0, later. */
void http_server_free(struct http_server *s);

struct http_server_stats {
	unsigned connections;
	uint64_t accepted;
	uint64_t refused;
	uint64_t proxies_refused; /* no proxy of ours, or no word of the client */
	size_t bytes_held; /* buffers and arenas of all connections */
};
struct http_server_stats http_server_stats(const struct http_server *s);

#endif
