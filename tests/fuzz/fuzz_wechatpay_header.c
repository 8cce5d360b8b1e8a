/* No header text verifies: the key that would be needed is in nobody's hands. Nothing is read past its end. */
/* links: service */
#include "services/donations/wechat_message.c"
#include "services/donations/wechat_pay.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wechat_pay pay;
	struct arena a;
	if (!pay.key_count) {
		crypto_init();
		if (key_generate(ALG_RS256, &pay.keys[0].key) != ERR_NONE) return 0;
		pay.keys[0].serial = STR("PUB_KEY_ID_0119000000012026");
		pay.key_count = 1;
	}
	struct str rest = str_span((const char *)data, size), part[4] = { STR_NONE };
	for (int i = 0; i < 4; i++)
		if (!str_cut(&rest, '\n', &part[i])) break;
	struct wechat_pay_signature s = { part[0], part[1], part[2], part[3] };
	int64_t now = 1764000000;
	arena_init(&a, 4096, 1 << 20);
	CHECK(!wechat_pay_verify(&a, &pay, &s, rest, now));
	CHECK(wechat_pay_error_code(&a, rest).p != NULL);
	arena_release(&a);
	return 0;
}
