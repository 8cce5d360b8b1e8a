/* One entry per address that has a connection: no more entries than connections, and none without. */
#include "gateway/limit/connections.h"

#include <stdlib.h>

#include "common/core/check.h"
#include "common/core/id.h"

enum { HEADS = 4096 };

struct holder {
	struct holder *next;
	unsigned count;
	unsigned char key_bytes;
	char key[ADDRESS_KEY_BYTES_MAX];
};

struct connections {
	const struct trusted_proxies *proxies;
	unsigned per_address_max;
	uint64_t refused;
	struct holder *heads[HEADS];
};

struct connections *connections_new(unsigned per_address_max, const struct trusted_proxies *proxies)
{
	struct connections *c = calloc(1, sizeof *c);
	CHECK(c != NULL);
	c->per_address_max = per_address_max;
	c->proxies = proxies;
	return c;
}

void connections_free(struct connections *c)
{
	for (unsigned i = 0; c && i < HEADS; i++)
		for (struct holder *h; (h = c->heads[i]);) {
			c->heads[i] = h->next;
			free(h);
		}
	free(c);
}

/* Where the holder is linked, or the end of its chain. */
static struct holder **find(struct connections *c, struct str key)
{
	struct holder **at = &c->heads[id_hash(key) % HEADS];
	while (*at && !str_eq(str_span((*at)->key, (*at)->key_bytes), key)) at = &(*at)->next;
	return at;
}

static bool is_free_of_limits(const struct connections *c, struct str peer)
{
	return peer.n == 0 || peer.n > ADDRESS_KEY_BYTES_MAX || str_eq(peer, STR("unix")) ||
	       trusted_proxies_have(c->proxies, peer);
}

bool connections_come(struct connections *c, struct str peer)
{
	char room[ADDRESS_KEY_BYTES_MAX];
	if (is_free_of_limits(c, peer)) return true;
	struct str key = address_key(peer, room);
	struct holder **at = find(c, key);
	if (*at && (*at)->count >= c->per_address_max) {
		c->refused++;
		return false;
	}
	if (!*at) {
		struct holder *h = calloc(1, sizeof *h);
		CHECK(h != NULL);
		memcpy(h->key, key.p, key.n);
		h->key_bytes = (unsigned char)key.n;
		*at = h;
	}
	(*at)->count++;
	return true;
}

void connections_gone(struct connections *c, struct str peer)
{
	char room[ADDRESS_KEY_BYTES_MAX];
	if (is_free_of_limits(c, peer)) return;
	struct holder **at = find(c, address_key(peer, room));
	struct holder *h = *at;
	if (!h || --h->count) return;
	*at = h->next;
	free(h);
}

uint64_t connections_refused(const struct connections *c)
{
	return c->refused;
}
