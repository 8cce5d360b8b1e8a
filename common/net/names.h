#ifndef COMMON_NET_NAMES_H
#define COMMON_NET_NAMES_H

#include "common/core/str.h"
#include "common/core/err.h"
#include "common/net/loop.h"

/* Addresses that begin with a name ("origin.example:8080"), and what the system's resolver says of it. It may take its time: it runs
 * in the thread pool, in no more than half of its threads. */

enum address_kind {
	ADDRESS_BAD,
	ADDRESS_FIXED, /* what streams connect to: "127.0.0.1:80", "[::1]:80", "unix:/path" */
	ADDRESS_NAMED
};
enum address_kind address_kind_of(struct str text);

enum { NAME_ADDRESSES_MAX = 16, NAME_TEXT_BYTES = 56 };

struct name_lookup;
/** The addresses, each once, in the order in which they should be tried; borrowed until it returns. None: there is no such name, or nobody who knows. */
typedef void name_found(void *arg, const struct str *addresses, unsigned count);

/** Asks for what an ADDRESS_NAMED stands for. `found` is called later, once, unless it was forgotten. NULL: the system refuses. */
struct name_lookup *name_look_up(struct loop *l, struct str address, name_found *found, void *arg);
/** `found` is not called any more. NULL is fine. */
void name_forget(struct name_lookup *n);

#endif
