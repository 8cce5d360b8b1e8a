/*
 * Session tickets without state. From each secret of the file a key is derived for every six hours, by all workers and machines
 * alike, so keys change without anybody writing anything and a restart loses no session. Tickets of the last period are taken, and
 * of the next (clocks differ). Sessions that had a client certificate are never resumed: possession is proved on every connection.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "common/core/clock.h"
#include "common/core/config.h"
#include "common/core/id.h"
#include "common/net/tls_set.h"

enum { PERIOD_S = 6 * 3600, FILE_BYTES_MAX = 4096, MAC_BYTES = 32 };

static const EVP_CIPHER *cipher; /* fetched once: a fetch per ticket is slow */

static void derive(
    const struct tickets *t, unsigned secret, int64_t period, unsigned part, unsigned char out[MAC_BYTES])
{
	unsigned char label[32];
	size_t n = 0;
	int label_bytes = snprintf((char *)label, sizeof label, "ticket %lld %u", (long long)period, part);
	CHECK(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, t->secrets[secret], t->secret_bytes[secret], label,
		  (size_t)label_bytes, out, MAC_BYTES, &n) &&
	      n == MAC_BYTES);
}

static void make_keys(struct tickets *t, int64_t period)
{
	static const int offsets[TICKET_PERIODS] = { 0, -1, 1 };
	unsigned char name[MAC_BYTES];
	for (unsigned i = 0; i < t->count; i++) {
		for (unsigned j = 0; j < TICKET_PERIODS; j++) {
			struct ticket_key *k = &t->keys[i][j];
			derive(t, i, period + offsets[j], 0, name);
			memcpy(k->name, name, sizeof k->name);
			derive(t, i, period + offsets[j], 1, k->cipher);
			derive(t, i, period + offsets[j], 2, k->mac);
		}
	}
	t->period = period;
}

static enum err read_secrets(struct tickets *t, struct str file)
{
	struct arena a;
	struct str text, line;
	enum err e;
	arena_init(&a, FILE_BYTES_MAX, 4 * FILE_BYTES_MAX);
	e = config_read_file(&a, file.p, FILE_BYTES_MAX, &text);
	while (e == ERR_NONE && str_cut(&text, '\n', &line)) {
		line = str_trim(line);
		if (!line.n) continue;
		size_t n = line.n / 2;
		if (t->count == TICKET_SECRETS_MAX || n < TICKET_SECRET_BYTES_MIN || n > TICKET_SECRET_BYTES_MAX ||
		    !id_unhex(line, t->secrets[t->count], n)) {
			e = ERR_CONFIG;
			break;
		}
		t->secret_bytes[t->count++] = n;
	}
	arena_release(&a);
	return e == ERR_NONE && t->count
		   ? ERR_NONE
		   : tls_complain(file.p, "needs one to four lines of 32 to 64 bytes in hexadecimal");
}

enum err tickets_load(struct tickets *t, struct str file)
{
	*t = (struct tickets){ .count = 0 };
	if (file.n) {
		TRY(read_secrets(t, file));
	} else {
		static unsigned char own[TICKET_SECRET_BYTES_MIN]; /* the same after a reload */
		static bool made;
		if (!made) CHECK(getrandom(own, sizeof own, 0) == sizeof own);
		made = true;
		memcpy(t->secrets[0], own, sizeof own);
		t->secret_bytes[0] = sizeof own;
		t->count = 1;
	}
	make_keys(t, clock_wall_s() / PERIOD_S);
	return ERR_NONE;
}

static const struct ticket_key *find_key(const struct tickets *t, const unsigned char name[16], bool *current)
{
	for (unsigned i = 0; i < t->count; i++) {
		for (unsigned j = 0; j < TICKET_PERIODS; j++) {
			if (memcmp(t->keys[i][j].name, name, 16) != 0) continue;
			*current = i == 0 && j == 0;
			return &t->keys[i][j];
		}
	}
	return NULL;
}

static bool use_mac(EVP_MAC_CTX *mac, const struct ticket_key *k)
{
	unsigned char key[sizeof k->mac];
	char digest[] = "SHA256";
	memcpy(key, k->mac, sizeof key);
	OSSL_PARAM params[] = { OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, key, sizeof key),
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, sizeof digest - 1), OSSL_PARAM_END };
	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* 0: no such key, make a full handshake; 1: good; 2: good, and a new ticket is due; -1: broken. */
static int on_ticket(
    SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *ctx, EVP_MAC_CTX *mac, int sealing)
{
	struct tickets *t = &tls_session_set(ssl)->tickets;
	int64_t period = clock_wall_s() / PERIOD_S;
	bool current = true;
	if (period != t->period) make_keys(t, period);
	const struct ticket_key *k = sealing ? &t->keys[0][0] : find_key(t, name, &current);
	if (!k) return 0;
	if (sealing) {
		memcpy(name, k->name, sizeof k->name);
		if (getrandom(iv, EVP_CIPHER_get_iv_length(cipher), 0) != EVP_CIPHER_get_iv_length(cipher)) return -1;
	}
	if (!EVP_CipherInit_ex(ctx, cipher, NULL, k->cipher, iv, sealing) || !use_mac(mac, k)) return -1;
	return current ? 1 : 2;
}

static SSL_TICKET_RETURN on_opened(
    SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_bytes, SSL_TICKET_STATUS status, void *arg)
{
	(void)ssl;
	(void)name;
	(void)name_bytes;
	(void)arg;
	if (status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW) {
		if (SSL_SESSION_get0_peer(session)) return SSL_TICKET_RETURN_IGNORE_RENEW;
		return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
	}
	return SSL_TICKET_RETURN_IGNORE_RENEW;
}

void tickets_use(SSL_CTX *ctx)
{
	if (!cipher) cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	CHECK(cipher != NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
	SSL_CTX_set_timeout(ctx, PERIOD_S);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_session_ticket_cb(ctx, NULL, on_opened, NULL);
}
