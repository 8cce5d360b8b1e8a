/* Lanes against a real server: values, isolation of errors, lost connections, time limits, retries, sessions, re-linking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/support/pg_fixture.c"
#include "tests/support/pg_sync.c"

#define READ  "-- shape: one\n-- tx: read\n"
#define WRITE "-- shape: one\n-- tx: write\n"

static const char *const statements[] = {
	"echo",
	READ "select :a::text, :b::int\n",
	"divide",
	READ "select 10 / :a::int\n",
	"nap",
	READ "select 'rested' from pg_sleep(:a::float8)\n",
	"wnap",
	WRITE "insert into t values (pg_sleep(:a::float8)::text is null, 77) returning id\n",
	"insert",
	WRITE "insert into t values (true, :id::int) returning id\n",
	"late",
	WRITE "insert into child values (:id::int) returning id\n",
	"bump",
	WRITE "update counter set n = n + 1 returning n\n",
	"turn",
	WRITE "select serial_once()\n",
	"pid",
	READ "select pg_backend_pid()\n",
	"many",
	READ "select repeat('x', 1000) from generate_series(1, :n::int)\n",
	"count",
	READ "select count(*) from t where id = :id::int\n",
	"who",
	READ "select current_setting('yg.subject', true)\n",
	"identity_set",
	READ "select set_config('yg.subject', :who::text, true)\n",
	"pair",
	"-- shape: one\n-- tx: read\n-- batch: 4\nselect :a::text || '!' as v, ord from input order by ord\n",
	NULL,
};

static struct arena memory;
static struct pg_statement_set set;
static struct pg_pool_config config;
static struct pg_sync sync_;

static const struct pg_statement *st(const char *name)
{
	return pg_sync_find(&set, name);
}

static int setup_all(void **state)
{
	(void)state;
	config = (struct pg_pool_config){ .conninfo = pg_fixture_start(), .application_name = "unit" };
	arena_init(&memory, 65536, 16 * 1024 * 1024);
	pg_fixture_sql(
	    "create table t (flag boolean, id int primary key constraint id_small check (id < 1000));"
	    "create table parent (id int primary key);"
	    "create table child (id int constraint child_parent references parent deferrable initially deferred);"
	    "create table counter (n int); insert into counter values (0);"
	    "create sequence tries;"
	    "create function serial_once() returns text language plpgsql as $$ begin"
	    " if nextval('tries') % 3 <> 0 then raise exception using errcode = '40001'; end if;"
	    " return 'at last'; end $$");
	pg_sync_set(&memory, &set, statements);
	return 0;
}

static int teardown_all(void **state)
{
	(void)state;
	arena_release(&memory);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	pg_sync_start(&sync_, &config, &set);
	pg_sync_ready(&sync_);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pg_sync_stop(&sync_);
	return 0;
}

static void values(void **state)
{
	(void)state;
	struct pg_answer a = { 0 };
	const char *v[] = { "你好 '\"\\", NULL };
	assert_int_equal(pg_sync_send(&sync_, &a, PG_READ, st("echo"), v, 5000), ERR_NONE);
	assert_int_equal(a.calls, 0); /* never inside pg_send */
	pg_sync_wait(&sync_);
	assert_int_equal(a.err, ERR_NONE);
	assert_string_equal(a.text, "你好 '\"\\");
	struct pg_value nul[] = { { STR("a\0b") }, { STR_NONE } };
	struct pg_call call = { st("echo"), nul };
	assert_int_equal(pg_send(sync_.pool, PG_READ, &call, 1, INT64_MAX, pg_sync_done, &a), ERR_VALIDATION_FAILED);
	struct pg_answer b = { 0 };
	const char *pair[] = { "x\"y" };
	assert_int_equal(pg_sync_send(&sync_, &b, PG_READ, st("pair"), pair, 5000), ERR_NONE);
	pg_sync_wait(&sync_);
	assert_string_equal(b.text, "x\"y!"); /* a batch statement alone */
}

