/* me_password_change: with the old password at hand; attempts at that are slowed down like logins. staff_password_reset: by an
 * administrator, for somebody else. Both end all sessions of the person. */
#include "services/identity/identity.h"

/* ── me_password_change ── */

enum next password_charge(struct request *r)
{
	static const char *const statements[] = { "throttle_charge", "staff_password" };
	struct password_state *s = request_state(r);
	struct arena *a = request_arena(r);
	const struct principal *p = request_principal(r);
	if (p->kind != PRINCIPAL_STAFF) return request_fail(r, ERR_INSUFFICIENT_SCOPE, NULL);
	enum err e = hash_begin(r, &s->old, request_value(r, "body.current_password"), HASHES_MAX);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct str bucket = arena_printf(a, "password\n%.*s", STR_FMT(p->subject));
	bucket = blind_index(service_vault(request_service(r)), a, STR("identity.throttle"), bucket);
	request_set(r, "flow.bucket", bucket);
	request_set(r, "flow.schedule", throttle_schedule(a, THROTTLE_PAIR));
	return bucket.p ? request_query_all(r, statements, ARRAY_LEN(statements)) : request_fail(r, ERR_MEMORY, NULL);
}

enum next password_check(struct request *r)
{
	struct password_state *s = request_state(r);
	int64_t wait_s = 0;
	if (str_to_i64(request_column_at(r, 0, 0, "wait_s"), &wait_s) && wait_s > 0) {
		request_retry_after(r, (int)wait_s);
		return request_fail(r, ERR_ACCOUNT_LOCKED, NULL);
	}
	s->sealed = request_column_at(r, 1, 0, "password_sealed");
	if (!s->sealed.p) return request_fail(r, ERR_UNAUTHENTICATED, NULL);
	enum err e = unseal_text(r, STR("identity.password"), s->sealed, &s->old.phc);
	return e == ERR_NONE ? request_work(r, hash_compare, &s->old) : request_fail(r, e, NULL);
}

enum next password_hash_new(struct request *r)
{
	struct password_state *s = request_state(r);
	hash_end(&s->old);
	enum err e = request_outcome(r) == ERR_NONE ? s->old.result : request_outcome(r);
	if (e == ERR_CREDENTIALS) return request_refuse(r, "current-password-wrong", NULL);
	if (e == ERR_NONE) e = hash_begin(r, &s->work, request_value(r, "body.new_password"), HASHES_MAX);
	return e == ERR_NONE ? request_work(r, hash_make, &s->work) : request_fail(r, e, NULL);
}

/* The new hash, sealed, as the bind of the statement that follows. */
static enum err seal_hash(struct request *r, struct password_work *w)
{
	hash_end(w);
	TRY(request_outcome(r));
	TRY(w->result);
	return seal_bind(r, "flow.password_sealed", STR("identity.password"), w->phc);
}

enum next password_save(struct request *r)
{
	struct password_state *s = request_state(r);
	enum err e = seal_hash(r, &s->work);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	request_set(r, "flow.password_was", s->sealed);
	return request_query(r, "me_password_change");
}

enum next password_changed(struct request *r)
{
	if (!str_eq(request_column(r, 0, "changed"), STR("t")))
		return request_refuse(r, "current-password-wrong", NULL);
	return request_answer(r, 204);
}

/* ── staff_password_reset ── */

enum next reset_hash(struct request *r)
{
	struct password_state *s = request_state(r);
	enum err e = hash_begin(r, &s->work, request_value(r, "body.password"), HASHES_MAX);
	return e == ERR_NONE ? request_work(r, hash_make, &s->work) : request_fail(r, e, NULL);
}

enum next reset_save(struct request *r)
{
	struct password_state *s = request_state(r);
	enum err e = seal_hash(r, &s->work);
	return e == ERR_NONE ? request_query(r, "staff_password_reset") : request_fail(r, e, NULL);
}

enum next reset_done(struct request *r)
{
	return request_answer(r, 204);
}
