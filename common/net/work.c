/* The thread pool, bounded: a job more than WORK_QUEUE_MAX is refused at once instead of waiting without end. */
#include "common/net/uv_loop.h"

#include <stdlib.h>

struct job {
	uv_work_t uv;
	struct list link;
	struct loop *loop;
	void (*work)(void *arg);
	void (*done)(void *arg, enum err status);
	void *arg;
};

static void on_work(uv_work_t *uv)
{
	struct job *j = CONTAINER_OF(uv, struct job, uv);
	j->work(j->arg);
}

static void on_worked(uv_work_t *uv, int status)
{
	struct job *j = CONTAINER_OF(uv, struct job, uv);
	struct loop *l = j->loop;
	loop_begin_turn(l);
	list_remove(&j->link);
	l->job_count--;
	j->done(j->arg, status ? ERR_ABORTED : ERR_NONE);
	free(j);
}

enum err work_submit(struct loop *l, void (*work)(void *arg), void (*done)(void *arg, enum err status), void *arg)
{
	if (l->job_count >= WORK_QUEUE_MAX) return ERR_BUSY;
	struct job *j = calloc(1, sizeof *j);
	CHECK(j != NULL);
	j->loop = l;
	j->work = work;
	j->done = done;
	j->arg = arg;
	CHECK(uv_queue_work(&l->uv, &j->uv, on_work, on_worked) == 0);
	list_push(&l->jobs, &j->link);
	l->job_count++;
	return ERR_NONE;
}

void work_abort(struct loop *l)
{
	for (struct list *i = l->jobs.next; i != &l->jobs; i = i->next) {
		struct job *j = CONTAINER_OF(i, struct job, link);
		uv_cancel((uv_req_t *)&j->uv); /* fails for a job that has begun: that one is waited for */
	}
}
