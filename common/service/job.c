/* Jobs: flows run on a timer, without a request. Each starts again `every_ms` after its last end, so runs never overlap. */
#include "common/service/runtime.h"

#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/id.h"

enum { JOB_ARENA_BYTES_MAX = 16 * 1024 * 1024, JOB_DEADLINE_MS = 30000, JOB_FIRST_MS = 500 };

struct job_runner {
	struct service *service;
	const struct job *job;
	const struct flow *flow;
	struct timer *timer;
	struct arena arena;
	struct request *request; /* while it runs */
	struct loop_task ended;
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

static void job_run(void *arg)
{
	struct job_runner *j = arg;
	struct service *s = j->service;
	if (s->draining || !pg_pool_ready(s->pool)) {
		timer_start(j->timer, j->job->every_ms, 0);
		return;
	}
	struct request *r = ARENA_NEW(&j->arena, struct request);
	CHECK(r != NULL);
	*r = (struct request){ .service = s,
		.link = s->link,
		.job = j,
		.arena = &j->arena,
		.task = { .run = resume_task },
		.steps = j->flow->steps,
		.step_count = j->flow->step_count };
	char *id = arena_alloc(r->arena, UUID_TEXT_BYTES);
	CHECK(id != NULL);
	id_uuid7(id);
	r->request_id = str_span(id, UUID_TEXT_BYTES);
	r->principal = (struct principal){ .kind = PRINCIPAL_SYSTEM, .client = str_of(s->def->name) };
	r->started_ns = clock_mono_ns();
	r->deadline_ms = loop_now_ms(s->loop) + JOB_DEADLINE_MS;
	trace_begin(&r->trace, r->arena, (struct http_fields){ NULL, 0 });
	if (j->flow->state_bytes) r->state = arena_alloc(r->arena, j->flow->state_bytes);
	r->link->users++;
	j->request = r;
	request_run(r);
}

/* From the drain point, so that nothing above still uses the request. */
static void job_reset(struct loop_task *task)
{
	struct job_runner *j = CONTAINER_OF(task, struct job_runner, ended);
	j->request = NULL;
	arena_reset(&j->arena);
	if (!j->service->draining) timer_start(j->timer, j->job->every_ms, 0);
}

void job_finished(struct job_runner *j)
{
	loop_push(j->service->loop, PHASE_RUN, &j->ended);
}

void jobs_start(struct service *s)
{
	for (unsigned i = 0; i < s->def->job_count; i++) {
		struct job_runner *j = calloc(1, sizeof *j);
		CHECK(j != NULL);
		j->service = s;
		j->job = &s->def->jobs[i];
		j->ended.run = job_reset;
		for (unsigned f = 0; f < s->def->flow_count; f++)
			if (strcmp(s->def->flows[f].operation, j->job->name) == 0) j->flow = &s->def->flows[f];
		CHECK(j->flow != NULL);
		arena_init(&j->arena, 8 * 1024, JOB_ARENA_BYTES_MAX);
		j->timer = timer_new(s->loop, job_run, j);
		timer_start(j->timer, JOB_FIRST_MS + (int64_t)(i * 50), 0);
		j->next = s->jobs;
		s->jobs = j;
	}
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
