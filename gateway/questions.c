/* Questions under way, few enough for a list. */
#include "gateway/questions.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/core/log.h"

enum { BODY_BYTES_MAX = 128 };

struct question {
	struct list link;
	struct questions *owner;
	struct list waits;
	size_t name_bytes;
	char name[QUESTION_NAME_BYTES_MAX];
};

struct questions {
	struct questions_config config;
	struct list list;
	unsigned count, wait_count;
};

struct questions *questions_new(const struct questions_config *config)
{
	struct questions *q = calloc(1, sizeof *q);
	CHECK(q != NULL);
	q->config = *config;
	list_init(&q->list);
	return q;
}

void questions_free(struct questions *q)
{
	struct list *item;
	while (q && (item = list_shift(&q->list))) free(CONTAINER_OF(item, struct question, link));
	free(q);
}

static struct str name_of(const struct question *one)
{
	return str_span(one->name, one->name_bytes);
}

static void answered(void *arg, enum err status, const struct http_reply *reply)
{
	struct question *one = arg;
	struct questions *q = one->owner;
	struct list *item;
	enum err e = status == ERR_NONE ? q->config.learn(q->config.arg, name_of(one), reply) : ERR_UNAVAILABLE;
	if (e != ERR_NONE) log_line(LOG_WARN, q->config.what, "%s", err_info(status == ERR_NONE ? e : status)->name);
	list_remove(&one->link);
	q->count--;
	while ((item = list_shift(&one->waits))) {
		struct credential_wait *w = CONTAINER_OF(item, struct credential_wait, link);
		q->wait_count--;
		w->outcome = e;
		w->wake(w);
	}
	free(one);
}

static struct question *find(struct questions *q, struct str name)
{
	for (struct list *i = q->list.next; i != &q->list; i = i->next) {
		struct question *one = CONTAINER_OF(i, struct question, link);
		if (str_eq(name_of(one), name)) return one;
	}
	return NULL;
}

static enum err begin(struct questions *q, struct str name, struct question **out)
{
	char body[BODY_BYTES_MAX];
	if (q->count >= q->config.questions_max) return ERR_BUSY;
	CHECK(name.n <= QUESTION_NAME_BYTES_MAX);
	struct question *one = calloc(1, sizeof *one);
	if (!one) return ERR_MEMORY;
	one->owner = q;
	one->name_bytes = name.n;
	memcpy(one->name, name.p, name.n);
	list_init(&one->waits);
	int n = snprintf(body, sizeof body, "{\"%s\":\"%.*s\"}", q->config.member, STR_FMT(name));
	CHECK(n > 0 && (size_t)n < sizeof body);
	enum err e =
	    internal_send(q->config.internal, STR("POST"), q->config.path, str_span(body, (size_t)n), answered, one);
	if (e != ERR_NONE) {
		free(one);
		return e;
	}
	list_push(&q->list, &one->link);
	q->count++;
	*out = one;
	return ERR_NONE;
}

enum err questions_ask(struct questions *q, struct str name, struct credential_wait *w)
{
	if (q->wait_count >= q->config.waits_max) return ERR_BUSY;
	struct question *one = find(q, name);
	if (!one) TRY(begin(q, name, &one));
	list_push(&one->waits, &w->link);
	q->wait_count++;
	return ERR_NONE;
}
