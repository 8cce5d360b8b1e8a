/* What an operation takes and gives: request body and responses. */
#include "common/contract/load.h"

/* The one media type of `content`, or NULL. */
static const struct json *one_media(struct loader *l, const struct located *at, const struct json *content)
{
	static const char *const keys[] = { "schema", "example", "examples", NULL };
	const struct json *media = json_first(content);
	if (json_count(content) != 1) {
		load_fault(l, at->in->root, content, "must have exactly one media type");
		return NULL;
	}
	load_check_keys(l, at->in, media, "media type", keys);
	return media;
}

void load_body(struct loader *l, const struct document *in, struct operation *op)
{
	static const char *const keys[] = { "description", "content", "required", NULL };
	static const struct str types[] = { STR("application/json"), STR("application/merge-patch+json"),
		STR("application/x-www-form-urlencoded"), STR("*/*") };
	const struct json *node = json_get(op->node, STR("requestBody"));
	if (!node) return;
	struct located at = load_resolve(l, in, node);
	if (!at.node) return;
	if (str_eq(op->method, STR("GET")) || str_eq(op->method, STR("DELETE")))
		load_fault(l, in->root, node, "%.*s takes no body", STR_FMT(op->method));
	load_check_keys(l, at.in, at.node, "requestBody", keys);
	op->body_required = json_get_bool(at.node, "required", false);
	const struct json *content = load_member(l, at.in, at.node, "content", JSON_OBJECT, true);
	const struct json *media = content ? one_media(l, &at, content) : NULL;
	if (!media) return;
	size_t i = 0;
	while (i < ARRAY_LEN(types) && !str_eq(types[i], json_key(media))) i++;
	if (i == ARRAY_LEN(types))
		load_fault(l, at.in->root, media, "media type %.*s is not supported", STR_FMT(json_key(media)));
	bool raw = i == ARRAY_LEN(types) - 1;
	op->body_type = raw ? STR("*") : json_key(media);
	const struct json *schema = json_get(media, STR("schema"));
	if (schema)
		op->body = schema_compiler_add(&l->compiler, at.in->root, schema);
	else if (raw)
		op->body = ARENA_NEW(l->boot, struct schema);
	else
		load_fault(l, at.in->root, media, "the body has no schema");
	if (raw && op->body && !schema) ((struct schema *)(uintptr_t)op->body)->node = media;
}

/* 200 → 200, 4XX → 4, default → 0; -1 when it is none. */
static int parse_status(struct str s)
{
	if (str_eq(s, STR("default"))) return 0;
	if (s.n != 3 || s.p[0] < '1' || s.p[0] > '5') return -1;
	if (str_eq(str_from(s, 1), STR("XX"))) return s.p[0] - '0';
	if (s.p[1] < '0' || s.p[1] > '9' || s.p[2] < '0' || s.p[2] > '9') return -1;
	return (s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + (s.p[2] - '0');
}

static void load_headers(struct loader *l, const struct located *at, const struct json *headers)
{
	static const char *const keys[] = { "description", "required", "schema", "example", "examples", "deprecated",
		NULL };
	for (const struct json *m = headers ? json_first(headers) : NULL; m; m = json_next(m)) {
		struct located header = load_resolve(l, at->in, m);
		if (header.node) load_check_keys(l, header.in, header.node, "header", keys);
		const struct json *schema = header.node ? json_get(header.node, STR("schema")) : NULL;
		if (schema) (void)schema_compiler_add(&l->compiler, header.in->root, schema);
	}
}

static bool has_header(const struct json *headers, struct str name)
{
	for (const struct json *m = headers ? json_first(headers) : NULL; m; m = json_next(m))
		if (str_eq_ci(json_key(m), name)) return true;
	return false;
}

static void load_response(
    struct loader *l, const struct document *in, struct operation *op, const struct json *node, struct response *out)
{
	static const char *const keys[] = { "description", "headers", "content", NULL };
	out->status = parse_status(json_key(node));
	if (out->status < 0) load_fault(l, in->root, node, "%.*s is no status", STR_FMT(json_key(node)));
	struct located at = load_resolve(l, in, node);
	if (!at.node) return;
	load_check_keys(l, at.in, at.node, "response", keys);
	load_member(l, at.in, at.node, "description", JSON_STRING, true);
	const struct json *headers = load_member(l, at.in, at.node, "headers", JSON_OBJECT, false);
	load_headers(l, &at, headers);
	if (out->status == 201 && str_eq(op->method, STR("POST")) && !has_header(headers, STR("Location")))
		load_fault(l, in->root, node, "a POST that answers 201 must document the header Location");
	const struct json *content = load_member(l, at.in, at.node, "content", JSON_OBJECT, false);
	const struct json *media = content ? one_media(l, &at, content) : NULL;
	if (!media) return;
	out->content_type = json_key(media);
	const struct json *schema = json_get(media, STR("schema"));
	if (schema)
		out->schema = schema_compiler_add(&l->compiler, at.in->root, schema);
	else
		load_fault(l, at.in->root, media, "the response has no schema");
}

void load_responses(struct loader *l, const struct document *in, struct operation *op)
{
	const struct json *node = load_member(l, in, op->node, "responses", JSON_OBJECT, true);
	const struct response *success = NULL;
	bool refusal = false;
	if (!node) return;
	struct response *out = arena_array(l->boot, json_count(node) + 1, sizeof *out);
	if (!out) return;
	op->responses = out;
	for (const struct json *m = json_first(node); m; m = json_next(m)) {
		struct response *r = &out[op->response_count++];
		load_response(l, in, op, m, r);
		if (r->status / 100 == 4 || r->status == 4) refusal = true;
		if (r->status / 100 == 2 && (!success || success->status / 100 != 2)) success = r;
		if (r->status / 100 == 3 && !success) success = r;
	}
	if (!success) load_fault(l, in->root, node, "no success is documented");
	if (!refusal) load_fault(l, in->root, node, "no 4XX is documented");
	if (!success) return;
	op->success_status = success->status;
	op->success_schema = success->schema;
	op->success_type = success->content_type;
}
