/* Rows to JSON text, straight from libpq's memory. What each column becomes is decided once, when the shape is compiled.
 * Members that are NULL are left out, and so is an object all of whose members are. */
#include "common/pg/rows.h"

#include "common/pg/binary_form.h"
#include "common/pg/text_form.h"
#include "common/pg/type_oid.h"

enum { PATH_MAX_SEGMENTS = 8, SCRATCH_BYTES_MAX = 16 * 1024 * 1024, COLUMNS_MAX = 256, KEY_BYTES_MAX = 1024 };

/* VALUE_PLAIN: quoted, and never in need of an escape. */
enum value_kind {
	VALUE_TEXT,
	VALUE_PLAIN,
	VALUE_RAW,
	VALUE_JSON,
	VALUE_FLOAT,
	VALUE_BOOL,
	VALUE_TIMESTAMPTZ,
	VALUE_TIMESTAMP
};

struct row_column {
	unsigned index; /* in the result */
	enum value_kind kind;
	bool array;
	unsigned binary; /* type, when the result comes in binary form */
	unsigned depth; /* objects around it */
	struct str *segments; /* depth + 1 */
	struct str *keys; /* the segments as json_put_ready_key wants them */
	unsigned *nodes; /* which object each segment but the last opens: equal numbers, same object */
	struct row_filter filter;
};

struct row_shape {
	struct row_column *columns;
	unsigned count;
};

static enum value_kind kind_of(unsigned oid)
{
	switch (oid) {
	case OID_BOOL:
		return VALUE_BOOL;
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
	case OID_OID:
		return VALUE_RAW;
	case OID_DATE:
	case OID_NUMERIC:
	case OID_UUID:
		return VALUE_PLAIN;
	case OID_JSON:
	case OID_JSONB:
		return VALUE_JSON;
	case OID_FLOAT4:
	case OID_FLOAT8:
		return VALUE_FLOAT;
	case OID_TIMESTAMP:
		return VALUE_TIMESTAMP;
	case OID_TIMESTAMPTZ:
		return VALUE_TIMESTAMPTZ;
	default:
		return VALUE_TEXT;
	}
}

static enum err refuse(struct buf *report, const struct pg_statement *s, struct str alias, const char *why)
{
	buf_printf(report, "%.*s: column \"%.*s\": %s\n", STR_FMT(s->file), STR_FMT(alias), why);
	return ERR_CONFIG;
}

static bool is_hidden(struct str alias)
{
	return str_starts(alias, STR("!")) || str_eq(alias, STR("ord")) || str_starts(alias, STR("page."));
}

/* True when the first `n` segments of both are the same. */
static bool same_prefix(const struct row_column *a, const struct row_column *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!str_eq(a->segments[i], b->segments[i])) return false;
	return true;
}

/* Numbers the objects the column stands in, and refuses what would make an object twice or a member twice. */
static const char *place(struct row_shape *shape, struct row_column *c, unsigned *next_node)
{
	const struct row_column *last = shape->count ? &shape->columns[shape->count - 1] : NULL;
	for (unsigned d = 0; d < c->depth; d++) {
		bool open = last && last->depth > d && same_prefix(c, last, d + 1);
		c->nodes[d] = open ? last->nodes[d] : ++*next_node;
		for (unsigned i = 0; i < shape->count && !open; i++)
			if (shape->columns[i].depth > d && same_prefix(c, &shape->columns[i], d + 1))
				return "columns of one object must stand side by side";
	}
	for (unsigned i = 0; i < shape->count; i++) {
		const struct row_column *o = &shape->columns[i];
		unsigned shorter = c->depth < o->depth ? c->depth : o->depth;
		if (!same_prefix(c, o, shorter + 1)) continue;
		if (c->depth == o->depth) return "this member is there twice";
		return "a member cannot be a value and an object";
	}
	return NULL;
}

static const char *split_alias(struct arena *boot, struct row_column *c, struct str alias)
{
	struct str rest = alias, part, segments[PATH_MAX_SEGMENTS];
	unsigned n = 0;
	if (alias.n && alias.p[alias.n - 1] == '.') return "an empty name";
	while (str_cut(&rest, '.', &part)) {
		if (part.n == 0) return "an empty name";
		if (n == PATH_MAX_SEGMENTS) return "more than 8 levels";
		segments[n++] = part;
	}
	if (n == 0) return "an empty name";
	c->depth = n - 1;
	c->segments = arena_array(boot, n, sizeof *c->segments);
	c->keys = arena_array(boot, n, sizeof *c->keys);
	c->nodes = arena_array(boot, n, sizeof *c->nodes);
	if (!c->segments || !c->keys || !c->nodes) return "no memory left for its name";
	memcpy(c->segments, segments, n * sizeof segments[0]);
	return NULL;
}

static bool ready_keys(struct arena *boot, struct row_column *c)
{
	struct buf key;
	bool good = true;
	buf_init(&key, KEY_BYTES_MAX);
	for (unsigned d = 0; d <= c->depth; d++) {
		buf_reset(&key);
		json_ready_key(&key, c->segments[d]);
		c->keys[d] = buf_ok(&key) ? arena_str(boot, buf_view(&key)) : STR_NONE;
		good = good && c->keys[d].p;
	}
	buf_free(&key);
	return good;
}

