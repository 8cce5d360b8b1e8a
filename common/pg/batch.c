/* Batches: members gather while the last one runs; when a lane is free, up to batch_max of them leave as one statement with array
 * parameters. Writes go by the writer lanes, one at a time; reads by the shared lanes, where each statement has one batch under way.
 * Rows find their members by `ord`. If a batch is refused, its members go one by one, each with a sync of its own, so that an error
 * costs only its owner. */
#include "common/pg/batch.h"

#include <stdlib.h>

#include "common/pg/pool_state.h"
#include "common/pg/text_form.h"

enum { FLIGHT_BYTES_MAX = 4 * 1024 * 1024, ARRAY_BYTES_MAX = 64 * 1024 * 1024 };

struct member {
	struct list link; /* in batch->waiting or pool->expired_members */
	pg_batch_done *done; /* NULL: has its outcome */
	void *arg;
	int64_t deadline_ms;
	size_t bytes;
	struct str values[]; /* statement->param_count; text behind */
};

struct pg_batch {
	struct list link; /* in pool->batches */
	struct pg_pool *pool;
	const struct pg_statement *statement;
	struct list waiting;
	struct list flights;
	unsigned waiting_count;
	bool orphan; /* pg_batch_free was called; freed after its last flight */
};

/* One statement on its way, with its members in the order of `ord`. */
struct flight {
	struct list link;
	struct pg_batch *batch;
	struct member **members;
	unsigned count;
	struct lane *lane; /* where singles go too, if it is still there */
};

struct pg_batch *pg_batch_new(struct pg_pool *p, const struct pg_statement *s)
{
	CHECK(s->batch_max > 0);
	struct pg_batch *b = calloc(1, sizeof *b);
	CHECK(b != NULL);
	b->pool = p;
	b->statement = s;
	list_init(&b->waiting);
	list_init(&b->flights);
	list_push(&p->batches, &b->link);
	return b;
}

static void free_if_orphan(struct pg_batch *b)
{
	if (!b->orphan || !list_empty(&b->flights)) return;
	list_remove(&b->link);
	free(b);
}

static void answer(
    struct member *m, const struct pg_outcome *o, const struct pg_result *r, unsigned first, unsigned count)
{
	pg_batch_done *done = m->done;
	m->done = NULL;
	if (done) done(m->arg, o, r, first, count);
}

/* The list is emptied first: its owner may be gone when a callback returns. */
static void fail_list(struct list *head, enum err e)
{
	struct pg_outcome o = { .err = e };
	struct list mine;
	list_init(&mine);
	for (struct list *i; (i = list_shift(head));) list_push(&mine, i);
	for (struct list *i; (i = list_shift(&mine));) {
		struct member *m = CONTAINER_OF(i, struct member, link);
		answer(m, &o, NULL, 0, 0);
		free(m);
	}
}

void pg_batch_free(struct pg_batch *b)
{
	if (!b) return;
	b->orphan = true;
	b->waiting_count = 0;
	fail_list(&b->waiting, ERR_UNAVAILABLE);
	free_if_orphan(b);
}

static enum lane_role role_of(const struct pg_batch *b)
{
	return b->statement->tx == TX_READ ? LANE_SHARED : LANE_WRITER;
}

static bool has_lane(const struct pg_pool *p, enum lane_role role)
{
	for (struct list *i = p->lanes[role].next; i != &p->lanes[role]; i = i->next)
		if (CONTAINER_OF(i, struct lane, link)->state == LANE_READY) return true;
	return false;
}