/* 60 reads of one turn, three of which fail: the others get their answers, and one sync per lane carried the first try. */
static void read_errors_stay_alone(void **state)
{
	(void)state;
	struct pg_answer a[60] = { 0 };
	uint64_t syncs = pg_pool_stats(sync_.pool).syncs;
	for (unsigned i = 0; i < 60; i++) {
		const char *v[] = { i % 20 == 7 ? "0" : "5" };
		assert_int_equal(pg_sync_send(&sync_, &a[i], PG_READ, st("divide"), v, 5000), ERR_NONE);
	}
	pg_sync_wait(&sync_);
	for (unsigned i = 0; i < 60; i++) {
		assert_int_equal(a[i].calls, 1);
		assert_int_equal(a[i].err, i % 20 == 7 ? ERR_SQL : ERR_NONE);
		assert_string_equal(i % 20 == 7 ? a[i].sqlstate : a[i].text, i % 20 == 7 ? "22012" : "2");
	}
	assert_true(pg_pool_stats(sync_.pool).syncs - syncs >= 4);
	syncs = pg_pool_stats(sync_.pool).syncs;
	for (unsigned i = 0; i < 60; i++) {
		const char *v[] = { "5" };
		a[i] = (struct pg_answer){ 0 };
		assert_int_equal(pg_sync_send(&sync_, &a[i], PG_READ, st("divide"), v, 5000), ERR_NONE);
	}
	pg_sync_wait(&sync_);
	assert_int_equal(pg_pool_stats(sync_.pool).syncs - syncs, 2);
}

static void writes_stand_alone(void **state)
{
	(void)state;
	struct pg_answer a[4] = { 0 };
	const char *ids[] = { "1", "1", "2000", "2" };
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pg_sync_send(&sync_, &a[i], PG_WRITE, st("insert"), &ids[i], 5000), ERR_NONE);
	pg_sync_wait(&sync_);
	/* Two lanes: which of the equal ids was first is not said. */
	assert_int_equal((a[0].err == ERR_NONE) + (a[1].err == ERR_NONE), 1);
	assert_string_equal(a[0].err ? a[0].constraint : a[1].constraint, "t_pkey");
	assert_int_equal(a[2].err, ERR_CONSTRAINT);
	assert_string_equal(a[2].constraint, "id_small");
	assert_int_equal(a[3].err, ERR_NONE);
	assert_string_equal(pg_fixture_value("select count(*) from t"), "2");
}

/* The implicit COMMIT itself fails: the statement's success must not be believed. */
static void deferred_constraint(void **state)
{
	(void)state;
	struct pg_answer a = { 0 }, b = { 0 };
	const char *v[] = { "5" };
	assert_int_equal(pg_sync_send(&sync_, &a, PG_WRITE, st("late"), v, 5000), ERR_NONE);
	pg_sync_wait(&sync_);
	assert_int_equal(a.err, ERR_CONSTRAINT);
	assert_string_equal(a.constraint, "child_parent");
	const char *e[] = { "still here", "1" };
	assert_int_equal(pg_sync_send(&sync_, &b, PG_READ, st("echo"), e, 5000), ERR_NONE);
	pg_sync_wait(&sync_);
	assert_string_equal(b.text, "still here");
	assert_int_equal(pg_pool_stats(sync_.pool).reconnects, 0);
}

/* Settings of the group hold for the group only. */
static void group_is_a_transaction(void **state)
{
	(void)state;
	struct pg_value who[] = { { STR("u1") } };
	struct pg_call calls[] = { { st("identity_set"), who }, { st("who"), NULL } };
	struct pg_answer a = { .owner = &sync_ }, b = { 0 };
	assert_int_equal(pg_send(sync_.pool, PG_WRITE, calls, 2, INT64_MAX, pg_sync_done, &a), ERR_NONE);
	sync_.pending++;
	pg_sync_wait(&sync_);
	assert_int_equal(a.results, 2);
	assert_string_equal(a.text, "u1");
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pg_sync_send(&sync_, &b, PG_READ, st("who"), NULL, 5000), ERR_NONE);
		pg_sync_wait(&sync_);
		assert_string_equal(b.text, "");
	}
}

