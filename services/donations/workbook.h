#ifndef SERVICES_DONATIONS_WORKBOOK_H
#define SERVICES_DONATIONS_WORKBOOK_H

#include "common/core/arena.h"
#include "common/core/err.h"

/* A workbook (XLSX) of one sheet, made by libxlsxwriter, which is loaded for the time of making and costs an idle process nothing. */

struct workbook {
	struct arena arena; /* holds the file */
	struct str
	    cells; /* {"sheet","columns":[[title,width]…],"rows":[[cell…]…]}: a text is a text, a number is fen and shown as yuan */
	struct str file;
	char sha256[65];
	enum err err;
};

/** Makes `file` and its digest of `cells`, or sets `err`. For the thread pool: `arg` is a struct workbook. */
void workbook_make(void *arg);

#endif
