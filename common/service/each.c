/* One flow for each row of a job's query, several at a time: each has a request and an arena of its own, so that what happens to one
 * row costs no other. */
#include "common/service/runtime.h"

#include <stdlib.h>

#include "common/core/log.h"

struct each_slot {
	struct each *each;
	struct request *request; /* while it runs */
	struct arena arena;
	struct rows row; /* of its run */
	struct loop_task ended;
};

struct each {
	struct request *parent;
	const struct flow *flow;
	const struct rows *rows;
	unsigned next, running, slot_count;
	struct each_slot slots[EACH_PARALLEL_MAX];
};

static void run_row(struct each_slot *slot)
{
	struct each *each = slot->each;
	const struct rows *all = each->rows;
	struct request *r = job_request(each->parent->service, each->parent->link, &slot->arena, each->flow);
	slot->row = *all;
	slot->row.row_count = 1;
	slot->row.cells = all->cells + (size_t)all->column_count * each->next++;
	slot->row.owner = r;
	r->slot = slot;
	r->rows = &slot->row;
	r->rows_count = 1;
	slot->request = r;
	each->running++;
	request_run(r);
}

static bool has_next(const struct each *each)
{
	return each->next < each->rows->row_count && !each->parent->service->draining;
}

static void each_free(void *arg)
{
	struct each *each = arg;
	for (unsigned i = 0; i < each->slot_count; i++) arena_release(&each->slots[i].arena);
	free(each);
}

/* From the drain point, so that nothing above still uses the request. */
static void slot_free(struct loop_task *task)
{
	struct each_slot *slot = CONTAINER_OF(task, struct each_slot, ended);
	struct each *each = slot->each;
	slot->request = NULL;
	arena_reset(&slot->arena);
	each->running--;
	if (has_next(each)) {
		run_row(slot);
	} else if (each->running == 0) {
		struct request *parent = each->parent;
		each_free(each);
		job_more_time(parent);
		request_run(parent);
	}
}

void each_ended(struct each_slot *slot, bool failed)
{
	const struct request *r = slot->request;
	if (failed)
		log_line(LOG_WARN, "job failed", "%s at %s: %s", slot->each->flow->operation, r->step_name,
		    err_info(r->problem.err ? r->problem.err : ERR_INTERNAL)->name);
	loop_push(r->service->loop, PHASE_RUN, &slot->ended);
}

enum next request_each(struct request *r, const struct flow *flow, unsigned parallel)
{
	CHECK(r->job && parallel && parallel <= EACH_PARALLEL_MAX);
	unsigned count = request_rows(r);
	if (count == 0) return NEXT_STEP;
	struct each *each = calloc(1, sizeof *each);
	CHECK(each != NULL);
	*each = (struct each){ .parent = r, .flow = flow, .rows = r->rows };
	each->slot_count = count < parallel ? count : parallel;
	for (unsigned i = 0; i < each->slot_count; i++) {
		each->slots[i].each = each;
		each->slots[i].ended.run = slot_free;
		job_arena_init(&each->slots[i].arena);
	}
	for (unsigned i = 0; i < each->slot_count; i++) run_row(&each->slots[i]);
	return NEXT_WAIT;
}
