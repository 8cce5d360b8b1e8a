#ifndef GATEWAY_QUESTIONS_H
#define GATEWAY_QUESTIONS_H

#include "gateway/credentials.h"

/* What the identity service is asked about by name: one question per name at a time, later comers join it; both are bounded. */
struct questions;
enum { QUESTION_NAME_BYTES_MAX = 64 };

struct questions_config {
	struct internal *internal;
	struct str path; /* POST there, with {"<member>":"<name>"} */
	const char *member;
	const char *what; /* for the log */
	unsigned questions_max;
	unsigned waits_max;
	/** With each answer, before those who wait are woken: remembers it. What it returns is their outcome. */
	enum err (*learn)(void *arg, struct str name, const struct http_reply *reply);
	void *arg;
};

struct questions *questions_new(const struct questions_config *config);
/** Those who wait are not told. NULL is fine. */
void questions_free(struct questions *q);
/** `w` is woken when the answer is there. The name needs no escapes in JSON. Fails: ERR_BUSY, ERR_MEMORY, or as internal_send. */
MUST_USE enum err questions_ask(struct questions *q, struct str name, struct credential_wait *w);

#endif
