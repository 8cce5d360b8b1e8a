/* Flights: who goes, who waits, and what they hear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/core/id.h"
#include "gateway/cache/flight.h"

struct waiter {
	struct flight_wait wait;
	int told;
	enum flight_news news;
	struct entry *e;
	struct flight *flight;
};

static struct loop *loop;
static struct flights *flights;

static void told(struct flight_wait *w, enum flight_news news, struct entry *e, struct flight *flight)
{
	struct waiter *me = CONTAINER_OF(w, struct waiter, wait);
	me->told++;
	me->news = news;
	me->e = e;
	me->flight = flight;
}

static enum flight_place join(struct waiter *w, struct str key, struct flight **flight)
{
	*w = (struct waiter){ .wait = { .told = told, .deadline_ms = loop_now_ms(loop) + 100000 } };
	return flight_join(flights, id_hash(key), key, &w->wait, flight);
}

static struct entry *entry_of(struct str key)
{
	struct policy p = { .lifetime_ms = 1000 };
	return entry_new(&(struct entry_source){ .key = key, .status = 200, .body = STR("x"), .policy = &p });
}

static void all_hear_of_an_answer(void **unused)
{
	(void)unused;
	struct waiter leader, others[3], stranger;
	struct flight *flight, *other_flight;
	assert_int_equal(join(&leader, STR("a"), &flight), FLIGHT_PLACE_LEAD);
	for (int i = 0; i < 3; i++) assert_int_equal(join(&others[i], STR("a"), &other_flight), FLIGHT_PLACE_WAIT);
	assert_int_equal(join(&stranger, STR("b"), &other_flight), FLIGHT_PLACE_LEAD);
	assert_int_equal(flights_stats(flights).waiting, 3);
	struct entry *e = entry_of(STR("a"));
	flight_land(flight, e);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(others[i].told, 1);
		assert_int_equal(others[i].news, FLIGHT_LANDED);
		assert_ptr_equal(others[i].e, e);
	}
	assert_int_equal(leader.told + stranger.told, 0);
	assert_int_equal(flights_stats(flights).waiting, 0);
	flight_land(other_flight, e);
	entry_release(e);
}

static void one_takes_the_place_of_a_leader_that_fails(void **unused)
{
	(void)unused;
	struct waiter leader, others[3];
	struct flight *flight, *none;
	assert_int_equal(join(&leader, STR("c"), &flight), FLIGHT_PLACE_LEAD);
	for (int i = 0; i < 3; i++) assert_int_equal(join(&others[i], STR("c"), &none), FLIGHT_PLACE_WAIT);
	flight_fail(flight);
	assert_int_equal(others[0].news, FLIGHT_LEAD);
	assert_ptr_equal(others[0].flight, flight);
	assert_int_equal(others[1].told + others[2].told, 0);
	flight_fail(flight); /* he fails too */
	assert_int_equal(others[0].told, 1);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(others[i].told, 1);
		assert_int_equal(others[i].news, FLIGHT_FAILED);
	}
	assert_int_equal(join(&leader, STR("c"), &flight), FLIGHT_PLACE_LEAD); /* a new one may be begun */
	flight_fail(flight);
}

static void nobody_waits_for_what_is_not_shared(void **unused)
{
	(void)unused;
	struct waiter leader, other;
	struct flight *flight;
	assert_int_equal(join(&leader, STR("d"), &flight), FLIGHT_PLACE_LEAD);
	assert_int_equal(join(&other, STR("d"), &flight), FLIGHT_PLACE_WAIT);
	flight_scatter(flight);
	assert_int_equal(other.news, FLIGHT_APART);
	assert_int_equal(join(&other, STR("d"), &flight), FLIGHT_PLACE_APART);
	assert_true(flight_lead(flights, id_hash(STR("e")), STR("e"), &flight));
	assert_false(flight_lead(flights, id_hash(STR("e")), STR("e"), &(struct flight *){ NULL }));
	flight_fail(flight);
}

static void only_so_many_wait(void **unused)
{
	(void)unused;
	static struct waiter all[FLIGHT_WAITS_MAX + 1];
	struct waiter leader;
	struct flight *flight, *none;
	assert_int_equal(join(&leader, STR("f"), &flight), FLIGHT_PLACE_LEAD);
	for (int i = 0; i < FLIGHT_WAITS_MAX; i++) assert_int_equal(join(&all[i], STR("f"), &none), FLIGHT_PLACE_WAIT);
	assert_int_equal(join(&all[FLIGHT_WAITS_MAX], STR("f"), &none), FLIGHT_PLACE_FULL);
	flight_scatter(flight);
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void nobody_waits_past_his_deadline(void **unused)
{
	(void)unused;
	struct waiter leader, late, patient;
	struct flight *flight, *none;
	assert_int_equal(join(&leader, STR("g"), &flight), FLIGHT_PLACE_LEAD);
	assert_int_equal(join(&late, STR("g"), &none), FLIGHT_PLACE_WAIT);
	late.wait.deadline_ms = loop_now_ms(loop) + 20;
	assert_int_equal(join(&patient, STR("g"), &none), FLIGHT_PLACE_WAIT);
	struct timer *t = timer_new(loop, stop, loop);
	timer_start(t, 500, 0);
	loop_run(loop);
	timer_free(t);
	assert_int_equal(late.told, 1);
	assert_int_equal(late.news, FLIGHT_LATE);
	assert_int_equal(patient.told, 0);
	flight_land(flight, NULL);
	assert_int_equal(patient.news, FLIGHT_APART);
}

static int set_up(void **unused)
{
	(void)unused;
	loop = loop_new();
	flights = flights_new(loop);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	flights_stop(flights);
	flights_free(flights);
	loop_free(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_hear_of_an_answer),
		cmocka_unit_test(one_takes_the_place_of_a_leader_that_fails),
		cmocka_unit_test(nobody_waits_for_what_is_not_shared),
		cmocka_unit_test(only_so_many_wait),
		cmocka_unit_test(nobody_waits_past_his_deadline),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
