/* Tags against a real Redis that is killed, stopped, emptied, restored, full; two "processes" are two sets of connections here, and
 * really two where time is measured. */
#include "gateway/cache/tags.h"

#include <sys/mman.h>

#include "redis_fixture.h"

enum { PROCESSES = 2 };
static struct tags *processes[PROCESSES];

static struct tags *tags_start(void)
{
	struct tags_config config = { .loop = loop, .redis = str_of(fixture_address), .metrics = metrics };
	struct tags *t = tags_new(&config);
	assert_non_null(t);
	return t;
}

static bool in_step(void *arg)
{
	return tags_in_step(arg);
}

static bool out_of_step(void *arg)
{
	return !tags_in_step(arg);
}

static int setup(void **state)
{
	fixture_setup(state);
	for (int i = 0; i < PROCESSES; i++) processes[i] = tags_start();
	for (int i = 0; i < PROCESSES; i++) assert_true(run_until(in_step, processes[i], 8000));
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < PROCESSES; i++) tags_free(processes[i]);
	return fixture_teardown(state);
}

/* ---- an entry with one tag, and what may be said of it ---- */

struct entry {
	struct tags *tags;
	struct tags_stamp stamp;
	struct str tag;
	enum tags_verdict wanted;
};

static struct entry entry_of(struct tags *t, const char *tag)
{
	return (struct entry){ .tags = t, .stamp = tags_now(t), .tag = str_of(tag) };
}

static enum tags_verdict check(struct entry *e)
{
	uint32_t slot = tags_slot(e->tag);
	return tags_check(e->tags, &e->stamp, &slot, 1);
}

static bool is_wanted(void *arg)
{
	struct entry *e = arg;
	return check(e) == e->wanted;
}

static bool becomes(struct entry *e, enum tags_verdict wanted)
{
	e->wanted = wanted;
	return run_until(is_wanted, e, 8000);
}

static void on_purged(void *arg)
{
	*(bool *)arg = true;
}

static enum err purge(struct tags *t, const char *tag, bool *done)
{
	struct str name = str_of(tag);
	return tags_purge(t, &name, 1, done ? on_purged : NULL, done);
}

static void purge_and_wait(struct tags *t, const char *tag)
{
	bool done = false;
	assert_int_equal(purge(t, tag, &done), ERR_NONE);
	assert_false(done); /* never inside the call */
	assert_true(run_until(is_true, &done, 8000));
}

struct verified {
	bool done;
	enum tags_verdict verdict;
	int64_t seq;
};

static void on_verified(void *arg, enum tags_verdict verdict, int64_t seq)
{
	struct verified *v = arg;
	assert_false(v->done);
	*v = (struct verified){ true, verdict, seq };
}

static struct verified verify_once(struct entry *e)
{
	struct verified v = { 0 };
	if (tags_verify(e->tags, e->stamp, &e->tag, 1, on_verified, &v) != ERR_NONE)
		return (struct verified){ .verdict = TAGS_UNSURE };
	assert_false(v.done);
	assert_true(run_until(is_true, &v.done, 8000));
	return v;
}

/* Ten milliseconds are short on a loaded machine: TAGS_UNSURE is asked again. */
static struct verified verify(struct entry *e)
{
	struct verified v = { .verdict = TAGS_UNSURE };
	for (int i = 0; i < 50 && v.verdict == TAGS_UNSURE; i++) {
		v = verify_once(e);
		if (v.verdict == TAGS_UNSURE) run_for(20);
	}
	return v;
}

/* ---- tests ---- */

static void test_names(void **state)
{
	char long_name[TAG_BYTES_MAX + 1], url[TAG_OF_URL_BYTES], other[TAG_OF_URL_BYTES];
	(void)state;
	memset(long_name, 'x', sizeof long_name);
	assert_true(tag_is_valid(STR("campaign:0190-7")));
	assert_true(tag_is_valid(str_span(long_name, TAG_BYTES_MAX)));
	assert_false(tag_is_valid(str_span(long_name, TAG_BYTES_MAX + 1)));
	assert_false(tag_is_valid(STR("")));
	assert_false(tag_is_valid(STR("a b")));
	assert_false(tag_is_valid(STR("a,b")));
	assert_false(tag_is_valid(STR("a\"b")));
	assert_false(tag_is_valid(STR("a\nb")));
	assert_false(tag_is_valid(STR("\xe6\xa0\x87")));
	assert_true(tag_is_valid(tag_of_url(STR("https|city.example|/v1/campaigns|"), url)));
	assert_false(str_eq(tag_of_url(STR("a"), url), tag_of_url(STR("b"), other)));
	assert_int_equal(tags_slot(TAG_ALL), 0);
	assert_int_not_equal(tags_slot(STR("campaigns")), 0);
}

