/* Settings of the identity service (ARCHITECTURE.md has the table), and the first administrator's password, hashed before anything
 * is served. */
#include "services/identity/identity.h"

#include "common/core/config.h"
#include "common/core/log.h"

enum { SECRET_FILE_BYTES_MAX = 4096, PASSWORD_BYTES_MIN = 10 };

static enum err bad(const char *name, const char *why)
{
	log_line(LOG_ERROR, "setting refused", "%s: %s", name, why);
	return ERR_CONFIG;
}

/* "username:password", for a database without any staff. */
static enum err read_bootstrap(struct service *s, struct arena *boot, struct identity *out)
{
	static const char name[] = "YG_BOOTSTRAP_ADMIN_FILE";
	struct str path = config_str(boot, name, NULL), text, line, username, phc;
	if (!path.p) return ERR_NONE;
	TRY(config_read_file(boot, path.p, SECRET_FILE_BYTES_MAX, &text));
	struct str whole = text;
	line = str_trim(text);
	if (str_index(line, '\n') >= 0 || str_index(line, ':') < 0 || !str_cut(&line, ':', &username))
		return bad(name, "want one line, username:password");
	if (line.n < PASSWORD_BYTES_MIN || line.n > PASSWORD_BYTES_MAX)
		return bad(name, "the password needs 10 bytes or more");
	TRY(password_hash(boot, line, &phc));
	struct str sealed;
	TRY(vault_seal(service_vault(s), boot, STR("identity.password"), phc, &sealed));
	out->bootstrap_password_sealed = bytea_text(boot, sealed);
	out->bootstrap_username = arena_str(boot, username);
	crypto_wipe((char *)(uintptr_t)whole.p, whole.n);
	return ERR_NONE;
}

enum err identity_start(struct service *s, struct arena *boot, void **context)
{
	struct identity *i = ARENA_NEW(boot, struct identity);
	if (!i) return ERR_MEMORY;
	if (!service_vault(s)) return bad("YG_VAULT_FILE", "must be set");
	i->public_url = config_need(boot, "YG_PUBLIC_URL");
	if (str_ends(i->public_url, STR("/"))) i->public_url.n--;
	i->metadata = metadata_make(boot, i->public_url);
	if (!i->metadata.p) return bad("YG_PUBLIC_URL", "is too long");
	i->issuer = (struct token_issuer){ .issuer = i->public_url, .audience = i->public_url };
	i->wechat_url = config_str(boot, "YG_WECHAT_URL", "https://api.weixin.qq.com");
	if (str_ends(i->wechat_url, STR("/"))) i->wechat_url.n--;
	i->wechat_appid = config_need(boot, "YG_WECHAT_APPID");
	TRY(config_read_file(
	    boot, config_need(boot, "YG_WECHAT_SECRET_FILE").p, SECRET_FILE_BYTES_MAX, &i->wechat_secret));
	i->wechat_secret = str_trim(i->wechat_secret);
	if (i->wechat_secret.n == 0) return bad("YG_WECHAT_SECRET_FILE", "is empty");
	i->keys.current = -1;
	TRY(read_bootstrap(s, boot, i));
	*context = i;
	return ERR_NONE;
}
