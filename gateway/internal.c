/* One small request to the identity service, written by hand: no user's header is in it. */
#include "gateway/internal.h"

#include "common/auth/principal.h"
#include "common/core/clock.h"
#include "common/core/id.h"

enum { HEAD_BYTES_MAX = 8 * 1024 };

static enum err send_call(struct internal *i, struct str method, struct str target, struct str body, bool safe,
    upstream_done *done, void *arg)
{
	struct principal self = { .kind = PRINCIPAL_SYSTEM, .client = STR("gateway") };
	struct upstream_call *call;
	struct arena a;
	struct buf head;
	char id[UUID_TEXT_BYTES];
	arena_init(&a, 4096, 64 * 1024);
	buf_init(&head, HEAD_BYTES_MAX);
	id_uuid7(id);
	buf_str(&head, method);
	buf_char(&head, ' ');
	buf_str(&head, target);
	BUF_LIT(&head, " HTTP/1.1\r\nHost: identity\r\nX-Yangguang-Identity: ");
	buf_str(&head, identity_seal(&a, *i->seal_key, &self, clock_wall_s()));
	BUF_LIT(&head, "\r\nX-Request-Id: ");
	buf_append(&head, id, sizeof id);
	buf_printf(&head, "\r\nX-Yangguang-Deadline-Ms: %d\r\n", INTERNAL_TIMEOUT_MS);
	if (body.p) buf_printf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.n);
	BUF_LIT(&head, "\r\n");
	enum err e = ERR_MEMORY;
	if (buf_ok(&head))
		e = upstream_send(i->identity, buf_view(&head), body, false, safe,
		    loop_now_ms(i->loop) + INTERNAL_TIMEOUT_MS, done, arg, &call);
	buf_free(&head);
	arena_release(&a);
	return e;
}

enum err internal_send(
    struct internal *i, struct str method, struct str target, struct str body, upstream_done *done, void *arg)
{
	return send_call(i, method, target, body, true, done, arg);
}

enum err internal_send_once(
    struct internal *i, struct str method, struct str target, struct str body, upstream_done *done, void *arg)
{
	return send_call(i, method, target, body, false, done, arg);
}
