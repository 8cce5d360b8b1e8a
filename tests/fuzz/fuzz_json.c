/* What is read and written must read back equal; what is refused must have a code and an offset inside the text. */
/* links: json */
#include "common/json/json.h"
#include "common/json/json_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct buf out;
	struct json_writer w;
	struct json_error error;
	const struct json *v, *again;
	struct str text = str_span((const char *)data, size);
	arena_init(&a, 4096, 64 << 20);
	buf_init(&out, 64 << 20);
	enum err e = json_read(&a, text, JSON_DEPTH_MAX, &v, &error);
	if (e == ERR_NONE) {
		json_write_init(&w, &out);
		json_put_tree(&w, v);
		CHECK(buf_ok(&out));
		CHECK(json_read(&a, buf_view(&out), JSON_DEPTH_MAX, &again, &error) == ERR_NONE);
		CHECK(json_equal(v, again) && json_hash(v) == json_hash(again));
	} else {
		CHECK(error.code != NULL && error.offset <= size);
	}
	json_write_init(
	    &w, &out); /* any bytes at all make a valid string, unless they hold a NUL, which the reader refuses */
	buf_reset(&out);
	json_put_str(&w, text);
	if (size) {
		e = json_read(&a, buf_view(&out), 1, &v, &error);
		CHECK(e == ERR_NONE || (memchr(data, 0, size) && strcmp(error.code, "nul") == 0));
	}
	buf_free(&out);
	arena_release(&a);
	return 0;
}
