/* The little HTML that the gateway writes itself: escaping, and the beginning of every page. */
#include "gateway/site.h"

void html_text(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '&':
			BUF_LIT(out, "&amp;");
			break;
		case '<':
			BUF_LIT(out, "&lt;");
			break;
		case '>':
			BUF_LIT(out, "&gt;");
			break;
		case '"':
			BUF_LIT(out, "&quot;");
			break;
		default:
			buf_char(out, s.p[i]);
		}
	}
}

void html_begin(struct buf *out, struct str title)
{
	BUF_LIT(out, "<!doctype html><html lang=zh-CN><head><meta charset=utf-8>"
		     "<meta name=viewport content=\"width=device-width\"><title>");
	html_text(out, title);
	BUF_LIT(out, "</title><style>body{font:16px/1.6 system-ui,sans-serif;max-width:52em;margin:3em auto;padding:0 "
		     "1em}code{background:#eee}table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;"
		     "padding:.2em .8em .2em 0}</style></head><body>");
}
