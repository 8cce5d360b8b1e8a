/* The masking table. When in doubt more is hidden: a person whose name looks like an organisation must not be shown in full. */
#include "common/crypto/secret.h"

#include "common/core/utf8.h"

enum { NAME_BYTES_MAX = 1024, PHONE_DIGITS_MAX = 20 };

/* One blank-separated list each, so that the table reads as a table. */
static const char compound_surnames[] =
    "欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 公冶 太叔 申屠 "
    "公孙 慕容 "
    "仲孙 钟离 长孙 宇文 司徒 鲜于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正 宰父 谷梁 拓跋 夹谷 "
    "轩辕 令狐 "
    "段干 百里 呼延 东郭 南门 羊舌 微生 公户 公玉 公仪 梁丘 公仲 公上 公门 公山 公坚 左丘 公伯 西门 公祖 第五 公乘 "
    "贯丘 公皙 "
    "南荣 东里 东宫 仲长 子书 子桑 即墨 达奚 褚师 纳兰 归海 東方 歐陽 司馬 諸葛 慕容 尉遲 長孫 鮮于 鍾離";
/* Whole words: nobody is called so from four characters on. */
static const char organisation_words[] =
    "公司 集团 协会 商会 学会 工会 委员会 基金会 红十字会 促进会 联合会 研究会 理事会 慈善会 中心 学校 大学 学院 中学 "
    "小学 幼儿园 "
    "医院 卫生院 法院 检察院 研究院 银行 政府 工厂 酒店 超市 药店 药房 商店 工作室 合作社 合作联社 街道办 办公室 "
    "办事处 居委会 "
    "村委会 事务所 派出所 卫生所 研究所 血站 企业 部队 支队 大队 志愿队 服务队 救援队";
/* Single characters that also end names of people: only in names of more than four characters. */
static const char organisation_endings[] = "会 院 局 委 厂 店 社 所 站 队 部 处 办 团 校 室 馆 园 厅 庙 寺 村 镇 组 會";

static bool is_listed_ending(struct str name, const char *list)
{
	struct str rest = str_of(list), word;
	while (str_cut(&rest, ' ', &word))
		if (word.n && str_ends(name, word)) return true;
	return false;
}

static bool is_organisation(struct str name, size_t characters)
{
	if (str_contains(name, STR("·"))) return false; /* 古丽·买买提 */
	if (characters >= 4 && is_listed_ending(name, organisation_words)) return true;
	return characters > 4 && is_listed_ending(name, organisation_endings);
}

static size_t surname_bytes(struct str name, size_t characters)
{
	size_t first = 0;
	(void)utf8_next(name, &first);
	size_t second = first;
	if (characters < 3) return first;
	(void)utf8_next(name, &second);
	return str_list_has(str_of(compound_surnames), ' ', str_span(name.p, second)) ? second : first;
}

static bool is_latin(struct str name)
{
	return (unsigned char)name.p[0] < 0x80;
}

struct str mask_name(struct arena *a, struct str name)
{
	if (!name.p) return STR_NONE;
	name = str_trim(name);
	if (name.n == 0 || name.n > NAME_BYTES_MAX || !utf8_valid(name)) return arena_str(a, STR("**"));
	size_t characters = utf8_length(name);
	if (is_latin(name)) {
		char c = name.p[0];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		return letter ? arena_printf(a, "%c**", c) : arena_str(a, STR("**"));
	}
	if (characters == 1) return arena_str(a, STR("*"));
	if (is_organisation(name, characters)) return arena_str(a, name);
	size_t kept = surname_bytes(name, characters);
	return arena_printf(a, "%.*s%s", (int)kept, name.p, characters == 2 ? "*" : "**");
}

struct str mask_phone(struct arena *a, struct str phone)
{
	char digits[PHONE_DIGITS_MAX];
	size_t n = 0;
	if (!phone.p) return STR_NONE;
	if (str_starts(phone, STR("+86"))) phone = str_from(phone, 3);
	for (size_t i = 0; i < phone.n; i++) {
		char c = phone.p[i];
		bool digit = c >= '0' && c <= '9';
		bool separator = c == '-' || c == ' ' || c == '(' || c == ')' || c == '+';
		if ((!digit && !separator) || n == sizeof digits) return arena_str(a, STR("****"));
		if (digit) digits[n++] = c;
	}
	if (n == 11 && digits[0] == '1') return arena_printf(a, "%.3s****%.4s", digits, digits + 7);
	if (n >= 8) return arena_printf(a, "****%.4s", digits + n - 4);
	return arena_str(a, STR("****"));
}

/* `first` and `last` bytes stay, stars between; ASCII only. */
static struct str keep_ends(struct arena *a, struct str s, size_t first, size_t last)
{
	char *out = arena_alloc(a, s.n + 1);
	if (!out) return STR_NONE;
	memset(out, '*', s.n);
	memcpy(out, s.p, first);
	memcpy(out + s.n - last, s.p + s.n - last, last);
	return (struct str){ out, s.n };
}

static bool is_alphanumeric(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) return false;
	}
	return s.n > 0;
}

struct str mask_id_number(struct arena *a, struct str id)
{
	if (!id.p) return STR_NONE;
	if (id.n < 7 || id.n > 32 || !is_alphanumeric(id)) return arena_str(a, STR("****"));
	if (id.n == 18 || id.n == 15) return keep_ends(a, id, 3, 4); /* resident identity card, new and old */
	return keep_ends(a, id, 1, 2);
}

struct str mask_email(struct arena *a, struct str email)
{
	if (!email.p) return STR_NONE;
	const char *at = email.n ? memrchr(email.p, '@', email.n) : NULL;
	if (!at || email.n > NAME_BYTES_MAX || !utf8_valid(email)) return arena_str(a, STR("***"));
	size_t local = (size_t)(at - email.p), first = 0;
	if (local > 0) (void)utf8_next(email, &first);
	if (first >= local) first = 0; /* a single letter would be the whole name */
	return arena_printf(a, "%.*s***%.*s", (int)first, email.p, (int)(email.n - local), at);
}

struct str mask_bank(struct arena *a, struct str account)
{
	char last[4];
	size_t digits = 0;
	if (!account.p) return STR_NONE;
	for (size_t i = account.n; i-- > 0;) {
		if (account.p[i] == ' ' || account.p[i] == '-') continue;
		if (account.p[i] < '0' || account.p[i] > '9') return arena_str(a, STR("****"));
		if (digits < sizeof last) last[sizeof last - 1 - digits] = account.p[i];
		digits++;
	}
	if (digits < 8) return arena_str(a, STR("****"));
	return arena_printf(a, "****%.4s", last);
}
