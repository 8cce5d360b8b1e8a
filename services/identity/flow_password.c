/* me_password_change: with the old password at hand; attempts at that are slowed down like logins. staff_password_reset: by an
 * administrator, for somebody else. Both end all sessions of the person. staff_totp_confirm: with the password at hand too, or who has
 * somebody's token for a quarter of an hour keeps him out with a device of his own. */
#include "services/identity/identity.h"

#include "common/core/clock.h"

/* ── me_password_change ── */

/* throttle_charge, staff_password and what else the flow wants to know: password_given judges the first two. */
static enum next password_ask(
    struct request *r, struct password_state *s, struct str given, const char *const *statements, unsigned count)
{
	struct arena *a = request_arena(r);
	const struct principal *p = request_principal(r);
	enum err e = hash_begin(r, &s->old, given, HASHES_MAX);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct str bucket = arena_printf(a, "password\n%.*s", STR_FMT(p->subject));
	bucket = blind_index(service_vault(request_service(r)), a, STR("identity.throttle"), bucket);
	request_set(r, "flow.bucket", bucket);
	request_set(r, "flow.schedule", throttle_schedule(a, THROTTLE_PAIR));
	return bucket.p ? request_query_all(r, statements, count) : request_fail(r, ERR_MEMORY, NULL);
}

static bool must_wait(struct request *r)
{
	int64_t wait_s = 0;
	if (!str_to_i64(request_column_at(r, 0, 0, "wait_s"), &wait_s) || wait_s <= 0) return false;
	request_retry_after(r, (int)wait_s);
	return true;
}

static enum next password_given(struct request *r, struct password_state *s)
{
	if (must_wait(r)) return request_fail(r, ERR_ACCOUNT_LOCKED, NULL);
	s->sealed = request_column_at(r, 1, 0, "password_sealed");
	if (!s->sealed.p) return request_fail(r, ERR_UNAUTHENTICATED, NULL);
	enum err e = unseal_text(r, STR("identity.password"), s->sealed, &s->old.phc);
	return e == ERR_NONE ? request_work(r, hash_compare, &s->old) : request_fail(r, e, NULL);
}

enum next password_charge(struct request *r)
{
	static const char *const statements[] = { "throttle_charge", "staff_password" };
	if (request_principal(r)->kind != PRINCIPAL_STAFF) return request_fail(r, ERR_INSUFFICIENT_SCOPE, NULL);
	return password_ask(
	    r, request_state(r), request_value(r, "body.current_password"), statements, ARRAY_LEN(statements));
}

enum next password_check(struct request *r)
{
	return password_given(r, request_state(r));
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

/* ── staff_totp_confirm ── */

enum next totp_find(struct request *r)
{
	static const char *const statements[] = { "throttle_charge", "staff_password", "totp_pending" };
	struct totp_state *s = request_state(r);
	if (!is_oneself(r)) return request_fail(r, ERR_NOT_FOUND, NULL);
	return password_ask(
	    r, &s->password, request_value(r, "body.current_password"), statements, ARRAY_LEN(statements));
}

/* The code first: it costs no hashing, and who was shown the secret learns nothing from it. */
enum next totp_check(struct request *r)
{
	struct totp_state *s = request_state(r);
	struct str sealed = request_column_at(r, 2, 0, "totp_sealed"), secret;
	int64_t step;
	if (must_wait(r)) return request_fail(r, ERR_ACCOUNT_LOCKED, NULL);
	if (!sealed.p) return request_refuse(r, "totp-not-pending", NULL);
	enum err e = unseal_text(r, STR("identity.totp"), sealed, &secret);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	if (!totp_verify(secret, request_value(r, "body.code"), clock_wall_s(), &step))
		return request_refuse(r, "totp-code-invalid", NULL);
	request_set(r, "flow.totp_sealed", sealed);
	request_set_i64(r, "flow.totp_step", step);
	return password_given(r, &s->password);
}

enum next totp_keep(struct request *r)
{
	struct totp_state *s = request_state(r);
	hash_end(&s->password.old);
	enum err e = request_outcome(r) == ERR_NONE ? s->password.old.result : request_outcome(r);
	if (e == ERR_CREDENTIALS) return request_refuse(r, "current-password-wrong", NULL);
	return e == ERR_NONE ? request_query(r, "totp_confirm") : request_fail(r, e, NULL);
}

enum next totp_confirmed(struct request *r)
{
	if (!str_eq(request_column(r, 0, "confirmed"), STR("t"))) return request_refuse(r, "totp-not-pending", NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_bool(w, "totp_enabled", true);
	json_end_object(w);
	return request_answer(r, 0);
}
