/* The end of the process when the program itself is wrong. */
#include "common/core/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "{\"level\":\"fatal\",\"msg\":\"check failed\",\"condition\":\"%s\",\"at\":\"%s:%d\"}\n",
	    condition, file, line);
	fflush(stderr);
	abort();
}
