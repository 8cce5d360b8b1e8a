/* Requests cut anywhere must be read the same as in one piece: same requests, same refusal, and no fault on the way. */
/* links: http */
#include <stdint.h>
#include <stdlib.h>

#include "common/http/intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_server_config limits = { .head_bytes_max = 600,
	.target_bytes_max = 100,
	.field_count_max = 12,
	.body_bytes_max = 300,
	.arena_bytes_max = 1 << 20,
	.require_host = true };

static void note_request(struct buf *trace, const struct http_exchange *x)
{
	buf_str(trace, x->method);
	buf_char(trace, ' ');
	buf_str(trace, x->path);
	buf_char(trace, x->query.p ? '?' : ' ');
	buf_str(trace, x->query);
	buf_str(trace, x->host);
	for (unsigned i = 0; i < x->fields.count; i++) {
		buf_str(trace, x->fields.items[i].name);
		buf_char(trace, ':');
		buf_str(trace, x->fields.items[i].value);
		buf_char(trace, '\n');
	}
	buf_str(trace, x->body);
	buf_char(trace, '\n');
}

static void check_request(const struct http_exchange *x)
{
	/* What everybody above relies on. */
	CHECK(x->method.n > 0 && x->path.n > 0 && x->body.p != NULL);
	CHECK(x->path.p[0] == '/' || (x->path.n == 1 && x->path.p[0] == '*'));
	CHECK(x->body.n <= limits.body_bytes_max && x->fields.count <= limits.field_count_max);
	CHECK(http_count(x->fields, STR("content-length")) + http_count(x->fields, STR("transfer-encoding")) <= 1);
	for (unsigned i = 0; i < x->fields.count; i++) {
		struct str value = x->fields.items[i].value;
		CHECK(x->fields.items[i].name.n > 0);
		for (size_t k = 0; k < value.n; k++) CHECK(value.p[k] != '\r' && value.p[k] != '\n' && value.p[k] != 0);
	}
}

struct reader {
	struct http_exchange x;
	struct intake in;
	struct wire *wire;
	struct buf *trace;
	bool over;
};

static void begin(struct reader *r)
{
	arena_reset(&r->x.arena);
	r->x = (struct http_exchange){ .arena = r->x.arena };
	intake_begin(&r->in, &r->x);
}

static void refuse(struct reader *r, enum err why)
{
	buf_printf(r->trace, "refused %d", (int)why);
	r->over = true;
}

static void feed(struct reader *r, struct str bytes)
{
	while (bytes.n && !r->over) {
		enum err why = ERR_NONE;
		enum intake_step step = intake_step(&r->in, r->wire, &limits, &bytes, &why);
		if (step == INTAKE_HEAD) {
			why = intake_begin_body(&r->in, limits.body_bytes_max);
			step = why ? INTAKE_REFUSE : intake_step(&r->in, r->wire, &limits, &bytes, &why);
		}
		if (step == INTAKE_REFUSE) {
			refuse(r, why);
		} else if (step == INTAKE_DONE) {
			check_request(&r->x);
			note_request(r->trace, &r->x);
			r->over = !r->in.keep_alive;
			begin(r);
		}
	}
}

/* Reads `size` bytes in pieces whose lengths come from `cuts`; one piece when there are none. */
static void read_all(const uint8_t *data, size_t size, const uint8_t *cuts, size_t cut_count, struct buf *trace)
{
	struct reader r = { .wire = wire_new(), .trace = trace };
	arena_init(&r.x.arena, 512, limits.arena_bytes_max);
	buf_init(&r.in.raw, limits.head_bytes_max);
	buf_init(&r.in.body, limits.body_bytes_max);
	begin(&r);
	for (size_t at = 0, i = 0; at < size && !r.over; i++) {
		size_t n = cut_count ? (size_t)(1 + cuts[i % cut_count] % 64) : size;
		if (n > size - at) n = size - at;
		char *piece = malloc(n); /* of exact size, and gone after the call, as a read buffer is */
		CHECK(piece != NULL);
		memcpy(piece, data + at, n);
		feed(&r, str_span(piece, n));
		memset(piece, 'Z', n);
		free(piece);
		at += n;
	}
	arena_release(&r.x.arena);
	buf_free(&r.in.raw);
	buf_free(&r.in.body);
	wire_free(r.wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { CUTS = 4 };
	struct buf whole, cut;
	if (size < CUTS || size > 8192) return 0;
	buf_init(&whole, 1 << 20);
	buf_init(&cut, 1 << 20);
	read_all(data + CUTS, size - CUTS, NULL, 0, &whole);
	read_all(data + CUTS, size - CUTS, data, CUTS, &cut);
	CHECK(str_eq(buf_view(&whole), buf_view(&cut)));
	buf_free(&whole);
	buf_free(&cut);
	return 0;
}
