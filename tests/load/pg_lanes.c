/* How fast the lanes are, next to pgbench: point reads kept in flight on shared lanes, inserts through a batch.
 * Usage: pg_lanes <conninfo> read|write <in flight> <seconds>. Needs pgbench's tables (scale 10) and load_gift (see pg_lanes.sh). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/core/clock.h"
#include "common/pg/batch.h"
#include "common/pg/pool.h"

struct load {
	struct loop *loop;
	struct pg_pool *pool;
	struct pg_batch *batch;
	struct timer *timer;
	const struct pg_statement *read;
	uint64_t done, failed;
	int64_t from_ns;
	int seconds;
	unsigned in_flight;
	bool writes, running, stopping;
};

static void start_one(struct load *l);

static void finished(struct load *l, enum err e)
{
	l->done++;
	l->failed += e != ERR_NONE;
	if (!l->stopping) start_one(l);
}

static void on_read(void *arg, const struct pg_outcome *o)
{
	finished(arg, o->err);
}

static void on_write(void *arg, const struct pg_outcome *o, const struct pg_result *r, unsigned first, unsigned count)
{
	(void)r, (void)first;
	finished(arg, o->err ? o->err : count == 1 ? ERR_NONE : ERR_SQL);
}

static void start_one(struct load *l)
{
	char id[24];
	int64_t deadline = loop_now_ms(l->loop) + 10000;
	snprintf(id, sizeof id, "%d", (int)(random() % 1000000) + 1);
	struct pg_value v[] = { { str_of(id) }, { STR("a gift of a hundred characters or so, as people write them") } };
	struct pg_call call = { l->read, v };
	enum err e = l->writes ? pg_batch_add(l->batch, v, deadline, on_write, l)
			       : pg_send(l->pool, PG_READ, &call, 1, deadline, on_read, l);
	CHECK(e == ERR_NONE);
}

static double cpu_s(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void on_timer(void *arg)
{
	struct load *l = arg;
	struct pg_stats st = pg_pool_stats(l->pool);
	if (!l->running) {
		if (st.connected != st.lanes) return;
		l->running = true;
		l->from_ns = clock_mono_ns();
		for (unsigned i = 0; i < l->in_flight; i++) start_one(l);
		timer_start(l->timer, l->seconds * 1000, 0);
		return;
	}
	double s = (double)(clock_mono_ns() - l->from_ns) / 1e9;
	printf("%s: %.0f/s, %llu failed, %.1f per sync, client %.1f us each\n", l->writes ? "write" : "read",
	    (double)l->done / s, (unsigned long long)l->failed, (double)l->done / (double)(st.syncs ? st.syncs : 1),
	    cpu_s() * 1e6 / (double)l->done);
	l->stopping = true;
	loop_stop(l->loop);
}

static void add(struct arena *a, struct pg_statement_set *set, const char *name, const char *text)
{
	struct pg_statement *s;
	struct buf report;
	buf_init(&report, 4096);
	enum err e = pg_statement_parse(a, str_of(name), str_of(name), str_of(text), &s, &report);
	CHECK(e == ERR_NONE && pg_statement_set_add(a, set, s));
	buf_free(&report);
}

int main(int argc, char **argv)
{
	struct arena a;
	struct pg_statement_set set;
	if (argc != 5) return 2;
	struct load l = { .loop = loop_new(),
		.writes = strcmp(argv[2], "write") == 0,
		.in_flight = (unsigned)atol(argv[3]),
		.seconds = (int)atol(argv[4]) };
	arena_init(&a, 65536, 1 << 20);
	pg_statement_set_init(&set, &a);
	add(&a, &set, "point",
	    "-- shape: one\n-- tx: read\nselect abalance from pgbench_accounts where aid = :id::int\n");
	add(&a, &set, "gift",
	    "-- shape: one\n-- tx: write\n-- batch: 64\nwith n as (select nextval('load_gift_id_seq') as id, ord, "
	    ":amount::int as amount, :message::text as message from input), i as (insert into load_gift (id, amount, "
	    "message) select id, amount, message from n returning id) select id, ord from n order by ord\n");
	l.read = pg_statement_find(&set, STR("point"));
	struct pg_pool_config config = { .conninfo = str_of(argv[1]) };
	l.pool = pg_pool_new(l.loop, &config, &set);
	l.batch = pg_batch_new(l.pool, pg_statement_find(&set, STR("gift")));
	l.timer = timer_new(l.loop, on_timer, &l);
	timer_start(l.timer, 100, 100);
	loop_run(l.loop);
	pg_batch_free(l.batch);
	pg_pool_free(l.pool);
	timer_free(l.timer);
	loop_free(l.loop);
	arena_release(&a);
	return l.failed != 0;
}
