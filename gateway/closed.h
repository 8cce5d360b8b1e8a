#ifndef GATEWAY_CLOSED_H
#define GATEWAY_CLOSED_H

#include "common/core/str.h"

/*
 * The set of closed sessions: bounded, and never wrong on the dangerous side. Entries live in two slices; when the newer one is full or
 * as old as a token can get, the older one goes as a whole. If something in it could still matter, the moment of its last revocation
 * becomes the watermark: of tokens issued up to then nothing is known any more, and closed_check says so. A token issued later cannot
 * belong to a session that was closed before.
 */
struct closed_slot;
struct closed_slice {
	struct closed_slot *slots;
	size_t slot_count; /* power of two, or 0 */
	size_t count;
	int64_t first_s; /* of the first entry */
	int64_t revoked_s, expires_s; /* the latest of all entries */
};
struct closed {
	struct closed_slice now, before;
	size_t count_max; /* of each slice */
	int64_t watermark_s; /* tokens issued at or before this are unsure; INT64_MIN: none */
	uint64_t forgotten;
};

enum closed_verdict { CLOSED_NO, CLOSED_YES, CLOSED_UNSURE };

void closed_init(struct closed *c, size_t count_max);
void closed_free(struct closed *c);
/** Closed at `revoked_s`; its tokens are all dead by themselves after `expires_s`. Adding twice is adding once. */
void closed_add(struct closed *c, struct str session, int64_t revoked_s, int64_t expires_s, int64_t now_s);
/** What is known of a token of this session that was issued at `issued_s`. */
enum closed_verdict closed_check(const struct closed *c, struct str session, int64_t issued_s, int64_t now_s);
/** Gives back the memory of what has expired. */
void closed_tidy(struct closed *c, int64_t now_s);
size_t closed_count(const struct closed *c);

#endif
