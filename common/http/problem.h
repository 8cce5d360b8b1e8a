#ifndef COMMON_HTTP_PROBLEM_H
#define COMMON_HTTP_PROBLEM_H

#include "common/core/buf.h"
#include "common/core/problem.h"

/** Status of the answer. */
int problem_status(const struct problem *p);
/** Slug: the last segment of `type`, and `code`. */
struct str problem_slug(const struct problem *p);
/**
 * Writes the RFC 9457 object: type ("/problems/<slug>"), title, status, detail, instance ("urn:request:<request_id>"), code,
 * errors [{pointer|parameter, code, detail}], trace_id (= request_id).
 */
void problem_write(struct buf *out, const struct problem *p, enum language language, struct str request_id);

#endif
