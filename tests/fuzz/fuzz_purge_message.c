/* Messages about purges: whoever may publish in Redis may send anything. Tags that come out are tags. */
/* links: cache */
#include "common/cache/purge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct purge_message m;
	struct str tag;
	if (!purge_message_read(str_span((const char *)data, size), &m)) return 0;
	if (m.kind == PURGE_TAGS || m.kind == PURGE_BEAT) CHECK(m.seq > 0);
	if (m.kind == PURGE_FILLED || m.kind == PURGE_NOT_FILLED) CHECK(m.rest.n == 32);
	if (m.kind != PURGE_TAGS) return 0;
	while (purge_message_tag(&m, &tag)) CHECK(purge_tag_is_valid(tag) && tag.n <= PURGE_TAG_BYTES_MAX);
	return 0;
}