static void serialization_retry(void **state)
{
	(void)state;
	struct pg_answer a = { 0 };
	assert_int_equal(pg_sync_send(&sync_, &a, PG_WRITE, st("turn"), NULL, 5000), ERR_NONE);
	pg_sync_wait(&sync_);
	assert_int_equal(a.err, ERR_NONE);
	assert_string_equal(a.text, "at last");
	assert_int_equal(pg_pool_stats(sync_.pool).retries, 2);
	pg_fixture_sql("create or replace function serial_once() returns text language plpgsql as $$ begin"
		       " raise exception using errcode = '40P01'; end $$");
	a = (struct pg_answer){ 0 };
	assert_int_equal(pg_sync_send(&sync_, &a, PG_WRITE, st("turn"), NULL, 5000), ERR_NONE);
	pg_sync_wait(&sync_);
	assert_int_equal(a.err, ERR_RETRY);
	assert_string_equal(a.sqlstate, "40P01");
	assert_int_equal(pg_pool_stats(sync_.pool).retries, 5);
}

/* The server ends all our connections while statements run: reads are asked again, writes are unknown. */
static void killed_backends(void **state)
{
	(void)state;
	struct pg_answer reads[8] = { 0 }, writes[4] = { 0 };
	const char *nap[] = { "0.4" };
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pg_sync_send(&sync_, &writes[i], PG_WRITE, st("wnap"), nap, 20000), ERR_NONE);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pg_sync_send(&sync_, &reads[i], PG_READ, st("nap"), nap, 20000), ERR_NONE);
	pg_sync_sleep(&sync_, 150);
	pg_fixture_sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'unit'");
	pg_sync_wait(&sync_);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(reads[i].calls, 1);
		assert_int_equal(reads[i].err, ERR_NONE);
		assert_string_equal(reads[i].text, "rested");
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(writes[i].calls, 1);
		assert_int_equal(writes[i].err, ERR_UNAVAILABLE);
	}
	assert_true(pg_pool_stats(sync_.pool).reconnects >= 2);
	assert_string_equal(pg_fixture_value("select count(*) from t where id = 77"), "0");
}

static void server_gone_and_back(void **state)
{
	(void)state;
	struct pg_answer a = { 0 };
	const char *nap[] = { "0.5" }, *e[] = { "x", "1" };
	assert_int_equal(pg_sync_send(&sync_, &a, PG_READ, st("nap"), nap, 400), ERR_NONE);
	pg_sync_sleep(&sync_, 50);
	pg_fixture_kill();
	pg_sync_wait(&sync_);
	assert_int_equal(a.err, ERR_TIMEOUT); /* its deadline, while nothing was connected */
	pg_sync_sleep(&sync_, 100);
	assert_false(pg_pool_ready(sync_.pool));
	assert_int_equal(pg_sync_send(&sync_, &a, PG_READ, st("echo"), e, 400), ERR_UNAVAILABLE);
	pg_fixture_up();
	pg_sync_ready(&sync_);
	a = (struct pg_answer){ 0 };
	assert_int_equal(pg_sync_send(&sync_, &a, PG_READ, st("echo"), e, 5000), ERR_NONE);
	pg_sync_wait(&sync_);
	assert_string_equal(a.text, "x");
}

