/* Passwords: argon2id with the parameters that OWASP recommends as a minimum (19 MiB, 2 passes, 1 lane). An unknown account costs
 * the same time as a known one, so that the answer's time does not tell them apart. */
#include "common/crypto/secret.h"

#include <stdlib.h>

#include <argon2.h>

enum { MEMORY_KIB = 19 * 1024, PASSES = 2, LANES = 1, SALT_BYTES = 16, HASH_BYTES = 32, PHC_BYTES_MAX = 256 };
enum { MEMORY_KIB_MAX = 256 * 1024, PASSES_MAX = 16, LANES_MAX = 4 };

enum err password_hash(struct arena *a, struct str password, struct str *phc)
{
	unsigned char salt[SALT_BYTES];
	char text[PHC_BYTES_MAX];
	*phc = STR_NONE;
	if (password.n > PASSWORD_BYTES_MAX) return ERR_CREDENTIALS;
	crypto_random(salt, sizeof salt);
	int status = argon2id_hash_encoded(
	    PASSES, MEMORY_KIB, LANES, password.p, password.n, salt, sizeof salt, HASH_BYTES, text, sizeof text);
	if (status != ARGON2_OK) return status == ARGON2_MEMORY_ALLOCATION_ERROR ? ERR_BUSY : ERR_CRYPTO;
	*phc = arena_str(a, str_of(text));
	return phc->p ? ERR_NONE : ERR_MEMORY;
}

/* Reads "<name>=<number>" up to `sep`. */
static bool parameter(struct str *rest, const char *name, char sep, uint64_t most)
{
	struct str part;
	uint64_t v;
	size_t n = strlen(name);
	if (!str_cut(rest, sep, &part) || !str_starts(part, str_of(name)) || !str_to_u64(str_from(part, n), &v))
		return false;
	return v >= 1 && v <= most;
}

/* A stored text must not make us use more memory or time than any we would write ourselves. */
static bool is_bounded(struct str phc)
{
	static const char prefix[] = "$argon2id$v=19$";
	if (!str_starts(phc, str_of(prefix)) || phc.n >= PHC_BYTES_MAX || memchr(phc.p, 0, phc.n)) return false;
	struct str rest = str_from(phc, sizeof prefix - 1);
	return parameter(&rest, "m=", ',', MEMORY_KIB_MAX) && parameter(&rest, "t=", ',', PASSES_MAX) &&
	       parameter(&rest, "p=", '$', LANES_MAX);
}

/* The work of a verification with nothing to compare to. */
static void burn(struct str password)
{
	unsigned char hash[HASH_BYTES], salt[SALT_BYTES] = { 0 };
	(void)argon2id_hash_raw(
	    PASSES, MEMORY_KIB, LANES, password.p, password.n, salt, sizeof salt, hash, sizeof hash);
	crypto_wipe(hash, sizeof hash);
}

enum err password_verify(struct str password, struct str phc)
{
	char text[PHC_BYTES_MAX];
	if (password.n > PASSWORD_BYTES_MAX || !is_bounded(phc)) {
		if (password.n > PASSWORD_BYTES_MAX) password.n = PASSWORD_BYTES_MAX;
		burn(password);
		return ERR_CREDENTIALS;
	}
	memcpy(text, phc.p, phc.n);
	text[phc.n] = 0;
	int status = argon2id_verify(text, password.p, password.n);
	if (status == ARGON2_MEMORY_ALLOCATION_ERROR) return ERR_BUSY;
	return status == ARGON2_OK ? ERR_NONE : ERR_CREDENTIALS;
}
