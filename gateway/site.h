#ifndef GATEWAY_SITE_H
#define GATEWAY_SITE_H

#include "common/contract/contract.h"
#include "common/http/coding.h"

/* What the gateway says about itself, made when contracts are loaded: descriptions for programs and pages for people. */

/** A text that is the same for everybody, with the ETag of its bytes, and as page_code made it. */
struct page {
	struct str body;
	struct str etag;
	struct str coded[CODING_COUNT]; /* absent where it would not be smaller */
};

/** One description for each audience; the first is for all. */
enum { SITE_AUDIENCES = 5 };

struct site {
	struct page openapi[SITE_AUDIENCES];
	struct page catalog; /* /.well-known/api-catalog (RFC 9727) */
	struct page problems; /* index of all kinds of problems */
	struct page operations; /* list of all operations, without script */
};

/** Index into site->openapi of ?audience=name (absent: 0, all); -1: there is no such audience. */
int site_audience(struct str name);
/** Makes everything; texts live in the arena. Fails: ERR_MEMORY. */
MUST_USE enum err site_make(struct arena *a, const struct contract *c, struct str public_url, struct site *out);
/** Gives a text, which is the arena's or lives as long, its ETag. */
MUST_USE enum err page_of(struct arena *a, struct str body, struct page *out);
/** Codes it for good: nobody who asks for it makes us do it again. */
MUST_USE enum err page_code(struct arena *a, struct page *p);
/** The same with a copy of what was written; the buffer is freed. */
MUST_USE enum err page_keep(struct arena *a, struct buf *text, struct page *out);

/* html.c */
/** Text for the inside of an element or a quoted attribute. */
void html_text(struct buf *out, struct str s);
/** Everything before the text of a page. The title is escaped. */
void html_begin(struct buf *out, struct str title);

/** A kind of problem and what it means for a client. */
struct problem_page {
	struct str slug;
	int status;
	struct str title[2]; /* by enum language */
};

/* problem_pages.c */
bool problem_find(const struct contract *c, struct str slug, struct problem_page *out);
void problem_write_html(struct buf *out, const struct problem_page *p);
void problem_write_json(struct buf *out, const struct problem_page *p);
MUST_USE enum err problem_write_index(struct arena *a, const struct contract *c, struct page *out);

#endif
