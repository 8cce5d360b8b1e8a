/* Names, by uv_getaddrinfo. Nothing is remembered here: who asks decides how long an answer holds, since the resolver does not say. */
#include "common/net/names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/net/uv_loop.h"

enum { NAME_BYTES_MAX = 253, LABEL_BYTES_MAX = 63, PORT_BYTES_MAX = 5 };

struct name_lookup {
	uv_getaddrinfo_t uv;
	struct loop *loop;
	name_found *found; /* NULL: forgotten */
	void *arg;
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The last label begins with a letter: else what was meant as an address, and is none, would be asked for. */
static bool is_name(struct str name)
{
	struct str rest = name, label = STR_NONE;
	if (!name.n || name.n > NAME_BYTES_MAX) return false;
	while (str_cut(&rest, '.', &label)) {
		if (!label.n || label.n > LABEL_BYTES_MAX || label.p[0] == '-') return false;
		for (size_t i = 0; i < label.n; i++)
			if (!is_letter(label.p[i]) && !(label.p[i] >= '0' && label.p[i] <= '9') && label.p[i] != '-' &&
			    label.p[i] != '_')
				return false;
	}
	return is_letter(label.p[0]);
}

static bool split(struct str text, struct str *name, struct str *port)
{
	uint64_t number;
	*port = text;
	return str_cut(port, ':', name) && port->p && is_name(*name) && port->n && port->n <= PORT_BYTES_MAX &&
	       str_to_u64(*port, &number) && number >= 1 && number <= 65535;
}

enum address_kind address_kind_of(struct str text)
{
	struct address fixed;
	struct str name, port;
	if (address_parse(text, &fixed) == ERR_NONE) return ADDRESS_FIXED;
	return split(text, &name, &port) ? ADDRESS_NAMED : ADDRESS_BAD;
}

/* False for what streams do not connect to. */
static bool write_address(const struct addrinfo *from, char out[NAME_TEXT_BYTES])
{
	char host[INET6_ADDRSTRLEN];
	if (from->ai_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from->ai_addr;
		if (!inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host)) return false;
		return snprintf(out, NAME_TEXT_BYTES, "%s:%u", host, ntohs(v4->sin_port)) < NAME_TEXT_BYTES;
	}
	if (from->ai_family != AF_INET6) return false;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from->ai_addr;
	if (v6->sin6_scope_id || !inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host)) return false;
	return snprintf(out, NAME_TEXT_BYTES, "[%s]:%u", host, ntohs(v6->sin6_port)) < NAME_TEXT_BYTES;
}

static void on_found(uv_getaddrinfo_t *uv, int status, struct addrinfo *list)
{
	struct name_lookup *n = CONTAINER_OF(uv, struct name_lookup, uv);
	char texts[NAME_ADDRESSES_MAX][NAME_TEXT_BYTES];
	struct str addresses[NAME_ADDRESSES_MAX];
	unsigned count = 0;
	loop_begin_turn(n->loop);
	for (struct addrinfo *i = status ? NULL : list; i && count < NAME_ADDRESSES_MAX; i = i->ai_next) {
		bool known = false;
		if (!write_address(i, texts[count])) continue;
		addresses[count] = str_of(texts[count]);
		for (unsigned k = 0; k < count; k++) known |= str_eq(addresses[k], addresses[count]);
		count += !known;
	}
	uv_freeaddrinfo(list);
	if (n->found) n->found(n->arg, addresses, count);
	free(n);
}

struct name_lookup *name_look_up(struct loop *l, struct str address, name_found *found, void *arg)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct str name, port;
	char name_z[NAME_BYTES_MAX + 1], port_z[PORT_BYTES_MAX + 1];
	if (!split(address, &name, &port)) return NULL;
	memcpy(name_z, name.p, name.n);
	memcpy(port_z, port.p, port.n);
	name_z[name.n] = port_z[port.n] = 0;
	struct name_lookup *n = calloc(1, sizeof *n);
	CHECK(n != NULL);
	n->loop = l;
	n->found = found;
	n->arg = arg;
	if (uv_getaddrinfo(&l->uv, &n->uv, on_found, name_z, port_z, &hints) == 0) return n;
	free(n);
	return NULL;
}

void name_forget(struct name_lookup *n)
{
	if (!n) return;
	n->found = NULL;
	uv_cancel((uv_req_t *)&n->uv); /* fails for one that is being asked: its answer goes to nobody */
}
