/*
 * auth_staff: the attempt is charged before the password is looked at, the password before the one-time code, the code before the
 * grants. Which queue it stands in (login_lane) is seen from what only the owner can have: a device he signed in from, an entry code,
 * two one-time codes in a row. Unknown names take the same path and the same time as known ones, and get the same answer.
 */
#include "services/identity/identity.h"

#include "common/core/clock.h"
#include "common/core/id.h"

enum { TOTP_STEP_S = 30 };

/* What codes for names without a secret are checked against, so that those take the same time. Never the secret of anybody. */
static const char no_secret[20] = { 0 };

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

enum next login_find(struct request *r)
{
	struct identity *context = request_context(r);
	struct staff_login_state *s = request_state(r);
	if (s->bootstrapping) context->bootstrap_username = STR_NONE;
	s->username = lower_case(request_arena(r), request_value(r, "body.username"));
	request_set(r, "flow.username", s->username);
	return request_query(r, "staff_find");
}

static void keep_grants(struct request *r, struct staff_login_state *s)
{
	for (unsigned i = 0; i < request_rows(r) && s->grant_count < GRANTS_MAX; i++) {
		struct str organization = request_column(r, i, "organization");
		if (organization.p)
			s->grants[s->grant_count++] = (struct grant){ organization, request_column(r, i, "scopes") };
	}
}

/* The account as found, or one that no password and no code fits. */
static enum err keep_account(struct request *r, struct staff_login_state *s)
{
	s->totp_last_step = INT64_MAX;
	s->totp_secret = str_span(no_secret, sizeof no_secret);
	if (!request_rows(r)) return ERR_NONE;
	s->principal.subject = request_column(r, 0, "id");
	s->is_active = str_eq(request_column(r, 0, "state"), STR("ACTIVE"));
	s->has_totp = str_eq(request_column(r, 0, "totp_state"), STR("CONFIRMED"));
	s->password_sealed = request_column(r, 0, "password_sealed");
	s->grants_revoked = request_column(r, 0, "grants_revoked");
	keep_grants(r, s);
	if (!s->has_totp) return ERR_NONE;
	if (!str_to_i64(request_column(r, 0, "totp_last_step"), &s->totp_last_step)) return ERR_INTERNAL;
	return unseal_text(r, STR("identity.totp"), request_column(r, 0, "totp_sealed"), &s->totp_secret);
}

/*
 * Two codes in a row: one chance in some 3 * 10^11, which may be tried without end. A single code may not, so it proves nothing
 * before the attempt is charged.
 */
static bool is_proved(struct request *r, const struct staff_login_state *s)
{
	struct str code = request_value(r, "body.totp"), before = request_value(r, "body.totp_before");
	int64_t step;
	bool matches = totp_verify(s->totp_secret, code, clock_wall_s(), &step);
	struct str right = totp_at(request_arena(r), s->totp_secret, (step > 0 ? step - 1 : 0) * TOTP_STEP_S);
	bool follows = before.p && right.p && crypto_equal(before, right);
	return s->has_totp && matches && follows && step > s->totp_last_step;
}

enum next login_charge(struct request *r)
{
	struct staff_login_state *s = request_state(r);
	struct arena *a = request_arena(r);
	enum err e = keep_account(r, s);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	struct network network = note_caller(r);
	const char *wide = network.shown[0] ? network.shown : network.exact;
	struct str device = request_value(r, "body.device_token");
	if (device.p) request_set(r, "flow.device_sha256", sha256_hex(a, device));
	request_set(r, "flow.proved", is_proved(r, s) ? STR("true") : STR("false"));
	request_set(r, "flow.proof_bucket", bucket(r, "proof", s->username, ""));
	request_set(r, "flow.pair_bucket", bucket(r, "pair", s->username, network.exact));
	request_set(r, "flow.wide_bucket", bucket(r, "wide", s->username, wide));
	request_set(r, "flow.user_bucket", bucket(r, "user", s->username, ""));
	request_set(r, "flow.network_bucket", bucket(r, "network", STR(""), network.exact));
	request_set(r, "flow.pair_schedule", throttle_schedule(a, THROTTLE_PAIR));
	request_set(r, "flow.user_schedule", throttle_schedule(a, THROTTLE_USER));
	request_set(r, "flow.network_schedule", throttle_schedule(a, THROTTLE_NETWORK));
	return a->overflow ? request_fail(r, ERR_MEMORY, NULL) : request_query(r, "login_charge");
}

/* Who shows less waits behind who shows more: a flood from elsewhere leaves room for the offices, one from an office for known devices. */
static unsigned hashes_most(struct str lane)
{
	if (str_eq(lane, STR("DEVICE")) || str_eq(lane, STR("PROOF"))) return HASHES_MAX;
	return str_eq(lane, STR("OFFICE")) ? HASHES_OFFICE_MAX : HASHES_BARE_MAX;
}

enum next login_check(struct request *r)
{
	struct staff_login_state *s = request_state(r);
	int64_t wait_s = request_column_i64(r, 0, "wait_s", 0);
	if (wait_s > 0) {
		request_retry_after(r, (int)wait_s);
		return request_fail(r, ERR_ACCOUNT_LOCKED, NULL);
	}
	s->lane = request_column(r, 0, "lane");
	request_set(r, "flow.lane", s->lane);
	enum err e = hash_begin(r, &s->work, request_value(r, "body.password"), hashes_most(s->lane));
	if (e == ERR_NONE && s->password_sealed.p)
		e = unseal_text(r, STR("identity.password"), s->password_sealed, &s->work.phc);
	return e == ERR_NONE ? request_work(r, hash_compare, &s->work) : request_fail(r, e, NULL);
}

/* A code counts once: its time step must be later than the last one used. The database has the last word (staff_sign_in). */
static enum err check_totp(struct request *r, struct staff_login_state *s)
{
	struct str code = request_value(r, "body.totp");
	int64_t step;
	if (!s->has_totp) return ERR_NONE;
	if (!code.p) return ERR_TOTP_REQUIRED;
	if (!totp_verify(s->totp_secret, code, clock_wall_s(), &step) || step <= s->totp_last_step)
		return ERR_CREDENTIALS;
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
	request_set(r, "flow.password_was", s->password_sealed);
	request_set(r, "flow.grants_revoked", s->grants_revoked);
	request_set(r, "flow.wanted", request_value(r, "body.organization"));
	request_set(r, "flow.refresh_sha256", sha256_hex(request_arena(r), s->refresh_token));
	s->device_token = secret_new(request_arena(r));
	request_set(r, "flow.new_device_sha256", sha256_hex(request_arena(r), s->device_token));
	return request_query(r, "staff_sign_in");
}

enum next login_answer(struct request *r)
{
	struct staff_login_state *s = request_state(r);
	if (!str_eq(request_column(r, 0, "opened"), STR("t"))) return request_fail(r, ERR_CREDENTIALS, NULL);
	s->principal.kind = PRINCIPAL_STAFF;
	s->principal.session = request_value(r, "flow.session");
	s->principal.client = STR("staff-console");
	bool is_new = str_eq(request_column(r, 0, "device_added"), STR("t"));
	return tokens_answer(r, &s->principal, s->refresh_token, is_new ? s->device_token : STR_NONE);
}
