/* Sets of networks: gathered from text, sorted once, asked by bisection. */
#include "gateway/limit/networks.h"

#include <stdlib.h>
#include <string.h>

#include "common/http/client_address.h"

bool networks_open(struct networks *n, struct arena *a, unsigned most)
{
	*n = (struct networks){ .items = arena_array(a, most + 1, sizeof *n->items) };
	return n->items != NULL;
}

bool networks_add(struct networks *n, struct str text)
{
	struct proxy_range range;
	struct network *to = &n->items[n->count];
	if (str_eq(text, STR("unix"))) return n->local = true;
	if (str_eq(text, STR("unknown"))) return n->unknown = true;
	if (!proxy_range_read(text, &range)) return false;
	for (unsigned i = 0; i < sizeof to->first; i++) {
		unsigned fixed = range.bits < i * 8 ? 0 : range.bits - i * 8 > 8 ? 8 : range.bits - i * 8;
		unsigned char open = (unsigned char)(0xff >> fixed);
		if (range.bytes[i] & open)
			return false; /* 10.1.2.3/8 is a slip of the pen: which of the two is meant? */
		to->first[i] = range.bytes[i];
		to->last[i] = range.bytes[i] | open;
	}
	n->count++;
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct network *left = a, *right = b;
	return memcmp(left->first, right->first, sizeof left->first);
}

/* Networks either contain each other or are apart: whoever begins within the last one is in it. */
void networks_close(struct networks *n)
{
	unsigned kept = 0;
	qsort(n->items, n->count, sizeof *n->items, compare);
	for (unsigned i = 0; i < n->count; i++) {
		struct network *last = kept ? &n->items[kept - 1] : NULL, *next = &n->items[i];
		if (!last || memcmp(next->first, last->last, sizeof last->last) > 0)
			n->items[kept++] = *next;
		else if (memcmp(next->last, last->last, sizeof last->last) > 0)
			*last = *next; /* it began at the same address, and is larger */
	}
	n->count = kept;
}

static int place(const void *address, const void *network)
{
	const struct network *n = network;
	if (memcmp(address, n->first, sizeof n->first) < 0) return -1;
	return memcmp(address, n->last, sizeof n->last) > 0;
}

bool networks_have(const struct networks *n, struct str address)
{
	unsigned char bytes[16];
	if (str_eq(address, STR("unix"))) return n->local;
	if (!client_address_parse(address, bytes)) return n->unknown;
	return n->count && bsearch(bytes, n->items, n->count, sizeof *n->items, place) != NULL;
}
