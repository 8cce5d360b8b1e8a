#ifndef DEPLOY_VERIFY_FILES_H
#define DEPLOY_VERIFY_FILES_H

#include "common/core/buf.h"
#include "deploy/verify/verify.h"

/* Reading what was downloaded. */

enum { RECEIPT_BYTES_MAX = 1 << 20, BALANCES_BYTES_MAX = 64 << 20 };

/** The whole file, no longer than out->max, in place of what *out held. Check on failure: files. */
MUST_USE bool file_read(struct buf *out, const char *path, struct verdict *v);
/** As file_read, of a tile or bundle below `dir`; a full one does for a partial one. *full says which it was. */
MUST_USE bool file_read_tile(struct buf *out, const char *dir, const struct tile *t, bool *full, struct verdict *v);
/** False when there is no such tile; then nothing is wrong. */
MUST_USE bool file_has_tile(const char *dir, const struct tile *t);
/** Reads and opens the checkpoint in a file. */
MUST_USE bool file_open_checkpoint(
    struct arena *a, const struct trust *t, const char *path, struct checkpoint *out, struct verdict *v);

#endif