static void deadlines(void **state)
{
	(void)state;
	struct pg_answer slow[2] = { 0 }, behind = { 0 };
	const char *nap[] = { "0.6" }, *e[] = { "x", "1" };
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pg_sync_send(&sync_, &slow[i], PG_READ, st("nap"), nap, 100), ERR_NONE);
	assert_int_equal(pg_sync_send(&sync_, &behind, PG_READ, st("echo"), e, 5000), ERR_NONE);
	int64_t from = loop_now_ms(sync_.loop);
	sync_.pending--; /* stop when the two have been told */
	pg_sync_wait(&sync_);
	assert_int_equal(slow[0].err, ERR_TIMEOUT);
	assert_int_equal(slow[1].err, ERR_TIMEOUT);
	assert_true(loop_now_ms(sync_.loop) - from < 400);
	sync_.pending++;
	pg_sync_wait(&sync_);
	assert_int_equal(behind.err, ERR_NONE); /* the slow statement ran on, and its neighbour got its answer */
	assert_int_equal(slow[0].calls, 1);
}

static void statement_timeout(void **state)
{
	(void)state;
	struct pg_sync mine;
	struct pg_pool_config quick = config;
	quick.statement_timeout_ms = 200;
	quick.shared_lanes = 1;
	pg_sync_start(&mine, &quick, &set);
	pg_sync_ready(&mine);
	struct pg_answer a = { 0 }, b = { 0 };
	const char *nap[] = { "5" }, *e[] = { "x", "1" };
	assert_int_equal(pg_sync_send(&mine, &a, PG_READ, st("nap"), nap, 5000), ERR_NONE);
	assert_int_equal(pg_sync_send(&mine, &b, PG_READ, st("echo"), e, 5000), ERR_NONE);
	pg_sync_wait(&mine);
	assert_int_equal(a.err, ERR_TIMEOUT);
	assert_string_equal(a.sqlstate, "57014");
	assert_int_equal(b.err, ERR_NONE);
	pg_sync_stop(&mine);
}

/* The settings of one reader's group must not be seen by another's, though both leave in the same turn. */
static void readers_stay_apart(void **state)
{
	(void)state;
	struct pg_answer with[20] = { 0 }, without[20] = { 0 };
	for (unsigned i = 0; i < 20; i++) {
		struct pg_value who[] = { { STR("u1") } };
		struct pg_call calls[] = { { st("identity_set"), who }, { st("who"), NULL } };
		with[i].owner = &sync_;
		assert_int_equal(pg_send(sync_.pool, PG_READ, calls, 2, INT64_MAX, pg_sync_done, &with[i]), ERR_NONE);
		sync_.pending++;
		assert_int_equal(pg_sync_send(&sync_, &without[i], PG_READ, st("who"), NULL, 5000), ERR_NONE);
	}
	pg_sync_wait(&sync_);
	for (unsigned i = 0; i < 20; i++) {
		assert_string_equal(with[i].text, "u1");
		assert_string_equal(without[i].text, "");
	}
}

/* A server process that stops answering: the lane is broken off after the time limit and two seconds, the read asked again. */
static void mute_server(void **state)
{
	(void)state;
	struct pg_sync mine;
	struct pg_pool_config quick = config;
	struct pg_answer pid = { 0 }, a = { 0 }, w = { 0 };
	const char *e[] = { "x", "1" }, *id[] = { "500" };
	quick.statement_timeout_ms = 200;
	quick.shared_lanes = 1;
	pg_sync_start(&mine, &quick, &set);
	pg_sync_ready(&mine);
	assert_int_equal(pg_sync_send(&mine, &pid, PG_READ, st("pid"), NULL, 5000), ERR_NONE);
	pg_sync_wait(&mine);
	assert_int_equal(kill((pid_t)atol(pid.text), SIGSTOP), 0);
	assert_int_equal(pg_sync_send(&mine, &a, PG_READ, st("echo"), e, 10000), ERR_NONE);
	assert_int_equal(pg_sync_send(&mine, &w, PG_WRITE, st("insert"), id, 10000), ERR_NONE);
	pg_sync_wait(&mine);
	assert_int_equal(kill((pid_t)atol(pid.text), SIGCONT), 0);
	assert_int_equal(a.err, ERR_NONE);
	assert_string_equal(a.text, "x");
	assert_int_equal(w.err, ERR_UNAVAILABLE);
	pg_sync_stop(&mine);
}

