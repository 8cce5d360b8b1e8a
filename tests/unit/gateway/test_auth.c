/* What a client shows, and what the contract says about who may call: the decision table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/request.h"

static enum err show(const char *authorization, const char *api_key, struct credential *out)
{
	struct http_field f[3] = { { STR("Accept"), STR("*/*") } };
	unsigned n = 1;
	if (authorization) f[n++] = (struct http_field){ STR("authorization"), str_of(authorization) };
	if (api_key) f[n++] = (struct http_field){ STR("X-Api-Key"), str_of(api_key) };
	return credential_read((struct http_fields){ f, n }, out);
}

static void assert_shown(const char *authorization, const char *api_key, enum credential_kind kind, const char *secret)
{
	struct credential c;
	assert_int_equal(show(authorization, api_key, &c), ERR_NONE);
	assert_int_equal(c.kind, kind);
	assert_int_equal(c.secret.n, strlen(secret));
	if (c.secret.n) assert_memory_equal(c.secret.p, secret, c.secret.n);
}

static void reads_credentials(void **unused)
{
	(void)unused;
	struct credential c;
	assert_shown(NULL, NULL, CREDENTIAL_NONE, "");
	assert_shown("Bearer abc", NULL, CREDENTIAL_TOKEN, "abc");
	assert_shown("bearer  abc ", NULL, CREDENTIAL_TOKEN, "abc");
	assert_shown("Bearer ", NULL, CREDENTIAL_TOKEN, "");
	assert_shown("ApiKey k", NULL, CREDENTIAL_API_KEY, "k");
	assert_shown(NULL, "k", CREDENTIAL_API_KEY, "k");
	assert_shown("Basic eDp5", NULL, CREDENTIAL_OTHER, "Basic eDp5");
	assert_shown("Bearerabc", NULL, CREDENTIAL_OTHER, "Bearerabc");
	assert_int_equal(show("Bearer abc", "k", &c), ERR_MALFORMED_REQUEST);
	struct http_field twice[] = { { STR("Authorization"), STR("Bearer a") },
		{ STR("Authorization"), STR("Bearer b") } };
	assert_int_equal(credential_read((struct http_fields){ twice, 2 }, &c), ERR_MALFORMED_REQUEST);
	/* a signature is one credential in two fields; one field alone is one too, and found wanting later */
	struct http_field signature[] = { { STR("Signature-Input"), STR("a=()") },
		{ STR("Signature"), STR("a=:AA==:") }, { STR("Authorization"), STR("Bearer a") } };
	for (unsigned n = 1; n <= 2; n++) {
		assert_int_equal(credential_read((struct http_fields){ signature, n }, &c), ERR_NONE);
		assert_int_equal(c.kind, CREDENTIAL_SIGNATURE);
	}
	assert_int_equal(credential_read((struct http_fields){ signature, 3 }, &c), ERR_MALFORMED_REQUEST);
}

static enum err authorize(enum access access, const char *needs, enum principal_kind kind, const char *has)
{
	struct str scopes[4];
	struct operation op = { .access = access, .scopes = scopes, .schemes = SCHEME_TOKEN };
	struct request r = { .operation = &op };
	struct str rest = str_of(needs);
	while (str_cut(&rest, ' ', &scopes[op.scope_count])) op.scope_count++;
	r.caller.principal = (struct principal){ .kind = kind, .scopes = str_of(has) };
	enum next next = auth_authorize(&r);
	assert_true((next == NEXT_FAIL) == (r.problem.err != ERR_NONE));
	return r.problem.err;
}

static void decides_by_contract(void **unused)
{
	(void)unused;
	static const struct {
		enum access access;
		const char *needs;
		enum principal_kind kind;
		const char *has;
		enum err expected;
	} table[] = {
		{ ACCESS_PUBLIC, NULL, PRINCIPAL_ANONYMOUS, NULL, ERR_NONE },
		{ ACCESS_PUBLIC, NULL, PRINCIPAL_STAFF, "a", ERR_NONE },
		{ ACCESS_TOKEN, NULL, PRINCIPAL_ANONYMOUS, NULL, ERR_UNAUTHENTICATED },
		{ ACCESS_TOKEN, "gift:read", PRINCIPAL_ANONYMOUS, NULL, ERR_UNAUTHENTICATED },
		{ ACCESS_TOKEN, NULL, PRINCIPAL_CITIZEN, NULL, ERR_NONE },
		{ ACCESS_TOKEN, "gift:read", PRINCIPAL_CITIZEN, "gift:read", ERR_NONE },
		{ ACCESS_TOKEN, "gift:read", PRINCIPAL_CITIZEN, "other gift:read more", ERR_NONE },
		{ ACCESS_TOKEN, "gift:read gift:write", PRINCIPAL_STAFF, "gift:write", ERR_NONE },
		{ ACCESS_TOKEN, "gift:read", PRINCIPAL_STAFF, "gift:reader", ERR_INSUFFICIENT_SCOPE },
		{ ACCESS_TOKEN, "gift:read", PRINCIPAL_STAFF, "xgift:read", ERR_INSUFFICIENT_SCOPE },
		{ ACCESS_TOKEN, "gift:read", PRINCIPAL_PARTNER, NULL, ERR_INSUFFICIENT_SCOPE },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		enum err e = authorize(table[i].access, table[i].needs, table[i].kind, table[i].has);
		if (e != table[i].expected) fail_msg("row %zu: %s", i, err_info(e)->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_credentials),
		cmocka_unit_test(decides_by_contract),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
