/* The pure rules of this service: how long failed attempts wait, which scopes a login carries, how outside texts read. Tested
 * without anything around them. */
#include "services/identity/rules.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/auth/principal.h"
#include "common/core/buf.h"
#include "common/core/utf8.h"
#include "common/crypto/crypto.h"

/* ── slowing attempts down ── */

/*
 * A person who mistypes meets nothing before the fifth failure, and nobody ever waits longer than a minute. A guesser gets 1,445 tries
 * a day in one queue (4, then six growing delays, then one a minute), 1,467 for a name from all unknown networks together.
 */
static const struct {
	unsigned free; /* failures without delay */
	int first_s; /* after the next one; doubles from there */
	int most_s;
} schedules[THROTTLE_CLASS_COUNT] = {
	[THROTTLE_PAIR] = { 4, 2, 60 },
	[THROTTLE_USER] = { 20, 1, 60 },
	[THROTTLE_NETWORK] = { 50, 1, 5 },
};

int throttle_delay_s(enum throttle_class class, unsigned failures)
{
	CHECK(class < THROTTLE_CLASS_COUNT);
	if (failures <= schedules[class].free) return 0;
	int delay_s = schedules[class].first_s;
	for (unsigned i = failures - schedules[class].free; i > 1 && delay_s < schedules[class].most_s; i--)
		delay_s *= 2;
	return delay_s < schedules[class].most_s ? delay_s : schedules[class].most_s;
}

struct str throttle_schedule(struct arena *a, enum throttle_class class)
{
	struct buf b;
	unsigned length = schedules[class].free + THROTTLE_SCHEDULE_LENGTH;
	buf_init(&b, 4096);
	for (unsigned i = 0; i < length; i++) buf_printf(&b, "%c%d", i ? ',' : '{', throttle_delay_s(class, i));
	buf_char(&b, '}');
	struct str out = buf_ok(&b) ? arena_str(a, buf_view(&b)) : STR_NONE;
	buf_free(&b);
	return out;
}

/* ── networks ── */

/* The address without brackets and port. */
static struct str bare_address(struct str s)
{
	s = str_trim(s);
	if (s.n && s.p[0] == '[') {
		ptrdiff_t end = str_index(s, ']');
		return end < 0 ? STR("") : str_span(s.p + 1, (size_t)end - 1);
	}
	ptrdiff_t colon = str_index(s, ':');
	if (colon >= 0 && str_index(str_from(s, (size_t)colon + 1), ':') < 0)
		s.n = (size_t)colon; /* one colon: a port */
	return s;
}

static void network_of_v4(const unsigned char *b, struct network *out)
{
	snprintf(out->exact, sizeof out->exact, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	snprintf(out->shown, sizeof out->shown, "%u.%u.%u.0/24", b[0], b[1], b[2]);
}

static void network_of_v6(unsigned char *b, struct network *out)
{
	char text[INET6_ADDRSTRLEN];
	memset(b + 8, 0, 8); /* one customer has a /64 at least */
	if (inet_ntop(AF_INET6, b, text, sizeof text)) snprintf(out->exact, sizeof out->exact, "%s/64", text);
	memset(b + 6, 0, 2);
	if (inet_ntop(AF_INET6, b, text, sizeof text)) snprintf(out->shown, sizeof out->shown, "%s/48", text);
}

void network_of(struct str forwarded_for, struct network *out)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct str last = STR(""), part;
	char text[INET6_ADDRSTRLEN];
	unsigned char b[16];
	*out = (struct network){ .exact = "unknown" };
	while (str_cut(&forwarded_for, ',', &part)) last = part;
	last = bare_address(last);
	if (last.n == 0 || last.n >= sizeof text || memchr(last.p, 0, last.n)) return;
	memcpy(text, last.p, last.n);
	text[last.n] = '\0';
	if (inet_pton(AF_INET, text, b) == 1)
		network_of_v4(b, out);
	else if (inet_pton(AF_INET6, text, b) != 1)
		return;
	else if (memcmp(b, mapped, sizeof mapped) == 0)
		network_of_v4(b + sizeof mapped, out);
	else
		network_of_v6(b, out);
}

/* ── what a token may say ── */

static unsigned steps_of(struct str path)
{
	unsigned n = 0;
	for (size_t i = 0; i < path.n; i++) n += path.p[i] == '/';
	return n;
}

static bool is_above(struct str a, struct str b)
{
	unsigned x = steps_of(a), y = steps_of(b);
	return x < y || (x == y && str_cmp(a, b) < 0);
}

struct scope_set {
	struct str items[SCOPES_MAX];
	size_t count;
};

static bool set_has(const struct scope_set *set, struct str scope)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->items[i], scope)) return true;
	return false;
}