static void bounded(void **state)
{
	(void)state;
	struct pg_sync mine;
	struct pg_pool_config small = config;
	small.queue_max = 4;
	pg_sync_start(&mine, &small, &set);
	pg_sync_ready(&mine);
	struct pg_answer a[9] = { 0 };
	const char *e[] = { "x", "1" };
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pg_sync_send(&mine, &a[i], PG_READ, st("echo"), e, 5000), ERR_NONE);
	assert_int_equal(pg_sync_send(&mine, &a[8], PG_READ, st("echo"), e, 5000), ERR_BUSY);
	pg_sync_wait(&mine);
	assert_int_equal(a[7].err, ERR_NONE);
	const char *nap[] = { "0.3" };
	a[0] = (struct pg_answer){ 0 };
	assert_int_equal(pg_sync_send(&mine, &a[0], PG_READ, st("nap"), nap, 5000), ERR_NONE);
	pg_sync_stop(&mine); /* with a group in flight */
	assert_int_equal(a[0].calls, 1);
	assert_int_equal(a[0].err, ERR_UNAVAILABLE);
}

/* Large answers while many statements are under way: nothing stalls, nothing is mixed up. */
static void large_results(void **state)
{
	(void)state;
	struct pg_answer a[40] = { 0 };
	const char *n[] = { "3000" };
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(pg_sync_send(&sync_, &a[i], PG_READ, st("many"), n, 30000), ERR_NONE);
	pg_sync_wait(&sync_);
	for (unsigned i = 0; i < 40; i++) assert_int_equal(a[i].rows, 3000);
}

static void on_session(void *arg, enum err status, struct pg_session *s)
{
	assert_int_equal(status, ERR_NONE);
	*(struct pg_session **)arg = s;
	if (--sync_.pending == 0) loop_stop(sync_.loop);
}

static struct pg_session *open_session(void)
{
	struct pg_session *s = NULL;
	assert_int_equal(pg_session_open(sync_.pool, loop_now_ms(sync_.loop) + 5000, on_session, &s), ERR_NONE);
	sync_.pending++;
	pg_sync_wait(&sync_);
	assert_non_null(s);
	return s;
}

static void session_insert(struct pg_session *s, const char *id, struct pg_answer *a)
{
	struct pg_value v[] = { { str_of(id) } };
	struct pg_call call = { st("insert"), v };
	*a = (struct pg_answer){ .owner = &sync_ };
	assert_int_equal(pg_session_send(s, &call, 1, pg_sync_done, a), ERR_NONE);
	assert_int_equal(pg_session_send(s, &call, 1, pg_sync_done, a), ERR_BUSY);
	sync_.pending++;
	pg_sync_wait(&sync_);
}

static void session_end(struct pg_session *s, bool commit, struct pg_answer *a)
{
	*a = (struct pg_answer){ .owner = &sync_ };
	sync_.pending++;
	pg_session_end(s, commit, pg_sync_done, a);
	pg_sync_wait(&sync_);
	assert_int_equal(a->calls, 1);
}

