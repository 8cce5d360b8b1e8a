#ifndef COMMON_PG_BINARY_FORM_H
#define COMMON_PG_BINARY_FORM_H

#include "common/core/str.h"

/*
 * PostgreSQL's binary forms, as text. A result in binary form spares the server its formatting: a timestamp as text costs it
 * about a microsecond, more than the rest of a row. Pure.
 */

enum { BINARY_TEXT_BYTES = 48 };

/** True for the types below: bool, int2, int4, int8, oid, text, varchar, name, json, date, timestamptz, uuid. */
bool binary_form_reads(unsigned type);
/**
 * What a value says, as PostgreSQL's own text does (so it may be bound as a parameter again), but a timestamptz as RFC 3339 in
 * +08:00. In `out`, or the value itself when it is text. Absent: bytes that are no such value, and times outside of years 1 to 9999
 * that are not infinite.
 */
struct str binary_form_text(unsigned type, struct str value, char out[BINARY_TEXT_BYTES]);

#endif
