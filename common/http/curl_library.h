#ifndef COMMON_HTTP_CURL_LIBRARY_H
#define COMMON_HTTP_CURL_LIBRARY_H

/* typechecks of curl.h would turn the names below into macros that cannot be members */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#define CURL_FUNCTIONS(F)                                                                                              \
	F(curl_easy_cleanup)                                                                                           \
	F(curl_easy_getinfo)                                                                                           \
	F(curl_easy_init)                                                                                              \
	F(curl_easy_setopt)                                                                                            \
	F(curl_easy_strerror)                                                                                          \
	F(curl_global_init)                                                                                            \
	F(curl_multi_add_handle)                                                                                       \
	F(curl_multi_assign)                                                                                           \
	F(curl_multi_cleanup)                                                                                          \
	F(curl_multi_info_read)                                                                                        \
	F(curl_multi_init)                                                                                             \
	F(curl_multi_remove_handle)                                                                                    \
	F(curl_multi_setopt)                                                                                           \
	F(curl_multi_socket_action)                                                                                    \
	F(curl_slist_append)                                                                                           \
	F(curl_slist_free_all)

/* What we use of libcurl. */
struct curl_library {
#define MEMBER(name) __typeof__(&(name)) name;
	CURL_FUNCTIONS(MEMBER)
#undef MEMBER
};

/**
 * libcurl, opened and set up at the first call and kept to the end of the process; NULL when it cannot be opened (each time logged).
 * Not linked, because it drags many libraries along (memory in each process), and most processes never call outside.
 * For the loop's thread only.
 */
const struct curl_library *curl_library(void);

#endif
