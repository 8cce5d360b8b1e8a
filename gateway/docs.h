#ifndef GATEWAY_DOCS_H
#define GATEWAY_DOCS_H

#include "gateway/site.h"

/* The interactive documentation: files of a folder, read once at boot. */

struct docs;

struct docs_file {
	const char *name; /* below /docs/ */
	const char *path; /* in the folder */
	struct str type;
	struct page page;
};

/** Reads the folder (YG_DOCS_DIR). NULL when a file of it is missing: then there is the plain list of operations only. */
struct docs *docs_open(const char *dir);
void docs_free(struct docs *d);
/** The page itself. */
const struct page *docs_page(const struct docs *d);
/** NULL: there is no such file. */
const struct docs_file *docs_find(const struct docs *d, struct str name);
/** True when the query is the ?v= that the page asks for: then the bytes never change. */
bool docs_is_versioned(const struct docs_file *f, struct str query);

#endif
