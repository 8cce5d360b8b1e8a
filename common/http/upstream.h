#ifndef COMMON_HTTP_UPSTREAM_H
#define COMMON_HTTP_UPSTREAM_H

#include "common/core/list.h"
#include "common/http/capacity.h"
#include "common/http/client.h"
#include "common/http/health.h"
#include "common/http/wire.h"

/* Inside common/http: the parts of an upstream pool. */

struct channel;

/** Where a call is: the list it stands on. */
enum call_state {
	CALL_WAITING,
	CALL_RESTING, /* before it is repeated; on no list but `live` */
	CALL_UNSENT,
	CALL_SENT,
	CALL_DONE
};

enum { ADDRESSES_COMPARED_MAX = 64 };

/** Calls before an upstream, by priority. */
struct waiting {
	struct list lists[CALL_PRIORITIES];
	unsigned counts[CALL_PRIORITIES];
	unsigned count;
	int64_t standing_since_ms; /* when it was last empty */
	int64_t back_ms; /* when the service came back after it was away */
};

struct upstream_call {
	struct list link;
	struct list live; /* in upstream->live: for deadlines */
	struct upstream *upstream;
	struct channel *channel; /* CALL_UNSENT and CALL_SENT */
	enum call_state state;
	upstream_done *done; /* NULL: nobody waits any more */
	void (*interim)(void *arg, int status, struct http_fields fields); /* wants to see 1xx; may be NULL */
	void *arg;
	int64_t deadline_ms;
	int64_t wait_until_ms; /* CALL_WAITING: no longer than this; CALL_RESTING: then it waits again */
	int64_t waiting_since_ms;
	int64_t given_ms; /* to a connection */
	enum call_priority priority;
	struct latency_base *base; /* what its kind takes; may be gone once nobody waits for the answer */
	struct buf request; /* kept for a repetition */
	bool head_request;
	bool safe;
	bool trial; /* it tells whether an address may be called again */
	bool ghost; /* holds the place of one that ran out of time */
	bool probe; /* a health request: for its own address only */
	bool
	    any_coding; /* an unknown transfer coding ends with the connection (RFC 9112 6.3); else the answer is broken */
	unsigned tries;
	bool hedged; /* may be asked at another address too */
	bool second; /* it is that question */
	struct upstream_call *twin; /* the other of the two; NULL: there is none */
	int64_t hedge_at_ms; /* 0: not, or no more */
	enum err twin_status; /* of a first that failed while its second is out */
	char id[8]; /* value of CALL_FIELD, when answers come in any order */
	enum err status; /* CALL_DONE */
	struct http_reply reply;
	struct arena arena; /* of the reply's head and small bodies */
	struct buf raw; /* a head that came in several reads */
	struct buf body; /* content that did, or chunked */
};

struct upstream_address {
	struct upstream *upstream;
	struct str text;
	struct channel **channels; /* config.connections of them */
	unsigned in_flight;
	unsigned up_count; /* of its channels */
	struct health health;
	bool sick; /* its health answer was bad */
	unsigned sick_count;
	unsigned failures; /* in a row; of connecting or at once after it */
	int64_t retry_at_ms; /* not before this */
	int64_t last_well_ms; /* when it last answered or stood */
	int64_t warm_at_ms; /* it has come back and gets its whole share only then; 0: it does */
	bool probing;
	int64_t probed_ms;
};

enum channel_state { CHANNEL_DOWN, CHANNEL_CONNECTING, CHANNEL_UP, CHANNEL_CLOSING };

/** One connection to an address, with the calls on it in order. Outlives its pool until its stream is gone. */
struct channel {
	struct upstream_address *address; /* NULL once the pool is freed */
	struct stream *stream;
	struct wire *wire;
	enum channel_state state;
	struct list unsent;
	struct list sent;
	unsigned in_flight; /* members of both */
	unsigned unsent_count;
	int64_t connecting_since_ms;
	bool answered_once;
	struct upstream_call *reading; /* whose reply is arriving; NULL until its head stands */
	bool names_calls; /* an answer said CALL_FIELD: from then on all of them must */
	bool names_none; /* one did not: none may */
	bool retires; /* an answer said close: what stands behind it was not processed */
	/* The reply being read. Until its head tells whose it is, it gathers in the first call of `sent`. */
	struct head_scan scan;
	struct framing framing;
	struct status_line line;
	bool in_body;
	bool until_close;
	unsigned interim; /* 1xx seen */
};