enum err pg_batch_add(
    struct pg_batch *b, const struct pg_value *values, int64_t deadline_ms, pg_batch_done *done, void *arg)
{
	unsigned n = b->statement->param_count;
	size_t bytes = 0;
	if (b->pool->dying || b->orphan || !has_lane(b->pool, role_of(b))) return ERR_UNAVAILABLE;
	if (b->waiting_count >= b->pool->config.queue_max) return ERR_BUSY;
	for (unsigned i = 0; i < n; i++) {
		struct str v = values[i].text;
		if (v.n && memchr(v.p, 0, v.n)) return ERR_VALIDATION_FAILED;
		bytes += v.n;
	}
	if (bytes > FLIGHT_BYTES_MAX) return ERR_PAYLOAD_TOO_LARGE;
	struct member *m = malloc(sizeof *m + n * sizeof m->values[0] + bytes);
	CHECK(m != NULL);
	*m = (struct member){ .done = done, .arg = arg, .deadline_ms = deadline_ms, .bytes = bytes };
	char *at = (char *)&m->values[n];
	for (unsigned i = 0; i < n; i++) {
		struct str v = values[i].text;
		m->values[i] = v.p ? str_span(at, v.n) : STR_NONE;
		if (v.n) memcpy(at, v.p, v.n);
		at += v.n;
	}
	list_push(&b->waiting, &m->link);
	b->waiting_count++;
	pool_wake_database(b->pool);
	pool_tick_fast(b->pool);
	return ERR_NONE;
}

static void on_flight(void *arg, const struct pg_outcome *o);
static void on_single(void *arg, const struct pg_outcome *o);

static void flight_free(struct flight *f)
{
	for (unsigned i = 0; i < f->count; i++) free(f->members[i]);
	list_remove(&f->link);
	free(f->members);
	free(f);
}

/* One array literal per parameter, all members in order. */
static struct pg_group *flight_group(const struct flight *f)
{
	const struct pg_statement *s = f->batch->statement;
	struct pg_statement plain = *s; /* its values are arrays already */
	struct pg_value values[PG_STATEMENT_PARAMS_MAX];
	struct buf arrays[PG_STATEMENT_PARAMS_MAX];
	struct pg_group *g = NULL;
	bool good = true;
	plain.batch_max = 0;
	for (unsigned p = 0; p < s->param_count; p++) {
		buf_init(&arrays[p], ARRAY_BYTES_MAX);
		array_begin(&arrays[p]);
		for (unsigned i = 0; i < f->count; i++) array_add(&arrays[p], f->members[i]->values[p]);
		array_end(&arrays[p]);
		good = good && buf_ok(&arrays[p]);
		values[p].text = buf_view(&arrays[p]);
	}
	struct pg_call call = { &plain, values };
	CHECK(good && group_new(&call, 1, NULL, &g) == ERR_NONE);
	g->calls[0].statement = s;
	for (unsigned p = 0; p < s->param_count; p++) buf_free(&arrays[p]);
	return g;
}

static enum pg_group_kind kind_of(const struct pg_batch *b)
{
	return b->statement->tx == TX_READ ? PG_READ : PG_WRITE;
}

static void send_flight(struct lane *l, struct flight *f, pg_done *done)
{
	struct pg_group *g = flight_group(f);
	int64_t latest = 0;
	for (unsigned i = 0; i < f->count; i++)
		if (f->members[i]->deadline_ms > latest) latest = f->members[i]->deadline_ms;
	g->kind = kind_of(f->batch);
	g->solo = true;
	g->deadline_ms = latest;
	g->done = done;
	g->arg = f;
	f->lane = l;
	CHECK(lane_fits(l, g));
	l->pool->stats.groups++;
	lane_submit(l, g);
}

static struct flight *flight_new(struct pg_batch *b, unsigned most)
{
	struct flight *f = calloc(1, sizeof *f);
	CHECK(f != NULL);
	f->batch = b;
	f->members = calloc(most, sizeof *f->members);
	CHECK(f->members != NULL);
	list_push(&b->flights, &f->link);
	return f;
}

