/* OpenSSL's algorithms, fetched once per process, and contexts made once per thread. OpenSSL 3.0 is slow when it must look an
 * algorithm up by name or allocate a context in each call; password and RSA work runs in pool threads, hence thread-local.
 * A machine without these algorithms cannot run the platform: every failure here aborts. */
#include "common/crypto/engine.h"

#include <pthread.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "common/crypto/crypto.h"

static struct engine engine;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;
static pthread_key_t workbench_key;
static _Thread_local struct workbench *workbench;

static void workbench_free(void *p)
{
	struct workbench *w = p;
	EVP_MD_CTX_free(w->digest);
	EVP_MD_CTX_free(w->signature);
	EVP_MAC_CTX_free(w->hmac);
	EVP_MAC_CTX_free(w->hmac_sha1);
	EVP_CIPHER_CTX_free(w->aes_gcm);
	free(w);
	workbench = NULL;
}

static void engine_start(void)
{
	engine.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	engine.sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
	engine.aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	engine.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	CHECK(engine.sha256 && engine.sha512 && engine.aes_256_gcm && engine.hmac);
	CHECK(pthread_key_create(&workbench_key, workbench_free) == 0);
}

void crypto_init(void)
{
	CHECK(pthread_once(&engine_once, engine_start) == 0);
}

const struct engine *engine_get(void)
{
	crypto_init();
	return &engine;
}

/* The digest is set here once: setting it again with each key would fetch it by name each time. */
static EVP_MAC_CTX *hmac_new(char *digest)
{
	OSSL_PARAM params[] = { OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END };
	EVP_MAC_CTX *c = EVP_MAC_CTX_new(engine.hmac);
	CHECK(c && EVP_MAC_CTX_set_params(c, params));
	return c;
}

static struct workbench *workbench_new(void)
{
	crypto_init();
	char sha256_name[] = "SHA256", sha1_name[] = "SHA1";
	struct workbench *w = calloc(1, sizeof *w);
	CHECK(w != NULL);
	w->digest = EVP_MD_CTX_new();
	w->signature = EVP_MD_CTX_new();
	w->hmac = hmac_new(sha256_name);
	w->hmac_sha1 = hmac_new(sha1_name);
	w->aes_gcm = EVP_CIPHER_CTX_new();
	CHECK(w->digest && w->signature && w->aes_gcm);
	CHECK(EVP_DigestInit_ex2(w->digest, engine.sha256, NULL));
	CHECK(EVP_CipherInit_ex2(w->aes_gcm, engine.aes_256_gcm, NULL, NULL, 1, NULL));
	CHECK(pthread_setspecific(workbench_key, w) == 0);
	workbench = w;
	return w;
}

struct workbench *engine_workbench(void)
{
	return workbench ? workbench : workbench_new();
}