static void sessions(void **state)
{
	(void)state;
	struct pg_answer a;
	struct pg_session *one = open_session(), *two = open_session();
	session_insert(one, "101", &a);
	assert_string_equal(a.text, "101");
	assert_int_equal(a.results, 1); /* BEGIN is not shown */
	session_insert(one, "102", &a);
	session_insert(two, "103", &a);
	assert_string_equal(pg_fixture_value("select count(*) from t where id > 100"), "0");
	session_end(one, true, &a);
	assert_int_equal(a.err, ERR_NONE);
	session_end(two, false, &a);
	assert_int_equal(a.err, ERR_NONE);
	assert_string_equal(pg_fixture_value("select count(*) from t where id > 100"), "2");
	one = open_session(); /* the connection is used again, and a failed transaction does not commit */
	session_insert(one, "104", &a);
	session_insert(one, "104", &a);
	assert_int_equal(a.err, ERR_CONSTRAINT);
	session_end(one, true, &a);
	assert_int_equal(a.err, ERR_ABORTED);
	assert_string_equal(pg_fixture_value("select count(*) from t where id = 104"), "0");
	one = open_session();
	session_end(one, true, &a); /* nothing was done */
	assert_int_equal(a.err, ERR_NONE);
	assert_true(pg_pool_stats(sync_.pool).lanes <= 2 + 1 + 2);
}

static void send_apart_within(struct pg_answer *a, const char *name, const char *value, int64_t ms)
{
	struct pg_value v[] = { { str_of(value) } };
	struct pg_call call = { st(name), v };
	*a = (struct pg_answer){ .owner = &sync_ };
	assert_int_equal(pg_send_apart(sync_.pool, &call, 1, loop_now_ms(sync_.loop) + ms, pg_sync_done, a), ERR_NONE);
	assert_int_equal(a->calls, 0);
	sync_.pending++;
}

static void send_apart(struct pg_answer *a, const char *name, const char *value)
{
	send_apart_within(a, name, value, 1000);
}

/* One transaction on a lane that nobody shares: it may wait for a lock, is undone and repeated like others, and gives the lane back. */
static void apart(void **state)
{
	(void)state;
	struct pg_answer a[4];
	send_apart(&a[0], "insert", "120");
	send_apart(&a[1], "insert", "121");
	send_apart(&a[2], "insert", "122"); /* waits for one of the two lanes */
	pg_sync_wait(&sync_);
	for (unsigned i = 0; i < 3; i++) assert_int_equal(a[i].err, ERR_NONE);
	assert_string_equal(pg_fixture_value("select count(*) from t where id between 120 and 122"), "3");
	send_apart(&a[0], "late", "5"); /* fails at COMMIT */
	send_apart(&a[1], "insert", "120");
	pg_sync_wait(&sync_);
	assert_int_equal(a[0].err, ERR_CONSTRAINT);
	assert_string_equal(a[0].constraint, "child_parent");
	assert_int_equal(a[1].err, ERR_CONSTRAINT);
	assert_string_equal(pg_fixture_value("select count(*) from child"), "0");
	pg_fixture_sql("alter sequence tries restart;"
		       "create or replace function serial_once() returns text language plpgsql as $$ begin"
		       " if nextval('tries') % 3 <> 0 then raise exception using errcode = '40001'; end if;"
		       " return 'at last'; end $$");
	send_apart(&a[0], "turn", "");
	pg_sync_wait(&sync_);
	assert_int_equal(a[0].err, ERR_NONE);
	assert_string_equal(a[0].text, "at last");
	pg_fixture_sql("alter sequence tries restart;"
		       "create or replace function serial_once() returns text language plpgsql as $$ begin"
		       " perform pg_sleep(0.4);"
		       " if nextval('tries') % 3 <> 0 then raise exception using errcode = '40001'; end if;"
		       " return 'too late'; end $$");
	send_apart(&a[0], "turn", ""); /* 1.2 s in all: each try has what the one before it left */
	pg_sync_wait(&sync_);
	assert_int_equal(a[0].err, ERR_TIMEOUT);
	struct pg_session *held = open_session(), *other = open_session();
	session_insert(held, "130", &a[0]); /* the row's key is taken until the end */
	session_end(other, false, &a[1]);
	send_apart_within(&a[1], "insert", "130", 20000);
	struct pg_answer shared = { .owner = &sync_ };
	const char *same[] = { "130" };
	assert_int_equal(pg_sync_send(&sync_, &shared, PG_WRITE, st("insert"), same, 5000), ERR_NONE);
	while (!shared.calls) pg_sync_sleep(&sync_, 20);
	assert_int_equal(shared.err, ERR_RETRY); /* there a lock is not waited for so long */
	assert_int_equal(a[1].calls, 0);
	session_end(held, false, &a[2]);
	pg_sync_wait(&sync_);
	assert_int_equal(a[1].err, ERR_NONE);
	held = open_session(), other = open_session();
	send_apart(&a[0], "insert", "131");
	assert_int_equal(pg_pool_stats(sync_.pool).queued, 1); /* what waits for a lane shows in the metrics */
	pg_sync_sleep(&sync_, 1300);
	assert_int_equal(pg_pool_stats(sync_.pool).queued, 0);
	assert_int_equal(a[0].err, ERR_TIMEOUT); /* no lane came in time */
	session_end(held, false, &a[1]);
	session_end(other, false, &a[1]);
	held = open_session();
	session_insert(held, "132", &a[0]);
	send_apart(&a[1], "insert", "132");
	for (unsigned i = 0; i < 40 && !a[1].calls; i++) pg_sync_sleep(&sync_, 100);
	assert_int_equal(a[1].calls, 1);
	assert_int_equal(a[1].err, ERR_TIMEOUT); /* who asked has gone: it is not done later */
	session_end(held, false, &a[2]);
	assert_string_equal(pg_fixture_value("select count(*) from t where id = 132"), "0");
	send_apart_within(&a[0], "insert", "133", 60000); /* the limit was the other's only */
	pg_sync_wait(&sync_);
	assert_int_equal(a[0].err, ERR_NONE);
}