static void test_alone(void **state)
{
	(void)state;
	loop = loop_new();
	metrics = metrics_new();
	struct tags *t = tags_new(&(struct tags_config){ .loop = loop, .metrics = metrics });
	struct entry a = entry_of(t, "a"), b = entry_of(t, "b");
	assert_true(tags_in_step(t));
	assert_int_equal(check(&a), TAGS_CURRENT);
	assert_int_equal(purge(t, "a", NULL), ERR_UNAVAILABLE); /* nothing to wait for, and done */
	assert_int_equal(check(&a), TAGS_PURGED);
	assert_int_equal(check(&b), TAGS_CURRENT);
	a = entry_of(t, "a");
	assert_int_equal(check(&a), TAGS_CURRENT);
	assert_int_equal(purge(t, "*", NULL), ERR_UNAVAILABLE);
	assert_int_equal(check(&a), TAGS_PURGED);
	assert_int_equal(check(&b), TAGS_PURGED);
	struct verified v;
	assert_int_equal(tags_verify(t, a.stamp, &a.tag, 1, on_verified, &v), ERR_UNAVAILABLE);
	tags_free(t);
	run_for(2);
	loop_free(loop);
	metrics_free(metrics);
}

static void test_both_processes(void **state)
{
	(void)state;
	struct entry here = entry_of(processes[0], "campaigns"), there = entry_of(processes[1], "campaigns");
	struct entry other = entry_of(processes[1], "summary");
	bool done = false;
	assert_int_equal(check(&here), TAGS_CURRENT);
	assert_int_equal(purge(processes[0], "campaigns", &done), ERR_NONE);
	assert_int_equal(check(&here), TAGS_PURGED); /* at once */
	assert_int_equal(check(&there), TAGS_CURRENT); /* not yet */
	assert_true(becomes(&there, TAGS_PURGED));
	assert_true(run_until(is_true, &done, 8000));
	assert_int_equal(check(&other), TAGS_CURRENT);
	assert_int_equal(other.stamp.seq, tags_now(processes[1]).seq); /* raised: the next check is two comparisons */
	/* what is fetched afterwards is good again, in both */
	here = entry_of(processes[0], "campaigns");
	there = entry_of(processes[1], "campaigns");
	run_for(20);
	assert_int_equal(check(&here), TAGS_CURRENT);
	assert_int_equal(check(&there), TAGS_CURRENT);
	purge_and_wait(processes[1], "*");
	assert_true(becomes(&here, TAGS_PURGED));
	assert_true(becomes(&other, TAGS_PURGED));
}

/* A fetch begins, the purge comes, the old answer arrives: its stamp is older than the purge. */
static void test_purge_during_fetch(void **state)
{
	(void)state;
	struct entry fetch = entry_of(processes[1], "gift:A");
	purge_and_wait(processes[0], "gift:A");
	assert_true(becomes(&fetch, TAGS_PURGED));
	struct entry local = entry_of(processes[0], "gift:B");
	assert_int_equal(purge(processes[0], "gift:B", NULL), ERR_NONE);
	assert_int_equal(check(&local), TAGS_PURGED);
	run_for(50);
	assert_int_equal(check(&local), TAGS_PURGED); /* numbered now, and still older */
}

static void test_verify(void **state)
{
	(void)state;
	struct entry e = entry_of(processes[0], "gift:C");
	assert_int_equal(verify(&e).verdict, TAGS_PURGED); /* no number: it may have been evicted */
	purge_and_wait(processes[0], "gift:C");
	assert_int_equal(verify(&e).verdict, TAGS_PURGED);
	e = entry_of(processes[0], "gift:C");
	e.stamp.seq = ask_number("GET yg:seq");
	purge_and_wait(processes[1], "something:else");
	struct verified v = verify(&e);
	assert_int_equal(v.verdict, TAGS_CURRENT);
	assert_true(v.seq > e.stamp.seq);
	assert_int_equal(tell_redis("DEL yg:g:gift:C").integer, 1); /* evicted */
	assert_int_equal(verify(&e).verdict, TAGS_PURGED);
}

