/* A resolver for tests, loaded into the gateway before the real one: it says what the file FAKE_NAMES says at the moment. A line is
 * "<name> <milliseconds it takes> <address>…"; a name without a line is not known. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	FILE *file = fopen(getenv("FAKE_NAMES"), "r");
	char line[1024], *rest;
	int status = EAI_NONAME;
	*out = NULL;
	while (file && fgets(line, sizeof line, file)) {
		char *word = strtok_r(line, " \n", &rest);
		if (!word || strcmp(word, name) != 0) continue;
		usleep((useconds_t)atoi(strtok_r(NULL, " \n", &rest)) * 1000);
		for (struct addrinfo **end = out; (word = strtok_r(NULL, " \n", &rest));) {
			status = real(word, port, hints, end);
			if (status) break;
			while (*end) end = &(*end)->ai_next;
		}
	}
	if (file) fclose(file);
	return status;
}
