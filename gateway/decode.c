/* decode body: a request's Content-Encoding is undone here, never past the operation's limit, so that services see plain bodies. */
#include "gateway/request.h"

#include "common/http/coding.h"

enum next decode_body(struct request *r)
{
	struct http_exchange *x = r->x;
	enum coding coding;
	if (!http_count(x->fields, STR("content-encoding"))) return NEXT_STEP;
	if (!coding_parse(sf_combined(&x->arena, x->fields, STR("content-encoding")), &coding))
		return request_fail_detail(r, ERR_UNSUPPORTED_MEDIA_TYPE, "Bodies may be coded with gzip or br, once.",
		    "请求体只支持 gzip 或 br 编码，且只能编码一次。");
	r->decoded = true;
	if (coding == CODING_IDENTITY) return NEXT_STEP;
	enum err e = coding_decompress(&x->arena, coding, x->body, r->operation->body_bytes_max, &x->body);
	if (e == ERR_MALFORMED_REQUEST)
		return request_fail_detail(r, e, "The body is not in the coding that Content-Encoding names.",
		    "请求体与 Content-Encoding 不符。");
	return e == ERR_NONE ? NEXT_STEP : request_fail(r, e);
}