/* Nothing was purged while the subscription was away: nothing is lost. Something was: what is older must be compared. */
static void test_subscriber_killed(void **state)
{
	(void)state;
	purge_and_wait(processes[0], "campaigns"); /* gives the tag a number */
	run_for(20);
	struct entry e = entry_of(processes[1], "campaigns");
	tell_redis("CLIENT KILL TYPE pubsub");
	assert_true(run_until(out_of_step, processes[1], 8000));
	assert_int_equal(check(&e), TAGS_UNSURE);
	assert_int_equal(verify(&e).verdict, TAGS_CURRENT); /* Redis itself is there */
	assert_true(run_until(in_step, processes[1], 8000));
	assert_int_equal(check(&e), TAGS_CURRENT);

	struct entry purged = entry_of(processes[1], "gifts"), kept = entry_of(processes[1], "campaigns");
	assert_true(run_until(in_step, processes[0], 8000));
	tell_redis("CLIENT KILL TYPE pubsub");
	assert_true(run_until(out_of_step, processes[1], 8000));
	purge_and_wait(processes[0], "gifts");
	assert_true(run_until(in_step, processes[1], 8000));
	assert_int_not_equal(check(&purged), TAGS_CURRENT);
	assert_int_equal(verify(&purged).verdict, TAGS_PURGED);
	if (check(&kept) == TAGS_UNSURE) { /* the purge came before the subscription was back */
		struct verified v = verify(&kept);
		assert_int_equal(v.verdict, TAGS_CURRENT);
		kept.stamp.seq = v.seq;
	}
	assert_int_equal(check(&kept), TAGS_CURRENT);
}

static void test_missed_message(void **state)
{
	(void)state;
	struct entry e = entry_of(processes[1], "gift:D");
	assert_int_equal(check(&e), TAGS_CURRENT);
	tell_redis("INCRBY yg:seq 3"); /* three purges that nobody was told of */
	assert_true(becomes(&e, TAGS_UNSURE)); /* the heartbeat says so */
	assert_true(tags_in_step(processes[1])); /* what is made from now on is fine */
	e = entry_of(processes[1], "gift:D");
	assert_int_equal(check(&e), TAGS_CURRENT);
	int64_t before = tags_now(processes[1]).seq;
	tell_redis("INCRBY yg:seq 1");
	purge_and_wait(processes[0], "other"); /* a message after a gap */
	assert_true(becomes(&e, TAGS_UNSURE));
	assert_int_equal(tags_now(processes[1]).seq, before + 2);
}

static void test_stopped(void **state)
{
	bool done = false;
	(void)state;
	struct entry here = entry_of(processes[0], "gift:E"), there = entry_of(processes[1], "gift:E");
	kill(server, SIGSTOP);
	int64_t start_ms = clock_mono_ms();
	if (purge(processes[0], "gift:E", &done) == ERR_NONE) assert_true(run_until(is_true, &done, 4000));
	printf("# purge with a mute Redis took %lld ms\n", (long long)(clock_mono_ms() - start_ms));
	assert_int_equal(check(&here), TAGS_PURGED);
	struct verified v = verify_once(&there);
	assert_int_equal(v.verdict, TAGS_UNSURE);
	assert_true(run_until(out_of_step, processes[1], 8000));
	assert_int_equal(check(&there), TAGS_UNSURE); /* three seconds of silence */
	int64_t left_ms = 5000 - (clock_mono_ms() - start_ms);
	if (left_ms > 0) run_for(left_ms);
	kill(server, SIGCONT);
	assert_true(run_until(in_step, processes[0], 20000));
	assert_true(run_until(in_step, processes[1], 20000));
	assert_true(becomes(&there, TAGS_PURGED)); /* the purge was kept and delivered */
	here = entry_of(processes[0], "gift:E");
	run_for(300);
	here = entry_of(processes[0], "gift:E");
	assert_int_equal(check(&here), TAGS_CURRENT);
}