static void take_off(struct pg_batch *b, struct lane *l)
{
	unsigned most = b->waiting_count < b->statement->batch_max ? b->waiting_count : b->statement->batch_max;
	struct flight *f = flight_new(b, most);
	for (size_t bytes = 0; f->count < most;) {
		struct member *m = CONTAINER_OF(list_first(&b->waiting), struct member, link);
		bytes += m->bytes;
		if (f->count && bytes > FLIGHT_BYTES_MAX) break;
		list_remove(&m->link);
		b->waiting_count--;
		f->members[f->count++] = m;
	}
	send_flight(l, f, on_flight);
}

static bool lane_knows(const struct lane *l, const struct pg_statement *s)
{
	const struct pg_statement *own = pg_statement_find(l->set, s->name);
	return own && (own == s || str_eq(own->sql, s->sql));
}

static bool under_way(const struct pg_batch *b, const struct lane *l)
{
	for (struct list *i = b->flights.next; i != &b->flights; i = i->next)
		if (CONTAINER_OF(i, struct flight, link)->lane == l) return true;
	return false;
}

/* A batch with waiting members that this lane can serve; the one served goes to the end of the line. */
static struct pg_batch *next_batch(struct pg_pool *p, const struct lane *l)
{
	for (struct list *i = p->batches.next; i != &p->batches; i = i->next) {
		struct pg_batch *b = CONTAINER_OF(i, struct pg_batch, link);
		if (!b->waiting_count || role_of(b) != l->role || !lane_knows(l, b->statement)) continue;
		if (l->role == LANE_SHARED && under_way(b, l)) continue;
		list_remove(&b->link);
		list_push(&p->batches, &b->link);
		return b;
	}
	return NULL;
}

void batches_feed(struct pg_pool *p)
{
	for (struct list *i = p->lanes[LANE_WRITER].next; i != &p->lanes[LANE_WRITER]; i = i->next) {
		struct lane *l = CONTAINER_OF(i, struct lane, link);
		if (l->state != LANE_READY || lane_busy(l)) continue;
		struct pg_batch *b = next_batch(p, l);
		if (b) take_off(b, l);
	}
	for (struct list *i = p->lanes[LANE_SHARED].next; i != &p->lanes[LANE_SHARED]; i = i->next) {
		struct lane *l = CONTAINER_OF(i, struct lane, link);
		if (l->state != LANE_READY) continue;
		for (struct pg_batch *b; (b = next_batch(p, l));) take_off(b, l);
	}
}

struct ord_row {
	int64_t ord;
	unsigned row;
};

/* Gives each member its rows; they must stand together, as `order by ord` or a batch of single rows has them. */
static void hand_out(struct flight *f, const struct pg_outcome *o)
{
	const struct pg_result *r = o->results[0];
	unsigned rows = pg_rows(r);
	int ord = pg_column(r, "ord");
	unsigned first[PG_BATCH_MAX], count[PG_BATCH_MAX];
	bool sorted = ord >= 0 || rows == 0;
	memset(first, 0, sizeof first);
	memset(count, 0, sizeof count);
	int64_t last = 0;
	for (unsigned row = 0; row < rows && sorted; row++) {
		int64_t v = pg_get_i64(r, row, (unsigned)ord, 0);
		if (v < 1 || v > f->count || (v != last && count[v - 1])) {
			sorted = false;
			break;
		}
		if (v != last) first[v - 1] = row;
		count[v - 1]++;
		last = v;
	}
	struct pg_outcome broken = { .err = ERR_SQL, .message = STR("rows of a batch are not grouped by ord") };
	for (unsigned i = 0; i < f->count; i++)
		if (sorted)
			answer(f->members[i], o, r, first[i], count[i]);
		else
			answer(f->members[i], &broken, NULL, 0, 0);
}

