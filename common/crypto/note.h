#ifndef COMMON_CRYPTO_NOTE_H
#define COMMON_CRYPTO_NOTE_H

#include "common/core/buf.h"
#include "common/crypto/merkle.h"
#include "common/crypto/sign.h"

/* Signed notes (C2SP signed-note), the checkpoints of a log in them (tlog-checkpoint), witnesses' signatures (tlog-cosignature). */

enum { NOTE_BYTES_MAX = 64 << 10, NOTE_SIGNATURES_MAX = 32, NOTE_NAME_BYTES_MAX = 255, NOTE_KEY_ID_BYTES = 4 };
enum { CHECKPOINT_EXTENSIONS_MAX = 16 };

enum note_kind {
	NOTE_ED25519 = 0x01, /* signs the text */
	NOTE_COSIGNATURE_V1 = 0x04 /* a witness: signs the text with a time */
};

/** A name with a key. */
struct note_key {
	struct str name;
	enum note_kind kind;
	unsigned char id[NOTE_KEY_ID_BYTES];
	struct key *key;
};

/** From an Ed25519 key. Owns: key stays the caller's, name is borrowed. Fails: ERR_SYNTAX for a name that cannot be one, ERR_CRYPTO for another kind of key. */
MUST_USE enum err note_key_init(struct note_key *out, struct str name, enum note_kind kind, struct key *key);
/** Reads <name>+<id>+<base64>. Owns: out->key must be freed with key_free. Fails: ERR_SYNTAX. */
MUST_USE enum err note_key_read(struct arena *a, struct str text, struct note_key *out);
/** The same text. */
MUST_USE enum err note_key_write(struct arena *a, const struct note_key *k, struct str *out);

struct note_signature {
	struct str name;
	unsigned char id[NOTE_KEY_ID_BYTES];
	struct str bytes; /* behind the id */
};

struct note {
	struct str text; /* with its last line feed */
	unsigned count; /* at least 1 */
	struct note_signature item[NOTE_SIGNATURES_MAX];
};

/** Strict; texts are borrowed from `message`, signatures live in the arena. Fails: ERR_SYNTAX, ERR_MEMORY. */
MUST_USE enum err note_read(struct arena *a, struct str message, struct note *out);
/* What a key has to say about a note. */
enum note_answer {
	NOTE_SIGNED,
	NOTE_UNSIGNED /* no signature by this name and id */,
	NOTE_FORGED /* there is one, and it is not right */
};
/** For a witness who signed, *time_s (may be NULL) is when. */
enum note_answer note_check(const struct note *n, const struct note_key *k, uint64_t *time_s);
/** Appends the signature's line for `text`. Units: time_s of a witness, not 0. Fails: ERR_CRYPTO, ERR_MEMORY. */
MUST_USE enum err note_sign(struct buf *out, struct str text, const struct note_key *k, uint64_t time_s);

struct checkpoint {
	struct str origin;
	uint64_t size;
	struct merkle_hash root;
	unsigned extension_count;
	struct str extension[CHECKPOINT_EXTENSIONS_MAX];
};

/** From a note's text, strictly. Fails: ERR_SYNTAX. */
MUST_USE enum err checkpoint_read(struct str text, struct checkpoint *out);
/** Appends the text. Fails: ERR_SYNTAX for what checkpoint_read would refuse. */
MUST_USE enum err checkpoint_write(struct buf *out, const struct checkpoint *c);

#endif