static void test_killed_and_empty(void **state)
{
	(void)state;
	struct entry e = entry_of(processes[1], "gift:F");
	int64_t before = tags_now(processes[0]).seq;
	redis_free(control);
	server_kill();
	assert_true(run_until(out_of_step, processes[0], 8000));
	assert_true(run_until(out_of_step, processes[1], 8000));
	assert_int_equal(purge(processes[0], "gift:F", NULL), ERR_UNAVAILABLE);
	assert_int_equal(check(&e), TAGS_UNSURE);
	server_start("0");
	control = control_open();
	assert_true(run_until(in_step, processes[0], 20000));
	assert_true(run_until(in_step, processes[1], 20000));
	assert_true(tags_now(processes[0]).seq > before); /* numbers never come back */
	e.wanted = TAGS_PURGED;
	assert_true(run_until(is_wanted, &e, 8000) || verify(&e).verdict == TAGS_PURGED);
}

static void test_flushed(void **state)
{
	(void)state;
	struct entry e = entry_of(processes[1], "gift:G");
	int64_t before = tags_now(processes[1]).seq;
	tell_redis("FLUSHALL");
	e.wanted = TAGS_CURRENT;
	assert_true(run_until(out_of_step, processes[0], 8000) || run_until(out_of_step, processes[1], 8000));
	assert_true(run_until(in_step, processes[0], 8000));
	assert_true(run_until(in_step, processes[1], 8000));
	assert_true(becomes(&e, TAGS_UNSURE));
	assert_true(tags_now(processes[1]).seq > before);
	assert_int_equal(verify(&e).verdict, TAGS_PURGED);
	/* and a purge is the first to find it empty */
	tell_redis("FLUSHALL");
	e = entry_of(processes[1], "gift:G");
	purge_and_wait(processes[0], "gift:G");
	assert_true(becomes(&e, TAGS_PURGED));
}

/* A Redis that was restored from an older state knows fewer purges: everything is purged. */
static void test_restored(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) purge_and_wait(processes[0], "gift:H");
	struct entry e = entry_of(processes[1], "gift:I");
	run_for(20);
	e = entry_of(processes[1], "gift:I");
	tell_redis("DECRBY yg:seq 2");
	assert_true(becomes(&e, TAGS_PURGED));
	assert_true(run_until(in_step, processes[0], 8000));
	assert_true(run_until(in_step, processes[1], 8000));
	e = entry_of(processes[1], "gift:I");
	run_for(1500);
	assert_int_equal(check(&e), TAGS_CURRENT); /* and it stays well */
	/* a purge is the first to show it */
	tell_redis("DECRBY yg:seq 5");
	struct entry here = entry_of(processes[0], "gift:other");
	purge_and_wait(processes[0], "gift:other");
	assert_int_equal(check(&here), TAGS_PURGED); /* whatever the number */
	assert_true(becomes(&e, TAGS_PURGED));
	assert_int_equal(check(&here), TAGS_PURGED);
}

static void test_full(void **state)
{
	(void)state;
	struct entry e = entry_of(processes[1], "gift:J");
	tell_redis("CONFIG SET maxmemory 1");
	assert_int_equal(tell_redis("SET x y").type, REDIS_FAILED);
	purge_and_wait(processes[0], "gift:J");
	assert_true(becomes(&e, TAGS_PURGED));
	assert_true(ask_number("GET yg:g:gift:J") > 0);
}

/* Scripts are forgotten in the middle: sent again with their text. */
static void test_scripts_forgotten(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct entry e = entry_of(processes[1], "gift:K");
		tell_redis("SCRIPT FLUSH");
		purge_and_wait(processes[0], "gift:K");
		assert_true(becomes(&e, TAGS_PURGED));
		run_for(20);
	}
}

struct many {
	const struct str *tags;
	unsigned count;
	struct tags_stamp before;
};

static bool are_all_purged(void *arg)
{
	const struct many *m = arg;
	for (unsigned i = 0; i < m->count; i++) {
		struct entry e = { .tags = processes[1], .stamp = m->before, .tag = m->tags[i] };
		if (check(&e) != TAGS_PURGED) return false;
	}
	return true;
}