struct upstream {
	struct loop *loop;
	struct upstream_config config;
	struct upstream_address *addresses;
	struct waiting waiting;
	struct capacity capacity;
	struct retry_budget budget;
	struct list done;
	struct list live;
	struct list spare;
	unsigned spare_count;
	unsigned live_count;
	uint32_t last_id;
	unsigned turn; /* whose it is among equal addresses */
	int64_t next_deadline_ms; /* no call is due before this */
	int64_t born_ms;
	struct timer *tick;
	int64_t tick_ms; /* its period; 0: stopped */
	bool freed;
	struct loop_task send_task;
	struct loop_task done_task;
	struct loop_task free_task;
	struct upstream_stats stats;
};

/* call.c */
struct upstream_call *call_new(struct upstream *u);
/** Recycles it; its links are removed already. */
void call_forget(struct upstream_call *call);
void call_free(struct upstream_call *call);
/** The call is over: `done` will be called from PHASE_RUN; or nobody waits, and it is recycled. It is on no list. */
void call_finish(struct upstream_call *call, enum err status);
/** A call without an answer, on no list: waits again, or ends. `processed`: the peer may have acted on it. */
void call_return(struct upstream_call *call, bool processed);
void call_wait(struct upstream_call *call);

/** Something else takes its place on the connection, where its answer may still come; it is on no list then. */
void call_leave_ghost(struct upstream_call *call);

/* hedge.c */
/** It goes to a connection: when it is to be asked elsewhere too. */
void hedge_plan(struct upstream_call *call);
/** That time has come. */
void hedge_begin(struct upstream_call *call, int64_t now_ms);
/** One of two is over: true when that ends nothing yet, or has ended both. */
bool hedge_settles(struct upstream_call *call, enum err status);
/** Nobody wants the answer any more: of the first. */
void hedge_cancel(struct upstream_call *first);

/* admission.c */
bool admission_has_room(struct upstream *u, enum call_priority priority);
/** False: it is turned away (and counted). */
bool admission_may_wait(struct upstream *u, enum call_priority priority);
/** True when every address is known to fail: no call goes anywhere for the moment. */
bool admission_is_refused(struct upstream *u);
/** An address can be called again after none could. */
void admission_back(struct upstream *u);
bool admission_is_first(const struct upstream *u, enum call_priority priority);
void admission_shed(struct upstream *u, int64_t now_ms);
void waiting_init(struct waiting *w);
void waiting_push(struct upstream *u, struct upstream_call *call);
void waiting_remove(struct upstream *u, struct upstream_call *call);
/** The most important one, or NULL; it stays where it is. */
struct upstream_call *waiting_next(struct upstream *u);
/** What became of a call that was on a connection. */
void call_note(struct upstream_call *call, enum call_outcome outcome);
void address_note(struct upstream_address *a, bool trial, enum call_outcome outcome);
/** Moves what has been read of a reply. */
void call_swap_reply(struct upstream_call *a, struct upstream_call *b);
/** Ends calls whose time is up. */
void calls_check_deadlines(struct upstream *u, int64_t now_ms);
void calls_deliver(struct loop_task *done_task);

/* upstream.c */
/** False when all addresses have been away for long. */
bool upstream_has_hope(const struct upstream *u);
/** The least busy connection of any address but that one, if all is well there. NULL. */
struct channel *upstream_elsewhere(struct upstream *u, const struct upstream_address *not_there);
/** Gives the call a name of its own. */
void upstream_name_call(struct upstream *u, struct upstream_call *call);
/** The address is back after it had failed: its share grows slowly. */
void address_back(struct upstream_address *a);
/** Sets the timer's pace to what there is to watch. */
void upstream_pace(struct upstream *u);

/* channel.c */
struct channel *channel_new(struct upstream_address *address);
/** Cuts it off its pool; it frees itself when its stream is gone. */
void channel_free(struct channel *ch);
void channel_connect(struct channel *ch);
/** Appends the call; it leaves at PHASE_UPSTREAM. */
void channel_add(struct channel *ch, struct upstream_call *call);
/** Takes back a call that is CALL_UNSENT; it is on no list then. */
void channel_withdraw(struct upstream_call *call);
/** Writes what is unsent, in one go. */
void channel_flush(struct channel *ch);
/** Closes; calls without an answer are returned to the pool. */
void channel_break(struct channel *ch);
/** Connect time-out, and a connection whose oldest call is long overdue. */
void channel_check(struct channel *ch, int64_t now_ms);

/* reply.c */
enum reply_step { REPLY_MORE, REPLY_DONE, REPLY_BROKEN };
/** Takes from the front of *bytes what belongs to one reply; channel->reading is its call once the head stands. */
enum reply_step reply_step(struct channel *ch, struct str *bytes);
/** The peer ended the connection: true when that ends the reply (content without a length). */
bool reply_ends_with_connection(struct channel *ch);
void reply_begin(struct channel *ch);

#endif
