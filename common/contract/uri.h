#ifndef COMMON_CONTRACT_URI_H
#define COMMON_CONTRACT_URI_H

#include "common/core/arena.h"

/** %-decodes `s`, `+` as a space in forms and queries. False on a broken escape; without escapes nothing is copied. */
enum uri_part { URI_PATH, URI_FORM };
bool uri_decode(struct arena *a, struct str s, enum uri_part part, struct str *out);

#endif
