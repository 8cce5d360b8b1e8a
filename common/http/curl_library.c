/* libcurl, opened when it is wanted. */
#include "common/http/curl_library.h"

#include <dlfcn.h>
#include <string.h>

#include "common/core/log.h"

static const char file_name[] = "libcurl.so.4";

static bool find(void *handle, const char *name, void *function)
{
	void *symbol = dlsym(handle, name);
	memcpy(
	    function, &symbol, sizeof symbol); /* a pointer to an object becomes one to a function, as POSIX has it */
	return symbol != NULL;
}

static bool find_all(void *handle, struct curl_library *out)
{
	bool all = true;
#define FIND(name) all = find(handle, #name, &out->name) && all;
	CURL_FUNCTIONS(FIND)
#undef FIND
	return all;
}

const struct curl_library *curl_library(void)
{
	static struct curl_library lib;
	static bool ready;
	if (ready) return &lib;
	void *handle = dlopen(file_name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!handle || !find_all(handle, &lib) || lib.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		log_line(LOG_ERROR, "no request can go out", "%s cannot be opened", file_name);
		return NULL;
	}
	ready = true;
	return &lib;
}