/* What waits in the database for a process that has ended is undone when its turn comes, and does not wait on. */
static void apart_of_the_gone(void **state)
{
	(void)state;
	struct pg_sync mine;
	struct pg_session *held = open_session();
	struct pg_value v[] = { { STR("140") } };
	struct pg_call call = { st("insert"), v };
	struct pg_answer a, b = { .owner = &mine };
	session_insert(held, "140", &a);
	pg_sync_start(&mine, &config, &set);
	pg_sync_ready(&mine);
	assert_int_equal(
	    pg_send_apart(mine.pool, &call, 1, loop_now_ms(mine.loop) + 60000, pg_sync_done, &b), ERR_NONE);
	mine.pending++;
	const char *waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
	for (unsigned i = 0; i < 50 && strcmp(pg_fixture_value(waiting), "1") != 0; i++) pg_sync_sleep(&mine, 100);
	assert_string_equal(pg_fixture_value(waiting), "1");
	pg_sync_stop(&mine);
	assert_int_equal(b.err, ERR_UNAVAILABLE);
	for (unsigned i = 0; i < 50 && strcmp(pg_fixture_value(waiting), "0") != 0; i++) pg_sync_sleep(&sync_, 100);
	assert_string_equal(pg_fixture_value(waiting), "0");
	session_end(held, false, &a);
	assert_string_equal(pg_fixture_value("select count(*) from t where id = 140"), "0");
}

static void session_lost_midway(void **state)
{
	(void)state;
	struct pg_answer a;
	struct pg_session *s = open_session();
	session_insert(s, "110", &a);
	pg_fixture_sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'unit'");
	pg_sync_sleep(&sync_, 100);
	struct pg_value v[] = { { STR("111") } };
	struct pg_call call = { st("insert"), v };
	a = (struct pg_answer){ .owner = &sync_ };
	enum err e = pg_session_send(s, &call, 1, pg_sync_done, &a);
	if (e == ERR_NONE) { /* a busy machine has not noticed yet: then the answer says it */
		sync_.pending++;
		pg_sync_wait(&sync_);
		e = a.err;
	}
	assert_int_equal(e, ERR_UNAVAILABLE);
	session_end(s, true, &a);
	assert_int_equal(a.err, ERR_UNAVAILABLE);
	assert_string_equal(pg_fixture_value("select count(*) from t where id = 110"), "0");
}

