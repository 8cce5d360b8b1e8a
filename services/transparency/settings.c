/* Settings of the transparency service: the log's name and its key. */
#include "services/transparency/transparency.h"

#include "common/core/config.h"
#include "common/core/log.h"

enum { KEY_FILE_BYTES_MAX = 16 * 1024 };

/* Without a name of its own the log is called after the platform's address: "api.redcross.example/log". */
static struct str origin_of(struct arena *boot)
{
	struct str url = config_need(boot, "YG_PUBLIC_URL");
	for (size_t i = 0; i + 3 <= url.n; i++) {
		if (!str_starts(str_from(url, i), STR("://"))) continue;
		url = str_from(url, i + 3);
		break;
	}
	if (str_ends(url, STR("/"))) url.n--;
	return config_str(boot, "YG_LOG_ORIGIN", arena_printf(boot, "%.*s/log", STR_FMT(url)).p);
}

/* A line for each: its verifier key, a space, its address. */
static enum err read_witnesses(struct arena *boot, struct transparency *t)
{
	struct str path = config_str(boot, "YG_LOG_WITNESSES_FILE", ""), text, line, key;
	if (path.n == 0) return ERR_NONE;
	TRY(config_read_file(boot, path.p, KEY_FILE_BYTES_MAX, &text));
	while (str_cut(&text, '\n', &line)) {
		line = str_trim(line);
		if (line.n == 0 || str_starts(line, STR("#"))) continue;
		if (t->witness_count == WITNESSES_MAX || !str_cut(&line, ' ', &key)) return ERR_SYNTAX;
		struct witness *w = &t->witnesses[t->witness_count++];
		w->url = str_trim(line);
		w->seen = -1;
		TRY(note_key_read(boot, key, &w->key));
		if (w->key.kind != NOTE_COSIGNATURE_V1 || !str_starts(w->url, STR("https://"))) return ERR_SYNTAX;
		if (str_ends(w->url, STR("/"))) w->url.n--;
	}
	return ERR_NONE;
}

enum err transparency_start(struct service *s, struct arena *boot, void **context)
{
	struct transparency *t = ARENA_NEW(boot, struct transparency);
	struct str pem;
	struct key *key = NULL;
	if (!t) return ERR_MEMORY;
	TRY(config_read_file(boot, config_need(boot, "YG_LOG_KEY_FILE").p, KEY_FILE_BYTES_MAX, &pem));
	enum err e = key_read_pem(pem, &key);
	crypto_wipe((char *)(uintptr_t)pem.p, pem.n);
	if (e != ERR_NONE || !key_is_private(key) || key_alg(key) != ALG_EDDSA) {
		log_line(LOG_ERROR, "setting refused", "YG_LOG_KEY_FILE: not an Ed25519 private key in PEM");
		return ERR_CONFIG;
	}
	if (note_key_init(&t->key, origin_of(boot), NOTE_ED25519, key) != ERR_NONE) {
		log_line(LOG_ERROR, "setting refused", "YG_LOG_ORIGIN: not the name of a log");
		return ERR_CONFIG;
	}
	TRY(note_key_write(boot, &t->key, &t->verifier_key));
	table_init(&t->table, &t->key, (size_t)config_int("YG_LOG_TILES_BYTES", 32 << 20, 1 << 20, (int64_t)1 << 40));
	if (read_witnesses(boot, t) != ERR_NONE) {
		log_line(LOG_ERROR, "setting refused",
		    "YG_LOG_WITNESSES_FILE: a line is \"<key of a witness> https://<address>\", at most %d",
		    WITNESSES_MAX);
		return ERR_CONFIG;
	}
	t->witness_ahead = service_gauge(s, "yg_transparency_witness_ahead",
	    "1 when a witness has seen more leaves than the log has: it was taken back, or its name is used twice.");
	t->waiting =
	    service_gauge(s, "yg_transparency_leaves_waiting", "Leaves that wait for their place in the public log.");
	t->merge_delay_s = service_gauge(s, "yg_transparency_merge_delay_seconds",
	    "The longest that a leaf waits, or waited at the last checkpoint, from its event to its signature.");
	t->refused = service_gauge(
	    s, "yg_transparency_leaves_refused", "Events that came as leaves and are none: look at log_refused.");
	t->size = service_gauge(s, "yg_transparency_log_size", "Leaves in the public log.");
	t->disagreement = service_gauge(s, "yg_transparency_log_disagrees",
	    "1 while the stored tree is not the signed one: nothing is signed until a person has looked.");
	t->overdue = service_gauge(s, "yg_transparency_obligations_overdue",
	    "Obligations of disclosure whose day is over and that nobody has met.");
	*context = t;
	return ERR_NONE;
}
