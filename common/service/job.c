/* Jobs: flows run on a timer, without a request. Each starts again `every_ms` after its last end, so runs never overlap. */
#include "common/service/runtime.h"

#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/id.h"

enum {
	JOB_ARENA_BYTES_MAX = 16 * 1024 * 1024,
	JOB_DEADLINE_MS = 30000,
	JOB_FIRST_MS = 500,
	AFTER_FAILURE_LEAST_MS = 1000, /* a broken database must not be hammered, nor the log be filled */
	AFTER_FAILURE_MOST_MS = 60000 /* nor may a job of every six hours wait so long for its second try */
};

struct job_runner {
	struct service *service;
	const struct job *job;
	const struct flow *flow;
	struct timer *timer;
	struct arena arena;
	struct request *request; /* while it runs */
	struct loop_task ended;
	bool failed; /* the last run */
	struct job_runner *next;
};

const char *job_name(const struct job_runner *j)
{
	return j->job->name;
}

static void resume_task(struct loop_task *task)
{
	struct request *r = CONTAINER_OF(task, struct request, task);
	request_run(r);
}

static void job_wait(struct job_runner *j)
{
	int64_t ms = j->job->every_ms;
	if (j->failed && ms < AFTER_FAILURE_LEAST_MS) ms = AFTER_FAILURE_LEAST_MS;
	if (j->failed && ms > AFTER_FAILURE_MOST_MS) ms = AFTER_FAILURE_MOST_MS;
	timer_start(j->timer, ms, 0);
}

struct request *job_request(struct service *s, struct link *l, struct arena *a, const struct flow *flow)
{
	struct request *r = ARENA_NEW(a, struct request);
	CHECK(r != NULL);
	*r = (struct request){ .service = s,
		.link = l,
		.arena = a,
		.task = { .run = resume_task },
		.steps = flow->steps,
		.step_count = flow->step_count };
	char *id = arena_alloc(r->arena, UUID_TEXT_BYTES);
	CHECK(id != NULL);
	id_uuid7(id);
	r->request_id = str_span(id, UUID_TEXT_BYTES);
	r->principal = (struct principal){ .kind = PRINCIPAL_SYSTEM, .client = str_of(s->def->name) };
	r->started_ns = clock_mono_ns();
	job_more_time(r);
	trace_begin(&r->trace, r->arena, (struct http_fields){ NULL, 0 });
	if (flow->state_bytes) r->state = arena_alloc(r->arena, flow->state_bytes);
	CHECK(r->state != NULL || !flow->state_bytes);
	r->link->users++;
	return r;
}

void job_more_time(struct request *r)
{
	r->deadline_ms = loop_now_ms(r->service->loop) + JOB_DEADLINE_MS;
}

void job_arena_init(struct arena *a)
{
	arena_init(a, 8 * 1024, JOB_ARENA_BYTES_MAX);
}

static void job_run(void *arg)
{
	struct job_runner *j = arg;
	struct service *s = j->service;
	if (s->draining) return;
	if (!pg_pool_ready(s->pool)) {
		timer_start(j->timer, AFTER_FAILURE_LEAST_MS, 0);
		return;
	}
	j->request = job_request(s, s->link, &j->arena, j->flow);
	j->request->job = j;
	request_run(j->request);
}

/* From the drain point, so that nothing above still uses the request. */
static void job_reset(struct loop_task *task)
{
	struct job_runner *j = CONTAINER_OF(task, struct job_runner, ended);
	j->request = NULL;
	arena_reset(&j->arena);
	if (!j->service->draining) job_wait(j);
}

void job_finished(struct job_runner *j, bool failed)
{
	j->failed = failed;
	loop_push(j->service->loop, PHASE_RUN, &j->ended);
}

static void job_add(struct service *s, const struct job *job, const struct flow *flow, unsigned index)
{
	struct job_runner *j = calloc(1, sizeof *j);
	CHECK(j != NULL && flow != NULL);
	*j = (struct job_runner){
		.service = s, .job = job, .flow = flow, .ended = { .run = job_reset }, .next = s->jobs
	};
	job_arena_init(&j->arena);
	j->timer = timer_new(s->loop, job_run, j);
	timer_start(j->timer, JOB_FIRST_MS + (int64_t)index * 50, 0);
	s->jobs = j;
}

void jobs_start(struct service *s)
{
	const struct service_def *def = s->def;
	for (unsigned i = 0; i < def->job_count; i++)
		job_add(s, &def->jobs[i], flow_find(def, str_of(def->jobs[i].name)), i);
	for (unsigned i = 0; i < PRUNE_JOBS; i++) job_add(s, &prune_jobs[i], &prune_flows[i], def->job_count + i);
}

bool jobs_idle(const struct service *s)
{
	for (const struct job_runner *j = s->jobs; j; j = j->next)
		if (j->request) return false;
	return true;
}

void jobs_stop(struct service *s)
{
	while (s->jobs) {
		struct job_runner *j = s->jobs;
		s->jobs = j->next;
		timer_free(j->timer);
		arena_release(&j->arena);
		free(j);
	}
}