enum err row_shape_compile(struct arena *boot, const struct pg_statement *s, const struct row_filter *filters,
    const struct row_shape **out, struct buf *report)
{
	enum err result = ERR_NONE;
	unsigned next_node = 0;
	struct row_shape *shape = ARENA_NEW(boot, struct row_shape);
	*out = NULL;
	if (s->column_count > COLUMNS_MAX) return refuse(report, s, STR("*"), "more than 256 columns");
	if (shape) shape->columns = arena_array(boot, s->column_count ? s->column_count : 1, sizeof *shape->columns);
	if (!shape || !shape->columns) return ERR_CONFIG;
	for (unsigned i = 0; i < s->column_count; i++) {
		const struct pg_column_info *info = &s->columns[i];
		if (is_hidden(info->name)) continue;
		struct row_column *c = &shape->columns[shape->count];
		*c = (struct row_column){ .index = i,
			.array = info->element != 0,
			.binary = s->binary ? info->type : 0,
			.kind = kind_of(info->element ? info->element : info->type),
			.filter = filters ? filters[i] : (struct row_filter){ 0 } };
		const char *why = split_alias(boot, c, info->name);
		if (!why) why = place(shape, c, &next_node);
		if (!why && !ready_keys(boot, c)) why = "its name does not fit";
		if (why)
			result = refuse(report, s, info->name, why);
		else
			shape->count++;
	}
	if (!result) *out = shape;
	return result;
}

/* What is put for a value, maybe in `stamp`; absent for what JSON cannot say. */
static inline struct str said(enum value_kind kind, struct str v, char stamp[TIMESTAMP_BYTES])
{
	size_t n;
	switch (kind) {
	case VALUE_FLOAT: /* not NaN, Infinity */
		return v.n && v.p[v.n - 1] >= '0' && v.p[v.n - 1] <= '9' ? v : STR_NONE;
	case VALUE_JSON:
		return str_eq(v, STR("null")) ? STR_NONE : v;
	case VALUE_TIMESTAMPTZ:
		n = timestamptz_rfc3339(v, stamp);
		return n ? str_span(stamp, n) : STR_NONE;
	case VALUE_TIMESTAMP:
		n = timestamp_iso(v, stamp);
		return n ? str_span(stamp, n) : STR_NONE;
	case VALUE_TEXT:
	case VALUE_PLAIN:
	case VALUE_RAW:
	case VALUE_BOOL:
		break;
	}
	return v;
}

/* The text is UTF-8 already: PostgreSQL checks it on its way into a UTF8 database, which initdb -E UTF8 makes ours. */
static inline void put_said(struct json_writer *w, enum value_kind kind, struct str v)
{
	switch (kind) {
	case VALUE_RAW:
	case VALUE_JSON:
	case VALUE_FLOAT:
		json_put_raw(w, v);
		break;
	case VALUE_BOOL:
		json_put_bool(w, v.n && v.p[0] == 't');
		break;
	case VALUE_PLAIN:
	case VALUE_TIMESTAMPTZ:
	case VALUE_TIMESTAMP:
		json_put_plain(w, v);
		break;
	case VALUE_TEXT:
		json_put_utf8(w, v);
		break;
	}
}

static void put_array(struct json_writer *w, enum value_kind kind, struct str literal)
{
	struct array_scan scan;
	struct buf scratch;
	struct str v;
	char stamp[TIMESTAMP_BYTES];
	array_scan_init(&scan, literal);
	buf_init(&scratch, SCRATCH_BYTES_MAX);
	enum array_event event;
	while ((event = array_next(&scan, &scratch, &v)) != ARRAY_END && event != ARRAY_BROKEN) {
		if (event == ARRAY_OPEN)
			json_begin_array(w);
		else if (event == ARRAY_CLOSE)
			json_end_array(w);
		else if (event == ARRAY_VALUE && (v = said(kind, v, stamp)).p)
			put_said(w, kind, v);
		else
			json_put_null(w);
	}
	/* The server writes well-formed arrays; this only keeps our text well-formed. */
	for (; event == ARRAY_BROKEN && scan.depth; scan.depth--) json_end_array(w);
	buf_free(&scratch);
}

/* A value in binary form is text already when it gets here; an infinite time is nothing that JSON could say. */
static inline struct str said_binary(const struct row_column *c, struct str v, char stamp[TIMESTAMP_BYTES])
{
	struct str text = binary_form_text(c->binary, v, stamp);
	if (c->kind == VALUE_JSON) return said(c->kind, text, stamp);
	bool is_time = c->binary == OID_TIMESTAMPTZ || c->binary == OID_DATE;
	return is_time && text.n && (text.p[0] < '0' || text.p[0] > '9') ? STR_NONE : text;
}

void row_write(const struct row_shape *shape, struct json_writer *w, const struct pg_result *r, unsigned row)
{
	unsigned open[PATH_MAX_SEGMENTS], depth = 0;
	char stamp[TIMESTAMP_BYTES];
	json_begin_object(w);
	for (unsigned i = 0; i < shape->count; i++) {
		const struct row_column *c = &shape->columns[i];
		bool plain = !c->filter.fn && !c->array;
		struct str v = pg_get(r, row, c->index);
		if (v.p && plain) v = c->binary ? said_binary(c, v, stamp) : said(c->kind, v, stamp);
		if (!v.p) continue;
		unsigned common = 0;
		while (common < depth && common < c->depth && open[common] == c->nodes[common]) common++;
		for (; depth > common; depth--) json_end_object(w);
		for (; depth < c->depth; depth++) {
			json_put_ready_key(w, c->keys[depth]);
			json_begin_object(w);
			open[depth] = c->nodes[depth];
		}
		json_put_ready_key(w, c->keys[c->depth]);
		if (plain)
			put_said(w, c->kind, v);
		else if (c->filter.fn)
			c->filter.fn(c->filter.arg, w, v);
		else
			put_array(w, c->kind, v);
	}
	for (; depth; depth--) json_end_object(w);
	json_end_object(w);
}
