#ifndef COMMON_CORE_LIST_H
#define COMMON_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/** Intrusive doubly linked ring; a head is an item linked to itself. */
struct list {
	struct list *next;
	struct list *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_push(struct list *head, struct list *item) /* at the end */
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

static inline void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

/** First item, or NULL. */
static inline struct list *list_first(struct list *head)
{
	return list_empty(head) ? NULL : head->next;
}

/** Takes the first item off, or NULL. */
static inline struct list *list_shift(struct list *head)
{
	struct list *item = list_first(head);
	if (item) list_remove(item);
	return item;
}

#endif
