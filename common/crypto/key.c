/* Asymmetric keys: PEM, making, admission. Only RSA of 2048 to 8192 bits, P-256 and Ed25519 exist here; each key has exactly one
 * algorithm, so that no message can choose another. */
#include "common/crypto/key.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/crypto/engine.h"

static bool is_named_p256(const EVP_PKEY *pkey)
{
	char group[32];
	size_t n;
	int is_explicit = 1;
	return EVP_PKEY_get_group_name(pkey, group, sizeof group, &n) == 1 && strcmp(group, "prime256v1") == 0 &&
	       EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit) == 1 &&
	       !is_explicit;
}

static bool find_alg(const EVP_PKEY *pkey, enum signature_alg *out)
{
	if (EVP_PKEY_is_a(pkey, "RSA")) {
		int bits = EVP_PKEY_get_bits(pkey);
		*out = ALG_RS256;
		return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX && !key_has_weak_primes(pkey);
	}
	if (EVP_PKEY_is_a(pkey, "EC")) {
		*out = ALG_ES256;
		return is_named_p256(pkey);
	}
	*out = ALG_EDDSA;
	return EVP_PKEY_is_a(pkey, "ED25519");
}

/* Points on the curve, odd exponents, matching halves. */
static bool is_sound(EVP_PKEY *pkey, bool is_private)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool ok = c && EVP_PKEY_public_check(c) == 1 && (!is_private || EVP_PKEY_pairwise_check(c) == 1);
	EVP_PKEY_CTX_free(c);
	return ok;
}

enum err key_adopt(EVP_PKEY *pkey, bool is_private, struct key **out)
{
	enum signature_alg alg;
	struct key *k = NULL;
	if (pkey && find_alg(pkey, &alg) && is_sound(pkey, is_private)) {
		k = malloc(sizeof *k);
		CHECK(k != NULL);
		*k = (struct key){ .pkey = pkey, .alg = alg, .is_private = is_private };
	} else {
		EVP_PKEY_free(pkey);
	}
	ERR_clear_error();
	*out = k;
	return k ? ERR_NONE : ERR_CRYPTO;
}

/* Encrypted files are refused rather than asked about on the terminal. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out, (void)size, (void)writing, (void)arg;
	return -1;
}

static EVP_PKEY *read_certificate(BIO *in)
{
	X509 *certificate = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
	EVP_PKEY *pkey = certificate ? X509_get_pubkey(certificate) : NULL;
	X509_free(certificate);
	return pkey;
}

enum err key_read_pem(struct str pem, struct key **out)
{
	*out = NULL;
	crypto_init();
	if (pem.n == 0 || pem.n > INT_MAX) return ERR_CRYPTO;
	BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
	CHECK(in != NULL);
	bool is_private = str_contains(pem, STR("PRIVATE KEY-----"));
	EVP_PKEY *pkey;
	if (is_private)
		pkey = PEM_read_bio_PrivateKey_ex(in, NULL, no_passphrase, NULL, NULL, NULL);
	else if (str_contains(pem, STR("-----BEGIN CERTIFICATE-----")))
		pkey = read_certificate(in);
	else
		pkey = PEM_read_bio_PUBKEY_ex(in, NULL, no_passphrase, NULL, NULL, NULL);
	BIO_free(in);
	return key_adopt(pkey, is_private, out);
}

enum err key_generate(enum signature_alg alg, struct key **out)
{
	EVP_PKEY *pkey = NULL;
	crypto_init();
	switch (alg) {
	case ALG_RS256:
	case ALG_PS512:
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS_MIN);
		break;
	case ALG_ES256:
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
		break;
	case ALG_EDDSA:
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	}
	TRY(key_adopt(pkey, true, out));
	(*out)->alg = alg;
	return ERR_NONE;
}

enum err key_use_pss(struct key *k)
{
	if (k->alg != ALG_RS256) return ERR_CRYPTO;
	k->alg = ALG_PS512;
	return ERR_NONE;
}

void key_free(struct key *k)
{
	if (!k) return;
	EVP_PKEY_free(k->pkey);
	free(k);
}

bool key_is_private(const struct key *k)
{
	return k->is_private;
}

enum signature_alg key_alg(const struct key *k)
{
	return k->alg;
}

enum err key_write_pem(struct arena *a, const struct key *k, bool private_part, struct str *out)
{
	if (private_part && !k->is_private) return ERR_CRYPTO;
	/* Secure memory where the machine has it: the text of a private key is wiped with the BIO. */
	BIO *to = BIO_new(private_part ? BIO_s_secmem() : BIO_s_mem());
	CHECK(to != NULL);
	int ok = private_part ? PEM_write_bio_PKCS8PrivateKey(to, k->pkey, NULL, NULL, 0, NULL, NULL)
			      : PEM_write_bio_PUBKEY(to, k->pkey);
	char *p = NULL;
	long n = ok == 1 ? BIO_get_mem_data(to, &p) : 0;
	*out = n > 0 ? arena_str(a, str_span(p, (size_t)n)) : STR_NONE;
	BIO_free(to);
	if (n <= 0) return ERR_CRYPTO;
	return out->p ? ERR_NONE : ERR_MEMORY;
}