/* A batch was refused: each member alone. Nothing of the batch stands, so sending again is safe. */
static void split(struct flight *f)
{
	struct pg_batch *b = f->batch;
	struct pg_pool *p = b->pool;
	struct lane *lane = NULL;
	for (struct list *i = p->lanes[role_of(b)].next; i != &p->lanes[role_of(b)]; i = i->next) {
		struct lane *l = CONTAINER_OF(i, struct lane, link);
		if (l->state == LANE_READY && lane_knows(l, b->statement) && (!lane || l == f->lane)) lane = l;
	}
	struct pg_outcome lost = { .err = ERR_UNAVAILABLE };
	for (unsigned i = 0; i < f->count; i++) {
		struct member *m = f->members[i];
		f->members[i] = NULL;
		if (!m->done || !lane) {
			answer(m, &lost, NULL, 0, 0);
			free(m);
			continue;
		}
		struct flight *single = flight_new(b, 1);
		single->members[single->count++] = m;
		send_flight(lane, single, on_single);
	}
}

static void fail_flight(struct flight *f, const struct pg_outcome *o)
{
	for (unsigned i = 0; i < f->count; i++) answer(f->members[i], o, NULL, 0, 0);
}

/* The server refused the statement itself, so that trying the members alone makes sense. */
static bool is_refusal(enum err e)
{
	return e == ERR_CONSTRAINT || e == ERR_SQL || e == ERR_RETRY;
}

static void flight_end(struct flight *f)
{
	struct pg_batch *b = f->batch;
	if (b->waiting_count) pool_wake_database(b->pool);
	flight_free(f);
	free_if_orphan(b);
}

static void on_single(void *arg, const struct pg_outcome *o)
{
	struct flight *f = arg;
	if (o->err)
		fail_flight(f, o);
	else
		hand_out(f, o);
	flight_end(f);
}

static void on_flight(void *arg, const struct pg_outcome *o)
{
	struct flight *f = arg;
	if (f->count > 1 && is_refusal(o->err) && !f->batch->pool->dying) {
		split(f);
		flight_end(f);
		return;
	}
	on_single(arg, o);
}

bool batches_waiting(const struct pg_pool *p)
{
	for (struct list *i = p->batches.next; i != &p->batches; i = i->next)
		if (CONTAINER_OF(i, struct pg_batch, link)->waiting_count) return true;
	return false;
}

/* Members whose time is over: those waiting leave; those in flight hear now, and their effect is unknown. */
void batches_tick(struct pg_pool *p, int64_t now_ms)
{
	for (struct list *i = p->batches.next; i != &p->batches; i = i->next) {
		struct pg_batch *b = CONTAINER_OF(i, struct pg_batch, link);
		for (struct list *w = b->waiting.next, *next; w != &b->waiting; w = next) {
			next = w->next;
			if (CONTAINER_OF(w, struct member, link)->deadline_ms > now_ms) continue;
			list_remove(w);
			list_push(&p->expired_members, w);
			b->waiting_count--;
		}
		for (struct list *w = b->flights.next; w != &b->flights; w = w->next) {
			struct flight *f = CONTAINER_OF(w, struct flight, link);
			for (unsigned k = 0; k < f->count; k++) {
				struct member *m = f->members[k];
				if (!m->done || m->deadline_ms > now_ms) continue;
				struct member *stub = malloc(sizeof *stub);
				CHECK(stub != NULL);
				*stub = (struct member){ .done = m->done, .arg = m->arg };
				m->done = NULL;
				list_push(&p->expired_members, &stub->link);
			}
		}
	}
	if (!list_empty(&p->expired_members)) pool_wake_run(p);
}

void batches_deliver(struct pg_pool *p)
{
	fail_list(&p->expired_members, ERR_TIMEOUT);
}

/* The pool goes; batches stay until their owner frees them, but nothing may be added any more. */
void batches_fail_all(struct pg_pool *p)
{
	fail_list(&p->expired_members, ERR_TIMEOUT);
	for (struct list *i; (i = list_shift(&p->batches));) {
		struct pg_batch *b = CONTAINER_OF(i, struct pg_batch, link);
		b->waiting_count = 0;
		fail_list(&b->waiting, ERR_UNAVAILABLE); /* b may be gone now */
	}
}
