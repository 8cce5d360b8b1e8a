/* Keys that the asker gives, and checkpoints that they vouch for. */
#include "deploy/verify/verify.h"

bool trust_add(struct arena *a, struct str key, struct trust *t, struct verdict *v)
{
	struct note_key k;
	key = str_trim(key);
	if (note_key_read(a, key, &k)) return verdict_cannot(v, "%.*s is no key (name+id+base64)", STR_FMT(key));
	if (k.kind == NOTE_ED25519 && !t->log.key) {
		t->log = k;
		return true;
	}
	if (k.kind == NOTE_COSIGNATURE_V1 && t->witness_count < WITNESSES_MAX) {
		t->witness[t->witness_count++] = k;
		return true;
	}
	key_free(k.key);
	return verdict_cannot(v, "one log key and up to %d witness keys can be given", WITNESSES_MAX);
}

void trust_free(struct trust *t)
{
	key_free(t->log.key);
	for (unsigned i = 0; i < t->witness_count; i++) key_free(t->witness[i].key);
	*t = (struct trust){ 0 };
}

bool checkpoint_open(struct arena *a, const struct trust *t, struct str message, const char *what,
    struct checkpoint *out, struct verdict *v)
{
	struct note n;
	if (note_read(a, message, &n)) return verdict_no(v, "checkpoint-form", "%s is not a signed note", what);
	switch (note_check(&n, &t->log, NULL)) {
	case NOTE_SIGNED:
		break;
	case NOTE_UNSIGNED:
		return verdict_no(v, "checkpoint-key", "%s is not signed with the key of %.*s that was given", what,
		    STR_FMT(t->log.name));
	case NOTE_FORGED:
		return verdict_no(v, "checkpoint-signature", "the signature under %s is not right", what);
	}
	if (checkpoint_read(n.text, out)) return verdict_no(v, "checkpoint-form", "%s is not a checkpoint", what);
	if (!str_eq(out->origin, t->log.name))
		return verdict_no(v, "checkpoint-origin", "%s is of another log: %.*s", what, STR_FMT(out->origin));
	for (unsigned i = 0; i < t->witness_count; i++)
		if (note_check(&n, &t->witness[i], NULL) != NOTE_SIGNED)
			return verdict_no(
			    v, "witness", "%s is not rightly cosigned by %.*s", what, STR_FMT(t->witness[i].name));
	return true;
}
