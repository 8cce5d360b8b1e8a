#ifndef COMMON_CORE_ID_H
#define COMMON_CORE_ID_H

#include "common/core/str.h"

enum { UUID_TEXT_BYTES = 36, PUBLIC_CODE_BYTES = 16 };

/** Cryptographically secure random bytes (getrandom, buffered per process; the buffer is dropped after fork). */
void id_random(void *out, size_t n);
/** 64 random bits for what must be different but is no secret (trace ids): cheap, and predictable to who has seen some. */
uint64_t id_noise(void);
/** Writes the 36 characters of a new UUIDv7 (RFC 9562): time-ordered within this process. */
void id_uuid7(char out[UUID_TEXT_BYTES]);
/** Lower- or upper-case 8-4-4-4-12 hexadecimal form. */
bool id_is_uuid(struct str s);
/**
 * Writes a public code: 15 random symbols of Crockford's base 32 (75 bits, so it cannot be guessed) and a Luhn mod 32
 * check symbol, which catches every single wrong symbol and nearly every swap of neighbours.
 */
void id_public_code(char out[PUBLIC_CODE_BYTES]);
/** True for a well-formed code (upper case, no separators) whose check symbol is right. */
bool id_is_public_code(struct str s);
/** Lower-case hexadecimal of n bytes; out has room for 2n. */
void id_hex(const void *bytes, size_t n, char *out);
/** Inverse of id_hex; accepts both cases; false unless s.n == 2n. */
bool id_unhex(struct str s, void *bytes, size_t n);
/** Keyed 64-bit hash (SipHash-1-3, key random per process): for hash tables fed by outsiders. */
uint64_t id_hash(struct str s);

#endif
