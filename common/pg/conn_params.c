/* Turns YG_PG into libpq's keyword arrays: the caller's keywords, and session settings that our code relies on (the row writer
 * reads ISO dates in Asia/Shanghai), sent in the start-up packet so that they cost no round trip. */
#include "common/pg/conn_params.h"

#include "common/core/log.h"

static bool set(struct conn_params *p, unsigned *n, const char *keyword, const char *value)
{
	if (!value) return false;
	for (unsigned i = 0; i < *n; i++) {
		if (strcmp(p->keywords[i], keyword) != 0) continue;
		p->values[i] = value;
		return true;
	}
	if (*n == CONN_KEYWORDS_MAX) return false;
	p->keywords[*n] = keyword;
	p->values[(*n)++] = value;
	return true;
}

static const char *get(const struct conn_params *p, unsigned n, const char *keyword)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(p->keywords[i], keyword) == 0) return p->values[i];
	return NULL;
}

/* "a,b,c" from the k-th part on. */
static const char *rotated(struct arena *a, const char *list, unsigned k)
{
	struct str rest = str_of(list), part;
	unsigned count = 1;
	for (size_t i = 0; i < rest.n; i++) count += rest.p[i] == ',';
	if (count == 1 || (k %= count) == 0) return list;
	for (; k; k--)
		if (!str_cut(&rest, ',', &part)) return list;
	struct str head = str_span(list, (size_t)(rest.p - list) - 1);
	return arena_printf(a, "%.*s,%.*s", STR_FMT(rest), STR_FMT(head)).p;
}

static enum err copy_keywords(struct arena *a, struct str conninfo, struct conn_params *out, unsigned *n)
{
	const char *text = arena_strz(a, conninfo);
	char *message = NULL;
	PQconninfoOption *options = text ? PQconninfoParse(text, &message) : NULL;
	if (!options) {
		log_line(LOG_ERROR, "bad database connection string", "%s", "PQconninfoParse refused it");
		PQfreemem(message);
		return ERR_CONFIG;
	}
	bool good = true;
	for (PQconninfoOption *o = options; o->keyword; o++)
		if (o->val)
			good = good && set(out, n, arena_strz(a, str_of(o->keyword)), arena_strz(a, str_of(o->val)));
	PQconninfoFree(options);
	return good ? ERR_NONE : ERR_CONFIG;
}

enum err conn_params_make(
    struct arena *a, struct str conninfo, const struct conn_settings *settings, struct conn_params *out)
{
	unsigned n = 0;
	*out = (struct conn_params){ 0 };
	TRY(copy_keywords(a, conninfo, out, &n));
	/* LIMIT and cursor keys are parameters: left to choose, PostgreSQL plans such a statement anew on every execution, which
	 * costs as much as running it. Whoever wants it otherwise says so in the connection string. */
	const char *given = get(out, n, "options");
	struct str options = arena_printf(a,
	    "-c plan_cache_mode=force_generic_plan %s -c statement_timeout=%lld -c "
	    "idle_in_transaction_session_timeout=%lld -c lock_timeout=%lld -c client_connection_check_interval=%lld -c "
	    "timezone=Asia/Shanghai "
	    "-c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex "
	    "-c standard_conforming_strings=on -c default_transaction_isolation=read\\ committed "
	    "-c default_transaction_deferrable=off",
	    given ? given : "", (long long)settings->statement_timeout_ms, (long long)settings->idle_in_transaction_ms,
	    (long long)settings->lock_timeout_ms, (long long)settings->gone_check_ms);
	bool good = set(out, &n, "options", options.p) && set(out, &n, "client_encoding", "UTF8");
	if (settings->application_name)
		good = good && set(out, &n, "application_name", arena_strz(a, str_of(settings->application_name)));
	/* A server that vanished without a word is noticed by TCP within some ten seconds, also when we only read. */
	if (!get(out, n, "tcp_user_timeout")) good = good && set(out, &n, "tcp_user_timeout", "10000");
	if (!get(out, n, "keepalives_idle")) good = good && set(out, &n, "keepalives_idle", "10");
	if (!get(out, n, "keepalives_interval")) good = good && set(out, &n, "keepalives_interval", "3");
	static const char *const lists[] = { "host", "hostaddr", "port" };
	for (unsigned i = 0; i < ARRAY_LEN(lists); i++) {
		const char *list = get(out, n, lists[i]);
		if (list) good = good && set(out, &n, lists[i], rotated(a, list, settings->rotate));
	}
	return good ? ERR_NONE : ERR_CONFIG;
}

/* `raise warning` is how SQL tells operators something; its first line is enough. */
static void on_notice(void *arg, const char *message)
{
	static const struct str prefix = STR("WARNING:");
	struct str rest = str_of(message), line;
	(void)arg;
	if (!str_cut(&rest, '\n', &line)) return;
	if (str_starts(line, prefix))
		log_line(LOG_WARN, "database warning", "%.*s", STR_FMT(str_trim(str_from(line, prefix.n))));
	else
		log_line(LOG_DEBUG, "database notice", "%.*s", STR_FMT(str_trim(line)));
}

void conn_quiet(PGconn *conn)
{
	PQsetNoticeProcessor(conn, on_notice, NULL);
}
