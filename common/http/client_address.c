/* Addresses as the socket and our proxies tell them. Whatever cannot be read ends the walk at the last hop that was believed. */
#include "common/http/client_address.h"

#include <arpa/inet.h>

#include "common/core/log.h"

enum { HOPS_MAX = 32, IPV4_PREFIX_BITS = 96 };

struct hops {
	struct str at[HOPS_MAX]; /* a ring: the last ones of a longer list */
	unsigned count;
};

bool client_address_parse(struct str text, unsigned char out[16])
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char z[ADDRESS_BYTES_MAX];
	if (text.n == 0 || text.n >= sizeof z || memchr(text.p, 0, text.n)) return false;
	memcpy(z, text.p, text.n);
	z[text.n] = 0;
	if (strchr(z, ':')) return inet_pton(AF_INET6, z, out) == 1;
	memcpy(out, mapped, sizeof mapped);
	return inet_pton(AF_INET, z, out + sizeof mapped) == 1;
}

static bool is_ipv4(const unsigned char bytes[16])
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	return memcmp(bytes, mapped, sizeof mapped) == 0;
}

static bool in_range(const struct proxy_range *r, const unsigned char bytes[16])
{
	unsigned whole = r->bits / 8, rest = r->bits % 8;
	if (memcmp(r->bytes, bytes, whole) != 0) return false;
	return !rest || ((r->bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

bool proxy_range_read(struct str text, struct proxy_range *out)
{
	struct str address = text, bits = STR_NONE;
	ptrdiff_t slash = str_index(text, '/');
	if (slash >= 0) {
		address = str_span(text.p, (size_t)slash);
		bits = str_from(text, (size_t)slash + 1);
	}
	if (!client_address_parse(address, out->bytes)) return false;
	int64_t most = str_index(address, ':') >= 0 ? 128 : 32, n = most;
	if (bits.p && (!str_to_i64(bits, &n) || n < 0 || n > most)) return false;
	out->bits = (unsigned)n + (most == 32 ? IPV4_PREFIX_BITS : 0);
	return true;
}

enum err trusted_proxies_read(struct trusted_proxies *out, struct str list, struct str field)
{
	struct str part;
	*out = (struct trusted_proxies){ .forwarded = str_eq_ci(field, STR("forwarded")) };
	if (!out->forwarded && !str_eq_ci(field, STR("x-forwarded-for"))) {
		log_line(LOG_ERROR, "YG_TRUSTED_PROXY_FIELD is not valid", "X-Forwarded-For or Forwarded");
		return ERR_CONFIG;
	}
	while (str_cut(&list, ',', &part)) {
		part = str_trim(part);
		if (!part.n) continue;
		if (str_eq(part, STR("unix"))) {
			out->local = true;
			continue;
		}
		if (out->count == TRUSTED_PROXIES_MAX || !proxy_range_read(part, &out->ranges[out->count])) {
			log_line(LOG_ERROR, "YG_TRUSTED_PROXIES is not valid", "near \"%.*s\"", STR_FMT(part));
			return ERR_CONFIG;
		}
		out->count++;
	}
	return ERR_NONE;
}

bool trusted_proxies_have(const struct trusted_proxies *p, struct str address)
{
	unsigned char bytes[16];
	if (!p->count && !p->local) return false;
	if (str_eq(address, STR("unix"))) return p->local;
	if (!client_address_parse(address, bytes)) return false;
	for (unsigned i = 0; i < p->count; i++)
		if (in_range(&p->ranges[i], bytes)) return true;
	return false;
}

static void add_hop(struct hops *h, struct str hop)
{
	h->at[h->count++ % HOPS_MAX] = str_trim(hop);
}

/* The next part before `sep`, which may stand in quotes without meaning. */
static bool cut_unquoted(struct str *rest, char sep, struct str *part)
{
	bool quoted = false;
	if (!rest->p) return false;
	for (size_t i = 0; i < rest->n; i++) {
		char c = rest->p[i];
		if (quoted && c == '\\') i++;
		if (c == '"') quoted = !quoted;
		if (quoted || c != sep) continue;
		*part = str_span(rest->p, i);
		*rest = str_from(*rest, i + 1);
		return true;
	}
	*part = quoted ? STR("") : *rest; /* an open quote would swallow what our own proxy has added: unreadable */
	*rest = STR_NONE;
	return true;
}

/* for= of one element of Forwarded; empty when there is none, so that the walk ends here. */
static struct str forwarded_for(struct str element)
{
	struct str pair, value = STR("");
	while (cut_unquoted(&element, ';', &pair)) {
		pair = str_trim(pair);
		if (pair.n > 4 && str_eq_ci(str_span(pair.p, 4), STR("for="))) value = str_from(pair, 4);
	}
	if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = str_span(value.p + 1, value.n - 2);
	return value;
}

static void gather(const struct trusted_proxies *p, struct http_fields fields, struct hops *h)
{
	struct str name = p->forwarded ? STR("forwarded") : STR("x-forwarded-for"), part;
	for (unsigned i = 0; i < fields.count; i++) {
		if (!str_eq_ci(fields.items[i].name, name)) continue;
		struct str rest = fields.items[i].value;
		if (p->forwarded)
			while (cut_unquoted(&rest, ',', &part)) add_hop(h, forwarded_for(part));
		else
			while (str_cut(&rest, ',', &part)) add_hop(h, part);
	}
}

/* Without the port that some proxies add: "1.2.3.4:5", "[::1]:5", "[::1]". */
static struct str without_port(struct str hop)
{
	ptrdiff_t colon = str_index(hop, ':');
	if (hop.n > 2 && hop.p[0] == '[') {
		ptrdiff_t end = str_index(hop, ']');
		return end > 0 ? str_span(hop.p + 1, (size_t)end - 1) : STR("");
	}
	if (colon > 0 && str_index(str_from(hop, (size_t)colon + 1), ':') < 0) return str_span(hop.p, (size_t)colon);
	return hop;
}

struct str client_address(const struct trusted_proxies *p, struct arena *a, struct http_fields fields, struct str peer)
{
	struct hops hops = { .count = 0 };
	struct str client = peer;
	if (!trusted_proxies_have(p, peer)) return peer;
	gather(p, fields, &hops);
	unsigned kept = hops.count < HOPS_MAX ? hops.count : HOPS_MAX;
	for (unsigned i = 1; i <= kept; i++) {
		struct str hop = without_port(hops.at[(hops.count - i) % HOPS_MAX]);
		unsigned char bytes[16];
		char text[ADDRESS_BYTES_MAX];
		if (!client_address_parse(hop, bytes)) break;
		bool v4 = is_ipv4(bytes);
		if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? bytes + 12 : bytes, text, sizeof text)) break;
		client = arena_str(a, str_of(text));
		if (!client.p) return peer;
		if (!trusted_proxies_have(p, client)) break;
	}
	return client;
}

struct str address_key(struct str address, char out[ADDRESS_KEY_BYTES_MAX])
{
	unsigned char bytes[16];
	if (str_index(address, ':') < 0 || !client_address_parse(address, bytes)) return address;
	if (is_ipv4(bytes)) {
		if (!inet_ntop(AF_INET, bytes + 12, out, ADDRESS_KEY_BYTES_MAX)) return address;
		return str_of(out);
	}
	memset(bytes + 8, 0, 8);
	if (!inet_ntop(AF_INET6, bytes, out, ADDRESS_KEY_BYTES_MAX)) return address;
	return str_of(out);
}