static void set_released(void *arg)
{
	*(bool *)arg = true;
}

static void relink(void **state)
{
	(void)state;
	static const char *const newer[] = { "echo", READ "select 'new ' || :a::text, :b::int\n", "extra",
		READ "select 'extra'\n", "divide", READ "select 10 / :a::int\n", NULL };
	struct pg_statement_set next;
	bool released = false;
	struct pg_answer a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
	const char *e[] = { "x", "1" }, *five[] = { "5" };
	pg_sync_set(&memory, &next, newer);
	pg_pool_relink(sync_.pool, &next, set_released, &released);
	assert_int_equal(pg_sync_send(&sync_, &a, PG_READ, st("echo"), e, 5000), ERR_NONE);
	assert_int_equal(pg_sync_send(&sync_, &b, PG_READ, pg_sync_find(&next, "echo"), e, 5000), ERR_NONE);
	assert_int_equal(pg_sync_send(&sync_, &c, PG_READ, pg_sync_find(&next, "extra"), NULL, 5000), ERR_NONE);
	pg_sync_wait(&sync_);
	assert_string_equal(a.text, "x");
	assert_string_equal(b.text, "new x");
	assert_string_equal(c.text, "extra");
	for (unsigned i = 0; i < 100 && !released; i++) pg_sync_sleep(&sync_, 100);
	assert_true(released);
	assert_int_equal(pg_pool_stats(sync_.pool).lanes, 2); /* no batch statement in the new set: no writer */
	assert_int_equal(pg_sync_send(&sync_, &a, PG_READ, st("echo"), e, 5000), ERR_UNAVAILABLE);
	assert_int_equal(pg_sync_send(&sync_, &d, PG_READ, st("divide"), five, 5000), ERR_NONE); /* same text in both */
	pg_sync_wait(&sync_);
	assert_string_equal(d.text, "2");
}

static void several_hosts(void **state)
{
	(void)state;
	char conninfo[400];
	struct pg_sync mine;
	struct pg_pool_config two = config;
	/* The first host is a folder without a server. */
	snprintf(conninfo, sizeof conninfo, "host=/tmp,%.*s",
	    (int)(strchr(config.conninfo.p, ' ') - config.conninfo.p - 5), config.conninfo.p + 5);
	snprintf(conninfo + strlen(conninfo), sizeof conninfo - strlen(conninfo),
	    " port=5431,5432 user=postgres dbname=postgres target_session_attrs=read-write");
	two.conninfo = str_of(conninfo);
	pg_sync_start(&mine, &two, &set);
	pg_sync_ready(&mine);
	struct pg_answer a = { 0 };
	const char *e[] = { "x", "1" };
	assert_int_equal(pg_sync_send(&mine, &a, PG_READ, st("echo"), e, 5000), ERR_NONE);
	pg_sync_wait(&mine);
	assert_string_equal(a.text, "x");
	pg_sync_stop(&mine);
}

int main(void)
{
#define POOL_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		POOL_TEST(values),
		POOL_TEST(read_errors_stay_alone),
		POOL_TEST(writes_stand_alone),
		POOL_TEST(deferred_constraint),
		POOL_TEST(group_is_a_transaction),
		POOL_TEST(serialization_retry),
		POOL_TEST(killed_backends),
		POOL_TEST(server_gone_and_back),
		POOL_TEST(deadlines),
		POOL_TEST(statement_timeout),
		POOL_TEST(bounded),
		POOL_TEST(readers_stay_apart),
		POOL_TEST(mute_server),
		POOL_TEST(large_results),
		POOL_TEST(sessions),
		POOL_TEST(apart),
		POOL_TEST(apart_of_the_gone),
		POOL_TEST(session_lost_midway),
		POOL_TEST(relink),
		POOL_TEST(several_hosts),
	};
	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
