#ifndef COMMON_CORE_CHECK_H
#define COMMON_CORE_CHECK_H

#define MUST_USE               __attribute__((warn_unused_result))
#define NORETURN               __attribute__((noreturn))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a)           (sizeof(a) / sizeof((a)[0]))

/** Aborts with file, line and condition: for programmer errors, in every build; never for input. */
#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (__builtin_expect(!(cond), 0)) check_failed(#cond, __FILE__, __LINE__);                             \
	} while (0)

/** Forwards a failure to the caller: the only macro that returns. */
#define TRY(expr)                                                                                                      \
	do {                                                                                                           \
		enum err try_err_ = (expr);                                                                            \
		if (try_err_ != ERR_NONE) return try_err_;                                                             \
	} while (0)

/** The structure that holds `member` at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

NORETURN void check_failed(const char *condition, const char *file, int line);

#endif
