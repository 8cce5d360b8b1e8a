/* Addresses as they stand in settings, read strictly: a typing error must stop the process, not bind somewhere else. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/net/uv_loop.h"

static enum err parse_port(struct str text, in_port_t *out)
{
	uint64_t port;
	if (text.n == 0 || text.n > 5 || !str_to_u64(text, &port) || port > 65535) return ERR_SYNTAX;
	*out = htons((uint16_t)port);
	return ERR_NONE;
}

static enum err parse_ip(struct str host, bool is_v6, in_port_t port, struct sockaddr_storage *out)
{
	char z[INET6_ADDRSTRLEN];
	if (host.n == 0 || host.n >= sizeof z) return ERR_SYNTAX;
	memcpy(z, host.p, host.n);
	z[host.n] = 0;
	memset(out, 0, sizeof *out);
	if (is_v6) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = port;
		return inet_pton(AF_INET6, z, &v6->sin6_addr) == 1 ? ERR_NONE : ERR_SYNTAX;
	}
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	v4->sin_family = AF_INET;
	v4->sin_port = port;
	return inet_pton(AF_INET, z, &v4->sin_addr) == 1 ? ERR_NONE : ERR_SYNTAX;
}

enum err address_parse(struct str text, struct address *out)
{
	memset(out, 0, sizeof *out);
	if (str_starts(text, STR("unix:"))) {
		struct str path = str_from(text, 5);
		/* libuv would cut a long path silently. */
		if (path.n < 2 || path.p[0] != '/' || path.n >= sizeof out->local.sun_path || memchr(path.p, 0, path.n))
			return ERR_SYNTAX;
		out->is_unix = true;
		out->local.sun_family = AF_UNIX;
		memcpy(out->local.sun_path, path.p, path.n);
		return ERR_NONE;
	}
	ptrdiff_t colon = -1;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == ':') colon = (ptrdiff_t)i;
	if (colon < 1) return ERR_SYNTAX;
	struct str host = str_span(text.p, (size_t)colon);
	in_port_t port;
	TRY(parse_port(str_from(text, (size_t)colon + 1), &port));
	if (host.p[0] != '[') return parse_ip(host, false, port, &out->ip);
	if (host.n < 3 || host.p[host.n - 1] != ']') return ERR_SYNTAX;
	return parse_ip(str_span(host.p + 1, host.n - 2), true, port, &out->ip);
}
