/*
 * auth_staff: the attempt is charged before the password is looked at, the password before the one-time code, the code before the
 * grants. Unknown names take the same path and the same time as known ones, and get the same answer.
 */
#include "services/identity/identity.h"

#include "common/core/clock.h"
#include "common/core/id.h"

/* A database without staff gets its first administrator at the first login. */
enum next login_bootstrap(struct request *r)
{
	const struct identity *context = request_context(r);
	struct staff_login_state *s = request_state(r);
	if (!context->bootstrap_username.p) return NEXT_STEP;
	s->bootstrapping = true;
	request_set(r, "flow.username", context->bootstrap_username);
	request_set(r, "flow.password_sealed", context->bootstrap_password_sealed);
	return request_query(r, "staff_bootstrap");
}

static struct str bucket(struct request *r, const char *class, struct str username, const char *network)
{
	struct arena *a = request_arena(r);
	struct str text = arena_printf(a, "%s\n%.*s\n%s", class, STR_FMT(username), network);
	return blind_index(service_vault(request_service(r)), a, STR("identity.throttle"), text);
}

enum next login_charge(struct request *r)
{
	static const char *const statements[] = { "throttle_charge", "staff_find" };
	struct identity *context = request_context(r);
	struct staff_login_state *s = request_state(r);
	struct arena *a = request_arena(r);
	if (s->bootstrapping) context->bootstrap_username = STR_NONE;
	enum err e = hash_begin(r, &s->work, request_value(r, "body.password"));
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct str username = lower_case(a, request_value(r, "body.username"));
	s->network = note_caller(r);
	request_set(r, "flow.username", username);
	request_set(r, "flow.pair_bucket", bucket(r, "pair", username, s->network.exact));
	request_set(r, "flow.user_bucket", bucket(r, "user", username, ""));
	request_set(r, "flow.network_bucket", bucket(r, "network", STR(""), s->network.exact));
	request_set(r, "flow.pair_schedule", throttle_schedule(a, THROTTLE_PAIR));
	request_set(r, "flow.user_schedule", throttle_schedule(a, THROTTLE_USER));
	request_set(r, "flow.network_schedule", throttle_schedule(a, THROTTLE_NETWORK));
	return a->overflow ? request_fail(r, ERR_MEMORY, NULL)
			   : request_query_all(r, statements, ARRAY_LEN(statements));
}

static void keep_grants(struct request *r, struct staff_login_state *s)
{
	for (unsigned i = 0; i < request_rows_at(r, 1) && s->grant_count < GRANTS_MAX; i++) {
		struct str organization = request_column_at(r, 1, i, "organization");
		if (organization.p)
			s->grants[s->grant_count++] =
			    (struct grant){ organization, request_column_at(r, 1, i, "scopes") };
	}
}

enum next login_check(struct request *r)
{
	struct staff_login_state *s = request_state(r);
	int64_t wait_s = 0;
	if (str_to_i64(request_column_at(r, 0, 0, "wait_s"), &wait_s) && wait_s > 0) {
		request_retry_after(r, (int)wait_s);
		return request_fail(r, ERR_ACCOUNT_LOCKED, NULL);
	}
	request_set(r, "flow.charged_all", request_column_at(r, 0, 0, "charged_all"));
	if (request_rows_at(r, 1)) {
		s->principal.subject = request_column_at(r, 1, 0, "id");
		s->is_active = str_eq(request_column_at(r, 1, 0, "state"), STR("ACTIVE"));
		s->totp_state = request_column_at(r, 1, 0, "totp_state");
		s->totp_sealed = request_column_at(r, 1, 0, "totp_sealed");
		if (!str_to_i64(request_column_at(r, 1, 0, "totp_last_step"), &s->totp_last_step))
			s->totp_last_step = INT64_MAX;
		keep_grants(r, s);
		enum err e = unseal_text(
		    r, STR("identity.password"), request_column_at(r, 1, 0, "password_sealed"), &s->work.phc);
		if (e != ERR_NONE) return request_fail(r, e, NULL);
	}
	return request_work(r, hash_compare, &s->work);
}

/* A code counts once: its time step must be later than the last one used. The database has the last word (staff_sign_in). */
static enum err check_totp(struct request *r, struct staff_login_state *s)
{
	struct str secret, code = request_value(r, "body.totp");
	int64_t step;
	if (!str_eq(s->totp_state, STR("CONFIRMED"))) return ERR_NONE;
	if (!code.p) return ERR_TOTP_REQUIRED;
	TRY(unseal_text(r, STR("identity.totp"), s->totp_sealed, &secret));
	if (!totp_verify(secret, code, clock_wall_s(), &step) || step <= s->totp_last_step) return ERR_CREDENTIALS;
	request_set_i64(r, "flow.totp_step", step);
	return ERR_NONE;
}

static const char *reason_of(enum err e)
{
	if (e == ERR_TOTP_REQUIRED) return "one-time code missing";
	return e == ERR_INSUFFICIENT_SCOPE ? "no grant" : "credentials";
}

enum next login_judge(struct request *r)
{
	struct staff_login_state *s = request_state(r);
	hash_end(&s->work);
	enum err e = request_outcome(r) == ERR_NONE ? s->work.result : request_outcome(r);
	if (e == ERR_NONE && !s->is_active) e = ERR_CREDENTIALS;
	if (e == ERR_NONE) e = check_totp(r, s);
	if (e == ERR_NONE)
		e = grants_choose(request_arena(r), s->grants, s->grant_count, request_value(r, "body.organization"),
		    &s->principal.organization, &s->principal.scopes);
	s->refusal = e;
	if (e == ERR_NONE) return NEXT_STEP;
	if (e != ERR_CREDENTIALS && e != ERR_TOTP_REQUIRED && e != ERR_INSUFFICIENT_SCOPE)
		return request_fail(r, e, NULL);
	request_set(r, "flow.reason", str_of(reason_of(e)));
	request_set(r, "flow.subject", s->principal.subject);
	return request_query(r, "login_refused");
}

enum next login_open(struct request *r)
{
	struct staff_login_state *s = request_state(r);
	char session[UUID_TEXT_BYTES];
	if (s->refusal == ERR_INSUFFICIENT_SCOPE) return request_refuse(r, "organization-not-granted", NULL);
	if (s->refusal != ERR_NONE) return request_fail(r, s->refusal, NULL);
	id_uuid7(session);
	s->refresh_token = secret_new(request_arena(r));
	request_set(r, "flow.session", str_span(session, sizeof session));
	request_set(r, "flow.subject", s->principal.subject);
	request_set(r, "flow.wanted", request_value(r, "body.organization"));
	request_set(r, "flow.refresh_sha256", sha256_hex(request_arena(r), s->refresh_token));
	return request_query(r, "staff_sign_in");
}

enum next login_answer(struct request *r)
{
	struct staff_login_state *s = request_state(r);
	if (!str_eq(request_column(r, 0, "opened"), STR("t"))) return request_fail(r, ERR_CREDENTIALS, NULL);
	s->principal.kind = PRINCIPAL_STAFF;
	s->principal.session = request_value(r, "flow.session");
	s->principal.client = STR("staff-console");
	return tokens_answer(r, &s->principal, s->refresh_token);
}
