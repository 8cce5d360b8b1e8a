/* RSA keys that can be factored by looking at them: moduli made by a library whose primes were powers of 65537 modulo a product of
 * small primes (CVE-2017-15361). A sound modulus looks like one of them once in 2^27. */
#include "common/crypto/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

static bool is_power_of_65537(unsigned residue, unsigned prime)
{
	unsigned step = 65537 % prime, power = 1;
	do {
		if (power == residue) return true;
		power = power * step % prime;
	} while (power != 1);
	return false;
}

bool key_has_weak_primes(const EVP_PKEY *rsa)
{
	static const unsigned char primes[] = { 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71,
		73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167 };
	BIGNUM *n = NULL;
	if (EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_N, &n) != 1) return true;
	bool weak = true;
	for (size_t i = 0; i < ARRAY_LEN(primes) && weak; i++)
		weak = is_power_of_65537((unsigned)BN_mod_word(n, primes[i]), primes[i]);
	BN_free(n);
	return weak;
}
