/* Notes, keys and checkpoints: what is read is written again as the same bytes, and nobody's signature is found on it. */
/* links: crypto */
#include "common/crypto/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_key(struct arena *a, struct str input)
{
	struct note_key k;
	struct str text;
	if (note_key_read(a, input, &k) == ERR_NONE)
		CHECK(note_key_write(a, &k, &text) == ERR_NONE && str_eq(text, input));
	key_free(k.key);
}

static void try_checkpoint(struct str input)
{
	struct checkpoint c;
	struct buf b;
	if (checkpoint_read(input, &c)) return;
	buf_init(&b, NOTE_BYTES_MAX);
	CHECK(c.size <= MERKLE_SIZE_MAX && checkpoint_write(&b, &c) == ERR_NONE && str_eq(buf_view(&b), input));
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct key *key;
	struct note_key log, witness;
	struct arena a;
	struct note n;
	uint64_t time_s;
	struct str input = str_span((const char *)data, size);
	if (size > NOTE_BYTES_MAX) return 0;
	if (!key) CHECK(key_generate(ALG_EDDSA, &key) == ERR_NONE);
	CHECK(note_key_init(&log, STR("log.example.org/gifts"), NOTE_ED25519, key) == ERR_NONE);
	CHECK(note_key_init(&witness, STR("witness.example.org"), NOTE_COSIGNATURE_V1, key) == ERR_NONE);
	arena_init(&a, 4096, 4 << 20);
	try_key(&a, input);
	try_checkpoint(input);
	if (note_read(&a, input, &n) == ERR_NONE) {
		CHECK(n.count >= 1 && n.count <= NOTE_SIGNATURES_MAX && n.text.n < input.n);
		memcpy(n.item[0].id, log.id, NOTE_KEY_ID_BYTES); /* so that the signature itself is looked at */
		CHECK(note_check(&n, &log, NULL) != NOTE_SIGNED);
		memcpy(n.item[0].id, witness.id, NOTE_KEY_ID_BYTES);
		CHECK(note_check(&n, &witness, &time_s) != NOTE_SIGNED);
		try_checkpoint(n.text);
	}
	arena_release(&a);
	return 0;
}
