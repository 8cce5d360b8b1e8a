/* The service's settings from the environment, once at start. */
#include "common/service/runtime.h"

#include "common/core/config.h"
#include "common/core/id.h"
#include "common/core/log.h"

enum { KEY_FILE_BYTES_MAX = 4096, IDENTITY_KEY_BYTES = 32 };

enum err identity_keys_read(struct arena *boot, struct str keys[IDENTITY_KEYS_MAX], unsigned *count)
{
	struct str path = config_need(boot, "YG_IDENTITY_KEY_FILE"), text, line;
	TRY(config_read_file(boot, path.p, KEY_FILE_BYTES_MAX, &text));
	*count = 0;
	while (str_cut(&text, '\n', &line)) {
		line = str_trim(line);
		if (line.n == 0) continue;
		char *key = arena_alloc(boot, IDENTITY_KEY_BYTES);
		if (!key || *count == IDENTITY_KEYS_MAX || !id_unhex(line, key, IDENTITY_KEY_BYTES)) {
			log_line(LOG_ERROR, "bad identity key file", "want 1 to %d lines of 64 hexadecimal digits",
			    IDENTITY_KEYS_MAX);
			return ERR_CONFIG;
		}
		keys[(*count)++] = str_span(key, IDENTITY_KEY_BYTES);
	}
	return *count ? ERR_NONE : ERR_CONFIG;
}

/* "identity=unix:a|unix:b,donations=…" */
static enum err upstreams_read(struct service *s)
{
	struct str list = config_str(&s->boot, "YG_UPSTREAMS", NULL), item, name, address;
	while (str_cut(&list, ',', &item)) {
		if (item.n == 0) continue;
		struct upstream_entry *u = &s->upstreams[s->upstream_count];
		if (s->upstream_count == UPSTREAMS_MAX || !str_cut(&item, '=', &name) || name.n == 0) return ERR_CONFIG;
		u->name = name;
		while (str_cut(&item, '|', &address)) {
			if (u->address_count == ARRAY_LEN(u->addresses)) return ERR_CONFIG;
			u->addresses[u->address_count++] = address;
		}
		if (u->address_count == 0) return ERR_CONFIG;
		s->upstream_count++;
	}
	return ERR_NONE;
}

enum err settings_read(struct service *s)
{
	struct arena *boot = &s->boot;
	static const char *const levels[] = { "debug", "info", "warn", "error" };
	struct str level = config_str(boot, "YG_LOG", "info");
	for (int i = 0; i < 4; i++)
		if (str_eq(level, str_of(levels[i]))) log_init(s->def->name, (enum log_level)i);
	s->proto = config_str(boot, "YG_PROTO", "proto");
	s->dir = config_str(boot, "YG_SERVICE_DIR", arena_printf(boot, "services/%s", s->def->name).p);
	s->public_url = config_str(boot, "YG_PUBLIC_URL", "http://127.0.0.1:8080");
	TRY(identity_keys_read(boot, s->identity_keys, &s->identity_key_count));
	/* Cursors are not secrets but must not be forged: keys of their own, made from the identity keys and rotating with them. */
	for (unsigned i = 0; i < s->identity_key_count; i++) {
		char *key = arena_alloc(boot, SHA256_BYTES);
		if (!key) return ERR_MEMORY;
		hmac_sha256(s->identity_keys[i], STR("cursor"), (unsigned char *)key);
		s->cursor_keys[i] = str_span(key, SHA256_BYTES);
	}
	struct str vault = config_str(boot, "YG_VAULT_FILE", NULL);
	if (vault.p) TRY(vault_open(boot, vault.p, &s->vault));
	enum err e = upstreams_read(s);
	if (e != ERR_NONE) log_line(LOG_ERROR, "bad configuration", "YG_UPSTREAMS wants name=address[|address],…");
	return e;
}