/* False when there are too many. */
static bool set_add_all(struct scope_set *set, struct str scopes)
{
	struct str scope;
	while (str_cut(&scopes, ' ', &scope)) {
		if (scope.n == 0 || set_has(set, scope)) continue;
		if (set->count == SCOPES_MAX) return false;
		set->items[set->count++] = scope;
	}
	return true;
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static struct str set_join(struct arena *a, struct scope_set *set)
{
	size_t n = 0, at = 0;
	qsort(set->items, set->count, sizeof set->items[0], by_text);
	for (size_t i = 0; i < set->count; i++) n += set->items[i].n + 1;
	char *text = arena_alloc(a, n + 1);
	if (!text) return STR_NONE;
	for (size_t i = 0; i < set->count; i++) {
		if (i) text[at++] = ' ';
		memcpy(text + at, set->items[i].p, set->items[i].n);
		at += set->items[i].n;
	}
	return str_span(text, at);
}

enum err grants_choose(struct arena *a, const struct grant *grants, size_t count, struct str wanted,
    struct str *organization, struct str *scopes)
{
	struct scope_set set = { .count = 0 };
	struct str unit = wanted;
	bool covered = false;
	for (size_t i = 0; i < count && !wanted.p; i++)
		if (!unit.p || is_above(grants[i].organization, unit)) unit = grants[i].organization;
	for (size_t i = 0; i < count; i++) {
		if (!unit.p || !organization_within(unit, grants[i].organization)) continue;
		covered = true;
		if (!set_add_all(&set, grants[i].scopes)) return ERR_MEMORY;
	}
	if (!covered) return ERR_INSUFFICIENT_SCOPE;
	*organization = unit;
	*scopes = set_join(a, &set);
	return scopes->p ? ERR_NONE : ERR_MEMORY;
}

/* RFC 6749 3.3: %x21 / %x23-5B / %x5D-7E. */
static bool is_scope_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') return false;
	}
	return s.n > 0;
}

enum err scopes_narrow(struct arena *a, struct str held, struct str asked, struct str *out)
{
	struct scope_set have = { .count = 0 }, want = { .count = 0 };
	if (!set_add_all(&have, held)) return ERR_MEMORY;
	if (!asked.p)
		asked = held;
	else if (!is_scope_text(asked))
		return ERR_SYNTAX;
	if (!set_add_all(&want, asked)) return ERR_INSUFFICIENT_SCOPE;
	for (size_t i = 0; i < want.count; i++)
		if (!set_has(&have, want.items[i])) return ERR_INSUFFICIENT_SCOPE;
	*out = set_join(a, &want);
	return out->p ? ERR_NONE : ERR_MEMORY;
}

/* ── bytes from outside ── */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return -1;
}

/* application/x-www-form-urlencoded, one value. */
static enum err form_decode(struct arena *a, struct str s, struct str *out)
{
	char *text = arena_alloc(a, s.n + 1);
	size_t n = 0;
	if (!text) return ERR_MEMORY;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (s.n - i < 3 || hex_value(s.p[i + 1]) < 0 || hex_value(s.p[i + 2]) < 0) return ERR_SYNTAX;
			c = (char)(hex_value(s.p[i + 1]) * 16 + hex_value(s.p[i + 2]));
			i += 2;
		}
		if (c == '\0') return ERR_SYNTAX;
		text[n++] = c;
	}
	*out = str_span(text, n);
	return utf8_valid(*out) ? ERR_NONE : ERR_SYNTAX;
}

enum err basic_auth_read(struct arena *a, struct str authorization, struct client_credentials *out)
{
	struct str plain, id;
	*out = (struct client_credentials){ .id = STR_NONE };
	if (authorization.n < 6 || !str_eq_ci(str_span(authorization.p, 6), STR("Basic "))) return ERR_SYNTAX;
	TRY(base64_decode(a, str_trim(str_from(authorization, 6)), &plain));
	if (str_index(plain, ':') < 0 || !str_cut(&plain, ':', &id)) return ERR_SYNTAX;
	TRY(form_decode(a, id, &out->id));
	TRY(form_decode(a, plain, &out->secret));
	bool fits = out->id.n >= 1 && out->id.n <= CLIENT_ID_BYTES_MAX && out->secret.n <= CLIENT_SECRET_BYTES_MAX;
	return fits ? ERR_NONE : ERR_SYNTAX;
}

struct str percent_encode(struct arena *a, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";
	char *text = arena_array(a, s.n + 1, 3);
	size_t n = 0;
	if (!text) return STR_NONE;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			     (c != 0 && strchr("-._~", c));
		if (plain) {
			text[n++] = (char)c;
		} else {
			text[n++] = '%';
			text[n++] = digits[c >> 4];
			text[n++] = digits[c & 15];
		}
	}
	return str_span(text, n);
}

enum err wechat_login_error(int64_t errcode)
{
	switch (errcode) {
	case 0:
		return ERR_NONE;
	case 40029:
	case 40163:
		return ERR_LOGIN_CODE;
	case 40226:
		return ERR_USER_BLOCKED;
	case 45011:
		return ERR_TOO_MANY_REQUESTS;
	case -1:
		return ERR_UNAVAILABLE;
	default:
		return ERR_LOGIN_PROVIDER;
	}
}

bool wechat_token_is_stale(int64_t errcode)
{
	return errcode == 40001 || errcode == 40014 || errcode == 42001;
}

struct str mask_contact(struct arena *a, struct str contact)
{
	size_t n = contact.n ? 1 : 0;
	while (n < contact.n && ((unsigned char)contact.p[n] & 0xc0) == 0x80) n++;
	return contact.p ? arena_printf(a, "%.*s***", (int)n, contact.p) : STR_NONE;
}

struct str lower_case(struct arena *a, struct str s)
{
	char *text = arena_alloc(a, s.n + 1);
	if (!text) return STR_NONE;
	for (size_t i = 0; i < s.n; i++)
		text[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
	return str_span(text, s.n);
}
