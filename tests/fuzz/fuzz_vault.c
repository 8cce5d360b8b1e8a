/* First byte even: the rest is a vault file. Odd: it stands for something sealed, and is sealed, opened and spoilt itself. */
/* links: crypto */
#include "common/crypto/secret.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good[] = "current k1\nkey k1 MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"
			   "index aW5kZXhpbmRleGluZGV4aW5kZXhpbmRleGluZGV4aW4=\n";

static enum err open_text(struct arena *a, struct str text, struct vault **out)
{
	char path[64];
	int fd = memfd_create("vault", MFD_CLOEXEC);
	CHECK(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	enum err e = vault_open(a, path, out);
	close(fd);
	CHECK((e == ERR_NONE) == (*out != NULL));
	return e;
}

static void try_file(struct arena *a, struct str text)
{
	struct vault *v;
	struct str wrapped;
	unsigned char key[AES_KEY_BYTES], again[AES_KEY_BYTES];
	if (open_text(a, text, &v) != ERR_NONE) return;
	CHECK(vault_new_key(v, a, key, &wrapped) == ERR_NONE && vault_unwrap(v, wrapped, again) == ERR_NONE);
	CHECK(memcmp(key, again, sizeof key) == 0 && str_eq(vault_key_id(wrapped), vault_current_id(v)));
	vault_close(v);
}

static void try_sealed(struct arena *a, struct str input)
{
	struct vault *v;
	struct str sealed, plain, context = str_span(input.p, input.n / 2 < 256 ? input.n / 2 : 256);
	unsigned char key[AES_KEY_BYTES] = { 1 };
	CHECK(open_text(a, str_of(good), &v) == ERR_NONE);
	CHECK(vault_unwrap(v, input, key) != ERR_NONE && vault_unseal(v, a, context, input, &plain) != ERR_NONE);
	CHECK(field_open(a, key, context, input, &plain) != ERR_NONE);
	CHECK(vault_seal(v, a, context, input, &sealed) == ERR_NONE &&
	      vault_unseal(v, a, context, sealed, &plain) == ERR_NONE);
	CHECK(str_eq(plain, input));
	CHECK(field_seal(a, key, context, input, &sealed) == ERR_NONE &&
	      field_open(a, key, context, sealed, &plain) == ERR_NONE);
	CHECK(str_eq(plain, input));
	((char *)(uintptr_t)sealed.p)[input.n ? (unsigned char)input.p[0] % sealed.n : 0] ^= 1;
	CHECK(field_open(a, key, context, sealed, &plain) == ERR_CRYPTO);
	vault_close(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	static bool quiet;
	if (!quiet) log_init("fuzz_vault", LOG_ERROR + 1), quiet = true; /* refusals are the rule here */
	if (size < 1 || size > 16384) return 0;
	struct str input = str_span((const char *)data + 1, size - 1);
	arena_init(&a, 4096, 1 << 20);
	if (data[0] & 1)
		try_sealed(&a, input);
	else
		try_file(&a, input);
	arena_release(&a);
	return 0;
}