static void test_many_tags(void **state)
{
	enum { MANY = 10000, EACH = 100 };
	static char names[MANY][24];
	static struct str tags[MANY];
	(void)state;
	struct tags_stamp before = tags_now(processes[1]);
	for (int i = 0; i < MANY; i++) {
		int n = snprintf(names[i], sizeof names[i], "gift:%d", i);
		tags[i] = str_span(names[i], (size_t)n);
	}
	int64_t start_ms = clock_mono_ms();
	bool done = false;
	for (int i = 0; i < MANY; i += EACH)
		assert_int_equal(
		    tags_purge(processes[0], tags + i, EACH, i + EACH == MANY ? on_purged : NULL, &done), ERR_NONE);
	assert_true(run_until(is_true, &done, 8000));
	struct many many = { tags, MANY, before };
	assert_true(run_until(are_all_purged, &many, 8000));
	printf("# %d tags purged in %lld ms\n", MANY, (long long)(clock_mono_ms() - start_ms));
	unsigned spurious = 0;
	for (int i = 0; i < 1000; i++) {
		char other[24];
		snprintf(other, sizeof other, "other:%d", i);
		struct entry e = { .tags = processes[1], .stamp = before, .tag = str_of(other) };
		spurious += check(&e) == TAGS_PURGED;
	}
	printf("# of 1000 other tags %u are purged with them\n", spurious);
	assert_true(spurious < 500);
}

/* More purges than may wait: everything is purged in their place. */
static void test_too_many_wait(void **state)
{
	(void)state;
	struct entry e = entry_of(processes[0], "never:named"), there = entry_of(processes[1], "never:named");
	redis_free(control);
	server_kill();
	assert_true(run_until(out_of_step, processes[0], 8000));
	for (int i = 0; i < 1200; i++) {
		char name[24];
		snprintf(name, sizeof name, "gift:%d", i);
		struct str tag = str_of(name);
		assert_int_equal(tags_purge(processes[0], &tag, 1, NULL, NULL), ERR_UNAVAILABLE);
	}
	assert_int_equal(check(&e), TAGS_PURGED);
	server_start("0");
	control = control_open();
	assert_true(run_until(in_step, processes[1], 20000));
	there.wanted = TAGS_PURGED;
	assert_true(run_until(is_wanted, &there, 20000));
	run_for(500);
	e = entry_of(processes[0], "never:named");
	assert_int_equal(check(&e), TAGS_CURRENT);
}

/* ---- two processes, measured ---- */

struct shared {
	_Atomic bool ready, seen;
	_Atomic int64_t purged_ns, seen_ns;
};

static int watch_purge(struct shared *shared)
{
	loop = loop_new();
	metrics = metrics_new();
	struct tags *t = tags_start();
	if (!run_until(in_step, t, 8000)) return 1;
	struct entry e = entry_of(t, "measured");
	shared->ready = true;
	for (int64_t end_ms = clock_mono_ms() + 8000; check(&e) != TAGS_PURGED && clock_mono_ms() < end_ms;) run_for(0);
	shared->seen_ns = clock_mono_ns();
	shared->seen = check(&e) == TAGS_PURGED;
	return 0;
}

static bool is_ready(void *arg)
{
	return ((struct shared *)arg)->ready;
}

static bool is_seen(void *arg)
{
	return ((struct shared *)arg)->seen;
}

static void test_two_processes(void **state)
{
	(void)state;
	struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) _exit(watch_purge(shared));
	assert_true(run_until(is_ready, shared, 10000));
	shared->purged_ns = clock_mono_ns();
	assert_int_equal(purge(processes[0], "measured", NULL), ERR_NONE);
	assert_true(run_until(is_seen, shared, 8000));
	int64_t took_ns = shared->seen_ns - shared->purged_ns;
	printf("# a purge reached the other process after %.2f ms\n", (double)took_ns / 1e6);
	waitpid(child, NULL, 0);
	munmap(shared, sizeof *shared);
}

int main(void)
{
#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_alone),
		WITH_REDIS(test_both_processes),
		WITH_REDIS(test_purge_during_fetch),
		WITH_REDIS(test_verify),
		WITH_REDIS(test_subscriber_killed),
		WITH_REDIS(test_missed_message),
		WITH_REDIS(test_stopped),
		WITH_REDIS(test_killed_and_empty),
		WITH_REDIS(test_flushed),
		WITH_REDIS(test_restored),
		WITH_REDIS(test_full),
		WITH_REDIS(test_scripts_forgotten),
		WITH_REDIS(test_many_tags),
		WITH_REDIS(test_too_many_wait),
		WITH_REDIS(test_two_processes),
	};
	if (!fixture_open("test_tags")) return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(fixture_dir);
	return failed;
}
