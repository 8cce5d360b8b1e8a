/* Re-link on SIGHUP: a new set of contract, SQL and schema is made in a thread of the pool while the old one answers, and takes its
 * place as a whole, or not at all. */
#include "common/service/runtime.h"

#include "common/core/log.h"

enum { REPORT_BYTES_MAX = 256 * 1024 };

void batches_make(struct service *s, struct link *l)
{
	for (unsigned i = 0; i < l->statements.count; i++)
		if (l->plans[i].statement->batch_max) l->plans[i].batch = pg_batch_new(s->pool, l->plans[i].statement);
	for (unsigned i = 0; i < l->contract->operation_count; i++) {
		struct plan *plain = &l->operations[i].plain;
		if (plain->statement && plain->statement->batch_max)
			plain->batch = link_plan(l, plain->statement->name)->batch;
	}
}

static void old_link_released(void *arg)
{
	struct link *old = arg;
	old->retired = true;
	if (--old->users == 0) link_release(old);
}

/* In a thread: reads the service's settings, which never change, and works in the arena of the new link. It must not log. */
static void relink_work(void *arg)
{
	struct service *s = arg;
	s->relink.fresh = link_load(s, s->relink.conninfo, &s->relink.report);
}

static void relink_done(void *arg, enum err status)
{
	struct service *s = arg;
	struct relink *r = &s->relink;
	struct link *fresh = status == ERR_NONE ? r->fresh : NULL;
	bool again = r->again;
	if (!fresh) {
		log_line(LOG_ERROR, "re-link refused; the old link stays", "%.*s", STR_FMT(buf_view(&r->report)));
	} else {
		struct link *old = s->link;
		fresh->users = 1;
		s->link = fresh;
		pg_pool_relink(s->pool, &fresh->statements, old_link_released, old);
		batches_make(s, fresh);
		observe_link(s);
		log_line(LOG_INFO, "re-linked", "%u operations", fresh->contract->operation_count);
	}
	buf_free(&r->report);
	*r = (struct relink){ .conninfo = r->conninfo };
	if (again) relink_start(s);
}

void relink_start(struct service *s)
{
	struct relink *r = &s->relink;
	if (s->draining) return;
	if (r->running) { /* what changed since may have been read already, or not: once more afterwards */
		r->again = true;
		return;
	}
	buf_init(&r->report, REPORT_BYTES_MAX);
	enum err e = work_submit(s->loop, relink_work, relink_done, s);
	r->running = e == ERR_NONE;
	if (e != ERR_NONE) log_line(LOG_ERROR, "re-link refused; the old link stays", "%s", err_info(e)->name);
}
